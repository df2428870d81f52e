//! Making a log durable, in three steps: what is to be synced is collected with the log at hand,
//! synced without it, and taken note of with it again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use milena_protocol::Offset;

use super::Log;
use super::resume::ResumePoint;
use crate::checkpoint;
use crate::epoch_cache::EpochEntry;
use crate::error::{During, StorageError};
use crate::handle::Handles;
use crate::producer_state::snapshot;
use crate::segment::name::Kind;
use crate::segment::{Place, write_indexes};
use crate::storage::File;

/// What has to be synced so that everything below [`SyncTicket::upto`] is durable. It must be given
/// back to the log, by [`Log::finish_sync`] or [`Log::fail_sync`].
#[derive(Debug)]
pub struct SyncTicket {
    upto: Offset,
    handles: Arc<Handles>,
    folder: PathBuf,
    /// Files of batches, and others that were written to.
    files: Vec<Arc<dyn File>>,
    /// Index files of segments that were closed.
    closed: Vec<Closed>,
    snapshots: Vec<(Offset, Vec<u8>)>,
    resume: Option<ResumePoint>,
    epochs: Option<Vec<EpochEntry>>,
    is_folder_changed: bool,
    is_parent_changed: bool,
    generation: Arc<Mutex<u64>>,
    taken_at: u64,
}

#[derive(Debug)]
struct Closed {
    base_offset: Offset,
    indexes: [(Kind, Option<Vec<u8>>); 3],
}

impl SyncTicket {
    /// Everything below this offset is durable after the sync, unless the log is truncated
    /// meanwhile.
    #[must_use]
    pub const fn upto(&self) -> Offset {
        self.upto
    }

    /// Syncs. It must not be called again after a failure.
    ///
    /// # Errors
    /// What the file system says. Give the ticket to [`Log::fail_sync`] then and take the log
    /// directory offline.
    pub fn sync(&self) -> Result<(), StorageError> {
        for file in &self.files {
            file.sync().during("sync a file of", &self.folder)?;
        }
        // Held while files are written and names are synced that a truncation or a renaming of the
        // folder would make wrong. After one, the log begins another sync for the same offsets.
        let generation = self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *generation != self.taken_at {
            return Ok(());
        }
        self.write_files()?;
        let storage = self.handles.storage();
        if self.is_folder_changed || !self.closed.is_empty() {
            storage
                .sync_directory(&self.folder)
                .during("sync", &self.folder)?;
        }
        if let Some(parent) = self.folder.parent()
            && self.is_parent_changed
        {
            storage.sync_directory(parent).during("sync", parent)?;
        }
        Ok(())
    }

    fn write_files(&self) -> Result<(), StorageError> {
        let storage = &**self.handles.storage();
        let place = Place {
            handles: &self.handles,
            folder: &self.folder,
        };
        for closed in &self.closed {
            write_indexes(place, closed.base_offset, &closed.indexes)?;
        }
        for (offset, bytes) in &self.snapshots {
            let path = snapshot::path(&self.folder, *offset);
            checkpoint::write_atomically(storage, &path, bytes).during("write", &path)?;
        }
        if let Some(resume) = &self.resume {
            resume.write(place)?;
        }
        if let Some(epochs) = &self.epochs {
            let path = self.folder.join(checkpoint::LEADER_EPOCH);
            checkpoint::write_epochs(storage, &path, epochs).during("write", &path)?;
        }
        Ok(())
    }
}

