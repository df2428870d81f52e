//! Where a log keeps its bytes. Everything in this crate that touches a disk does it through
//! [`Storage`] and [`File`].
//!
//! Paths are absolute or relative to the process; the memory and faulty implementations treat them
//! as plain names.

mod disk;
mod faulty;
mod memory;

pub use disk::DiskStorage;
pub use faulty::{FaultyStorage, SECTOR_BYTES};
pub use memory::MemoryStorage;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Name within the directory.
    pub name: String,
    /// True for a directory.
    pub is_directory: bool,
}

/// Size and free space of the file system below a directory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total_bytes: u64,
    /// What an unprivileged process can still write.
    pub usable_bytes: u64,
}

/// A file system. Renames and removals are durable only after [`Storage::sync_directory`] of the
/// directory they happened in.
pub trait Storage: Debug + Send + Sync {
    /// Opens a file for reading and writing, making it where it is missing.
    ///
    /// # Errors
    /// What the file system says.
    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` where it is missing, and what the file system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Entries of a directory, sorted by name.
    ///
    /// # Errors
    /// `NotFound` where it is missing, and what the file system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;

    /// True where the path exists.
    ///
    /// # Errors
    /// What the file system says.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Makes a directory and its parents; no error where it exists.
    ///
    /// # Errors
    /// What the file system says.
    fn create_directory(&self, directory: &Path) -> io::Result<()>;

    /// Moves a file or directory over what is at `to`, atomically.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` where it is missing, and what the file system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all below it.
    ///
    /// # Errors
    /// `NotFound` where it is missing, and what the file system says.
    fn remove_directory(&self, directory: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in `directory` durable.
    ///
    /// # Errors
    /// What the file system says. A failure is final: the directory must be taken offline.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Space of the file system that holds `directory`.
    ///
    /// # Errors
    /// What the file system says.
    fn space(&self, directory: &Path) -> io::Result<Space>;
}

/// An open file. All positions and sizes are in bytes. Reads and writes at different positions may
/// happen at once.
pub trait File: Debug + Send + Sync {
    /// Reads into `buffer` from `position`; returns how many bytes were there (less than asked only
    /// at the end of the file).
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all of `buffers`, one after the other, at `position`.
    ///
    /// # Errors
    /// What the file system says; part of the bytes may have been written then.
    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()>;

    /// Makes the bytes and the size durable (`fdatasync`).
    ///
    /// # Errors
    /// What the file system says. A failure is final: what was written since the last success must
    /// be taken as lost, and the call must not be repeated.
    fn sync(&self) -> io::Result<()>;

    /// Size of the file.
    ///
    /// # Errors
    /// What the file system says.
    fn len(&self) -> io::Result<u64>;

    /// True where the file has no bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends (with zeroes) the file, and gives back space reserved beyond its size.
    ///
    /// # Errors
    /// What the file system says.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;

    /// Reserves space for `length` bytes from `position` without changing the size
    /// (`FALLOC_FL_KEEP_SIZE`). An implementation that cannot reserve does nothing.
    ///
    /// # Errors
    /// `StorageFull` and what else the file system says.
    fn reserve(&self, position: u64, length: u64) -> io::Result<()>;

    /// The descriptor for `sendfile`; none where the bytes are not in a file of the kernel.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

#[cfg(test)]
mod tests;
