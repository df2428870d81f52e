//! The files of a log as text, in the lines that Kafka's `kafka-dump-log` prints, so that scripts
//! which read those go on working. Files that Kafka's tool does not know (checkpoints,
//! `meta.properties`, `partition.metadata`, the clean marker, files with the suffixes `.cleaned`,
//! `.swap` and `.deleted`) are printed as well.
//!
//! What was asked for goes to one writer; what is wrong with the files goes to another one, at the
//! end, as Kafka's tool writes it to standard error.

mod index;
mod record;
mod segment;
mod session;
mod small;

pub use session::{Decoder, Error, Options, Report, dump};

#[cfg(test)]
mod tests;
