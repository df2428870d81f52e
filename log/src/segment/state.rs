//! A segment and the files that belong to it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use milena_protocol::{Offset, Timestamp};

use super::Active;
use super::active::IndexTail;
use super::name::{self, Kind};
use super::scan::{BatchScanner, ScanError};
use crate::checkpoint;
use crate::error::{During, StorageError};
use crate::handle::{HandleId, Handles};
use crate::index::offset::{self, OffsetIndex};
use crate::index::time::{self, TimeIndex};
use crate::index::transaction::{self, AbortedTxn, TransactionIndex};
use crate::storage::File;

/// Most bytes of an index file that are read; entries beyond would belong to more than 4 GiB of
/// batches.
const INDEX_BYTES_MAX: u64 = 1 << 31;

/// The largest timestamp of a segment and the offset of its record (of the last record of its
/// batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Largest {
    pub(crate) timestamp: Timestamp,
    pub(crate) offset: Offset,
}

impl Largest {
    pub(crate) const NONE: Self = Self {
        timestamp: Timestamp::NONE,
        offset: Offset::NONE,
    };
}

impl From<(Timestamp, Offset)> for Largest {
    fn from((timestamp, offset): (Timestamp, Offset)) -> Self {
        Self { timestamp, offset }
    }
}

/// One segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: Offset,
    /// Bytes of batches; the file may be longer where a write failed.
    pub(crate) size: u64,
    /// In the order of `Kind::ALL`.
    handles: [HandleId; 4],
    /// Of a segment that is written to, or whose index files are not written yet.
    pub(crate) active: Option<Box<Active>>,
    largest: OnceLock<Largest>,
    first_timestamp: OnceLock<Option<Timestamp>>,
}

/// Where the files of a partition are.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) handles: &'a Handles,
    pub(crate) folder: &'a Path,
}

impl Segment {
    /// A segment whose files are there.
    pub(crate) fn existing(handles: &Handles, base_offset: Offset, size: u64) -> Self {
        Self {
            base_offset,
            size,
            handles: std::array::from_fn(|_| handles.allocate()),
            active: None,
            largest: OnceLock::new(),
            first_timestamp: OnceLock::new(),
        }
    }

    /// Makes the file of a new segment. Nothing is synced.
    pub(crate) fn create(
        place: Place<'_>,
        base_offset: Offset,
        now: Timestamp,
    ) -> Result<Self, StorageError> {
        let mut segment = Self::existing(place.handles, base_offset, 0);
        let path = segment.path(place, Kind::Log);
        let file = place
            .handles
            .storage()
            .open_or_create(&path)
            .during("create", &path)?;
        // Bytes may be left over from a segment that was given up.
        let emptied = file.is_empty().and_then(|is_empty| match is_empty {
            true => Ok(()),
            false => file.set_len(0),
        });
        if let Err(error) = emptied {
            let _ = place.handles.storage().remove_file(&path);
            return Err(StorageError::new("truncate", &path, error));
        }
        place.handles.put(segment.handle(Kind::Log), file);
        segment.active = Some(Box::new(Active::new(base_offset, now)));
        Ok(segment)
    }

    const fn handle(&self, kind: Kind) -> HandleId {
        match kind {
            Kind::Log => self.handles[0],
            Kind::Index => self.handles[1],
            Kind::TimeIndex => self.handles[2],
            Kind::TxnIndex => self.handles[3],
        }
    }

    pub(crate) fn path(&self, place: Place<'_>, kind: Kind) -> PathBuf {
        name::path(place.folder, self.base_offset, kind)
    }

    fn open(&self, place: Place<'_>, kind: Kind) -> std::io::Result<Arc<dyn File>> {
        place.handles.get(self.handle(kind), |storage| {
            storage.open(&self.path(place, kind))
        })
    }

    /// The file of batches.
    pub(crate) fn file(&self, place: Place<'_>) -> Result<Arc<dyn File>, StorageError> {
        if let Some(file) = self.active.as_ref().and_then(|active| active.file.as_ref()) {
            return Ok(Arc::clone(file));
        }
        self.open(place, Kind::Log)
            .map_err(|error| StorageError::new("open", &self.path(place, Kind::Log), error))
    }

    /// Closes what is open of it.
    pub(crate) fn forget(&self, handles: &Handles) {
        for handle in self.handles {
            handles.forget(handle);
        }
    }

