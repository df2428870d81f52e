//! Produce, Fetch, DeleteRecords, and producer ids.

use bytes::{Bytes, BytesMut};
use milena_log::error::ReadError;
use milena_log::retention;
use milena_log::validate::{ValidationRules, validate};
use milena_protocol::{ErrorCode, Offset, ProducerId, TopicPartition};

use super::{Broker, Done};
use crate::message::{Fetched, Response};

/// Bytes of one answer to Fetch.
const FETCH_BYTES: usize = 8 << 10;

impl Broker {
    pub(super) fn produce(&mut self, id: u64, partition: &TopicPartition, records: &Bytes) {
        let Some(found) = self.partitions.get(partition) else {
            let error = ErrorCode::UnknownTopicOrPartition;
            return self.reply(id, Response::Produced(Err(error)));
        };
        let rules = ValidationRules::new(found.log.config(), false);
        match validate(BytesMut::from(&**records), &rules, self.clock.wall()) {
            Ok(batch) => self.append(partition, batch, Done::Produce { request: id }),
            Err(invalid) => self.reply(id, Response::Produced(Err(invalid.code))),
        }
    }

    pub(crate) fn fetch(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        is_committed: bool,
    ) -> Response {
        let Some(found) = self.partitions.get(partition) else {
            return Response::Refused(ErrorCode::UnknownTopicOrPartition);
        };
        let log = &found.log;
        let end = if is_committed {
            log.last_stable()
        } else {
            log.high_watermark()
        };
        let mut fetched = Fetched {
            error: ErrorCode::None,
            records: Bytes::new(),
            log_start: log.log_start(),
            high_watermark: log.high_watermark(),
            last_stable: log.last_stable(),
            aborted: Vec::new(),
        };
        match log.read(offset, FETCH_BYTES, end, true) {
            Ok(slice) => match slice.read() {
                Ok(bytes) => fetched.records = Bytes::from(bytes),
                Err(_) => fetched.error = ErrorCode::KafkaStorageError,
            },
            Err(ReadError::OutOfRange { .. }) => fetched.error = ErrorCode::OffsetOutOfRange,
            Err(_) => fetched.error = ErrorCode::KafkaStorageError,
        }
        if is_committed && !fetched.records.is_empty() {
            match log.aborted_transactions(offset, end) {
                Ok(aborted) => fetched.aborted = aborted,
                Err(_) => fetched.error = ErrorCode::KafkaStorageError,
            }
        }
        Response::Fetched(fetched)
    }

    pub(super) fn delete_records(
        &mut self,
        partition: &TopicPartition,
        before: Offset,
    ) -> Response {
        let now = self.clock.wall();
        let Some(found) = self.partitions.get_mut(partition) else {
            return Response::Refused(ErrorCode::UnknownTopicOrPartition);
        };
        let deleted = found.delete_before(before);
        let decided = retention::decide_for(&found.log, now);
        if deleted.is_err() || !self.checkpoint() {
            return Response::Deleted(deleted.and(Err(ErrorCode::KafkaStorageError)));
        }
        let Some(found) = self.partitions.get_mut(partition) else {
            return Response::Refused(ErrorCode::UnknownTopicOrPartition);
        };
        let removed = match decided {
            Ok(decision) if !decision.doomed.is_empty() => {
                let doomed = decision.doomed.iter().map(|(base_offset, _)| *base_offset);
                found.log.delete_segments(&doomed.collect::<Vec<_>>(), now)
            }
            _ => Ok(Vec::new()),
        };
        match removed {
            Ok(files) => {
                for file in files {
                    // What stays is removed when the log is opened.
                    let _ = milena_log::storage::Storage::remove_file(&self.storage, &file);
                }
            }
            Err(error) if error.is_final() => self.fail(error.to_string()),
            Err(_) => {}
        }
        Response::Deleted(deleted)
    }

    /// The next id, from the controller.
    pub(super) fn allocate_producer_id(&mut self) -> ProducerId {
        let id = self.controller.next_producer_id;
        self.controller.next_producer_id += 1;
        ProducerId(id)
    }
}
