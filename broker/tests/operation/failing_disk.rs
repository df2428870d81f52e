//! The real file system, of which one directory can fill up or fail.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use milena_log::storage::{DiskStorage, Entry, File, Space, Storage};

const WORKS: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;

/// The state of the directory.
#[derive(Debug, Default)]
struct Fault(AtomicU8);

impl Fault {
    fn before_write(&self) -> io::Result<()> {
        match self.0.load(Ordering::Acquire) {
            FULL => Err(io::ErrorKind::StorageFull.into()),
            BROKEN => Err(io::Error::other("the disk is broken")),
            _ => Ok(()),
        }
    }

    fn before_read(&self) -> io::Result<()> {
        match self.0.load(Ordering::Acquire) {
            BROKEN => Err(io::Error::other("the disk is broken")),
            _ => Ok(()),
        }
    }
}

/// A disk with faults in everything below one path.
#[derive(Clone, Debug)]
pub(crate) struct FailingDisk {
    disk: Arc<DiskStorage>,
    below: PathBuf,
    fault: Arc<Fault>,
}

impl FailingDisk {
    /// A disk that works.
    pub(crate) fn new(below: PathBuf) -> Self {
        let disk = Arc::new(DiskStorage::new());
        Self {
            disk,
            below,
            fault: Arc::default(),
        }
    }

    /// Has no room any more.
    pub(crate) fn fill(&self) {
        self.fault.0.store(FULL, Ordering::Release);
    }

    /// Fails whatever is asked.
    pub(crate) fn break_down(&self) {
        self.fault.0.store(BROKEN, Ordering::Release);
    }

    /// Works again.
    pub(crate) fn mend(&self) {
        self.fault.0.store(WORKS, Ordering::Release);
    }

    fn is_below(&self, path: &Path) -> bool {
        path.starts_with(&self.below)
    }

    fn writes(&self, path: &Path) -> io::Result<()> {
        if self.is_below(path) {
            self.fault.before_write()
        } else {
            Ok(())
        }
    }

    fn reads(&self, path: &Path) -> io::Result<()> {
        if self.is_below(path) {
            self.fault.before_read()
        } else {
            Ok(())
        }
    }

    fn file(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        if self.is_below(path) {
            return Arc::new(FailingFile {
                file,
                fault: Arc::clone(&self.fault),
            });
        }
        file
    }
}

impl Storage for FailingDisk {
    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.reads(path)?;
        Ok(self.file(path, self.disk.open_or_create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.reads(path)?;
        Ok(self.file(path, self.disk.open(path)?))
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.reads(directory)?;
        self.disk.list(directory)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.reads(path)?;
        self.disk.exists(path)
    }
    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        self.writes(directory)?;
        self.disk.create_directory(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.reads(from)?;
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.reads(path)?;
        self.disk.remove_file(path)
    }
    fn remove_directory(&self, directory: &Path) -> io::Result<()> {
        self.reads(directory)?;
        self.disk.remove_directory(directory)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.reads(directory)?;
        self.disk.sync_directory(directory)
    }
    fn space(&self, directory: &Path) -> io::Result<Space> {
        self.reads(directory)?;
        let space = self.disk.space(directory)?;
        match self.writes(directory) {
            Ok(()) => Ok(space),
            Err(_) => Ok(Space {
                usable_bytes: 0,
                ..space
            }),
        }
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Arc<dyn File>,
    fault: Arc<Fault>,
}

impl File for FailingFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.fault.before_read()?;
        self.file.read_at(buffer, position)
    }
    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.fault.before_write()?;
        self.file.write_at(buffers, position)
    }
    fn sync(&self) -> io::Result<()> {
        self.fault.before_read()?;
        self.file.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.fault.before_read()?;
        self.file.len()
    }
    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.fault.before_read()?;
        self.file.set_len(size_bytes)
    }
    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.fault.before_write()?;
        self.file.reserve(position, length)
    }
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }
}
