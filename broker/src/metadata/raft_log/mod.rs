//! The write-ahead file: votes, entries, truncations, purges and committed marks, in the order in
//! which openraft asks for them, in files `NNNNNNNNNNNNNNNNNNNN.wal` of consecutive frames.
//!
//! | file | what it holds |
//! |---|---|
//! | [`store`] | what openraft calls |
//! | [`shared`] | what the callers and the writing thread have in common |
//! | [`writer`] | the writing thread |
//! | [`recovery`] | reading the files on start |
//! | [`index`] | what the log contains |
//! | [`frame`] | the bytes |
//! | [`file`] | names, whole files |
//! | [`error`] | why a log cannot be opened |

mod error;
mod file;
mod frame;
mod index;
mod recovery;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use error::Error;
pub(crate) use file::{create_whole, read_whole};
pub(crate) use frame::checksum;
use shared::Shared;
pub(crate) use store::RaftLog;
