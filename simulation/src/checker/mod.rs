//! Checks a history of what clients did and saw, in O(n log n).
//!
//! The rules are those of Jepsen's test of Kafka (`jepsen.tests.kafka`), and more: atomicity of
//! transactions over partitions and groups, fencing, offsets of groups, positions that only grow.
//! Values are unique within a key, and a key is one partition of one topic.
//!
//! | rule | claims |
//! |---|---|
//! | `rule::offsets` | one value at an offset, one offset of a value |
//! | `rule::lost` | nothing acknowledged is missing below what was read, or after the last reads |
//! | `rule::dirty` | nobody reads what was aborted, or what is not committed yet |
//! | `rule::order` | polls and sends go forward without gaps |
//! | `rule::cycle` | no cycle of what was seen, in processes and in time |
//! | `rule::atomic` | a transaction is seen as a whole, with its offsets; inputs count once |
//! | `rule::fence` | who was fenced has no effect any more |
//! | `rule::group` | committed offsets of groups, and ends of logs, do not go back |

mod anomaly;
mod history;
mod index;
mod operation;
mod rule;
#[cfg(test)]
mod tests;

pub use anomaly::{Anomaly, Class};
pub use history::{Event, Function, History, Isolation, Key, Kind, ReadError, Step};

use index::Index;

/// All anomalies of a history, also those that are allowed; see [`Anomaly::is_allowed`]. Of each
/// class at most [`Anomaly::COUNT_MAX`] are listed.
#[must_use]
pub fn check(history: &History) -> Vec<Anomaly> {
    let index = Index::new(history);
    let mut found = Vec::new();
    for rule in rule::RULES {
        rule(&index, &mut found);
    }
    anomaly::limit(&mut found);
    found
}
