//! A file system in memory. With faults it is the body of [`FaultyStorage`](super::FaultyStorage).

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::faulty::{Faults, Operation};
use super::{Entry, File, Space, Storage};

/// [`Storage`] in memory: nothing is ever lost, there are no descriptors, space has no end.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    pub(super) tree: Arc<Mutex<Tree>>,
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStorage {
    /// An empty file system.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tree: Arc::new(Mutex::new(Tree::new(None))),
        }
    }

    pub(super) fn with_faults(faults: Arc<Faults>) -> Self {
        Self {
            tree: Arc::new(Mutex::new(Tree::new(Some(faults)))),
        }
    }
}

/// Locks a mutex; what it guards has no invariant that a panic elsewhere could break.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Directories and files by number.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) next: u64,
    pub(super) faults: Option<Arc<Faults>>,
}

pub(super) const ROOT: u64 = 0;

#[derive(Debug)]
pub(super) enum Node {
    File(Arc<MemoryFile>),
    Directory {
        current: BTreeMap<String, u64>,
        /// What a crash leaves; only with faults.
        synced: BTreeMap<String, u64>,
    },
}

impl Node {
    pub(super) const fn directory() -> Self {
        Self::Directory {
            current: BTreeMap::new(),
            synced: BTreeMap::new(),
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Names of the directories and the file of a path.
fn names(path: &Path) -> Vec<String> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect()
}

impl Tree {
    fn new(faults: Option<Arc<Faults>>) -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::directory())]),
            next: ROOT + 1,
            faults,
        }
    }

    fn before(&self, operation: Operation) -> io::Result<()> {
        self.faults
            .as_ref()
            .map_or(Ok(()), |faults| faults.before(operation))
    }

    fn entries(&self, number: u64) -> io::Result<&BTreeMap<String, u64>> {
        match self.nodes.get(&number) {
            Some(Node::Directory { current, .. }) => Ok(current),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn entries_mut(&mut self, number: u64) -> io::Result<&mut BTreeMap<String, u64>> {
        match self.nodes.get_mut(&number) {
            Some(Node::Directory { current, .. }) => Ok(current),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(not_found()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut number = ROOT;
        for name in names(path) {
            number = *self.entries(number)?.get(&name).ok_or_else(not_found)?;
        }
        Ok(number)
    }

    /// Number of the parent and the last name.
    fn parent(&self, path: &Path) -> io::Result<(u64, String)> {
        let mut names = names(path);
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut number = ROOT;
        for name in names {
            number = *self.entries(number)?.get(&name).ok_or_else(not_found)?;
        }
        Ok((number, last))
    }

    fn add(&mut self, parent: u64, name: String, node: Node) -> io::Result<u64> {
        let number = self.next;
        self.entries_mut(parent)?.insert(name, number);
        self.nodes.insert(number, node);
        self.next += 1;
        Ok(number)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match self.nodes.get(&self.find(path)?) {
            Some(Node::File(file)) => Ok(Arc::<MemoryFile>::clone(file)),
            Some(Node::Directory { .. }) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    /// Forgets a node and all below it. With faults it may come back.
    fn forget(&mut self, number: u64) {
        if self.faults.is_some() {
            return;
        }
        if let Some(Node::Directory { current, .. }) = self.nodes.remove(&number) {
            for child in current.into_values() {
                self.forget(child);
            }
        }
    }

    fn remove(&mut self, path: &Path, is_directory: bool) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let number = *self.entries(parent)?.get(&name).ok_or_else(not_found)?;
        match self.nodes.get(&number) {
            Some(Node::File(_)) if is_directory => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Some(Node::Directory { .. }) if !is_directory => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            _ => {}
        }
        self.before(Operation::Directory)?;
        self.entries_mut(parent)?.remove(&name);
        self.forget(number);
        Ok(())
    }
}

impl Storage for MemoryStorage {
    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut tree = lock(&self.tree);
        match tree.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (parent, name) = tree.parent(path)?;
        tree.before(Operation::Directory)?;
        let file = Arc::new(MemoryFile::new(Vec::new(), tree.faults.clone()));
        tree.add(parent, name, Node::File(Arc::clone(&file)))?;
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let tree = lock(&self.tree);
        tree.before(Operation::Read)?;
        tree.open(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let tree = lock(&self.tree);
        tree.before(Operation::Read)?;
        let entries = tree.entries(tree.find(directory)?)?;
        Ok(entries
            .iter()
            .map(|(name, number)| Entry {
                name: name.clone(),
                is_directory: matches!(tree.nodes.get(number), Some(Node::Directory { .. })),
            })
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let tree = lock(&self.tree);
        tree.before(Operation::Read)?;
        match tree.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        let mut tree = lock(&self.tree);
        let mut number = ROOT;
        for name in names(directory) {
            let found = tree.entries(number)?.get(&name).copied();
            number = match found {
                Some(number) => number,
                None => {
                    tree.before(Operation::Directory)?;
                    tree.add(number, name, Node::directory())?
                }
            };
        }
        tree.entries(number).map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = lock(&self.tree);
        let (from_parent, from_name) = tree.parent(from)?;
        let (to_parent, to_name) = tree.parent(to)?;
        tree.entries(to_parent)?;
        let number = *tree
            .entries(from_parent)?
            .get(&from_name)
            .ok_or_else(not_found)?;
        tree.before(Operation::Directory)?;
        tree.entries_mut(from_parent)?.remove(&from_name);
        if let Some(replaced) = tree.entries_mut(to_parent)?.insert(to_name, number) {
            tree.forget(replaced);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        lock(&self.tree).remove(path, false)
    }

    fn remove_directory(&self, directory: &Path) -> io::Result<()> {
        lock(&self.tree).remove(directory, true)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut tree = lock(&self.tree);
        let number = tree.find(directory)?;
        tree.before(Operation::Sync)?;
        match tree.nodes.get_mut(&number) {
            Some(Node::Directory { current, synced }) => synced.clone_from(current),
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn space(&self, directory: &Path) -> io::Result<Space> {
        let tree = lock(&self.tree);
        tree.entries(tree.find(directory)?)?;
        let usable_bytes = tree
            .faults
            .as_ref()
            .map_or(u64::MAX / 2, |faults| faults.usable_bytes());
        Ok(Space {
            total_bytes: u64::MAX / 2,
            usable_bytes,
        })
    }
}

/// A file in memory.
#[derive(Debug)]
pub(super) struct MemoryFile {
    pub(super) content: Mutex<Content>,
    faults: Option<Arc<Faults>>,
}

#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// What a crash leaves; only with faults.
    pub(super) synced: Vec<u8>,
    /// First position that may differ from `synced`.
    pub(super) dirty_from: usize,
    /// A sync failed: nothing written before it will ever be durable.
    pub(super) is_abandoned: bool,
}

impl MemoryFile {
    /// A file with these durable bytes.
    pub(super) fn new(bytes: Vec<u8>, faults: Option<Arc<Faults>>) -> Self {
        let synced = if faults.is_some() {
            bytes.clone()
        } else {
            Vec::new()
        };
        let dirty_from = bytes.len();
        Self {
            content: Mutex::new(Content {
                bytes,
                synced,
                dirty_from,
                is_abandoned: false,
            }),
            faults,
        }
    }

    fn before(&self, operation: Operation) -> io::Result<()> {
        self.faults
            .as_ref()
            .map_or(Ok(()), |faults| faults.before(operation))
    }
}

fn index(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl Content {
    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        self.dirty_from = self.dirty_from.min(at);
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.before(Operation::Read)?;
        let content = lock(&self.content);
        let from = index(position)?.min(content.bytes.len());
        let count = buffer.len().min(content.bytes.len() - from);
        buffer[..count].copy_from_slice(&content.bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut at = index(position)?;
        let mut content = lock(&self.content);
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let end = at.checked_add(total).ok_or(io::ErrorKind::FileTooLarge)?;
        let growth = end.saturating_sub(content.bytes.len());
        let verdict = match &self.faults {
            None => Ok(()),
            Some(faults) => faults.before_write(total, growth),
        };
        // A write that fails may have written some of its bytes.
        let mut allowed = match &verdict {
            Ok(()) => total,
            Err((allowed, _)) => *allowed,
        };
        for buffer in buffers {
            let taken = buffer.len().min(allowed);
            content.write(&buffer[..taken], at);
            at += taken;
            allowed -= taken;
        }
        verdict.map_err(|(_, error)| error)
    }

    fn sync(&self) -> io::Result<()> {
        let verdict = self.before(Operation::Sync);
        if self.faults.is_none() {
            return Ok(());
        }
        let mut content = lock(&self.content);
        if verdict.is_err() {
            content.is_abandoned = true;
            return verdict;
        }
        if !content.is_abandoned {
            let Content {
                bytes,
                synced,
                dirty_from,
                ..
            } = &mut *content;
            let same = (*dirty_from).min(bytes.len()).min(synced.len());
            synced.truncate(same);
            synced.extend_from_slice(&bytes[same..]);
            *dirty_from = bytes.len();
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.before(Operation::Write)?;
        let mut content = lock(&self.content);
        let size = index(size_bytes)?;
        content.dirty_from = content.dirty_from.min(size).min(content.bytes.len());
        content.bytes.resize(size, 0);
        Ok(())
    }

    fn reserve(&self, _position: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
