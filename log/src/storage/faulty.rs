//! A file system that fails on request and loses on a crash what was not synced.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::memory::{MemoryFile, MemoryStorage, Node, ROOT, lock};
use super::{Entry, File, Space, Storage};

/// Unit in which a disk writes or loses bytes.
pub const SECTOR_BYTES: usize = 512;

/// Linux's number of an input/output error.
const EIO: i32 = 5;

/// [`Storage`] in memory for tests of durability. The same seed and the same calls give the same
/// faults.
///
/// [`FaultyStorage::crash`] keeps what was synced. Of what was not, each file loses all, keeps all,
/// keeps the sectors before a point, or keeps any set of sectors; lost sectors beyond the durable
/// size read as zeroes. Creations, renames and removals in a directory that was not synced are lost
/// as a whole or kept as a whole.
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    memory: MemoryStorage,
    faults: Arc<Faults>,
}

/// What an operation does, for counting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Sync,
    Directory,
}

#[derive(Debug)]
pub(super) struct Faults {
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    random: u64,
    /// Operations other than reads so far.
    operations: u64,
    writes: u64,
    syncs: u64,
    off_after: Option<u64>,
    failing_write: Option<u64>,
    failing_sync: Option<u64>,
    budget_bytes: Option<u64>,
    /// Something has failed since the last crash.
    has_failed: bool,
}

impl Plan {
    /// The next number of SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = self.random;
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        let value = self.next() % (end.max(1) as u64);
        usize::try_from(value).unwrap_or(0)
    }

    fn is_off(&self) -> bool {
        self.off_after.is_some_and(|after| self.operations >= after)
    }
}

fn power_off() -> io::Error {
    io::Error::other("power is off")
}

impl Faults {
    pub(super) fn before(&self, operation: Operation) -> io::Result<()> {
        let mut plan = lock(&self.plan);
        let verdict = plan.before(operation);
        plan.has_failed |= verdict.is_err();
        verdict
    }

    /// For a write of `total` bytes by which the file grows by `growth`: on failure also how many
    /// bytes are written nevertheless.
    pub(super) fn before_write(
        &self,
        total: usize,
        growth: usize,
    ) -> Result<(), (usize, io::Error)> {
        let mut plan = lock(&self.plan);
        let verdict = plan.before_write(total, growth);
        plan.has_failed |= verdict.is_err();
        verdict
    }

    pub(super) fn usable_bytes(&self) -> u64 {
        lock(&self.plan).budget_bytes.unwrap_or(u64::MAX / 2)
    }
}

impl Plan {
    fn before(&mut self, operation: Operation) -> io::Result<()> {
        let plan = self;
        if plan.is_off() {
            return Err(power_off());
        }
        if operation == Operation::Read {
            return Ok(());
        }
        plan.operations += 1;
        if operation == Operation::Sync {
            plan.syncs += 1;
            if plan.failing_sync == Some(plan.syncs) {
                return Err(io::Error::from_raw_os_error(EIO));
            }
        }
        if plan.is_off() {
            return Err(power_off());
        }
        Ok(())
    }

    fn before_write(&mut self, total: usize, growth: usize) -> Result<(), (usize, io::Error)> {
        let plan = self;
        if plan.is_off() {
            return Err((0, power_off()));
        }
        plan.operations += 1;
        plan.writes += 1;
        if plan.is_off() {
            let kept = plan.below(total + 1);
            return Err((kept, power_off()));
        }
        if plan.failing_write == Some(plan.writes) {
            let kept = plan.below(total + 1);
            return Err((kept, io::Error::from_raw_os_error(EIO)));
        }
        if let Some(budget) = &mut plan.budget_bytes {
            let Some(left) = budget.checked_sub(growth as u64) else {
                let room = usize::try_from(*budget).unwrap_or(usize::MAX);
                let kept = (total - growth).saturating_add(room).min(total);
                *budget = 0;
                return Err((kept, io::ErrorKind::StorageFull.into()));
            };
            *budget = left;
        }
        Ok(())
    }
}

