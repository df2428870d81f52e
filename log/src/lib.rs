//! An append-only, segmented, recoverable log on a storage trait, in Kafka's own file formats.
//! Everything here is synchronous and has no clock, thread or randomness of its own.
#![deny(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub mod checkpoint;
pub mod cleaner;
pub mod config;
pub mod damage;
pub mod directory;
pub mod dump;
pub mod epoch_cache;
pub mod error;
pub mod handle;
pub mod index;
mod log;
pub mod producer_state;
pub mod recovery;
pub mod repair;
pub mod retention;
pub mod segment;
pub mod storage;
pub mod validate;

pub use config::LogConfig;
pub use log::{
    Followed, Log, OpenState, Outcome, Partition, Refusal, SegmentView, Slice, SyncTicket,
    TimestampOffset,
};
