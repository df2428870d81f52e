//! A bounded number of open files. Partitions have no file of their own open while nothing happens
//! in them; what they touch is opened here and closed again when others need the room.
//!
//! A file with bytes that are not synced must stay open until it is: a descriptor that is opened
//! after a failed write-back may never learn of the failure. Its owner therefore keeps its own
//! reference, and being closed here does not close it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::storage::{File, Storage};

/// Open files by number, least recently used ones closed first (a second chance for each).
#[derive(Debug)]
pub struct Handles {
    storage: Arc<dyn Storage>,
    limit: usize,
    next: AtomicU64,
    open: Mutex<Open>,
    /// See [`Handles::sync_names_before`].
    synced: Mutex<BTreeSet<PathBuf>>,
}

/// Number of a file that was or will be opened; never used for another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HandleId(u64);

#[derive(Debug, Default)]
struct Open {
    files: BTreeMap<HandleId, Slot>,
    /// Each open file once, and some that were forgotten.
    ring: VecDeque<HandleId>,
}

#[derive(Debug)]
struct Slot {
    file: Arc<dyn File>,
    was_used: bool,
}

impl Handles {
    /// Keeps at most `limit` files open (at least 1).
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            storage,
            limit: limit.max(1),
            next: AtomicU64::new(0),
            open: Mutex::new(Open::default()),
            synced: Mutex::default(),
        })
    }

    /// Where the files are.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Makes the names durable that a process before has left in a directory. Once is enough for all
    /// logs in it; names that this process makes are the concern of whoever makes them.
    pub(crate) fn sync_names_before(&self, directory: &Path) -> io::Result<()> {
        // Held during the sync: whoever comes second may rely on it too.
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if !synced.contains(directory) {
            self.storage.sync_directory(directory)?;
            synced.insert(directory.to_owned());
        }
        Ok(())
    }

    /// Number of files that are open here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().files.len()
    }

    /// True where no file is open here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // Every change of `Open` is complete before anything can panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a file.
    #[must_use]
    pub fn allocate(&self) -> HandleId {
        HandleId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The file with this number; `open` opens it where it is not open.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get(
        &self,
        id: HandleId,
        open: impl FnOnce(&dyn Storage) -> io::Result<Arc<dyn File>>,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(slot) = self.lock().files.get_mut(&id) {
            slot.was_used = true;
            return Ok(Arc::clone(&slot.file));
        }
        let file = open(&*self.storage)?;
        self.put(id, Arc::clone(&file));
        Ok(file)
    }

    /// The file at `path` with this number, which exists.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(&self, id: HandleId, path: &Path) -> io::Result<Arc<dyn File>> {
        self.get(id, |storage| storage.open(path))
    }

    /// Adds a file that is open.
    pub fn put(&self, id: HandleId, file: Arc<dyn File>) {
        let mut closed = Vec::new();
        let mut open = self.lock();
        while open.files.len() >= self.limit {
            let Some(oldest) = open.ring.pop_front() else {
                break;
            };
            match open.files.get_mut(&oldest) {
                Some(slot) if slot.was_used => {
                    slot.was_used = false;
                    open.ring.push_back(oldest);
                }
                Some(_) => closed.extend(open.files.remove(&oldest)),
                None => {}
            }
        }
        let slot = Slot {
            file,
            was_used: false,
        };
        if open.files.insert(id, slot).is_none() {
            open.ring.push_back(id);
        }
        drop(open);
        // Closing a file is a system call and needs no lock.
        drop(closed);
    }

    /// Forgets a file: it was replaced or removed.
    pub fn forget(&self, id: HandleId) {
        let mut open = self.lock();
        let closed = open.files.remove(&id);
        if open.ring.len() > 2 * self.limit + 16 {
            let Open { files, ring } = &mut *open;
            ring.retain(|id| files.contains_key(id));
        }
        drop(open);
        drop(closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn only_the_limit_stays_open_and_used_files_stay_longer() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let handles = Handles::new(Arc::clone(&storage), 3);
        let ids: Vec<_> = (0..5).map(|_| handles.allocate()).collect();
        let touch = |at: usize| {
            let mut opened = false;
            handles
                .get(ids[at], |storage| {
                    opened = true;
                    storage.open_or_create(Path::new(&format!("/{at}")))
                })
                .unwrap();
            opened
        };
        for at in 0..3 {
            assert!(touch(at));
        }
        assert!(!touch(0));
        assert!(touch(3));
        assert_eq!(handles.len(), 3);
        assert!(!touch(0), "a used file has a second chance");
        assert!(touch(1));
        handles.forget(ids[0]);
        assert!(touch(0));
        for _ in 0..1000 {
            handles.forget(ids[0]);
            touch(0);
        }
        assert!(handles.lock().ring.len() < 30);
    }
}
