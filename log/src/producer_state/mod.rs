//! What a partition remembers of the producers that wrote to it (KIP-98, KIP-360, KIP-890; Kafka
//! classes `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry`).
//!
//! An append is first checked ([`ProducerStates::check`], [`ProducerStates::check_marker`]) and,
//! once its offsets are known, applied. The state is a function of the records below
//! [`ProducerStates::end`]; a [`snapshot`] of it shortens the replay when a log is opened.
//!
//! Rules of a data batch that a client sends, with `stored` the epoch that is known:
//!
//! | epoch | sequence | answer |
//! |---|---|---|
//! | nothing is known | any | fresh |
//! | below stored | any | `INVALID_PRODUCER_EPOCH` |
//! | equals stored | both ends equal one of the last five batches | duplicate |
//! | equals stored | last + 1, from `i32::MAX` to 0 | fresh |
//! | equals stored | anything else | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | above stored | 0 | fresh |
//! | above stored | not 0 | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//!
//! Nothing is known also after expiration or when all records of the producer are gone: then any
//! sequence is taken, as Kafka does since 2.5.

mod marker;
mod producer;
pub mod snapshot;
mod states;
mod verification;

pub use marker::{Marker, MarkerError};
pub use producer::{AppendedBatch, LastRecord, Producer};
pub use states::{Check, CompletedTxn, Origin, ProducerStates};
pub use verification::VerificationGuard;

#[cfg(test)]
mod tests;
