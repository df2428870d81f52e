//! Cutting a log at either end.

use std::sync::PoisonError;

use milena_protocol::{Offset, Timestamp};

use super::Log;
use crate::error::{AppendError, During, ReadError, StorageError};
use crate::producer_state::snapshot;
use crate::recovery;
use crate::segment::name::{self, Kind};
use crate::segment::scan::{BatchScanner, ScanError};
use crate::segment::{Active, Place, Sought};

impl Log {
    /// Moves the log start offset up, to at most the high watermark (DeleteRecords). Segments below
    /// it go with the next retention. Returns the log start offset.
    ///
    /// # Errors
    /// `OutOfRange` above the high watermark.
    pub fn delete_records_before(&mut self, offset: Offset) -> Result<Offset, ReadError> {
        if offset > self.high_watermark {
            return Err(ReadError::OutOfRange {
                offset,
                log_start: self.log_start,
                log_end: self.high_watermark,
            });
        }
        self.move_start(offset);
        Ok(self.log_start)
    }

    /// Follows a leader's log start offset, which may be above the own high watermark.
    ///
    /// # Errors
    /// `OutOfRange` above the log end offset: the log has to start there anew.
    pub fn follow_log_start(&mut self, offset: Offset) -> Result<Offset, ReadError> {
        if offset > self.log_end {
            return Err(ReadError::OutOfRange {
                offset,
                log_start: self.log_start,
                log_end: self.log_end,
            });
        }
        self.move_start(offset);
        Ok(self.log_start)
    }

    pub(super) fn move_start(&mut self, offset: Offset) {
        if offset <= self.log_start {
            return;
        }
        self.log_start = offset;
        if self.high_watermark < offset {
            self.high_watermark = offset;
        }
        self.producers.on_log_start(offset);
        self.unsynced.epochs |= self.epochs.truncate_from_start(offset);
        self.check_invariants();
    }

    /// Removes all records from `offset` on, with the whole batch that contains it. The shorter log
    /// is durable afterwards. Only for a follower: a leader never takes back.
    ///
    /// # Errors
    /// `Damaged`, `Failed`, `Storage`, `Full`.
    pub fn truncate_to(&mut self, offset: Offset, now: Timestamp) -> Result<(), AppendError> {
        self.check_writable()?;
        // Epochs may lie at the end without a record (KAFKA-10706).
        self.unsynced.epochs |= self.epochs.truncate_from_end(offset);
        if offset >= self.log_end {
            return Ok(());
        }
        let is_above_first = self
            .segments
            .first()
            .is_some_and(|first| first.base_offset <= offset);
        if !is_above_first {
            return self.truncate_fully_and_start_at(offset, now);
        }
        self.cut_from(offset, now)
            .map_err(|error| self.fail(error))?;
        self.check_invariants();
        Ok(())
    }

    /// Truncates a damaged log to its first damaged offset, so that it can be written to again.
    /// Only for a follower, which then gets from its leader what it gives up here. Returns the log
    /// end offset.
    ///
    /// # Errors
    /// `Failed`, `Storage`, `Full`.
    pub fn truncate_to_damage(&mut self, now: Timestamp) -> Result<Offset, AppendError> {
        if self.is_failed {
            return Err(AppendError::Failed);
        }
        let first = self
            .damage
            .as_ref()
            .and_then(|damage| damage.places.first());
        let Some(offset) = first.map(|place| place.first_offset) else {
            return Ok(self.log_end);
        };
        self.unsynced.epochs |= self.epochs.truncate_from_end(offset);
        self.cut_from(offset, now)
            .and_then(|()| {
                let path = self.folder.join(crate::damage::FILE);
                self.damage = None;
                self.handles
                    .storage()
                    .remove_file(&path)
                    .during("remove", &path)
            })
            .map_err(|error| self.fail(error))?;
        self.unsynced.folder = true;
        self.check_invariants();
        Ok(self.log_end)
    }

    /// Invalidates tickets that are out.
    fn next_generation(&mut self, offset: Offset) {
        let mut generation = self
            .unsynced
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *generation += 1;
        drop(generation);
        if let Some(limit) = &mut self.unsynced.in_flight {
            *limit = offset.min(*limit);
        }
        self.unsynced.snapshots.retain(|(end, _)| *end <= offset);
        self.unsynced.epochs = true;
    }

