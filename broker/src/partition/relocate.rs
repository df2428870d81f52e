//! Moving a replica to another log directory (KIP-113).
//!
//! | step | what is durable | what a start after a crash finds |
//! |---|---|---|
//! | copying | the log, and part of it in a `-future` folder | the log; the copy is thrown away and begun again |
//! | the rest is copied and synced under the lock, a marker is put into the copy | both, the same | the log |
//! | the folder of the log is renamed to `-delete` | the copy, with its marker | no log, but a marked copy: it becomes the log |
//! | the folder of the copy gets the live name | the copy is the log | the log |
//!
//! So there is one live folder at most, and at each moment one complete log.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use milena_log::error::{AppendError, ReadError, StorageError};
use milena_log::{Log, Slice, checkpoint, directory};
use milena_protocol::Offset;
use thiserror::Error;
use uuid::Uuid;

use super::{Directory, Partition, State};
use crate::clock;

/// File in the folder of a copy that is complete.
pub(crate) const COMPLETE: &str = "relocation.complete";
/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes that are copied before they are synced, so that the last sync is short.
const SYNC_BYTES: usize = 64 * 1024 * 1024;

/// Why a replica stayed where it was.
#[derive(Debug, Error)]
pub(crate) enum RelocateError {
    /// It was told to go elsewhere, or to stay.
    #[error("the move was cancelled")]
    Cancelled,
    /// The broker stops; the move goes on with the next start.
    #[error("the broker stops")]
    Stopping,
    /// The partition was deleted, or its directory failed.
    #[error("the partition is closed")]
    Closed,
    /// The log cannot be read.
    #[error("read the log: {0}")]
    Read(#[from] ReadError),
    /// The start of the log was not noted in the target.
    #[error("checkpoints of a log directory cannot be written")]
    Checkpoint,
    /// A file of the log cannot be read.
    #[error("read a segment: {0}")]
    Segment(io::Error),
    /// The copy does not fit the log.
    #[error("the copy ends at {copy}, the log at {log}")]
    Ends {
        /// End of the copy.
        copy: Offset,
        /// End of the log.
        log: Offset,
    },
    /// The folder of the log cannot be moved out of the way.
    #[error("rename the folder of the log: {0}")]
    Source(StorageError),
    /// The copy cannot be written.
    #[error("write the copy: {0}")]
    Target(AppendError),
}

impl RelocateError {
    fn target(error: StorageError) -> Self {
        Self::Target(AppendError::Storage(error))
    }
}

/// A replica on its way: where to, and how far the copy is.
#[derive(Debug)]
pub(crate) struct Relocation {
    target: Arc<Directory>,
    is_cancelled: AtomicBool,
    log_end: AtomicI64,
    flushed: AtomicI64,
    size_bytes: AtomicU64,
}

impl Relocation {
    /// Nothing is copied yet.
    pub(crate) fn new(target: Arc<Directory>) -> Arc<Self> {
        Arc::new(Self {
            target,
            is_cancelled: AtomicBool::new(false),
            log_end: AtomicI64::new(0),
            flushed: AtomicI64::new(0),
            size_bytes: AtomicU64::new(0),
        })
    }

    /// The directory that the replica moves to.
    pub(crate) fn target(&self) -> &Arc<Directory> {
        &self.target
    }

    /// The offset after the last record of the copy.
    pub(crate) fn log_end(&self) -> Offset {
        Offset(self.log_end.load(Ordering::Acquire))
    }

    /// The offset up to which the copy is durable.
    pub(crate) fn flushed(&self) -> Offset {
        Offset(self.flushed.load(Ordering::Acquire))
    }

    /// Size of the copy in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Acquire)
    }

    /// Ends the move before it is done; nothing changes where it is done.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<(), RelocateError> {
        if self.is_cancelled.load(Ordering::Acquire) {
            return Err(RelocateError::Cancelled);
        }
        Ok(())
    }

    fn note(&self, log: &Log) {
        self.log_end.store(log.log_end().0, Ordering::Release);
        self.flushed.store(log.flushed().0, Ordering::Release);
        self.size_bytes.store(log.size_bytes(), Ordering::Release);
    }
}

