//! Transaction markers: the control record that ends a transaction in a partition.
//!
//! | part | offset | size | field |
//! |---|---|---|---|
//! | key | 0 | 2 | version |
//! | key | 2 | 2 | type: 0 abort, 1 commit |
//! | value | 0 | 2 | version = 0 |
//! | value | 2 | 4 | epoch of the transaction coordinator |

use milena_protocol::batch::{
    BatchBuilder, BatchHeader, Compression, OpenError, Records, RecordsError,
};
use milena_protocol::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use thiserror::Error;

/// Largest size to which the records of a control batch may inflate, in bytes. Nobody compresses
/// them.
const INFLATED_BYTES_MAX: usize = 64 * 1024;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// The end of a transaction of one producer in one partition (`EndTransactionMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Producer of the transaction.
    pub producer_id: ProducerId,
    /// Epoch of the producer that the coordinator wrote.
    pub producer_epoch: ProducerEpoch,
    /// True for commit, false for abort.
    pub is_commit: bool,
    /// Epoch of the coordinator that wrote the marker.
    pub coordinator_epoch: i32,
    /// When it was written.
    pub timestamp: Timestamp,
}

/// Why a control batch could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MarkerError {
    /// The records do not open.
    #[error("open control batch: {0}")]
    Open(#[from] OpenError),
    /// The records are malformed.
    #[error("read control batch: {0}")]
    Records(#[from] RecordsError),
    /// Key or value is too short or has a negative version.
    #[error("control record is malformed")]
    Malformed,
}

impl Marker {
    /// Reads the marker of the control batch `batch` with this header. None where compaction has
    /// emptied the batch, and for control records that end no transaction.
    ///
    /// # Errors
    /// Any variant.
    pub fn parse(header: &BatchHeader, batch: &[u8]) -> Result<Option<Self>, MarkerError> {
        let records = Records::open(header, batch, INFLATED_BYTES_MAX)?;
        let Some(record) = records.iter().next() else {
            return Ok(None);
        };
        let record = record?;
        let key = record.key.ok_or(MarkerError::Malformed)?;
        let (version, kind) = (i16_at(key, 0)?, i16_at(key, 2)?);
        if version < 0 {
            return Err(MarkerError::Malformed);
        }
        if kind != ABORT && kind != COMMIT {
            return Ok(None);
        }
        let value = record.value.ok_or(MarkerError::Malformed)?;
        if i16_at(value, 0)? < 0 {
            return Err(MarkerError::Malformed);
        }
        let epoch = value
            .get(2..)
            .and_then(<[u8]>::first_chunk)
            .ok_or(MarkerError::Malformed)?;
        Ok(Some(Self {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            is_commit: kind == COMMIT,
            coordinator_epoch: i32::from_be_bytes(*epoch),
            timestamp: record.timestamp(header),
        }))
    }

    /// The control batch of the marker, sealed.
    ///
    /// # Panics
    /// Never: two small fields fit a batch.
    #[must_use]
    pub fn build(&self, leader_epoch: LeaderEpoch, base_offset: Offset) -> Vec<u8> {
        let kind = if self.is_commit { COMMIT } else { ABORT };
        let mut key = [0; 4];
        key[2..].copy_from_slice(&kind.to_be_bytes());
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(Compression::None, None).with_capacity(32);
        builder.set_producer(self.producer_id, self.producer_epoch, Sequence::NONE);
        builder.set_transactional();
        builder.set_control();
        builder.set_leader_epoch(leader_epoch);
        builder
            .append(self.timestamp, Some(&key), Some(&value), [])
            .expect("a record of ten bytes fits a batch");
        builder.finish(base_offset)
    }
}

fn i16_at(bytes: &[u8], at: usize) -> Result<i16, MarkerError> {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map(|field| i16::from_be_bytes(*field))
        .ok_or(MarkerError::Malformed)
}
