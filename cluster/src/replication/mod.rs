//! Replication of one partition: what its leader and its followers decide.
//!
//! A partition with one replica is the simplest case of the same code. The rules are Kafka's pull
//! replication with in-sync replicas and leader epochs (KIP-101, 279, 320, 497, 595, 704, 841, 903,
//! 966; Kafka classes `Partition`, `Replica`, `AbstractFetcherThread`).
//!
//! | state | leader becomes | follower becomes | append, sync | fetch of a follower | answer of the leader |
//! |---|---|---|---|---|---|
//! | none | leader | follower | positions | refused | refused |
//! | leader | leader, newer | follower | high watermark may move | high watermark, ISR | refused |
//! | follower | leader | follower, newer | positions | refused | append, truncate, high watermark |
//!
//! The log itself belongs to the shell: it reports every move of the log's positions, and does what
//! the returned values say. Of the invariants, these are asserted in every build: the high watermark
//! never moves back within a leadership and never passes the log end; what is flushed never passes
//! the log end; leader epochs and partition epochs only grow, and a new leader epoch has a new
//! partition epoch; the replicas that the high watermark waits for contain the committed in-sync
//! replicas, and are the same where no change is pending.

mod assignment;
mod divergence;
mod follower;
mod following;
mod isr;
mod leading;
mod partition;

#[cfg(test)]
mod tests;

pub use assignment::{Assignment, Positions, Replica, Settings, Stale, Transition};
pub use divergence::{EpochEnd, find_divergence, truncation_offset};
pub use following::{FetchPosition, LeaderAnswer, Next};
pub use isr::{AlterOutcome, AlterPartition, Committed};
pub use leading::{Fetched, FollowerFetch, Lag};
pub use partition::Partition;
