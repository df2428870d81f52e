//! Keeps two processes out of one log directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use thiserror::Error;

/// Name of the file that is locked.
pub const LOCK: &str = ".lock";

/// The right to use a log directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a log directory could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has it, or this process has locked it before.
    #[error("log directory {} is in use by another process", path.display())]
    InUse {
        /// The log directory.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("lock log directory {}: {error}", path.display())]
    Io {
        /// The log directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// Locks the log directory at `path` in the real file system; the directory must exist.
///
/// Two locks are taken: `flock` keeps out a second lock of this program, in the same process too;
/// the POSIX lock is the one that Kafka on the JVM takes. (A POSIX lock goes with the first close of
/// any handle of the file in this process, so nothing else may open it.)
///
/// # Errors
/// Any variant.
pub fn lock(path: &Path) -> Result<Lock, LockError> {
    let fault = |error: io::Error| LockError::Io {
        path: path.to_path_buf(),
        error,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join(LOCK))
        .map_err(fault)?;
    let refused = |error: rustix::io::Errno| match error {
        rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::ACCESS => LockError::InUse {
            path: path.to_path_buf(),
        },
        error => fault(error.into()),
    };
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(refused)?;
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(refused)?;
    Ok(Lock { _file: file })
}
