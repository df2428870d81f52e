//! Appending as the leader: offsets are assigned here.

use bytes::Bytes;
use milena_protocol::batch::{self, BatchHeader, TimestampType};
use milena_protocol::bug::{self, Bug};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, Timestamp};

use super::Log;
use super::batch_group::{Group, Ready, Relation};
use crate::error::{AppendError, StorageError};
use crate::producer_state::Check;
use crate::segment::name::Kind;
use crate::validate::ValidBatch;

/// Only the end of a log can be here, never a record.
pub(super) const OFFSET_MAX: Offset = Offset(i64::MAX);

/// What became of a batch.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is in the log (in the page cache; durable from the next sync on).
    Appended {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// With `LogAppendTime` its timestamp.
        append_time: Option<Timestamp>,
        /// The batch as it stands in the log.
        bytes: Bytes,
    },
    /// It was appended before, where these offsets say (KIP-98).
    Duplicate {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// Its largest timestamp.
        append_time: Timestamp,
    },
    /// It was not appended.
    Refused(Refusal),
}

/// Why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client gets.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

fn refuse_offset(batch: &ValidBatch, base_offset: Offset) -> Option<Refusal> {
    let last_offset = base_offset.plus(i64::from(batch.header.last_offset_delta));
    (last_offset == OFFSET_MAX).then(|| Refusal {
        code: ErrorCode::UnknownServerError,
        message: format!("no offsets are left behind {base_offset}"),
    })
}

impl Log {
    /// Appends batches in order, as few writes as possible. Every batch gets an outcome; batches
    /// of one producer see each other. Where the disk fails in the middle, the batches before are
    /// appended and the others are refused with `KAFKA_STORAGE_ERROR`.
    ///
    /// `now` decides about rolling and is the timestamp of `LogAppendTime` batches.
    ///
    /// # Errors
    /// Where no batch was appended: `Full`, `Damaged`, `Failed`, `Storage`.
    pub fn append(
        &mut self,
        batches: Vec<ValidBatch>,
        leader_epoch: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, AppendError> {
        self.check_writable()?;
        self.activate_last(now).map_err(|error| self.fail(error))?;
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        outcomes.resize_with(batches.len(), || None);
        let mut group = Group::default();
        let result = self.append_all(batches, (leader_epoch, now), &mut group, &mut outcomes);
        if let Err(error) = result {
            let was_any = outcomes.iter().any(Option::is_some);
            if !was_any {
                return Err(error);
            }
            let refusal = Refusal {
                code: ErrorCode::KafkaStorageError,
                message: error.to_string(),
            };
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
                *outcome = Some(Outcome::Refused(refusal.clone()));
            }
        }
        self.check_invariants();
        Ok(outcomes.into_iter().flatten().collect())
    }

    fn append_all(
        &mut self,
        batches: Vec<ValidBatch>,
        (leader_epoch, now): (LeaderEpoch, Timestamp),
        group: &mut Group,
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), AppendError> {
        for (number, mut batch) in batches.into_iter().enumerate() {
            let relation = group.relation(&batch);
            if relation == Relation::Dependent {
                self.write_group(group, outcomes)?;
            }
            if relation != Relation::Continues
                && let Some(outcome) = self.judge(&batch)
            {
                outcomes[number] = Some(outcome);
                continue;
            }
            let base_offset = group.next_offset().unwrap_or(self.log_end);
            let refusal = self.refuse_size(&batch);
            let refusal = refusal.or_else(|| refuse_offset(&batch, base_offset));
            if let Some(refusal) = refusal {
                outcomes[number] = Some(Outcome::Refused(refusal));
                continue;
            }
            let append_time = self.stamp(&mut batch, now);
            let mut header = batch.header;
            header.base_offset = base_offset;
            header.leader_epoch = leader_epoch;
            if self.needs_roll(&header, group.size_bytes, now) {
                self.write_group(group, outcomes)?;
                self.roll_to(base_offset, now)
                    .map_err(|error| self.fail(error))?;
            }
            batch::patch_base_offset(&mut batch.bytes, base_offset);
            batch::patch_leader_epoch(&mut batch.bytes, leader_epoch);
            group.push(Ready {
                number,
                bytes: batch.bytes,
                header,
                marker: batch.marker,
                append_time,
            });
        }
        self.write_group(group, outcomes)
    }

    /// An outcome where the producer's state decides against appending.
    fn judge(&self, batch: &ValidBatch) -> Option<Outcome> {
        let refused = |code, message| Some(Outcome::Refused(Refusal { code, message }));
        let header = &batch.header;
        // A stale epoch is told before a missing verification: the producer can recover from it
        // (KAFKA-19690).
        if let Some(guard) = batch.guard
            && header.attributes.is_transactional()
            && !self.is_duplicate(batch)
            && !self.producers.is_stale(header)
            && !self.producers.is_verified(header, guard)
        {
            return refused(
                ErrorCode::InvalidTxnState,
                "batch is not part of an ongoing transaction".to_owned(),
            );
        }
        let check = match &batch.marker {
            Some(marker) => {
                self.producers
                    .check_marker(marker, batch.transaction_version, batch.origin)
            }
            None if header.attributes.is_control() => Check::Fresh,
            None => self.producers.check(header, batch.origin),
        };
        match check {
            Check::Fresh => None,
            Check::Duplicate {
                base_offset,
                last_offset,
                timestamp,
            } => Some(Outcome::Duplicate {
                base_offset,
                last_offset,
                append_time: timestamp,
            }),
            Check::Refuse(code, message) => refused(code, message),
        }
    }