/// The copy of a log that is being filled.
#[derive(Debug)]
pub(crate) struct Copy<'a> {
    partition: &'a Arc<Partition>,
    relocation: &'a Relocation,
    log: Log,
    unsynced_bytes: usize,
}

impl<'a> Copy<'a> {
    /// Begins with `log`, which is new and lies in a `-future` folder of the target.
    pub(crate) fn new(partition: &'a Arc<Partition>, relocation: &'a Relocation, log: Log) -> Self {
        Self {
            partition,
            relocation,
            log,
            unsynced_bytes: 0,
        }
    }

    /// Copies the next records. Returns how many bytes there were: few where the end is near.
    pub(crate) fn step(&mut self) -> Result<usize, RelocateError> {
        self.relocation.check()?;
        let from = self.log.log_end();
        let Some(slice) = self.partition.with(|state| state.slice_from(from))? else {
            return Ok(0);
        };
        let copied = self.append(&slice)?;
        self.unsynced_bytes += copied;
        if self.unsynced_bytes >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(copied)
    }

    /// True where what a step has copied shows that the end is near.
    pub(crate) fn is_near(copied: usize) -> bool {
        copied < CHUNK_BYTES / 2
    }

    /// Makes durable what is copied.
    pub(crate) fn sync(&mut self) -> Result<(), RelocateError> {
        self.log.sync().map_err(RelocateError::target)?;
        self.unsynced_bytes = 0;
        self.relocation.note(&self.log);
        Ok(())
    }

    /// The folder of the copy.
    pub(crate) fn folder(&self) -> PathBuf {
        self.log.directory().to_owned()
    }

    fn append(&mut self, slice: &Slice) -> Result<usize, RelocateError> {
        let bytes = slice.read().map_err(RelocateError::Segment)?;
        let now = clock::now();
        let is_empty = self.log.log_start() == self.log.log_end();
        if is_empty && self.log.log_end() != slice.first_offset {
            self.log
                .truncate_fully_and_start_at(slice.first_offset, now)
                .map_err(RelocateError::Target)?;
        }
        let appended = self.log.append_as_follower(Bytes::from(bytes), now);
        let appended = appended.map_err(RelocateError::Target)?;
        self.relocation.note(&self.log);
        Ok(appended.map_or(0, |appended| appended.bytes.len()))
    }

    /// Copies the rest while nobody appends, and takes the place of the log. The old folder, which
    /// is superfluous then, is removed after `file.delete.delay.ms`.
    pub(crate) fn take_place(mut self) -> Result<(), RelocateError> {
        let (partition, target) = (self.partition, Arc::clone(&self.relocation.target));
        let source = partition.directory();
        let doomed = partition.with(|state| {
            self.relocation.check()?;
            self.finish(state)?;
            let doomed = self.swap_folders(state, &source)?;
            std::mem::swap(&mut state.log, &mut self.log);
            let producers = state.log.producers_mut();
            producers.continue_guards(self.log.producers());
            state.log.set_config(Arc::clone(&partition.settings().log));
            // Tickets of the old log must not be given to the new one.
            state.incarnation += 1;
            *partition
                .directory
                .write()
                .unwrap_or_else(PoisonError::into_inner) = target;
            let flushed = state.log.flushed();
            if let Some(high_watermark) = state.core.on_local_flushed(flushed) {
                state.advance(high_watermark);
            }
            Ok::<_, RelocateError>(doomed)
        })?;
        self.log.forget_files();
        let due = clock::now().plus_ms(partition.settings().log.file_delete_delay_ms);
        source.doom([doomed], due);
        Ok(())
    }

