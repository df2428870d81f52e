//! One segment of a log: a file of record batches and the indexes beside it (Kafka class
//! `LogSegment`).
//!
//! The indexes of the segment that is written to are in memory only. Their files are written when
//! the segment has been closed and its batches are synced, so an index file never points to
//! batches that a crash can take away; a resume point writes what there is of them before. The file of batches is preallocated in steps without
//! changing its size; the room that is left is given back when the segment is closed.

mod active;
mod find;
pub mod name;
pub mod scan;
mod state;

pub(crate) use active::{Active, IndexTail};
pub(crate) use find::{Found, Sought, find_batch};
pub(crate) use state::{Largest, Place, Segment, write_index_tails, write_indexes};
