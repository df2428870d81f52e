//! Resume points: where the check of the active segment begins after a crash.
//!
//! Without one, a restart reads all of the active segment of each partition, a gibibyte and more,
//! however much of it was durable. A resume point is what a closed segment has, made in the middle
//! of an open one: index files up to an offset and a producer snapshot of that name. It is made by a
//! sync, when the batches below it are durable; the snapshot comes last and says that the rest is
//! there.

use milena_protocol::Offset;

use super::Log;
use crate::checkpoint;
use crate::error::{During, StorageError};
use crate::producer_state::snapshot;
use crate::segment::name::Kind;
use crate::segment::{IndexTail, Place, write_index_tails, write_indexes};

/// Bytes that a restart may check in vain: less is checked faster than files are written.
const RESUME_BYTES_MIN: u64 = 1 << 20;

/// What a log knows of its resume points.
#[derive(Debug, Default)]
pub(super) struct Resume {
    /// The next sync makes one.
    is_wanted: bool,
    last: Option<Last>,
}

/// The newest resume point.
#[derive(Clone, Copy, Debug)]
struct Last {
    segment: Offset,
    offset: Offset,
    position: u64,
}

/// A resume point on its way to the disk.
#[derive(Debug)]
pub(super) struct ResumePoint {
    last: Last,
    indexes: [IndexTail; 2],
    txns: Option<Vec<u8>>,
    snapshot: Vec<u8>,
    /// Snapshot of the point before, which is of no use any more.
    obsolete: Option<Offset>,
}

impl Log {
    /// Bytes of the active segment behind its last resume point: what a restart after a crash would
    /// have to check. 0 for a log that nobody has written to since it was opened.
    #[must_use]
    pub fn unresumed_bytes(&self) -> u64 {
        let Some(segment) = self.segments.last() else {
            return 0;
        };
        if segment.active.is_none() {
            return 0;
        }
        let last = self.resume.last.as_ref();
        let position = last.filter(|last| last.segment == segment.base_offset);
        segment
            .size
            .saturating_sub(position.map_or(0, |last| last.position))
    }

    /// Has the next sync make a resume point, where enough was written since the last one to be
    /// worth its files. False where not.
    pub fn propose_resume_point(&mut self) -> bool {
        let is_worth_it = self.unresumed_bytes() >= RESUME_BYTES_MIN;
        if is_worth_it {
            self.want_resume_point();
        }
        is_worth_it
    }

    /// Has the next sync make a resume point at its end.
    pub fn want_resume_point(&mut self) {
        self.resume.is_wanted = true;
    }

    pub(super) const fn wants_resume_point(&self) -> bool {
        self.resume.is_wanted
    }

    /// The resume point at the log end, if one is wanted and of use.
    pub(super) fn take_resume_point(&mut self) -> Option<ResumePoint> {
        if !std::mem::take(&mut self.resume.is_wanted) || self.unresumed_bytes() == 0 {
            return None;
        }
        let segment = self.segments.last()?;
        let active = segment.active.as_ref()?;
        self.producers
            .set_end(self.log_end.max(self.producers.end()));
        let before = self.resume.last.map(|last| last.offset);
        let is_base = |offset| {
            self.segments
                .iter()
                .any(|segment| segment.base_offset == offset)
        };
        Some(ResumePoint {
            last: Last {
                segment: segment.base_offset,
                offset: self.log_end,
                position: segment.size,
            },
            indexes: active.unsaved_indexes(),
            txns: (!active.txns.is_empty()).then(|| active.txns.encode()),
            snapshot: snapshot::encode(&self.producers),
            obsolete: before.filter(|offset| *offset != self.log_end && !is_base(*offset)),
        })
    }

    /// Takes note that a resume point is on the disk.
    pub(super) fn note_resume_point(&mut self, point: &ResumePoint) {
        self.resume.last = Some(point.last);
        if let Some(number) = self.segment_number(point.last.segment)
            && let Some(active) = &mut self.segments[number].active
        {
            active.note_saved(&point.indexes);
        }
    }
}

impl ResumePoint {
    /// Writes it. The batches below it have to be durable.
    pub(super) fn write(&self, place: Place<'_>) -> Result<(), StorageError> {
        let storage = &**place.handles.storage();
        let base_offset = self.last.segment;
        write_index_tails(place, base_offset, &self.indexes)?;
        if let Some(txns) = &self.txns {
            write_indexes(place, base_offset, &[(Kind::TxnIndex, Some(txns.clone()))])?;
        }
        // The names of the index files are durable with that of the snapshot.
        let path = snapshot::path(place.folder, self.last.offset);
        checkpoint::write_atomically(storage, &path, &self.snapshot).during("write", &path)?;
        if let Some(obsolete) = self.obsolete {
            let path = snapshot::path(place.folder, obsolete);
            match storage.remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StorageError::new("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