    /// Makes the copy the same as the log, durably.
    fn finish(&mut self, state: &mut State) -> Result<(), RelocateError> {
        while let Some(slice) = state.slice_from(self.log.log_end())? {
            if self.append(&slice)? == 0 {
                break;
            }
        }
        let (start, end) = (state.log.log_start(), state.log.log_end());
        if start == end && self.log.log_end() != end {
            // Nothing is left of the log but its end.
            let restarted = self.log.truncate_fully_and_start_at(end, clock::now());
            restarted.map_err(RelocateError::Target)?;
        }
        if self.log.log_end() != end {
            return Err(RelocateError::Ends {
                copy: self.log.log_end(),
                log: end,
            });
        }
        self.log.follow_log_start(start)?;
        if let Some(epoch) = state.log.latest_epoch()
            && self.log.latest_epoch() < Some(epoch)
        {
            self.log.assign_epoch(epoch);
        }
        self.log.set_high_watermark(state.log.high_watermark());
        self.sync()
    }

    /// Renames both folders. Where the second cannot be renamed the first gets its name back.
    fn swap_folders(
        &mut self,
        state: &mut State,
        source: &Directory,
    ) -> Result<PathBuf, RelocateError> {
        let name = &self.partition.topic_partition;
        let target = &self.relocation.target;
        // A log without records has no folder yet, and so has its copy.
        let future = self.folder();
        let has_folder = target.storage().exists(&future);
        if has_folder.map_err(|error| storage_error("look for", &future, error))? {
            let marker = future.join(COMPLETE);
            checkpoint::write_atomically(&**target.storage(), &marker, b"complete\n")
                .map_err(|error| storage_error("write", &marker, error))?;
        }
        let doomed = source
            .path()
            .join(directory::delete_name(name, Uuid::new_v4()));
        let former = state.log.directory().to_owned();
        rename(&mut state.log, doomed.clone(), source).map_err(RelocateError::Source)?;
        let live = target.path().join(directory::live_name(name));
        if let Err(error) = rename(&mut self.log, live.clone(), target) {
            let back = rename(&mut self.log, future, target)
                .and_then(|()| rename(&mut state.log, former, source));
            if let Err(error) = back {
                source.fail_because(&error);
            }
            return Err(RelocateError::target(error));
        }
        let marker = live.join(COMPLETE);
        match target.storage().remove_file(&marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %marker.display(), %error, "marker was not removed");
            }
            _ => {}
        }
        Ok(doomed)
    }
}

/// Gives the folder of a log another name, durably.
fn rename(log: &mut Log, to: PathBuf, directory: &Directory) -> Result<(), StorageError> {
    log.rename_directory(to)?;
    let path = directory.path();
    let synced = directory.storage().sync_directory(path);
    synced.map_err(|error| StorageError::new("sync", path, error))
}

fn storage_error(
    operation: &'static str,
    path: &std::path::Path,
    error: io::Error,
) -> RelocateError {
    RelocateError::target(StorageError::new(operation, path, error))
}

impl State {
    /// The next records from `from` on that a copy lacks; none at the end.
    fn slice_from(&self, from: Offset) -> Result<Option<Slice>, RelocateError> {
        if self.closed.is_some() || self.log.is_failed() {
            return Err(RelocateError::Closed);
        }
        let (from, end) = (from.max(self.log.log_start()), self.log.log_end());
        if from >= end {
            return Ok(None);
        }
        let slice = self.log.read(from, CHUNK_BYTES, end, true)?;
        Ok(Some(slice).filter(|slice| !slice.is_empty()))
    }
}

impl Partition {
    /// Where the replica is moving to, if it is.
    pub(crate) fn relocation(&self) -> Option<Arc<Relocation>> {
        self.relocation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes where the replica moves to; what it was moving to before is cancelled.
    pub(crate) fn set_relocation(&self, relocation: Option<Arc<Relocation>>) {
        let mut present = self
            .relocation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *present, relocation) {
            before.cancel();
        }
    }

    /// Forgets a move that has ended, unless another one has begun.
    pub(crate) fn end_relocation(&self, ended: &Arc<Relocation>) {
        let mut present = self
            .relocation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if present
            .as_ref()
            .is_some_and(|present| Arc::ptr_eq(present, ended))
        {
            *present = None;
        }
    }
}
