//! Taking the log directories into use: lock, identity, clean marker.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_log::directory::{self, Folder, FolderKind, LockError, MetaError, MetaProperties};
use milena_log::storage::{DiskStorage, Storage};
use milena_protocol::{TopicId, TopicPartition};
use thiserror::Error;
use tracing::{error, info};
use uuid::Uuid;

use crate::options::{Mode, Options};
use crate::partition::Opened;

/// A directory that cannot be taken into use.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another process holds it.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Its `meta.properties` is damaged or newer than this program.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// It was never formatted.
    #[error("log directory {} is not formatted: run `milena format -c FILE` first", path.display())]
    Unformatted {
        /// The directory.
        path: PathBuf,
    },
    /// Directories that belong to another node or cluster.
    #[error("{}", faults.join("; "))]
    Foreign {
        /// Each difference.
        faults: Vec<String>,
    },
    /// It has partitions of which nothing is known.
    #[error(
        "log directory {} has partitions, but there is no metadata log in {}: is metadata.log.dir, or the first of log.dirs, another one?",
        path.display(), metadata_dir.display()
    )]
    NoMetadata {
        /// The directory.
        path: PathBuf,
        /// The directory of the metadata log.
        metadata_dir: PathBuf,
    },
    /// It is formatted already.
    #[error("log directory {} is formatted already; --ignore-formatted leaves it as it is", path.display())]
    Formatted {
        /// The directory.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No directory is left.
    #[error("none of the log directories can be used")]
    None,
}

/// The directories of a broker, locked and known.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Id of the cluster.
    pub(crate) cluster_id: String,
    /// The directories with whether each was cleanly stopped, in the order of `log.dirs`.
    pub(crate) opened: Vec<(Opened, bool)>,
    /// `metadata.log.dir`, where it is none of `log.dirs`.
    pub(crate) metadata: Option<Opened>,
    /// A directory that has partitions.
    pub(crate) used: Option<PathBuf>,
}

impl Prepared {
    /// Id of the directory of the metadata log.
    pub(crate) fn metadata_id(&self, options: &Options) -> Uuid {
        let mut all = self
            .opened
            .iter()
            .map(|(opened, _)| opened)
            .chain(&self.metadata);
        let found = all.find(|opened| opened.path == options.metadata_dir);
        found.map_or_else(Uuid::nil, |opened| opened.id)
    }
}

/// True for the metadata log of Kafka, which is imported and never touched.
pub(crate) fn is_metadata_of_kafka(partition: &TopicPartition) -> bool {
    &*partition.topic == "__cluster_metadata"
}

/// A random id in Kafka's form of 22 characters.
#[must_use]
pub fn random_id() -> String {
    TopicId(Uuid::new_v4()).to_string()
}

/// Locks every directory, that of the metadata log too, formats what is new where the mode allows,
/// and looks for clean markers. A directory that cannot be read for an error of the disk is left out,
/// unless it has the metadata.
///
/// # Errors
/// All variants; the first that is met.
pub(crate) fn prepare(options: &Options) -> Result<Prepared, DirectoryError> {
    let storage = Arc::clone(&options.storage);
    let mut known = Vec::new();
    for path in &options.log_dirs {
        match look(options, &storage, path) {
            Ok(entry) => known.push(entry),
            Err(DirectoryError::Io {
                operation,
                path,
                source,
            }) if options.log_dirs.len() > 1 && path != options.metadata_dir => {
                error!(path = %path.display(), operation, error = %source,
                    "log directory cannot be read and stays offline");
            }
            Err(error) => return Err(error),
        }
    }
    if known.is_empty() {
        return Err(DirectoryError::None);
    }
    let log_dirs = known.len();
    if !options.log_dirs.contains(&options.metadata_dir) {
        known.push(look(options, &storage, &options.metadata_dir)?);
    }
    let cluster_id = known
        .iter()
        .find_map(|entry| entry.meta.as_ref().map(|meta| meta.cluster_id.clone()))
        .unwrap_or_else(random_id);
    let formatted: Vec<_> = known
        .iter()
        .filter_map(|entry| Some((entry.path.clone(), entry.meta.clone()?)))
        .collect();
    let faults = directory::mismatches(&formatted, Some(&cluster_id), options.id);
    if !faults.is_empty() {
        return Err(DirectoryError::Foreign {
            faults: faults.iter().map(ToString::to_string).collect(),
        });
    }
    let mut opened = known
        .into_iter()
        .map(|entry| entry.open(options, &storage, &cluster_id))
        .collect::<Result<Vec<_>, _>>()?;
    let metadata = opened.drain(log_dirs..).next().map(|(opened, _)| opened);
    let used = find_used(&opened)?;
    Ok(Prepared {
        cluster_id,
        opened,
        metadata,
        used,
    })
}