    /// Closes what is open of its index files: they were written anew.
    pub(crate) fn forget_indexes(&mut self, handles: &Handles) {
        for kind in Kind::INDEXES {
            handles.forget(self.handle(kind));
        }
        self.largest = OnceLock::new();
        self.first_timestamp = OnceLock::new();
    }

    /// Position from which a scan finds `target`.
    pub(crate) fn position_below(&self, place: Place<'_>, target: Offset) -> u64 {
        if let Some(active) = &self.active {
            return u64::from(active.offsets.lookup(target));
        }
        let found = self
            .open(place, Kind::Index)
            .map_err(crate::index::Error::from)
            .and_then(|file| offset::lookup(&*file, self.base_offset, target));
        match found {
            Ok(position) if u64::from(position) < self.size => u64::from(position),
            Ok(_) => 0,
            Err(error) => {
                let path = self.path(place, Kind::Index);
                tracing::warn!(path = %path.display(), %error, "segment is scanned without its index");
                0
            }
        }
    }

    /// Offset from which a scan finds the first record that is not older than `target`.
    pub(crate) fn offset_before(&self, place: Place<'_>, target: Timestamp) -> Offset {
        if let Some(active) = &self.active {
            return active.times.lookup(target);
        }
        self.open(place, Kind::TimeIndex)
            .map_err(crate::index::Error::from)
            .and_then(|file| time::lookup(&*file, self.base_offset, target))
            .unwrap_or(self.base_offset)
    }

    /// The largest timestamp.
    pub(crate) fn largest(&self, place: Place<'_>) -> Result<Largest, StorageError> {
        if let Some(active) = &self.active {
            return Ok(active.largest);
        }
        if let Some(largest) = self.largest.get() {
            return Ok(*largest);
        }
        let from_index = self
            .open(place, Kind::TimeIndex)
            .map_err(crate::index::Error::from)
            .and_then(|file| time::last(&*file, self.base_offset));
        let largest = match from_index {
            Ok(Some(last)) => Largest::from(last),
            Ok(None) if self.size == 0 => Largest::NONE,
            _ => self.scan_largest(place)?,
        };
        Ok(*self.largest.get_or_init(|| largest))
    }

