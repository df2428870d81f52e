//! Checks the record set of a produce request before it is appended, as Kafka's class
//! `LogValidator` does.
//!
//! | what | when |
//! |---|---|
//! | one batch of magic 2, base offset 0, size, CRC, offset range = record count, producer fields, no control batch | always |
//! | every record: lengths, offset deltas, timestamps, keys | uncompressed batches always; compressed ones where the topic is compacted, `compression.type` is not `producer`, the rules are strict, or a timestamp in the header is out of range |
//! | the codec becomes that of the topic | where `compression.type` is not `producer` and the codec differs |
//!
//! So by default the records of a compressed batch are not looked at: their framing, the count that
//! the header claims, and its max timestamp are the producer's word. Where records are looked at,
//! a wrong max timestamp is corrected, as Kafka does.

mod batch;
mod check;
mod rules;

pub use batch::ValidBatch;
pub use check::{Invalid, RECORD_ERRORS_MAX, RecordError, validate};
pub use rules::ValidationRules;

#[cfg(test)]
mod tests;