    fn cut_from(&mut self, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        self.next_generation(offset);
        while self
            .segments
            .last()
            .is_some_and(|last| last.base_offset > offset)
        {
            self.remove_last()?;
        }
        self.activate_last(now)?;
        let cut = self.cut_last(offset, now)?;
        self.log_end = offset.min(cut);
        self.flushed = self.flushed.min(self.log_end);
        self.high_watermark = self.high_watermark.min(self.log_end).max(self.log_start);
        self.log_start = self.log_start.min(self.log_end);
        self.high_watermark = self.high_watermark.min(self.log_end);
        let storage = &**self.handles.storage();
        snapshot::remove_above(storage, &self.folder, self.log_end)
            .during("remove snapshots of", &self.folder)?;
        storage
            .sync_directory(&self.folder)
            .during("sync", &self.folder)?;
        let mut producers = recovery::producers_at(
            self.place(),
            &self.segments,
            &self.config,
            (self.log_start, self.log_end, now),
        )?;
        producers.continue_guards(&self.producers);
        self.producers = producers;
        self.producers.on_high_watermark(self.high_watermark);
        Ok(())
    }

    /// Removes the last segment with its files.
    fn remove_last(&mut self) -> Result<(), StorageError> {
        let Some(segment) = self.segments.pop() else {
            return Ok(());
        };
        segment.forget(&self.handles);
        let place = Place {
            handles: &self.handles,
            folder: &self.folder,
        };
        for kind in Kind::ALL {
            let path = segment.path(place, kind);
            match self.handles.storage().remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StorageError::new("remove", &path, error));
                }
                _ => {}
            }
        }
        self.unsynced.folder = true;
        Ok(())
    }

    /// Cuts the active segment, whose indexes are in memory, before the batch that contains
    /// `offset`. Returns where the log ends for sure: the base offset of that batch.
    fn cut_last(&mut self, offset: Offset, now: Timestamp) -> Result<Offset, StorageError> {
        let number = self.segments.len() - 1;
        let file = self.segments[number].file(self.place())?;
        let path = self.segments[number].path(self.place(), Kind::Log);
        let found = self
            .find(&self.segments[number], &file, offset)
            .map_err(|error| StorageError::new("search", &path, std::io::Error::other(error)))?;
        let (position, end) = match found {
            Sought::Batch(found) => (found.position, found.header.base_offset),
            Sought::Damaged(place) => (place.start, offset),
            Sought::End => (self.segments[number].size, offset),
        };
        file.set_len(position).during("truncate", &path)?;
        file.sync().during("sync", &path)?;
        let mut active = Active::new(self.segments[number].base_offset, now);
        let mut scanner = BatchScanner::headers(file, 0, position);
        let interval_bytes = self.config.index_interval_bytes;
        loop {
            match scanner.next_batch() {
                Ok(Some(batch)) => active.add(&batch.header, batch.position, interval_bytes),
                // What has rotted below stays, for reads and the next recovery to find.
                Ok(None) | Err(ScanError::Fault { .. }) => break,
                Err(ScanError::Io(error)) => return Err(StorageError::new("scan", &path, error)),
            }
        }
        let segment = &mut self.segments[number];
        if let Some(before) = segment.active.take() {
            active.txns = before.txns;
            active.txns.truncate_to(offset.min(end));
        }
        segment.size = position;
        segment.active = Some(Box::new(active));
        segment.forget_indexes(&self.handles);
        Ok(end)
    }

    /// Removes everything and goes on at `offset`.
    ///
    /// # Errors
    /// `Damaged`, `Failed`, `Storage`, `Full`.
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: Offset,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        if self.is_failed {
            return Err(AppendError::Failed);
        }
        self.start_anew(offset, now)
            .map_err(|error| self.fail(error))?;
        self.check_invariants();
        Ok(())
    }

    fn start_anew(&mut self, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        self.next_generation(Offset(i64::MIN));
        while !self.segments.is_empty() {
            self.remove_last()?;
        }
        self.epochs.clear();
        self.producers.clear(offset);
        self.unsynced.snapshots.clear();
        self.log_start = offset;
        self.log_end = offset;
        self.high_watermark = offset;
        self.flushed = offset;
        self.roll_to(offset, now)?;
        let storage = &**self.handles.storage();
        snapshot::remove_above(storage, &self.folder, Offset(-1))
            .during("remove snapshots of", &self.folder)?;
        if self.damage.take().is_some() {
            let path = self.folder.join(crate::damage::FILE);
            storage.remove_file(&path).during("remove", &path)?;
        }
        let path = name::path(&self.folder, offset, Kind::Log);
        let file = storage.open(&path).during("open", &path)?;
        file.sync().during("sync", &path)?;
        storage
            .sync_directory(&self.folder)
            .during("sync", &self.folder)
    }
}
