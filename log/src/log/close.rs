//! Closing a log, and letting go of memory while nothing happens in it.

use super::Log;
use crate::checkpoint;
use crate::error::{AppendError, During, StorageError};
use crate::producer_state::snapshot;
use crate::segment::{Place, write_indexes};

impl Log {
    /// Makes everything durable, writes the index files and the producer snapshot, and gives back
    /// preallocated room. The log can be opened as cleanly stopped afterwards, if no write follows.
    ///
    /// # Errors
    /// `Failed`, `Storage`, `Full`.
    pub fn close(&mut self) -> Result<(), AppendError> {
        if self.is_failed {
            return Err(AppendError::Failed);
        }
        // A log that nobody wrote to since it was opened has its snapshot from the stop before.
        let is_unused = self
            .segments
            .last()
            .is_some_and(|segment| segment.active.is_none());
        self.release().map_err(|error| self.fail(error))?;
        self.write_snapshot(is_unused)
            .map_err(|error| self.fail(error))
    }

    /// Syncs, writes the index files of the active segment and drops them from memory, and lets go
    /// of open files. The log works on; the next append reads the indexes again.
    ///
    /// # Errors
    /// What the file system says; the log is failed then.
    pub fn release(&mut self) -> Result<(), StorageError> {
        // Afterwards the log is as one that nobody writes to: it gets no resume point any more.
        self.propose_resume_point();
        self.sync()?;
        let is_active = self
            .segments
            .last()
            .is_some_and(|segment| segment.active.is_some());
        if is_active && self.unsynced.in_flight.is_none() {
            self.finish_last()?;
            let place = Place {
                handles: &self.handles,
                folder: &self.folder,
            };
            if let Some(segment) = self.segments.last_mut()
                && let Some(active) = &segment.active
            {
                write_indexes(place, segment.base_offset, &active.index_bytes())?;
                segment.active = None;
                segment.forget_indexes(&self.handles);
            }
        }
        self.segments.shrink_to_fit();
        self.forget_files();
        Ok(())
    }

    /// Lets go of open files: those of a log that is no longer used would keep their space after
    /// they are removed.
    pub fn forget_files(&self) {
        for segment in &self.segments {
            segment.forget(&self.handles);
        }
    }

    fn write_snapshot(&mut self, is_unused: bool) -> Result<(), StorageError> {
        if self.segments.is_empty() {
            return Ok(());
        }
        let storage = &**self.handles.storage();
        let path = snapshot::path(&self.folder, self.log_end);
        if is_unused && storage.exists(&path).during("look for", &path)? {
            return Ok(());
        }
        self.producers
            .set_end(self.log_end.max(self.producers.end()));
        checkpoint::write_atomically(storage, &path, &snapshot::encode(&self.producers))
            .during("write", &path)?;
        let bases: Vec<_> = self
            .segments
            .iter()
            .map(|segment| segment.base_offset)
            .collect();
        // The names of the index files were synced with that of the snapshot. An old snapshot that
        // comes back does no harm.
        snapshot::remove_stray(storage, &self.folder, &bases)
            .during("remove snapshots of", &self.folder)?;
        Ok(())
    }
}