impl FaultyStorage {
    /// An empty file system without planned faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let plan = Plan {
            random: seed,
            ..Plan::default()
        };
        let faults = Arc::new(Faults {
            plan: Mutex::new(plan),
        });
        Self {
            memory: MemoryStorage::with_faults(Arc::clone(&faults)),
            faults,
        }
    }

    /// Fails the write that is `number` writes from now (1 = the next) with EIO; some of its bytes
    /// may be written.
    pub fn fail_write(&self, number: u64) {
        let mut plan = lock(&self.faults.plan);
        plan.failing_write = Some(plan.writes.saturating_add(number));
    }

    /// Fails the sync that is `number` syncs from now (1 = the next) with EIO. What was written to
    /// that file will never be durable, though later syncs of it succeed.
    pub fn fail_sync(&self, number: u64) {
        let mut plan = lock(&self.faults.plan);
        plan.failing_sync = Some(plan.syncs.saturating_add(number));
    }

    /// Lets files grow by `bytes` more in all before writes fail with `StorageFull`; none for
    /// without limit.
    pub fn limit_bytes(&self, bytes: Option<u64>) {
        lock(&self.faults.plan).budget_bytes = bytes;
    }

    /// Fails everything from the operation on that is `operations` operations from now (1 = the
    /// next), until [`FaultyStorage::crash`]. Reads do not count.
    pub fn power_off_after(&self, operations: u64) {
        let mut plan = lock(&self.faults.plan);
        plan.off_after = Some(plan.operations.saturating_add(operations));
    }

    /// True from the operation on that [`FaultyStorage::power_off_after`] named.
    #[must_use]
    pub fn is_off(&self) -> bool {
        lock(&self.faults.plan).is_off()
    }

    /// Takes back every planned fault. One that has happened stays: what is off is off until
    /// [`FaultyStorage::crash`].
    pub fn cancel_faults(&self) {
        let mut plan = lock(&self.faults.plan);
        plan.failing_write = None;
        plan.failing_sync = None;
        plan.budget_bytes = None;
        if !plan.is_off() {
            plan.off_after = None;
        }
    }

    /// True where a write, sync or directory operation has failed since the last
    /// [`FaultyStorage::crash`], a full disk included.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        lock(&self.faults.plan).has_failed
    }

    /// Number of operations other than reads so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        lock(&self.faults.plan).operations
    }

    /// Takes the power away and gives it back, without planned faults. Open files stay what they
    /// were and are no longer part of the file system.
    pub fn crash(&self) {
        // Locks are taken in the order tree, file, plan, as everywhere here.
        let mut tree = lock(&self.memory.tree);
        {
            let mut plan = lock(&self.faults.plan);
            plan.off_after = None;
            plan.failing_write = None;
            plan.failing_sync = None;
            plan.has_failed = false;
        }
        let mut nodes = BTreeMap::new();
        let mut pending = vec![ROOT];
        while let Some(number) = pending.pop() {
            let survivor = match tree.nodes.get(&number) {
                Some(Node::Directory { current, synced }) => {
                    let is_kept = current == synced || self.draw(2) == 0;
                    let entries = if is_kept { current } else { synced };
                    pending.extend(entries.values());
                    Node::Directory {
                        current: entries.clone(),
                        synced: entries.clone(),
                    }
                }
                Some(Node::File(file)) => {
                    let content = lock(&file.content);
                    let mut plan = lock(&self.faults.plan);
                    let bytes = survivors(&content.bytes, &content.synced, &mut plan);
                    Node::File(Arc::new(MemoryFile::new(
                        bytes,
                        Some(Arc::clone(&self.faults)),
                    )))
                }
                None => continue,
            };
            nodes.insert(number, survivor);
        }
        tree.nodes = nodes;
    }

    fn draw(&self, end: usize) -> usize {
        lock(&self.faults.plan).below(end)
    }

    /// Changes one byte of a file behind everybody's back; does nothing beyond its end.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub fn flip_byte(&self, path: &Path, position: u64) -> io::Result<()> {
        let file = self.memory.open(path)?;
        let mut byte = [0];
        if file.read_at(&mut byte, position)? == 1 {
            let changed = [byte[0] ^ 0x55];
            file.write_at(&[io::IoSlice::new(&changed)], position)?;
            file.sync()?;
        }
        Ok(())
    }
}

/// Which sectors of a file a crash keeps.
fn survivors(current: &[u8], synced: &[u8], plan: &mut Plan) -> Vec<u8> {
    if current == synced {
        return synced.to_vec();
    }
    let sectors = current.len().max(synced.len()).div_ceil(SECTOR_BYTES);
    let first_changed = current
        .iter()
        .zip(synced)
        .position(|(left, right)| left != right)
        .unwrap_or(current.len().min(synced.len()))
        / SECTOR_BYTES;
    let mode = plan.below(4);
    let point = first_changed + plan.below(sectors - first_changed + 1);
    let mut bytes = match mode {
        0 => return synced.to_vec(),
        1 => return current.to_vec(),
        // The size is a matter of its own: it may be durable where the bytes are not.
        _ if plan.below(2) == 0 => vec![0; current.len()],
        _ => vec![0; current.len().min((point * SECTOR_BYTES).max(synced.len()))],
    };
    let size = bytes.len();
    for sector in 0..sectors {
        let is_kept = sector < first_changed
            || if mode == 2 {
                sector < point
            } else {
                plan.below(2) == 0
            };
        let source = if is_kept { current } else { synced };
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(source.len()).min(size);
        if start < end {
            bytes[start..end].copy_from_slice(&source[start..end]);
        }
    }
    bytes
}

impl Storage for FaultyStorage {
    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.memory.open_or_create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.memory.open(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.memory.list(directory)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.memory.exists(path)
    }
    fn create_directory(&self, directory: &Path) -> io::Result<()> {
        self.memory.create_directory(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.memory.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.memory.remove_file(path)
    }
    fn remove_directory(&self, directory: &Path) -> io::Result<()> {
        self.memory.remove_directory(directory)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.memory.sync_directory(directory)
    }
    fn space(&self, directory: &Path) -> io::Result<Space> {
        self.memory.space(directory)
    }
}
