//! Reading batches: where they are, for the caller to send.

use std::sync::Arc;

use milena_protocol::Offset;

use super::Log;
use crate::damage::DamagedBytes;
use crate::error::{ReadError, StorageError};
use crate::segment::name::Kind;
use crate::segment::scan::ScanError;
use crate::segment::{Found, Segment, Sought, find_batch};
use crate::storage::File;

/// Bytes of a segment file that begin with a batch.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The file; none in an empty slice.
    pub file: Option<Arc<dyn File>>,
    /// Position of the first byte.
    pub position: u64,
    /// Number of bytes. The last batch may be incomplete, as in Kafka; the first one is whole.
    pub length: usize,
    /// Base offset of the first batch, which may be below the offset that was asked for; in an
    /// empty slice that offset.
    pub first_offset: Offset,
}

impl Slice {
    const fn empty(first_offset: Offset) -> Self {
        Self {
            file: None,
            position: 0,
            length: 0,
            first_offset,
        }
    }

    /// True without bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// What the file system says; `UnexpectedEof` where the file was truncated meanwhile.
    pub fn read(&self) -> std::io::Result<Vec<u8>> {
        match &self.file {
            Some(file) => crate::segment::scan::read_exact(&**file, self.position, self.length),
            None => Ok(Vec::new()),
        }
    }
}

impl Log {
    /// Where the batches from the one that contains `start` are, or the next one where `start` was
    /// compacted away: at most `max_bytes` bytes of one segment, of batches that end below `end`.
    /// With `min_one` the first batch is there whatever its size. Empty where there is nothing to
    /// read: `start` is at or above `end`, or the first batch is larger than `max_bytes`.
    ///
    /// # Errors
    /// `OutOfRange`, `Damaged`, `Corrupt`, `Storage`.
    pub fn read(
        &self,
        start: Offset,
        max_bytes: usize,
        end: Offset,
        min_one: bool,
    ) -> Result<Slice, ReadError> {
        if start < self.log_start || start > self.log_end {
            return Err(ReadError::OutOfRange {
                offset: start,
                log_start: self.log_start,
                log_end: self.log_end,
            });
        }
        let end = end.min(self.log_end);
        if start >= end {
            return Ok(Slice::empty(start));
        }
        let from = self.floor_segment(start).unwrap_or(0);
        for number in from..self.segments.len() {
            let segment = &self.segments[number];
            if segment.base_offset >= end {
                break;
            }
            let file = segment.file(self.place())?;
            let found = match self.find(segment, &file, start)? {
                Sought::Batch(found) => found,
                Sought::Damaged(place) => return Err(damaged(&place)),
                Sought::End => {
                    self.check_tail(segment, start)?;
                    continue;
                }
            };
            let until = self.position_of_end(number, &file, end)?;
            let hole = self.places_in(segment).iter();
            let hole = hole
                .map(|place| place.start)
                .find(|&at| at >= found.position);
            let until = hole.map_or(until, |hole| until.min(hole));
            return Ok(
                cut(file, &found, until, (max_bytes, min_one)).unwrap_or(Slice::empty(start))
            );
        }
        Ok(Slice::empty(start))
    }

    /// The first batch of a segment whose last offset is not below `target`.
    pub(super) fn find(
        &self,
        segment: &Segment,
        file: &Arc<dyn File>,
        target: Offset,
    ) -> Result<Sought, ReadError> {
        let places = self.places_in(segment);
        let from = segment.position_below(self.place(), target);
        let found = find_batch(file, (from, segment.size), target, places);
        let found = match found {
            // The index may be at fault: it is only a cache.
            Err(ScanError::Fault { .. }) if from > 0 => {
                find_batch(file, (0, segment.size), target, places)
            }
            Ok(Sought::Batch(batch)) if from > 0 && batch.header.base_offset > target => {
                find_batch(file, (0, segment.size), target, places)
            }
            other => other,
        };
        found.map_err(|error| self.scan_error(segment, error))
    }

    pub(super) fn places_in(&self, segment: &Segment) -> &[DamagedBytes] {
        match &self.damage {
            Some(damage) => damage.in_segment(segment.base_offset),
            None => &[],
        }
    }

    pub(super) fn scan_error(&self, segment: &Segment, error: ScanError) -> ReadError {
        let path = segment.path(self.place(), Kind::Log);
        match error {
            ScanError::Fault { position, fault } => ReadError::Corrupt {
                path,
                position,
                message: fault.to_string(),
            },
            ScanError::Io(error) => StorageError::new("read", &path, error).into(),
        }
    }

    /// An error where the end of a segment that was lost would have held `start`.
    fn check_tail(&self, segment: &Segment, start: Offset) -> Result<(), ReadError> {
        match self.places_in(segment).last() {
            Some(place) if place.end >= segment.size && start < place.next_offset => {
                Err(damaged(place))
            }
            _ => Ok(()),
        }
    }

    /// Position in the segment where batches that end below `end` end.
    fn position_of_end(
        &self,
        number: usize,
        file: &Arc<dyn File>,
        end: Offset,
    ) -> Result<u64, ReadError> {
        let segment = &self.segments[number];
        let next = self.segments.get(number + 1);
        let reaches_end = next.map_or(self.log_end, |next| next.base_offset) <= end;
        if reaches_end {
            return Ok(segment.size);
        }
        Ok(match self.find(segment, file, end)? {
            Sought::Batch(found) => found.position,
            Sought::Damaged(place) => place.start,
            Sought::End => segment.size,
        })
    }
}

fn damaged(place: &DamagedBytes) -> ReadError {
    ReadError::Damaged {
        first_offset: place.first_offset,
        next_offset: place.next_offset,
    }
}

fn cut(
    file: Arc<dyn File>,
    found: &Found,
    until: u64,
    (max_bytes, min_one): (usize, bool),
) -> Option<Slice> {
    let first_bytes = found.header.size_bytes;
    let available = usize::try_from(until.saturating_sub(found.position)).unwrap_or(usize::MAX);
    // Batches that contain `end` are not served.
    if available < first_bytes || (max_bytes < first_bytes && !min_one) {
        return None;
    }
    Some(Slice {
        file: Some(file),
        position: found.position,
        length: available.min(max_bytes.max(first_bytes)),
        first_offset: found.header.base_offset,
    })
}