    /// Batches of a coordinator have no sequences to know them by.
    fn is_duplicate(&self, batch: &ValidBatch) -> bool {
        matches!(
            self.producers.check(&batch.header, batch.origin),
            Check::Duplicate { .. }
        )
    }

    fn refuse_size(&self, batch: &ValidBatch) -> Option<Refusal> {
        let size_bytes = batch.bytes.len();
        let segment_bytes = self.config.segment_bytes;
        (size_bytes as u64 > u64::from(segment_bytes)).then(|| Refusal {
            code: ErrorCode::RecordListTooLarge,
            message: format!(
                "batch of {size_bytes} bytes is above the segment size of {segment_bytes}"
            ),
        })
    }

    /// Keeps `LogAppendTime` from going back: batches may have waited for the log since they were
    /// stamped.
    fn stamp(&mut self, batch: &mut ValidBatch, now: Timestamp) -> Option<Timestamp> {
        if batch.header.attributes.timestamp_type() != TimestampType::LogAppendTime {
            return None;
        }
        let stamped = batch.header.max_timestamp;
        if stamped < self.append_time {
            self.append_time = self.append_time.max(now);
            batch::rewrite_for_append_time(&mut batch.bytes, self.append_time);
            batch.header.max_timestamp = self.append_time;
        } else {
            self.append_time = stamped;
        }
        Some(batch.header.max_timestamp)
    }

    fn write_group(
        &mut self,
        group: &mut Group,
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), AppendError> {
        if group.batches.is_empty() {
            return Ok(());
        }
        let group = std::mem::take(group);
        let mut position = self
            .write(group.size_bytes, |file, position| {
                group.with_slices(|slices| file.write_at(slices, position))
            })
            .map_err(|error| self.fail(error))?;
        for ready in group.batches {
            let size_bytes = ready.bytes.len() as u64;
            self.note_batch(&ready.header, position);
            match &ready.marker {
                Some(marker) => {
                    let completed = self
                        .producers
                        .apply_marker(marker, ready.header.base_offset);
                    self.note_completed(completed);
                }
                None if ready.header.attributes.is_control() => {
                    self.producers.set_end(ready.header.next_offset());
                }
                None => self.producers.apply(&ready.header),
            }
            position += size_bytes;
            outcomes[ready.number] = Some(Outcome::Appended {
                base_offset: ready.header.base_offset,
                last_offset: ready.header.last_offset(),
                append_time: ready.append_time,
                bytes: ready.bytes.freeze(),
            });
        }
        Ok(())
    }

    /// Writes `size_bytes` bytes at the end of the active segment, which exists. Returns their
    /// position. After a failure the segment is as it was.
    pub(super) fn write(
        &mut self,
        size_bytes: u64,
        write: impl FnOnce(&dyn crate::storage::File, u64) -> std::io::Result<()>,
    ) -> Result<u64, StorageError> {
        let file = self.writer()?;
        let segment = self.segments.last_mut().expect("a roll made a segment");
        let active = segment.active.as_mut().expect("the writer was activated");
        let position = segment.size;
        let end = position + size_bytes;
        if end > active.reserved_to {
            let room = room_to_reserve(end, u64::from(self.config.segment_bytes));
            // Without the reservation the write itself tells whether there is space.
            if room > end && file.reserve(position, room - position).is_ok() {
                active.reserved_to = room;
            }
        }
        if let Err(error) = write(&*file, position) {
            if error.kind() == std::io::ErrorKind::StorageFull {
                // Gives back what was written of it, so that the file ends with a whole batch.
                let _ = file.set_len(position);
                active.reserved_to = 0;
            }
            let path = crate::segment::name::path(&self.folder, segment.base_offset, Kind::Log);
            return Err(StorageError::new("write", &path, error));
        }
        active.file = Some(file);
        segment.size = end;
        Ok(position)
    }

    /// Takes note of a batch that was written at `position` of the active segment.
    pub(super) fn note_batch(&mut self, header: &BatchHeader, position: u64) {
        let interval_bytes = self.config.index_interval_bytes;
        if let Some(active) = self
            .segments
            .last_mut()
            .and_then(|segment| segment.active.as_mut())
        {
            active.add(header, position, interval_bytes);
        }
        if header.leader_epoch.0 >= 0 && self.epochs.assign(header.leader_epoch, header.base_offset)
        {
            self.unsynced.epochs = true;
        }
        assert!(
            header.base_offset >= self.log_end,
            "batch at {} overwrites a log that ends at {}",
            header.base_offset,
            self.log_end
        );
        self.log_end = header.next_offset();
    }

    pub(super) fn note_completed(
        &mut self,
        completed: Option<crate::producer_state::CompletedTxn>,
    ) {
        let aborted = completed.and_then(|completed| completed.aborted());
        let active = self
            .segments
            .last_mut()
            .and_then(|segment| segment.active.as_mut());
        if let (Some(aborted), Some(active)) = (aborted, active)
            && !bug::is(Bug::AbortNotIndexed)
        {
            active.add_aborted(aborted);
        }
    }
}

/// Smallest and largest step in which room is preallocated.
const STEP_BYTES_MIN: u64 = 256 << 10;
const STEP_BYTES_MAX: u64 = 32 << 20;

/// Up to which position to preallocate a file that grows to `end` bytes: by as much as is there,
/// within bounds, so that small partitions stay small.
fn room_to_reserve(end: u64, segment_bytes: u64) -> u64 {
    if end < STEP_BYTES_MIN {
        return end;
    }
    let step = end
        .next_power_of_two()
        .clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
    end.saturating_add(step).min(segment_bytes.max(end))
}