    fn scan_largest(&self, place: Place<'_>) -> Result<Largest, StorageError> {
        let mut largest = Largest::NONE;
        let mut scanner = BatchScanner::headers(self.file(place)?, 0, self.size);
        loop {
            match scanner.next_batch() {
                Ok(Some(batch)) if batch.header.max_timestamp > largest.timestamp => {
                    largest = (batch.header.max_timestamp, batch.header.last_offset()).into();
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(ScanError::Fault { .. }) => return Ok(largest),
                Err(ScanError::Io(error)) => {
                    let path = self.path(place, Kind::Log);
                    return Err(StorageError::new("read", &path, error));
                }
            }
        }
    }

    /// Max timestamp of the first batch.
    pub(crate) fn first_timestamp(
        &self,
        place: Place<'_>,
    ) -> Result<Option<Timestamp>, StorageError> {
        if let Some(active) = &self.active {
            return Ok(active.first_timestamp);
        }
        if let Some(first) = self.first_timestamp.get() {
            return Ok(*first);
        }
        let mut scanner = BatchScanner::headers(self.file(place)?, 0, self.size);
        let first = match scanner.next_batch() {
            Ok(batch) => batch.map(|batch| batch.header.max_timestamp),
            Err(ScanError::Fault { .. }) => None,
            Err(ScanError::Io(error)) => {
                let path = self.path(place, Kind::Log);
                return Err(StorageError::new("read", &path, error));
            }
        };
        Ok(*self.first_timestamp.get_or_init(|| first))
    }

    /// Adds aborted transactions that may have records in `[from, until)`; true where no later
    /// segment needs to be asked.
    pub(crate) fn collect_aborted(
        &self,
        place: Place<'_>,
        (from, until): (Offset, Offset),
        found: &mut Vec<AbortedTxn>,
    ) -> Result<bool, StorageError> {
        if let Some(active) = &self.active {
            return Ok(active.txns.collect(from, until, found));
        }
        let path = || self.path(place, Kind::TxnIndex);
        let file = match self.open(place, Kind::TxnIndex) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StorageError::new("open", &path(), error)),
        };
        transaction::collect_file(&*file, from, until, found).map_err(|error| {
            // Leaving an aborted transaction out would show its records: better no answer.
            StorageError::new("read", &path(), std::io::Error::other(error))
        })
    }

    /// Brings the indexes into memory, from their files or, where those are of no use, from the
    /// batches. Aborted transactions cannot be had from a segment alone: a damaged transaction
    /// index is an error.
    pub(crate) fn activate(
        &mut self,
        place: Place<'_>,
        now: Timestamp,
        interval_bytes: u32,
    ) -> Result<&mut Active, StorageError> {
        if self.active.is_none() {
            let active = match self.load(place, now)? {
                Some(active) => active,
                None => self.rebuild(place, now, interval_bytes)?,
            };
            self.active = Some(Box::new(active));
        }
        Ok(self.active.as_mut().expect("it was set above"))
    }

    fn read_index(&self, place: Place<'_>, kind: Kind) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.path(place, kind);
        checkpoint::read_whole(&**place.handles.storage(), &path, INDEX_BYTES_MAX)
            .during("read", &path)
    }

    fn read_txns(&self, place: Place<'_>) -> Result<TransactionIndex, StorageError> {
        let bytes = self.read_index(place, Kind::TxnIndex)?.unwrap_or_default();
        TransactionIndex::decode(&bytes).map_err(|error| {
            let path = self.path(place, Kind::TxnIndex);
            StorageError::new("read", &path, std::io::Error::other(error))
        })
    }

    /// The indexes as their files have them; none where those are of no use.
    pub(crate) fn load(
        &self,
        place: Place<'_>,
        now: Timestamp,
    ) -> Result<Option<Active>, StorageError> {
        let (Some(offsets), Some(times)) = (
            self.read_index(place, Kind::Index)?,
            self.read_index(place, Kind::TimeIndex)?,
        ) else {
            return Ok(None);
        };
        let (Ok(offsets), Ok(times)) = (
            OffsetIndex::decode(self.base_offset, &offsets),
            TimeIndex::decode(self.base_offset, &times),
        ) else {
            return Ok(None);
        };
        if offsets.check(self.size).is_err() || (times.is_empty() && self.size > 0) {
            return Ok(None);
        }
        let last_entry = offsets
            .last()
            .map_or(0, |(_, position)| u64::from(position));
        let first_timestamp = self.first_timestamp(place)?;
        let txns = self.read_txns(place)?;
        Ok(Some(Active::loaded(
            (offsets, times, txns),
            first_timestamp,
            now,
            self.size - last_entry,
        )))
    }

    fn rebuild(
        &self,
        place: Place<'_>,
        now: Timestamp,
        interval_bytes: u32,
    ) -> Result<Active, StorageError> {
        let mut active = Active::new(self.base_offset, now);
        active.txns = self.read_txns(place)?;
        let mut scanner = BatchScanner::headers(self.file(place)?, 0, self.size);
        loop {
            match scanner.next_batch() {
                Ok(Some(batch)) => active.add(&batch.header, batch.position, interval_bytes),
                Ok(None) => return Ok(active),
                Err(error) => {
                    let path = self.path(place, Kind::Log);
                    return Err(StorageError::new(
                        "scan",
                        &path,
                        std::io::Error::other(error),
                    ));
                }
            }
        }
    }
}

/// Writes the ends of index files and syncs them.
pub(crate) fn write_index_tails(
    place: Place<'_>,
    base_offset: Offset,
    tails: &[IndexTail],
) -> Result<(), StorageError> {
    let storage = place.handles.storage();
    for tail in tails {
        let path = name::path(place.folder, base_offset, tail.kind);
        let file = storage.open_or_create(&path).during("create", &path)?;
        let end = tail.position + tail.bytes.len() as u64;
        file.write_at(&[std::io::IoSlice::new(&tail.bytes)], tail.position)
            .during("write", &path)?;
        file.set_len(end).during("truncate", &path)?;
        file.sync().during("sync", &path)?;
    }
    Ok(())
}

/// Writes index files and syncs them. A file for which there is nothing is removed.
pub(crate) fn write_indexes(
    place: Place<'_>,
    base_offset: Offset,
    indexes: &[(Kind, Option<Vec<u8>>)],
) -> Result<(), StorageError> {
    let storage = place.handles.storage();
    for (kind, bytes) in indexes {
        let path = name::path(place.folder, base_offset, *kind);
        let Some(bytes) = bytes else {
            match storage.remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StorageError::new("remove", &path, error));
                }
                _ => continue,
            }
        };
        let file = storage.open_or_create(&path).during("create", &path)?;
        file.write_at(&[std::io::IoSlice::new(bytes)], 0)
            .during("write", &path)?;
        file.set_len(bytes.len() as u64).during("truncate", &path)?;
        file.sync().during("sync", &path)?;
    }
    Ok(())
}
