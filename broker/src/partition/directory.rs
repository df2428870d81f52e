//! A log directory while the broker runs: its syncer, its free space, its failure.
//!
//! A failed write or sync takes the directory offline for good (rule R3: what the kernel holds after
//! a failed sync is unknown). The partitions of other directories go on.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use milena_log::directory::Lock;
use milena_log::storage::{Space, Storage};
use milena_protocol::Timestamp;
use tokio::sync::Notify;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::syncer::Syncer;
use crate::metrics::Metrics;

/// One entry of `log.dirs`.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    id: Uuid,
    storage: Arc<dyn Storage>,
    syncer: Syncer,
    metrics: Arc<Metrics>,
    /// `log.dir.reserve.bytes`: with less free space than this, records are refused.
    reserve_bytes: u64,
    has_room: AtomicBool,
    is_failed: AtomicBool,
    /// `cordoned.log.dirs`: it gets no new replicas.
    is_cordoned: AtomicBool,
    /// Told of each failure.
    failures: Arc<Notify>,
    /// Renamed files and folders, and when they are to be removed.
    doomed: Mutex<Vec<(Timestamp, PathBuf)>>,
    /// Keeps other processes out.
    _lock: Lock,
}

/// What a directory is opened with.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// `directory.id` of its `meta.properties`.
    pub(crate) id: Uuid,
    /// The file system.
    pub(crate) storage: Arc<dyn Storage>,
    /// The lock of this process.
    pub(crate) lock: Lock,
}

impl Directory {
    /// Starts the syncer of a directory.
    ///
    /// # Errors
    /// What the system says where it gives no thread.
    pub(crate) fn start(
        opened: Opened,
        reserve_bytes: u64,
        metrics: Arc<Metrics>,
        failures: Arc<Notify>,
    ) -> io::Result<Arc<Self>> {
        let name = opened
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let directory = Self {
            syncer: Syncer::start(name.as_deref().unwrap_or("log"))?,
            path: opened.path,
            id: opened.id,
            storage: opened.storage,
            metrics,
            reserve_bytes,
            has_room: AtomicBool::new(true),
            is_failed: AtomicBool::new(false),
            is_cordoned: AtomicBool::new(false),
            failures,
            doomed: Mutex::default(),
            _lock: opened.lock,
        };
        if let Err(error) = directory.check_room() {
            directory.fail_because(&error);
        }
        Ok(Arc::new(directory))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its id, unique among all directories of the cluster (KIP-858).
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// The file system it lies on.
    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// What makes its partitions durable.
    pub(crate) fn syncer(&self) -> &Syncer {
        &self.syncer
    }

    /// The counters of the broker.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// True while records can be appended.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Acquire)
    }

    /// True once an I/O error took it offline.
    pub(crate) fn is_failed(&self) -> bool {
        self.is_failed.load(Ordering::Acquire)
    }

    /// True while it gets no new replicas (KIP-1066).
    pub(crate) fn is_cordoned(&self) -> bool {
        self.is_cordoned.load(Ordering::Acquire)
    }

    /// Size and free space of its file system, in bytes.
    pub(crate) fn space(&self) -> io::Result<Space> {
        self.storage.space(&self.path)
    }

    /// Looks how much space there is. Records are refused below the reserve and taken again once
    /// there is a tenth more than it, so that the two do not alternate with every batch.
    pub(crate) fn check_room(&self) -> io::Result<()> {
        let usable_bytes = self.space()?.usable_bytes;
        let enough = if self.has_room() {
            self.reserve_bytes
        } else {
            self.reserve_bytes.saturating_add(self.reserve_bytes / 10)
        };
        let has_room = usable_bytes > enough;
        if self.has_room.swap(has_room, Ordering::AcqRel) != has_room {
            let (path, reserve_bytes) = (self.path.display(), self.reserve_bytes);
            if has_room {
                info!(%path, usable_bytes, "log directory has room again, records are taken");
            } else {
                error!(%path, usable_bytes, reserve_bytes, "log directory is full, records are refused");
            }
        }
        Ok(())
    }

    /// Has files or folders removed at `due`.
    pub(crate) fn doom(&self, paths: impl IntoIterator<Item = PathBuf>, due: Timestamp) {
        let mut doomed = self.doomed.lock().unwrap_or_else(PoisonError::into_inner);
        doomed.extend(paths.into_iter().map(|path| (due, path)));
    }

    /// Removes what is due. Call it off the runtime.
    pub(crate) fn remove_due(&self, now: Timestamp) {
        let due: Vec<PathBuf> = {
            let mut doomed = self.doomed.lock().unwrap_or_else(PoisonError::into_inner);
            let (due, later) = doomed.drain(..).partition(|(due, _)| *due <= now);
            *doomed = later;
            due.into_iter()
                .map(|(_, path): (Timestamp, PathBuf)| path)
                .collect()
        };
        if self.is_failed() {
            return;
        }
        for path in due {
            let removed = match self.storage.list(&path) {
                Ok(_) => self.storage.remove_directory(&path),
                Err(_) => self.storage.remove_file(&path),
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(path = %path.display(), %error, "what was deleted cannot be removed");
                }
                _ => {}
            }
        }
    }

    /// A write found no space. Records are refused until there is room.
    pub(crate) fn note_full(&self) {
        if self.has_room.swap(false, Ordering::AcqRel) {
            error!(path = %self.path.display(), "no space left in log directory, records are refused");
        }
    }

    /// Something that an older state may stand for was not written: where there is no space it is
    /// written later, everything else takes the directory offline.
    pub(crate) fn note_unwritten(&self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.note_full(),
            _ => self.fail_because(error),
        }
    }

    /// Takes the directory offline.
    pub(crate) fn fail_because(&self, reason: &dyn Display) {
        if self.is_failed.swap(true, Ordering::AcqRel) {
            warn!(path = %self.path.display(), %reason, "another error in an offline log directory");
            return;
        }
        error!(path = %self.path.display(), %reason, "log directory failed and is offline");
        self.metrics.directory_failed();
        self.failures.notify_one();
    }
}

/// All log directories, in the order of `log.dirs`.
#[derive(Clone, Debug)]
pub(crate) struct Directories(Vec<Arc<Directory>>);

impl Directories {
    /// Takes over started directories.
    pub(crate) fn new(directories: Vec<Arc<Directory>>) -> Self {
        Self(directories)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Directory>> {
        self.0.iter()
    }

    /// The directory at `path`, as `log.dirs` writes it.
    pub(crate) fn at(&self, path: &str) -> Option<&Arc<Directory>> {
        self.iter()
            .find(|directory| directory.path == Path::new(path))
    }

    /// Cordons the directories that `cordoned.log.dirs` names, and no others. True where that
    /// changes anything.
    pub(crate) fn cordon(&self, cordoned: &[String]) -> bool {
        let mut has_changed = false;
        for directory in self.iter() {
            let is_named = |path: &String| path == "*" || directory.path == Path::new(path);
            let is_cordoned = cordoned.iter().any(is_named);
            has_changed |= directory.is_cordoned.swap(is_cordoned, Ordering::AcqRel) != is_cordoned;
        }
        has_changed
    }

    /// The online directory for a new replica: the one with the fewest partitions, and one that is
    /// cordoned only where all are. `count` tells how many partitions one has.
    pub(crate) fn emptiest(&self, count: impl Fn(&Directory) -> usize) -> Option<&Arc<Directory>> {
        self.iter()
            .filter(|directory| !directory.is_failed())
            .min_by_key(|directory| (directory.is_cordoned(), count(directory)))
    }
}
