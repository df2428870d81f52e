//! Lookups of positions, and the moving of the start of the log.

use std::sync::Arc;

use milena_log::error::ReadError;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, Timestamp};
use tracing::warn;

use super::Partition;

/// Offset, timestamp and leader epoch of a record.
pub(crate) type Found = (Offset, Timestamp, LeaderEpoch);

impl Partition {
    /// The first record whose timestamp is at least `timestamp`. Reads indexes and segments: call it
    /// off the runtime.
    pub(crate) fn offset_for_timestamp(
        self: &Arc<Self>,
        timestamp: Timestamp,
    ) -> Result<Option<Found>, ErrorCode> {
        let found = self.with(|state| state.log.offset_for_timestamp(timestamp));
        self.report(found)
    }

    /// The first record that has the largest timestamp of the log. Reads segments.
    pub(crate) fn max_timestamp(self: &Arc<Self>) -> Result<Option<Found>, ErrorCode> {
        let found = self.with(|state| state.log.max_timestamp());
        self.report(found)
    }

    fn report(
        &self,
        found: Result<Option<milena_log::TimestampOffset>, ReadError>,
    ) -> Result<Option<Found>, ErrorCode> {
        match found {
            Ok(found) => Ok(found.map(|found| (found.offset, found.timestamp, found.leader_epoch))),
            Err(error) => {
                warn!(partition = %self.topic_partition, %error, "lookup by timestamp failed");
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// The largest epoch up to `epoch` that has records, and the exclusive end of its records
    /// (KIP-101, KIP-279); none where there is none.
    pub(crate) fn end_offset_for_epoch(
        self: &Arc<Self>,
        epoch: LeaderEpoch,
    ) -> Option<(LeaderEpoch, Offset)> {
        self.look(|state| {
            if epoch == state.core.leader_epoch() {
                return Some((epoch, state.log.log_end()));
            }
            let (epoch, end) = state.log.end_offset_for_epoch(epoch);
            (epoch != LeaderEpoch::NONE).then_some((epoch, end))
        })
    }

    /// The epoch that wrote the record at `offset`, or that of the leader where none has yet.
    pub(crate) fn epoch_at(self: &Arc<Self>, offset: Offset) -> LeaderEpoch {
        self.look(|state| {
            let epoch = state.log.epochs().epoch_for_offset(offset);
            epoch.unwrap_or_else(|| state.core.leader_epoch())
        })
    }

    /// Makes `before` the start of the log; nothing changes where it is larger already. Returns the
    /// start, which is durable once the checkpoint of the directory is written. The caller has
    /// checked that `before` is at most the high watermark.
    pub(crate) fn delete_records_before(
        self: &Arc<Self>,
        before: Offset,
    ) -> Result<Offset, ErrorCode> {
        let deleted = self.with(|state| {
            let start = state.log.delete_records_before(before)?;
            if let Some(high_watermark) = state.core.on_log_start(start) {
                state.advance(high_watermark);
            }
            Ok(start)
        });
        deleted.map_err(|error| match error {
            ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            error => {
                warn!(partition = %self.topic_partition, %error, "records were not deleted");
                ErrorCode::KafkaStorageError
            }
        })
    }
}
