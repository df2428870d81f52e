//! Opening the files of a log: what a crash may have left is put right (Kafka class `LogLoader`).
//!
//! After a clean stop the files are taken as they are; only the indexes get a cheap check. After
//! an unclean one every batch from the segment with the recovery point on is checked: CRC, offsets;
//! in that segment from its newest resume point below the recovery point on, where it has one.
//! What then becomes of bytes that are no batch:
//!
//! | first lost offset | what is there | what follows | done |
//! |---|---|---|---|
//! | at or above the recovery point | anything | nothing | the tail is cut off |
//! | at or above the recovery point | zeroes to the end of a sector, or whole sectors of zeroes | anything | the tail is cut off: a sector was never written, so nothing behind it was acknowledged as durable |
//! | at or above the recovery point | a batch that the file ends within | a segment | the tail is cut off: the size of the file was not durable |
//! | at or above the recovery point | anything else | an intact batch or a segment | damage |
//! | below the recovery point | anything | anything | damage |
//!
//! Damage is never cut off: the log becomes read-only and serves what is intact (see
//! [`crate::damage`]). Bytes that are cut off and are not zero are kept in a file with the suffix
//! `.cut` until the next clean start.
//!
//! A segment whose base offset is not where the one before ends follows a gap. Compaction leaves
//! such gaps, and so does a tail that was lost while the next segment was not; they are told apart
//! by the producer snapshot with the base offset as its name, which is written only when everything
//! below it is durable.

mod check;
mod leftover;
mod load;
mod producers;
mod resume;

use milena_protocol::Offset;

use crate::damage::Damage;
use crate::epoch_cache::EpochCache;
use crate::producer_state::ProducerStates;
use crate::segment::Segment;

pub(crate) use check::{Walk, walk_faults};
pub(crate) use leftover::{Swap, clear};
pub(crate) use load::load;
pub(crate) use producers::producers_at;

/// How far the opening of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were checked.
    pub done_bytes: u64,
    /// Bytes that have to be checked.
    pub total_bytes: u64,
}

/// A log as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) segments: Vec<Segment>,
    pub(crate) log_start: Offset,
    /// Everything below it is durable.
    pub(crate) log_end: Offset,
    pub(crate) producers: ProducerStates,
    pub(crate) epochs: EpochCache,
    pub(crate) are_epochs_changed: bool,
    pub(crate) damage: Option<Damage>,
    pub(crate) cut_bytes: u64,
    /// True where the names in the folder were synced.
    pub(crate) is_folder_synced: bool,
}

#[cfg(test)]
mod tests;
