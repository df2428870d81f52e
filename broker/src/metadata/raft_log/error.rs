//! Why a log could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use super::frame::Identity;
use crate::metadata::ReplicaKey;

/// Why a metadata log could not be opened. Nothing was changed, but for leftovers of a crash.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file system refused something.
    #[error("{operation} {}: {error}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Bytes that were on disk have changed, or are gone. Restore the file from a copy; cutting it
    /// would lose what was confirmed to others.
    #[error("{}: damaged at byte {position}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A file or entries are missing.
    #[error("{}: {reason}", directory.display())]
    Incomplete {
        /// The directory of the log.
        directory: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The log belongs to another cluster or replica.
    #[error(
        "{}: is of cluster {cluster_id}, replica {local}, not of cluster {expected_cluster_id}, replica {expected_local}",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Cluster of the file.
        cluster_id: String,
        /// Replica of the file.
        local: ReplicaKey,
        /// This cluster.
        expected_cluster_id: String,
        /// This replica.
        expected_local: ReplicaKey,
    },
}

impl Error {
    pub(crate) fn io(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |error| Self::Io {
            operation,
            path,
            error,
        }
    }

    pub(super) fn foreign(path: &Path, found: Identity, expected: &Identity) -> Self {
        Self::Foreign {
            path: path.to_path_buf(),
            cluster_id: found.cluster_id,
            local: found.local,
            expected_cluster_id: expected.cluster_id.clone(),
            expected_local: expected.local,
        }
    }
}
