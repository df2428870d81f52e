//! The indexes of a segment that is written to, in memory.

use std::sync::Arc;

use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, Timestamp};

use super::Largest;
use super::name::Kind;
use crate::index::offset::{self, OffsetIndex};
use crate::index::time::{self, TimeIndex};
use crate::index::transaction::{AbortedTxn, TransactionIndex};
use crate::storage::File;

/// What is in memory of a segment that is or was written to since its index files were written.
#[derive(Debug)]
pub(crate) struct Active {
    /// Held while bytes are not synced.
    pub(crate) file: Option<Arc<dyn File>>,
    pub(crate) offsets: OffsetIndex,
    pub(crate) times: TimeIndex,
    pub(crate) txns: TransactionIndex,
    pub(crate) largest: Largest,
    /// Max timestamp of the first batch; decides with `segment.ms` when to roll.
    pub(crate) first_timestamp: Option<Timestamp>,
    pub(crate) created: Timestamp,
    /// Position up to which room is preallocated.
    pub(crate) reserved_to: u64,
    bytes_since_entry: u64,
    /// Entries of the offset and the time index that stand in the files.
    saved: [usize; 2],
}

/// The end of an index, to be written behind what its file has.
#[derive(Debug)]
pub(crate) struct IndexTail {
    pub(crate) kind: Kind,
    /// Where it goes in the file, in bytes.
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
    entries: usize,
}

impl Active {
    pub(crate) const fn new(base_offset: Offset, created: Timestamp) -> Self {
        Self {
            file: None,
            offsets: OffsetIndex::new(base_offset),
            times: TimeIndex::new(base_offset),
            txns: TransactionIndex::new(),
            largest: Largest::NONE,
            first_timestamp: None,
            created,
            reserved_to: 0,
            bytes_since_entry: 0,
            saved: [0; 2],
        }
    }

    /// With indexes that were read from files of a segment whose last entry is `bytes_since_entry`
    /// bytes before its end.
    pub(crate) fn loaded(
        indexes: (OffsetIndex, TimeIndex, TransactionIndex),
        first_timestamp: Option<Timestamp>,
        created: Timestamp,
        bytes_since_entry: u64,
    ) -> Self {
        let (offsets, times, txns) = indexes;
        let saved = [offsets.len(), times.len()];
        let largest = times.last().map_or(Largest::NONE, Largest::from);
        Self {
            offsets,
            times,
            txns,
            largest,
            first_timestamp,
            bytes_since_entry,
            saved,
            ..Self::new(Offset(0), created)
        }
    }

    /// Takes note of a batch that begins at `position`. One index entry is made per
    /// `interval_bytes` bytes, as Kafka does.
    pub(crate) fn add(&mut self, header: &BatchHeader, position: u64, interval_bytes: u32) {
        let last_offset = header.last_offset();
        if self.first_timestamp.is_none() {
            self.first_timestamp = Some(header.max_timestamp);
        }
        if header.max_timestamp > self.largest.timestamp {
            self.largest = Largest {
                timestamp: header.max_timestamp,
                offset: last_offset,
            };
        }
        if self.bytes_since_entry > u64::from(interval_bytes)
            && let Ok(position) = u32::try_from(position)
        {
            // What does not fit an index is left out: a lookup then scans a little more.
            let _ = self.offsets.append(last_offset, position);
            self.note_largest();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.size_bytes as u64;
    }

    fn note_largest(&mut self) {
        if self.largest != Largest::NONE {
            let _ = self
                .times
                .append(self.largest.timestamp, self.largest.offset);
        }
    }

    pub(crate) fn add_aborted(&mut self, txn: AbortedTxn) {
        // Markers are appended in the order of their offsets, so this cannot be refused.
        let _ = self.txns.append(txn);
    }

    /// Makes the last entry of the time index the largest timestamp of the segment.
    pub(crate) fn finish(&mut self) {
        self.note_largest();
    }

    /// Forgets what is known of records from `offset` on, and of those since the last entry of the
    /// offset index. Returns the offset in that entry and its position, from which batches are to
    /// be added again.
    pub(crate) fn rewind(&mut self, offset: Offset) -> (Option<Offset>, u64) {
        self.offsets.truncate_to(offset);
        self.times.truncate_to(offset);
        self.txns.truncate_to(offset);
        let [offsets, times] = &mut self.saved;
        *offsets = self.offsets.len().min(*offsets);
        *times = self.times.len().min(*times);
        self.largest = self.times.last().map_or(Largest::NONE, Largest::from);
        self.bytes_since_entry = 0;
        let last = self.offsets.last();
        last.map_or((None, 0), |(offset, position)| {
            (Some(offset), u64::from(position))
        })
    }

    /// What the files of the offset and the time index lack.
    pub(crate) fn unsaved_indexes(&self) -> [IndexTail; 2] {
        let [offsets, times] = self.saved;
        let tail =
            |kind, entries: usize, entry_bytes: usize, saved: usize, bytes: Vec<u8>| IndexTail {
                kind,
                position: saved as u64 * entry_bytes as u64,
                bytes,
                entries,
            };
        [
            tail(
                Kind::Index,
                self.offsets.len(),
                offset::ENTRY_BYTES,
                offsets,
                self.offsets.encode_from(offsets),
            ),
            tail(
                Kind::TimeIndex,
                self.times.len(),
                time::ENTRY_BYTES,
                times,
                self.times.encode_from(times),
            ),
        ]
    }

    /// Takes note that the files have these entries.
    pub(crate) fn note_saved(&mut self, tails: &[IndexTail; 2]) {
        self.saved = tails.each_ref().map(|tail| tail.entries);
    }

    /// The bytes of the index files; none for a transaction index without entries.
    pub(crate) fn index_bytes(&self) -> [(Kind, Option<Vec<u8>>); 3] {
        let txns = (!self.txns.is_empty()).then(|| self.txns.encode());
        [
            (Kind::Index, Some(self.offsets.encode())),
            (Kind::TimeIndex, Some(self.times.encode())),
            (Kind::TxnIndex, txns),
        ]
    }
}