impl Log {
    /// What has to be synced. None where everything is durable, where a ticket is out already, or
    /// where the log is failed.
    pub fn begin_sync(&mut self) -> Option<SyncTicket> {
        let has_closed = self
            .segments
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|segment| segment.active.is_some());
        let is_behind = self.flushed < self.log_end
            || has_closed
            || self.unsynced.folder
            || self.unsynced.parent
            || self.unsynced.epochs
            || !self.unsynced.snapshots.is_empty()
            || self.wants_resume_point();
        if self.is_failed || self.unsynced.in_flight.is_some() || !is_behind {
            return None;
        }
        // Without a segment there may be an epoch to write, but no folder to write it into.
        if self.segments.is_empty() && !self.unsynced.folder {
            return None;
        }
        let resume = self.take_resume_point();
        let mut files = std::mem::take(&mut self.unsynced.files);
        let mut closed = Vec::new();
        let last = self.segments.len().saturating_sub(1);
        for (number, segment) in self.segments.iter().enumerate().rev() {
            let Some(active) = &segment.active else {
                break;
            };
            files.extend(active.file.clone());
            if number < last {
                closed.push(Closed {
                    base_offset: segment.base_offset,
                    indexes: active.index_bytes(),
                });
            }
        }
        let generation = Arc::clone(&self.unsynced.generation);
        let taken_at = *generation.lock().unwrap_or_else(PoisonError::into_inner);
        let epochs = std::mem::take(&mut self.unsynced.epochs);
        self.unsynced.in_flight = Some(self.log_end);
        Some(SyncTicket {
            upto: self.log_end,
            handles: Arc::clone(&self.handles),
            folder: self.folder.clone(),
            files,
            closed,
            snapshots: std::mem::take(&mut self.unsynced.snapshots),
            resume,
            epochs: epochs.then(|| self.epochs.entries().to_vec()),
            is_folder_changed: std::mem::take(&mut self.unsynced.folder),
            is_parent_changed: std::mem::take(&mut self.unsynced.parent),
            generation,
            taken_at,
        })
    }

    /// Takes note that a ticket was synced. Returns the new [`Log::flushed`]: the same as before
    /// where the log was truncated or its folder renamed meanwhile.
    pub fn finish_sync(&mut self, ticket: SyncTicket) -> Offset {
        let Some(limit) = self.unsynced.in_flight.take() else {
            return self.flushed;
        };
        let is_current = *self
            .unsynced
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            == ticket.taken_at;
        if !is_current {
            self.take_back(ticket, limit);
            return self.flushed;
        }
        self.flushed = self.flushed.max(ticket.upto.min(limit)).min(self.log_end);
        if let Some(point) = &ticket.resume {
            self.note_resume_point(point);
        }
        for closed in &ticket.closed {
            self.forget_active(closed.base_offset);
        }
        if self.flushed == self.log_end
            && let Some(active) = self
                .segments
                .last_mut()
                .and_then(|segment| segment.active.as_mut())
        {
            // Nothing depends on this very descriptor any more.
            active.file = None;
        }
        self.check_invariants();
        self.flushed
    }

    /// Takes note that what a ticket was to do besides syncing batches is not done.
    fn take_back(&mut self, ticket: SyncTicket, limit: Offset) {
        // Snapshots below a truncation still hold.
        let kept = ticket.snapshots.into_iter();
        let kept = kept.filter(|(offset, _)| *offset <= limit);
        self.unsynced.snapshots.splice(0..0, kept);
        self.unsynced.files.extend(ticket.files);
        self.unsynced.epochs = true;
        self.unsynced.folder = true;
        self.unsynced.parent |= ticket.is_parent_changed;
    }

    /// The index files of a segment are written: lookups go there from now on.
    fn forget_active(&mut self, base_offset: Offset) {
        let last = self.segments.len().saturating_sub(1);
        if let Some(number) = self.segment_number(base_offset)
            && number < last
        {
            self.segments[number].active = None;
            self.segments[number].forget_indexes(&self.handles);
        }
    }

    /// Takes note that a ticket could not be synced: nothing is appended any more.
    pub fn fail_sync(&mut self, ticket: SyncTicket) {
        drop(ticket);
        self.unsynced.in_flight = None;
        self.is_failed = true;
    }

    /// Begins, does and finishes a sync.
    ///
    /// # Errors
    /// What the file system says; the log is failed then.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        while let Some(ticket) = self.begin_sync() {
            match ticket.sync() {
                Ok(()) => {
                    self.finish_sync(ticket);
                }
                Err(error) => {
                    self.fail_sync(ticket);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
