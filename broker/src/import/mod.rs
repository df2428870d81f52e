//! Takes over the directory of an Apache Kafka node: reads its metadata log, `__cluster_metadata-0`,
//! once, into records for ours. Partitions need no import, as their files are the same.
//!
//! | file | what it does |
//! |---|---|
//! | [`source`] | what is read, and whether it may be taken over |
//! | [`batches`] | the batches of one file |
//! | [`control`] | the voters, from control records |
//! | [`mark`] | how far the log was, to find out that Kafka ran since |
//! | [`served`] | levels of features, and topics that are not here as a whole |
//! | [`transaction`] | drops the marks of transactions, and transactions that did not end |
//!
//! Nothing in the folder is changed. What is lost when a folder is taken over that was not closed
//! in order, or that was one copy of several, only the user can know: such are refused unless the
//! user insists.

mod batches;
mod control;
mod error;
mod mark;
mod served;
mod source;
mod transaction;

#[cfg(test)]
mod tests;

pub(crate) use error::Error;
pub(crate) use mark::{check, put};
pub(crate) use source::{Source, read_directory};
