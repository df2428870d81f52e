//! One partition's log: segments, indexes, producer state, leader epochs (Kafka classes
//! `UnifiedLog`, `LocalLog`).
//!
//! A [`Log`] has no lock of its own: the partition that owns it serialises its calls. Slow work on
//! disk is in a [`SyncTicket`], which needs no access to the log while it syncs.
//!
//! What an append changes, in this order: the segment file (one vectored write for all batches of
//! the call that fit the segment), the indexes in memory, producer state, leader epochs, the log
//! end offset. Nothing but the write touches the disk, apart from making a new segment's file.
//! Index files, producer snapshots and the leader epoch checkpoint are written by the next sync.

mod append;
mod batch_group;
mod close;
mod follow;
mod lookup;
mod open;
mod read;
mod replace;
mod resume;
mod roll;
mod state;
mod sync;
mod truncate;

pub use append::{Outcome, Refusal};
pub use follow::Followed;
pub use lookup::TimestampOffset;
pub use open::{OpenState, Partition};
pub use read::Slice;
pub use state::{Log, SegmentView};
pub use sync::SyncTicket;

#[cfg(test)]
pub(crate) mod tests;
