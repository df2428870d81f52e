//! The new files of one group of segments.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, Timestamp};

use super::BatchFault;
use crate::LogConfig;
use crate::error::{During, StorageError};
use crate::index::offset::{self, OffsetIndex};
use crate::index::time::{self, TimeIndex};
use crate::index::transaction::{AbortedTxn, TransactionIndex};
use crate::segment::name::{CLEANED, Kind, path_with};
use crate::storage::{File, Storage};

/// Writes the files of one segment with the suffix `.cleaned`.
pub(super) struct Output<'a> {
    storage: &'a dyn Storage,
    folder: &'a Path,
    base_offset: Offset,
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    buffer_bytes_max: usize,
    written_bytes: u64,
    offsets: OffsetIndex,
    offsets_max: usize,
    times: TimeIndex,
    times_max: usize,
    aborted: TransactionIndex,
    interval_bytes: usize,
    bytes_since_entry: usize,
    largest: (Timestamp, Offset),
    last_offset: Offset,
}

impl<'a> Output<'a> {
    pub(super) fn create(
        storage: &'a dyn Storage,
        folder: &'a Path,
        base_offset: Offset,
        config: &LogConfig,
        buffer_bytes_max: usize,
    ) -> Result<Self, StorageError> {
        let path = path_with(folder, base_offset, Kind::Log, CLEANED);
        let file = storage.open_or_create(&path).during("create", &path)?;
        file.set_len(0).during("truncate", &path)?;
        let entries_max = |bytes: usize| {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            config.index_entries_max(bytes)
        };
        Ok(Self {
            storage,
            folder,
            base_offset,
            file,
            buffer: Vec::new(),
            buffer_bytes_max,
            written_bytes: 0,
            offsets: OffsetIndex::new(base_offset),
            offsets_max: entries_max(offset::ENTRY_BYTES),
            times: TimeIndex::new(base_offset),
            times_max: entries_max(time::ENTRY_BYTES),
            aborted: TransactionIndex::new(),
            interval_bytes: usize::try_from(config.index_interval_bytes).unwrap_or(usize::MAX),
            bytes_since_entry: 0,
            largest: (Timestamp::NONE, base_offset),
            last_offset: base_offset.plus(-1),
        })
    }

    /// Bytes of the new segment so far.
    pub(super) fn size_bytes(&self) -> u64 {
        self.written_bytes + self.buffer.len() as u64
    }

    /// Largest timestamp of its batches.
    pub(super) const fn largest_timestamp(&self) -> Timestamp {
        self.largest.0
    }

    /// Appends `batch`, which has this header. [`Output::flush_full`] is to follow.
    pub(super) fn append(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), BatchFault> {
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        let is_in_order = base_offset > self.last_offset && last_offset >= base_offset;
        let position = u32::try_from(self.size_bytes()).ok();
        let fault = BatchFault::Offsets {
            base_offset,
            last_offset,
            previous: self.last_offset,
        };
        let Some(position) = position.filter(|_| is_in_order) else {
            return Err(fault);
        };
        self.last_offset = last_offset;
        if header.max_timestamp > self.largest.0 {
            self.largest = (header.max_timestamp, last_offset);
        }
        if self.bytes_since_entry > self.interval_bytes {
            if self.offsets.len() < self.offsets_max {
                self.offsets
                    .append(last_offset, position)
                    .map_err(|_| fault.clone())?;
            }
            self.note_time().map_err(|()| fault)?;
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch.len();
        self.buffer.extend_from_slice(batch);
        Ok(())
    }

    /// Writes what was appended where that is enough for one write.
    pub(super) fn flush_full(&mut self) -> Result<(), StorageError> {
        if self.buffer.len() < self.buffer_bytes_max {
            return Ok(());
        }
        self.flush()
    }

    fn note_time(&mut self) -> Result<(), ()> {
        let (timestamp, offset) = self.largest;
        if self.times.len() < self.times_max {
            self.times.append(timestamp, offset).map_err(|_| ())?;
        }
        Ok(())
    }

    /// Keeps a transaction whose abort marker was appended.
    pub(super) fn append_aborted(&mut self, txn: AbortedTxn) -> Result<(), BatchFault> {
        let fault = BatchFault::Offsets {
            base_offset: txn.first_offset,
            last_offset: txn.last_offset,
            previous: self.last_offset,
        };
        self.aborted.append(txn).map_err(|_| fault)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        if !self.buffer.is_empty() {
            let path = path_with(self.folder, self.base_offset, Kind::Log, CLEANED);
            self.file
                .write_at(&[IoSlice::new(&self.buffer)], self.written_bytes)
                .during("write", &path)?;
            self.written_bytes += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes what is left and makes all files durable. Their names are durable when the caller
    /// has synced the folder, which the swap does.
    pub(super) fn finish(mut self) -> Result<(), StorageError> {
        self.flush()?;
        let path = path_with(self.folder, self.base_offset, Kind::Log, CLEANED);
        self.file.sync().during("sync", &path)?;
        // The last entry of the time index is that of the whole segment; where it does not fit, a
        // reader scans.
        let _ = self.note_time();
        self.write(Kind::Index, &self.offsets.encode())?;
        self.write(Kind::TimeIndex, &self.times.encode())?;
        // An empty one too: the swap then knows by each file whether it has taken its place.
        self.write(Kind::TxnIndex, &self.aborted.encode())
    }

    fn write(&self, kind: Kind, bytes: &[u8]) -> Result<(), StorageError> {
        let path = path_with(self.folder, self.base_offset, kind, CLEANED);
        let file = self.storage.open_or_create(&path).during("create", &path)?;
        file.set_len(0).during("truncate", &path)?;
        file.write_at(&[IoSlice::new(bytes)], 0)
            .during("write", &path)?;
        file.sync().during("sync", &path)
    }
}

/// Removes the files with the suffix `.cleaned` of the segment with this base offset.
pub(super) fn discard(
    storage: &dyn Storage,
    folder: &Path,
    base_offset: Offset,
) -> Result<(), StorageError> {
    for kind in Kind::ALL {
        let path = path_with(folder, base_offset, kind, CLEANED);
        match storage.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::new("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}
