//! Segments go, by retention or compaction.

use std::path::PathBuf;

use milena_protocol::{Offset, Timestamp};

use super::Log;
use crate::damage;
use crate::error::{AppendError, During, StorageError};
use crate::producer_state::snapshot;
use crate::recovery::Swap;
use crate::segment::Segment;
use crate::segment::name::{self, CLEANED, DELETED, Kind};

const fn invalid(reason: &'static str) -> AppendError {
    AppendError::Segments { reason }
}

impl Log {
    /// Takes the oldest segments out of the log: `base_offsets` are the first ones, ascending. Where
    /// they are all, a new one is begun. The log start offset moves up; it is at most the high
    /// watermark. Returns files that are to be removed once the log start offset is recorded
    /// durably; they carry the suffix `.deleted`, and opening the log removes them too.
    ///
    /// # Errors
    /// `Segments` where the offsets are not as described, `Failed`, `Storage`, `Full`.
    pub fn delete_segments(
        &mut self,
        base_offsets: &[Offset],
        now: Timestamp,
    ) -> Result<Vec<PathBuf>, AppendError> {
        if self.is_failed {
            return Err(AppendError::Failed);
        }
        let count = base_offsets.len();
        let is_prefix = self
            .segments
            .iter()
            .map(|segment| segment.base_offset)
            .take(count)
            .eq(base_offsets.iter().copied());
        if !is_prefix || count > self.segments.len() {
            return Err(invalid("they are not the oldest"));
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let next = self.segments.get(count).map(|next| next.base_offset);
        let start = next.unwrap_or(self.log_end);
        if start > self.high_watermark {
            return Err(invalid("they reach above the high watermark"));
        }
        if next.is_none() {
            if self.segments.last().is_some_and(|last| last.size == 0) {
                return Err(invalid("the active segment is empty"));
            }
            self.roll_to(self.log_end, now)
                .map_err(|error| self.fail(error))?;
        }
        let doomed: Vec<_> = self.segments.drain(..count).collect();
        self.move_start(start);
        self.forget_damage()
            .and_then(|()| self.set_aside(&doomed, true))
            .map_err(|error| self.fail(error))
    }

    /// Drops damage of segments that are gone.
    fn forget_damage(&mut self) -> Result<(), StorageError> {
        let Some(damage) = &mut self.damage else {
            return Ok(());
        };
        let first = self.segments.first().map(|segment| segment.base_offset);
        let count = damage.places.len();
        damage.places.retain(|place| Some(place.segment) >= first);
        if damage.places.len() == count {
            return Ok(());
        }
        let storage = &**self.handles.storage();
        if damage.places.is_empty() {
            self.damage = None;
            let path = self.folder.join(damage::FILE);
            return storage.remove_file(&path).during("remove", &path);
        }
        damage::write(storage, &self.folder, &damage.places)
    }

    /// Renames the files of segments that are no longer in the log.
    fn set_aside(
        &mut self,
        segments: &[Segment],
        with_snapshots: bool,
    ) -> Result<Vec<PathBuf>, StorageError> {
        let storage = self.handles.storage();
        let mut files = Vec::new();
        for segment in segments {
            segment.forget(&self.handles);
            for kind in Kind::ALL {
                let from = name::path(&self.folder, segment.base_offset, kind);
                let to = name::path_with(&self.folder, segment.base_offset, kind, DELETED);
                match storage.rename(&from, &to) {
                    Ok(()) => files.push(to),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(StorageError::new("rename", &from, error)),
                }
            }
            if with_snapshots {
                self.unsynced
                    .snapshots
                    .retain(|(offset, _)| *offset != segment.base_offset);
                let path = snapshot::path(&self.folder, segment.base_offset);
                match storage.remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(StorageError::new("remove", &path, error));
                    }
                    _ => {}
                }
            }
        }
        self.unsynced.folder = true;
        Ok(files)
    }

    /// Puts the files `<base_offset>.*.cleaned` in the place of the segments with the base offsets
    /// `replaced`: neighbours, ascending, `base_offset` the first, the active segment not among
    /// them. The new files are complete and synced. A crash leaves either the old segments or the
    /// new one. Returns files that are to be removed, as [`Log::delete_segments`] does; readers may
    /// still hold them.
    ///
    /// # Errors
    /// `Damaged`, `Segments` where the offsets are not as described, `Failed`, `Storage`, `Full`.
    pub fn replace_segments(
        &mut self,
        base_offset: Offset,
        replaced: &[Offset],
    ) -> Result<Vec<PathBuf>, AppendError> {
        self.check_writable()?;
        let from = self.segment_number(base_offset);
        let Some(from) = from.filter(|_| replaced.first() == Some(&base_offset)) else {
            return Err(invalid("they are not there"));
        };
        let until = from + replaced.len();
        let is_run = until < self.segments.len()
            && self.segments[from..until]
                .iter()
                .map(|segment| segment.base_offset)
                .eq(replaced.iter().copied());
        if !is_run {
            return Err(invalid("they are no neighbours below the active one"));
        }
        self.swap(base_offset, from..until)
            .map_err(|error| self.fail(error))
    }

    fn swap(
        &mut self,
        base_offset: Offset,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<PathBuf>, StorageError> {
        // The index files of a segment may be waiting for a sync; the ticket must not write them
        // over those of the new segment.
        let mut generation = self
            .unsynced
            .generation
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *generation += 1;
        drop(generation);
        self.unsynced.epochs = true;
        let storage = self.handles.storage();
        let cleaned = name::path_with(&self.folder, base_offset, Kind::Log, CLEANED);
        let size = storage
            .open(&cleaned)
            .and_then(|file| file.len())
            .during("open", &cleaned)?;
        let swap = Swap {
            base_offset,
            replaced: self.segments[range.clone()]
                .iter()
                .map(|segment| segment.base_offset)
                .collect(),
        };
        swap.begin(&**storage, &self.folder)?;
        let old: Vec<_> = self.segments.drain(range.clone()).collect();
        self.segments.insert(
            range.start,
            Segment::existing(&self.handles, base_offset, size),
        );
        let first = self.set_aside(&old[..1], false);
        let rest = self.set_aside(&old[1..], true);
        let mut files = first?;
        files.extend(rest?);
        swap.finish(&**self.handles.storage(), &self.folder)?;
        Ok(files)
    }
}
