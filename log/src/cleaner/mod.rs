//! Log compaction: of every key at least the last record stays (Kafka classes `LogCleaner`,
//! `Cleaner`, `LogCleanerManager`, `MemoryRecords.filterTo`; KIP-58, KIP-354, KIP-534).
//!
//! 1. [`consider_log`] says of a log what is dirty and whether compaction is due; [`choose`] picks the
//!    dirtiest one.
//! 2. [`Job::of`] takes what is needed from the log, and [`Run::start`] reads the dirty part and remembers the last offset of every key, up to the
//!    memory that [`Settings`] give. What does not fit waits for the next run.
//! 3. [`Run::next_group`] copies the records that stay out of a group of segments into new files
//!    beside them, and syncs these. The caller then takes the lock of the partition and swaps them
//!    in (`Log::replace_segments`); nothing before that needs the lock, as closed segments do not
//!    change.
//! 4. [`Run::clean_to`] goes into the cleaner checkpoint.
//!
//! What stays:
//!
//! | record or batch | stays |
//! |---|---|
//! | behind the last offset that was read for the map | yes |
//! | without a key | no |
//! | not the last one of its key | no |
//! | last one of its key, with a value | yes |
//! | last one of its key, a tombstone | until the delete horizon of its batch, which is set when it is first seen |
//! | record of an aborted transaction | no |
//! | marker whose transaction has batches before it | yes |
//! | marker without such | until its delete horizon |
//! | batch whose records are all gone | as a header, where it is the last one of a known producer or the last one of the run |
//!
//! Keys are told apart by a hash of 128 bits (two rounds of SipHash with a seed). With n keys in
//! one run two of them collide, and the older one's record is lost, with a probability of
//! n^2 / 2^129: below 10^-24 for ten million keys.
//!
//! A crash leaves files with the suffix `.cleaned`, which opening the log removes, or is in the
//! middle of the swap, which opening the log completes.

mod candidate;
mod filter;
mod job;
mod map;
mod output;
mod plan;
mod run;
mod transactions;

pub use candidate::{Candidate, View, choose, consider};
pub use job::{BatchFault, Error, Job, Phase, Progress, Replacement, Settings, Stats};
pub use plan::consider_log;
pub use run::Run;

#[cfg(test)]
mod tests;
