//! Copies of logs that a start finds: the broker went down while a replica was moving.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use milena_log::directory::{self, FolderKind};
use milena_protocol::TopicPartition;
use tracing::info;

use super::open::{Checkpoints, Found, OpenError, topic_id};
use crate::partition::{COMPLETE, Directory};

/// A replica that was moving, and where to.
pub(crate) type Interrupted = (TopicPartition, Arc<Directory>);

/// Settles what became of copies, once every directory was scanned. A complete copy whose log is gone
/// is the log: the move was over but for the last renaming. All others whose log is here are removed
/// and returned, so that their moves begin again. A copy whose log is in no directory is left alone.
///
/// # Errors
/// Whatever cannot be read, renamed or removed.
pub(crate) fn settle_futures(
    directories: &[Arc<Directory>],
    all: &mut BTreeMap<TopicPartition, Found>,
) -> Result<Vec<Interrupted>, OpenError> {
    let mut interrupted = Vec::new();
    for directory in directories {
        let path = directory.path();
        let storage = &**directory.storage();
        let io_error = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let folders = directory::folders(storage, path).map_err(io_error)?;
        for folder in folders
            .partitions
            .iter()
            .filter(|folder| folder.kind == FolderKind::Future)
        {
            let future = path.join(&folder.name);
            let name = &folder.topic_partition;
            if let Some(found) = all.get(name) {
                storage.remove_directory(&future).map_err(io_error)?;
                if found.directory.id() != directory.id() {
                    interrupted.push((name.clone(), Arc::clone(directory)));
                }
            } else if storage.exists(&future.join(COMPLETE)).map_err(io_error)? {
                let live = path.join(directory::live_name(name));
                storage.rename(&future, &live).map_err(io_error)?;
                storage.sync_directory(path).map_err(io_error)?;
                remove_marker(directory, name).map_err(io_error)?;
                info!(partition = %name, path = %live.display(), "move of a replica is completed");
                all.insert(name.clone(), promoted(directory, name));
            }
        }
    }
    Ok(interrupted)
}

fn remove_marker(directory: &Directory, name: &TopicPartition) -> io::Result<()> {
    let live = directory.path().join(directory::live_name(name));
    directory.storage().remove_file(&live.join(COMPLETE))
}

/// The log that a copy became. The broker went down in the middle: it is not clean.
fn promoted(directory: &Arc<Directory>, name: &TopicPartition) -> Found {
    let storage = &**directory.storage();
    let path = directory.path();
    let checkpoints = Checkpoints::read(storage, path);
    Found {
        directory: Arc::clone(directory),
        topic_id: topic_id(storage, &path.join(directory::live_name(name))),
        state: checkpoints.state(name, false),
        high_watermark: checkpoints.high_watermark(name),
    }
}
