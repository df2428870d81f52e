//! Errors of the operations of a log.

use std::io;
use std::path::{Path, PathBuf};

use milena_protocol::Offset;
use thiserror::Error;

/// An operation on a file or directory failed.
#[derive(Debug, Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct StorageError {
    /// What was attempted, such as `write`.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the file system said.
    pub source: io::Error,
}

impl StorageError {
    /// What the file system said to `operation` on `path`.
    #[must_use]
    pub fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// True where the disk is full. Everything else that happens to a write or sync is final.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// Adds operation and path to an error of the file system.
pub(crate) trait During<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::new(operation, path, source))
    }
}

/// Why a log could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file system failed. The log directory must go offline.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A segment file is larger than positions of Kafka's format reach.
    #[error("segment {} has {size_bytes} bytes, positions have 32 bits", path.display())]
    SegmentSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
    },
}

/// Why nothing was appended, or a log could not be changed.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The disk is full; the log is as it was, and the same call may succeed later.
    #[error("disk is full: {0}")]
    Full(StorageError),
    /// The log has damaged bytes and is read-only until it is repaired.
    #[error("log is damaged and read-only")]
    Damaged,
    /// An earlier write or sync failed: the log directory is to be taken offline.
    #[error("an earlier write or sync of this log failed")]
    Failed,
    /// The file system failed; from now on the log is failed.
    #[error(transparent)]
    Storage(StorageError),
    /// The segments named are not what the call is for; nothing was changed.
    #[error("segments cannot be taken: {reason}")]
    Segments {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// Bytes from a leader do not continue the log; nothing of them was appended.
    #[error("batch with base offset {base_offset} does not continue a log that ends at {log_end}")]
    UnexpectedOffset {
        /// Base offset of the batch.
        base_offset: Offset,
        /// The log end offset.
        log_end: Offset,
    },
    /// Bytes from a leader hold no valid batch; nothing of them was appended.
    #[error("batch {index} from the leader is corrupt: {message}")]
    Corrupt {
        /// Number of the batch in the call, 0-based.
        index: usize,
        /// What is wrong.
        message: String,
    },
}

impl AppendError {
    /// True where the same call may succeed later.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// True where the log directory is to be taken offline.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Failed | Self::Storage(_))
    }
}

/// Why a read got nothing.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The offset is below the log start offset or above the log end offset.
    #[error("offset {offset} is not within {log_start} and {log_end}")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The log start offset.
        log_start: Offset,
        /// The log end offset.
        log_end: Offset,
    },
    /// The offset lies in damaged bytes. Reading can go on at `next_offset`.
    #[error("records of offsets {first_offset} to {next_offset} (exclusive) are damaged")]
    Damaged {
        /// First damaged offset.
        first_offset: Offset,
        /// First intact offset behind it.
        next_offset: Offset,
    },
    /// The offset index led to bytes that are no batch where one must be.
    #[error("segment {} has no batch at {position}: {message}", path.display())]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// What stands there instead.
        message: String,
    },
    /// The file system failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
