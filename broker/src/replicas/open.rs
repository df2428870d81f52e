//! Finding the logs in the directories, and opening them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use milena_cluster::replication;
use milena_log::checkpoint::{self, Seal};
use milena_log::directory::{self, FolderKind};
use milena_log::error::OpenError as LogError;
use milena_log::recovery::Progress as LogProgress;
use milena_log::storage::Storage;
use milena_log::{Log, OpenState, Partition as Place};
use milena_protocol::{Offset, TopicId, TopicPartition};
use thiserror::Error;
use tracing::{error, info, warn};

use super::Replicas;
use crate::clock;
use crate::directories::is_metadata_of_kafka;
use crate::partition::{Directory, Partition, Settings};

/// Pause between two lines about a long recovery.
const PROGRESS_PAUSE: Duration = Duration::from_secs(2);

/// A log directory that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// The directory cannot be read.
    #[error("read log directory {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
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
    let io_error = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let checkpoints = Checkpoints::read(storage, path);
    let folders = directory::folders(storage, path).map_err(io_error)?;
    for folder in folders.partitions {
        if is_metadata_of_kafka(&folder.topic_partition) {
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
            topic_id: topic_id(storage, &folder_path),
            state: checkpoints.state(&topic_partition, is_clean),
            high_watermark: checkpoints.high_watermark(&topic_partition),
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

/// Id of the topic that a folder belongs to; none where the file with it is missing or damaged. The
/// folder is then that of the topic that has its name, and gets the file anew.
pub(super) fn topic_id(storage: &dyn Storage, folder: &Path) -> Option<TopicId> {
    directory::read_topic_id(storage, folder).unwrap_or_else(|fault| {
        error!(%fault, "topic id of a folder cannot be read, its name counts");
        None
    })
}

type Offsets = BTreeMap<TopicPartition, Offset>;

/// What the checkpoints of a directory say. One that cannot be read is said and left out: what it
/// held follows from the logs, and no start fails for it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
}

impl Checkpoints {
    /// Reads the checkpoints of `directory`.
    pub(super) fn read(storage: &dyn Storage, directory: &Path) -> Self {
        let (recovery_points, recovery_seal) =
            offsets(storage, directory, checkpoint::RECOVERY_POINT);
        let (log_starts, start_seal) = offsets(storage, directory, checkpoint::LOG_START_OFFSET);
        let (high_watermarks, _) = offsets(storage, directory, checkpoint::REPLICATION_OFFSET);
        // A recovery point that is wrong would keep records from being checked.
        let is_trusted = recovery_seal != Seal::Differs;
        if !is_trusted {
            warn!(path = %directory.display(),
                "recovery points are not those of this broker, logs are checked from their start");
        }
        // A log start that is wrong would give up records. Kafka writes both files when it stops;
        // where only this one differs, it is damaged.
        let is_damaged = start_seal == Seal::Differs && is_trusted;
        if is_damaged {
            error!(path = %directory.display(),
                "log starts are damaged and not used: deleted records may be seen again");
        }
        Self {
            recovery_points: if is_trusted {
                recovery_points
            } else {
                Offsets::new()
            },
            log_starts: if is_damaged {
                Offsets::new()
            } else {
                log_starts
            },
            high_watermarks,
        }
    }

    /// How the log of a partition was left.
    pub(super) fn state(&self, name: &TopicPartition, is_clean: bool) -> OpenState {
        OpenState {
            clean: is_clean,
            recovery_point: self.recovery_points.get(name).copied().unwrap_or(Offset(0)),
            log_start: self.log_starts.get(name).copied(),
        }
    }

    /// The high watermark of a partition, 0 where it is not known.
    pub(super) fn high_watermark(&self, name: &TopicPartition) -> Offset {
        self.high_watermarks.get(name).copied().unwrap_or(Offset(0))
    }
}

/// A checkpoint and whether it is what this broker wrote; empty where there is none.
fn offsets(storage: &dyn Storage, directory: &Path, name: &str) -> (Offsets, Seal) {
    match checkpoint::read_offsets(storage, &directory.join(name)) {
        Ok(None) => (Offsets::new(), Seal::Absent),
        Ok(Some(loaded)) => (loaded.value, loaded.seal),
        Err(fault) => {
            error!(%fault, "checkpoint cannot be read, the logs count");
            (Offsets::new(), Seal::Absent)
        }
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

/// Says that logs are open where that took a while, or where they were not closed in order.
fn tell_opened(progress: &Progress, logs: usize, elapsed: Duration) {
    let checked_bytes = progress.done_bytes.load(Ordering::Relaxed);
    let seconds = elapsed.as_secs_f64();
    if checked_bytes > 0 {
        info!(
            logs,
            checked_bytes, seconds, "logs were not closed in order, what was not synced is checked"
        );
    } else if elapsed >= PROGRESS_PAUSE {
        info!(logs, seconds, "logs are open");
    }
}

impl Replicas {
    /// Opens logs with `threads` threads. The outcome stands at the position of its task: none where
    /// the log could not be opened, which has been said then.
    pub(super) fn open_all(&self, tasks: Vec<Task>, threads: usize) -> Vec<Option<Arc<Partition>>> {
        let count = tasks.len();
        if count <= 1 || threads <= 1 {
            let progress = Progress::default();
            let started = clock::instant();
            let opened = tasks.into_iter().map(|task| self.open(task, &progress));
            let opened = opened.collect();
            tell_opened(&progress, count, started.elapsed());
            return opened;
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
        tell_opened(&progress, count, started.elapsed());
        outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
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
        let folder = task
            .directory
            .path()
            .join(directory::live_name(&task.topic_partition));
        let place = Place {
            folder,
            topic_partition: task.topic_partition.clone(),
            topic_id: task.topic_id,
        };
        let handles = Arc::clone(self.handles.get(&task.directory.id())?);
        let mut before = 0;
        let mut note = |now: LogProgress| {
            progress
                .done_bytes
                .fetch_add(now.done_bytes.saturating_sub(before), Ordering::Relaxed);
            before = now.done_bytes;
        };
        let log_config = Arc::clone(&task.settings.log);
        let opened = Log::open(
            handles,
            place,
            log_config,
            task.state,
            clock::now(),
            &mut note,
        );
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
