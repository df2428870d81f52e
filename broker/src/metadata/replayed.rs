//! The state that the records of the metadata log are applied to.

use milena_protocol::{LeaderEpoch, Offset, Timestamp};

/// Where a record stands in the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Offset of the record's entry; all records of one entry have the same.
    pub offset: Offset,
    /// Epoch of the controller that wrote it.
    pub epoch: LeaderEpoch,
    /// When the controller proposed it.
    pub timestamp: Timestamp,
}

/// Bytes that are no record or no snapshot of the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Undecodable(pub String);

/// A state that is nothing but the records applied to it: applying the same records at the same
/// positions to equal states gives equal states.
///
/// `clone` must be cheap (persistent maps): every applied entry is published as a clone.
pub(crate) trait Replayed: Clone + Send + Sync + 'static {
    /// What changes the state.
    type Record: Clone + Send + Sync + 'static;

    /// Digest of the records that were applied, in their order. It moves with every record and is
    /// part of a snapshot.
    fn digest(&self) -> u128;

    /// Applies one record. Nothing can fail here: what is wrong was refused before it was proposed.
    fn apply(&mut self, record: &Self::Record, at: Position);

    /// Appends the bytes of a record, without its length.
    fn encode_record(record: &Self::Record, buffer: &mut Vec<u8>);

    /// Reads the bytes that [`Replayed::encode_record`] wrote.
    ///
    /// # Errors
    /// Where the bytes are no record that this version knows.
    fn decode_record(bytes: &[u8]) -> Result<Self::Record, Undecodable>;

    /// Appends the whole state with its digest.
    fn encode_snapshot(&self, buffer: &mut Vec<u8>);

    /// Reads the bytes that [`Replayed::encode_snapshot`] wrote.
    ///
    /// # Errors
    /// Where the bytes are no snapshot that this version knows.
    fn decode_snapshot(bytes: &[u8]) -> Result<Self, Undecodable>;
}
