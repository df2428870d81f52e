//! Offsets by timestamp and by leader epoch, aborted transactions.

use milena_protocol::batch::Records;
use milena_protocol::{LeaderEpoch, Offset, Timestamp};

use super::Log;
use crate::error::{ReadError, StorageError};
use crate::index::transaction::AbortedTxn;
use crate::segment::name::Kind;
use crate::segment::scan::BatchScanner;
use crate::segment::{Segment, Sought};

/// Largest size of the inflated records of a batch that is searched, in bytes. In a larger one the
/// first record stands for all.
const INFLATE_BYTES_MAX: usize = 256 << 20;

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp; -1 where none was asked for.
    pub timestamp: Timestamp,
    /// Epoch of the leader that appended it; -1 where unknown.
    pub leader_epoch: LeaderEpoch,
}

impl Log {
    /// The first record, by offset, with a timestamp of at least `target`; none where all are older
    /// (ListOffsets with a timestamp).
    ///
    /// # Errors
    /// `Storage`, `Corrupt`. Damaged places are passed over.
    pub fn offset_for_timestamp(
        &self,
        target: Timestamp,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let from = self.floor_segment(self.log_start).unwrap_or(0);
        for segment in self.segments.iter().skip(from) {
            if segment.largest(self.place())?.timestamp < target {
                continue;
            }
            let from = segment.offset_before(self.place(), target);
            let is_wanted = |timestamp| timestamp >= target;
            let found = self.search(segment, from.max(self.log_start), &is_wanted)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp; none where the log has no records
    /// (ListOffsets with -3, KIP-734).
    ///
    /// # Errors
    /// As [`Log::offset_for_timestamp`].
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let from = self.floor_segment(self.log_start).unwrap_or(0);
        let mut newest: Option<(Timestamp, &Segment)> = None;
        for segment in self.segments.iter().skip(from) {
            let largest = segment.largest(self.place())?.timestamp;
            if segment.size > 0 && newest.is_none_or(|(timestamp, _)| largest > timestamp) {
                newest = Some((largest, segment));
            }
        }
        let Some((target, segment)) = newest else {
            return Ok(None);
        };
        // The batch is known by its last offset, but only its header tells the largest timestamp.
        let from = segment.offset_before(self.place(), target);
        self.search(segment, from.max(self.log_start), &|timestamp| {
            timestamp == target
        })
    }

    /// The log start offset (ListOffsets with -2).
    #[must_use]
    pub fn earliest(&self) -> TimestampOffset {
        let epoch = self.epochs.earliest();
        let epoch = epoch.filter(|entry| entry.start_offset <= self.log_start);
        TimestampOffset {
            offset: self.log_start,
            timestamp: Timestamp::NONE,
            leader_epoch: epoch.map_or(LeaderEpoch::NONE, |entry| entry.epoch),
        }
    }

    /// The end of an epoch in this log, as OffsetsForLeaderEpoch answers: the largest known epoch
    /// that is not above the requested one and the offset where the next one starts; (-1, -1) where
    /// unknown.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        self.epochs.end_offset_for(epoch, self.log_end)
    }

    /// Takes note of a new leadership that begins at the log end offset.
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch) {
        if self.epochs.assign(epoch, self.log_end) {
            self.unsynced.epochs = true;
        }
    }

    /// Aborted transactions that may have records in `[start, end)`, by first offset.
    ///
    /// # Errors
    /// `Storage`.
    pub fn aborted_transactions(
        &self,
        start: Offset,
        end: Offset,
    ) -> Result<Vec<AbortedTxn>, ReadError> {
        let mut found = Vec::new();
        let from = self.floor_segment(start).unwrap_or(0);
        for segment in self.segments.iter().skip(from) {
            if segment.collect_aborted(self.place(), (start, end), &mut found)? {
                break;
            }
        }
        found.sort_by_key(|txn| txn.first_offset);
        Ok(found)
    }

    /// The first record of the segment from `start` on whose timestamp is wanted.
    fn search(
        &self,
        segment: &Segment,
        start: Offset,
        is_wanted: &dyn Fn(Timestamp) -> bool,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let file = segment.file(self.place())?;
        let mut start = start;
        loop {
            let found = match self.find(segment, &file, start)? {
                Sought::Batch(found) => found,
                Sought::Damaged(place) => {
                    start = place.next_offset;
                    continue;
                }
                Sought::End => return Ok(None),
            };
            // Walks on from here until the next damaged place.
            let places = self.places_in(segment).iter();
            let hole = places
                .map(|place| place.start)
                .find(|&at| at > found.position);
            let until = hole.unwrap_or(segment.size);
            let before = start;
            let mut scanner =
                BatchScanner::headers(std::sync::Arc::clone(&file), found.position, until);
            while let Ok(Some(batch)) = scanner.next_batch() {
                let header = batch.header;
                let position = batch.position;
                start = start.max(header.next_offset());
                if !is_wanted(header.max_timestamp) {
                    continue;
                }
                let bytes = crate::segment::scan::read_exact(&*file, position, header.size_bytes)
                    .map_err(|error| {
                    StorageError::new("read", &segment.path(self.place(), Kind::Log), error)
                })?;
                let answer = |offset, timestamp| TimestampOffset {
                    offset,
                    timestamp,
                    leader_epoch: header.leader_epoch,
                };
                let Ok(records) = Records::open(&header, &bytes, INFLATE_BYTES_MAX) else {
                    let offset = header.base_offset.max(self.log_start);
                    return Ok(Some(answer(offset, header.max_timestamp)));
                };
                let record = records.iter().map_while(Result::ok).find(|record| {
                    is_wanted(record.timestamp(&header)) && record.offset(&header) >= self.log_start
                });
                if let Some(record) = record {
                    return Ok(Some(answer(
                        record.offset(&header),
                        record.timestamp(&header),
                    )));
                }
            }
            // Bytes that rot while the log is open must not hold the search here for ever.
            if hole.is_none() || start <= before {
                return Ok(None);
            }
        }
    }
}