/// The first directory that has a partition.
fn find_used(opened: &[(Opened, bool)]) -> Result<Option<PathBuf>, DirectoryError> {
    for (Opened { path, storage, .. }, _) in opened {
        let listed = directory::folders(&**storage, path);
        let folders = listed.map_err(|source| DirectoryError::Io {
            operation: "list",
            path: path.clone(),
            source,
        })?;
        let is_live = |folder: &Folder| {
            folder.kind == FolderKind::Live && !is_metadata_of_kafka(&folder.topic_partition)
        };
        if folders.partitions.iter().any(is_live) {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

struct Known {
    path: PathBuf,
    lock: directory::Lock,
    meta: Option<MetaProperties>,
}

fn look(
    options: &Options,
    storage: &Arc<dyn Storage>,
    path: &Path,
) -> Result<Known, DirectoryError> {
    let io = |operation: &'static str| {
        move |source| DirectoryError::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    let exists = storage.exists(path).map_err(io("look for"))?;
    if !exists && options.mode == Mode::Server {
        return Err(DirectoryError::Unformatted {
            path: path.to_owned(),
        });
    }
    storage.create_directory(path).map_err(io("make"))?;
    let lock = directory::lock(path)?;
    let meta = directory::load(&**storage, path)?;
    Ok(Known {
        path: path.to_owned(),
        lock,
        meta,
    })
}

impl Known {
    fn open(
        self,
        options: &Options,
        storage: &Arc<dyn Storage>,
        cluster_id: &str,
    ) -> Result<(Opened, bool), DirectoryError> {
        let Self { path, lock, meta } = self;
        let io = |operation: &'static str| {
            let path = path.clone();
            move |source| DirectoryError::Io {
                operation,
                path,
                source,
            }
        };
        let id = match meta {
            Some(meta) => {
                // Directories of before KIP-858 have no id; one is given now.
                match meta.directory_id {
                    Some(id) => id,
                    None => format(options, &**storage, &path, cluster_id).map_err(io("format"))?,
                }
            }
            None if options.mode == Mode::Dev => {
                format(options, &**storage, &path, cluster_id).map_err(io("format"))?
            }
            None => return Err(DirectoryError::Unformatted { path }),
        };
        // Taken only when the logs are opened: a start that is refused changes nothing.
        let marker = path.join(directory::CLEAN_MARKER);
        let is_clean = storage
            .exists(&marker)
            .map_err(io("look for the marker of"))?;
        let opened = Opened {
            path,
            id,
            storage: Arc::clone(storage),
            lock,
        };
        Ok((opened, is_clean))
    }
}

fn format(
    options: &Options,
    storage: &dyn Storage,
    path: &Path,
    cluster_id: &str,
) -> io::Result<Uuid> {
    let id = Uuid::new_v4();
    let meta = MetaProperties {
        cluster_id: cluster_id.to_owned(),
        node_id: options.id,
        directory_id: Some(id),
    };
    directory::format(storage, path, &meta)?;
    info!(path = %path.display(), cluster_id, "log directory is formatted");
    Ok(id)
}

/// Formats the directories of a server, as `milena format` does. Returns the paths that were
/// formatted; those that were before are left as they are where `ignores_formatted`.
///
/// # Errors
/// All variants but `Unformatted`.
pub fn format_all(
    options: &Options,
    cluster_id: Option<&str>,
    ignores_formatted: bool,
) -> Result<Vec<PathBuf>, DirectoryError> {
    let storage = DiskStorage::new();
    let cluster_id = cluster_id.map_or_else(random_id, str::to_owned);
    let mut formatted = Vec::new();
    for path in &options.log_dirs {
        let io = |operation: &'static str| {
            move |source| DirectoryError::Io {
                operation,
                path: path.clone(),
                source,
            }
        };
        storage.create_directory(path).map_err(io("make"))?;
        let _lock = directory::lock(path)?;
        if directory::load(&storage, path)?.is_some() {
            if ignores_formatted {
                continue;
            }
            return Err(DirectoryError::Formatted { path: path.clone() });
        }
        format(options, &storage, path, &cluster_id).map_err(io("format"))?;
        formatted.push(path.clone());
    }
    Ok(formatted)
}
