//! Finding the logs in the directories, and opening them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use milena_cluster::replication;
use milena_log::checkpoint::{self, Loaded, Seal};
use milena_log::directory::{self, FolderKind, MetaError};
use milena_log::storage::Storage;
use milena_log::error::OpenError as LogError;
use milena_log::recovery::Progress as LogProgress;
use milena_log::{Log, OpenState, Partition as Place};
use milena_protocol::{Offset, TopicId, TopicPartition};
use thiserror::Error;
use tracing::{error, info, warn};

use super::Replicas;
use crate::clock;
use crate::partition::{Directory, Partition, Settings};

/// Topic of Kafka's metadata log, which is imported and never touched.
const METADATA_OF_KAFKA: &str = "__cluster_metadata";

/// Pause between two lines about a long recovery.
const PROGRESS_PAUSE: Duration = Duration::from_secs(2);

/// A log directory that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// The directory or a checkpoint cannot be read.
    #[error("read log directory {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A checkpoint is damaged.
    #[error("{0}")]
    Checkpoint(#[from] checkpoint::Error),
    /// The topic id of a folder is damaged.
    #[error("{0}")]
    TopicId(#[from] MetaError),
    /// One partition in two directories.
    #[error("partition {topic_partition} stands in {first} and in {second}; remove the older one")]
    Twice {
        /// The partition.
        topic_partition: TopicPartition,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// A partition folder that was found at start.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The directory it lies in.
    pub(crate) directory: Arc<Directory>,
    /// Id of its topic; none for a folder that was made and not named before a crash.
    pub(crate) topic_id: Option<TopicId>,
    /// What the checkpoints say.
    pub(crate) state: OpenState,
    /// The checkpointed high watermark, 0 where there is none.
    pub(crate) high_watermark: Offset,
}

/// Finds the partition folders of a directory. Folders of deleted topics are removed; Kafka's
/// metadata log is no partition.
///
/// # Errors
/// Whatever cannot be read.
pub(crate) fn scan(
    directory: &Arc<Directory>,
    is_clean: bool,
    all: &mut BTreeMap<TopicPartition, Found>,
) -> Result<(), OpenError> {
    let path = directory.path();
    let storage = &**directory.storage();
    let io_error = |source| OpenError::Io { path: path.to_owned(), source };
    let recovery = offsets(storage, path, checkpoint::RECOVERY_POINT)?;
    let starts = offsets(storage, path, checkpoint::LOG_START_OFFSET)?;
    let watermarks = offsets(storage, path, checkpoint::REPLICATION_OFFSET)?;
    let folders = directory::folders(storage, path).map_err(io_error)?;
    for folder in folders.partitions {
        if &*folder.topic_partition.topic == METADATA_OF_KAFKA {
            continue;
        }
        let folder_path = path.join(&folder.name);
        match folder.kind {
            FolderKind::Live => {}
            FolderKind::Delete => {
                storage.remove_directory(&folder_path).map_err(io_error)?;
                continue;
            }
            FolderKind::Future | FolderKind::Stray => continue,
        }
        let topic_partition = folder.topic_partition;
        let found = Found {
            directory: Arc::clone(directory),
            topic_id: directory::read_topic_id(storage, &folder_path)?,
            state: OpenState {
                clean: is_clean,
                recovery_point: recovery.get(&topic_partition).copied().unwrap_or(Offset(0)),
                log_start: starts.get(&topic_partition).copied(),
            },
            high_watermark: watermarks.get(&topic_partition).copied().unwrap_or(Offset(0)),
        };
        if let Some(other) = all.insert(topic_partition.clone(), found) {
            return Err(OpenError::Twice {
                first: other.directory.path().join(&folder.name),
                second: folder_path,
                topic_partition,
            });
        }
    }
    Ok(())
}

/// A checkpoint of offsets; empty where there is none. A recovery point that somebody else wrote, or
/// that is damaged, is not believed: everything is checked then.
pub(super) fn offsets(
    storage: &dyn Storage,
    directory: &Path,
    name: &str,
) -> Result<BTreeMap<TopicPartition, Offset>, OpenError> {
    let path = directory.join(name);
    match checkpoint::read_offsets(storage, &path)? {
        None => Ok(BTreeMap::new()),
        Some(Loaded { seal: Seal::Differs, .. }) if name == checkpoint::RECOVERY_POINT => {
            warn!(path = %path.display(), "checkpoint was not written by this broker, logs are checked from their start");
            Ok(BTreeMap::new())
        }
        Some(loaded) => Ok(loaded.value),
    }
}

/// A log that has to be opened.
pub(super) struct Task {
    pub(super) topic_partition: TopicPartition,
    pub(super) topic_id: TopicId,
    pub(super) directory: Arc<Directory>,
    pub(super) state: OpenState,
    pub(super) high_watermark: Offset,
    pub(super) settings: Arc<Settings>,
}

/// How far the recovery of all logs is.
#[derive(Debug, Default)]
struct Progress {
    opened: AtomicUsize,
    done_bytes: AtomicU64,
}

impl Replicas {
    /// Opens logs with `threads` threads. The outcome stands at the position of its task: none where
    /// the log could not be opened, which has been said then.
    pub(super) fn open_all(&self, tasks: Vec<Task>, threads: usize) -> Vec<Option<Arc<Partition>>> {
        let count = tasks.len();
        if count <= 1 || threads <= 1 {
            let progress = Progress::default();
            return tasks.into_iter().map(|task| self.open(task, &progress)).collect();
        }
        let outcomes: Mutex<Vec<Option<Arc<Partition>>>> = Mutex::new(vec![None; count]);
        let queue: Mutex<Vec<(usize, Task)>> = Mutex::new(tasks.into_iter().enumerate().collect());
        let progress = Progress::default();
        let started = clock::instant();
        std::thread::scope(|scope| {
            for _ in 0..threads.min(count) {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                        let Some((position, task)) = next else { return };
                        let opened = self.open(task, &progress);
                        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(slot) = outcomes.get_mut(position) {
                            *slot = opened;
                        }
                    }
                });
            }
            self.report(&progress, count);
        });
        if started.elapsed() >= PROGRESS_PAUSE {
            info!(logs = count, seconds = started.elapsed().as_secs(), "logs are open");
        }
        outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says every few seconds how far the recovery is, until all logs are open.
    fn report(&self, progress: &Progress, count: usize) {
        let mut said = clock::instant();
        while progress.opened.load(Ordering::Acquire) < count {
            std::thread::park_timeout(Duration::from_millis(1));
            if said.elapsed() >= PROGRESS_PAUSE {
                said = clock::instant();
                info!(
                    opened = progress.opened.load(Ordering::Relaxed),
                    logs = count,
                    checked_mib = progress.done_bytes.load(Ordering::Relaxed) >> 20,
                    "opening logs"
                );
            }
        }
    }

    fn open(&self, task: Task, progress: &Progress) -> Option<Arc<Partition>> {
        let folder = task.directory.path().join(directory::live_name(&task.topic_partition));
        let place = Place {
            folder,
            topic_partition: task.topic_partition.clone(),
            topic_id: task.topic_id,
        };
        let handles = Arc::clone(self.handles.get(&task.directory.id())?);
        let mut before = 0;
        let mut note = |now: LogProgress| {
            progress.done_bytes.fetch_add(now.done_bytes.saturating_sub(before), Ordering::Relaxed);
            before = now.done_bytes;
        };
        let log_config = Arc::clone(&task.settings.log);
        let opened = Log::open(handles, place, log_config, task.state, clock::now(), &mut note);
        progress.opened.fetch_add(1, Ordering::Release);
        match opened {
            Ok(log) => {
                if let Some(damage) = log.damage() {
                    error!(partition = %task.topic_partition, places = ?damage.places,
                        "log is damaged and read-only: `milena log repair` can reopen it");
                }
                let positions = replication::Positions {
                    log_start: log.log_start(),
                    high_watermark: task.high_watermark.clamp(log.log_start(), log.log_end()),
                    flushed: log.flushed(),
                    log_end: log.log_end(),
                };
                let settings = task.settings.replication();
                let core = replication::Partition::new(self.id, settings, positions);
                Some(Partition::new(log, core, task.directory, task.settings))
            }
            Err(reason) => {
                error!(partition = %task.topic_partition, %reason, "log cannot be opened");
                if matches!(reason, LogError::Storage(_)) {
                    task.directory.fail_because(&reason);
                }
                None
            }
        }
    }
}

