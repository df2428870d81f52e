//! Transaction index: the aborted transactions whose marker is in the segment (KIP-98, Kafka
//! classes `TransactionIndex` and `AbortedTxn`).

use milena_protocol::{Offset, ProducerId};

use super::{AppendError, Error, entry_count, field, read_exact};
use crate::storage::File;

/// Size of one entry.
pub const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;
/// Entries that are read from a file at once.
const READ_ENTRIES: u64 = 120;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Producer of the transaction.
    pub producer_id: ProducerId,
    /// Offset of its first record in the partition.
    pub first_offset: Offset,
    /// Offset of its marker.
    pub last_offset: Offset,
    /// Last stable offset of the partition when the marker was appended.
    pub last_stable_offset: Offset,
}

impl AbortedTxn {
    /// The bytes of the entry.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut entry = [0; ENTRY_BYTES];
        entry[..2].copy_from_slice(&VERSION.to_be_bytes());
        entry[2..10].copy_from_slice(&self.producer_id.0.to_be_bytes());
        entry[10..18].copy_from_slice(&self.first_offset.0.to_be_bytes());
        entry[18..26].copy_from_slice(&self.last_offset.0.to_be_bytes());
        entry[26..].copy_from_slice(&self.last_stable_offset.0.to_be_bytes());
        entry
    }

    /// None where the version is unknown or an offset is impossible.
    fn decode(entry: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let i64_at = |at| i64::from_be_bytes(field(entry, at));
        let txn = Self {
            producer_id: ProducerId(i64_at(2)),
            first_offset: Offset(i64_at(10)),
            last_offset: Offset(i64_at(18)),
            last_stable_offset: Offset(i64_at(26)),
        };
        let is_known = i16::from_be_bytes(field(entry, 0)) == VERSION;
        let is_possible = txn.producer_id.0 >= 0
            && txn.first_offset.0 >= 0
            && txn.first_offset <= txn.last_offset
            && txn.last_stable_offset.0 >= 0;
        (is_known && is_possible).then_some(txn)
    }

    /// True where records of the transaction may lie in `[from, until)`.
    #[must_use]
    pub fn overlaps(&self, from: Offset, until: Offset) -> bool {
        self.last_offset >= from && self.first_offset < until
    }
}

/// The transaction index of one segment in memory. Last offsets strictly increase.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TransactionIndex {
    entries: Vec<AbortedTxn>,
}

impl TransactionIndex {
    /// An empty index. It holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// `Size`, `Order`, `Malformed`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            let size_bytes = bytes.len() as u64;
            return Err(Error::Size {
                size_bytes,
                entry_bytes: ENTRY_BYTES,
            });
        }
        let mut index = Self::new();
        index.entries.reserve_exact(chunks.len());
        for chunk in chunks {
            let entry = index.entries.len() as u64;
            let txn = AbortedTxn::decode(chunk).ok_or(Error::Malformed { entry })?;
            index.append(txn).map_err(|_| Error::Order { entry })?;
        }
        Ok(index)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.entries.iter().flat_map(AbortedTxn::encode).collect()
    }

    /// Adds a transaction whose abort marker was appended.
    ///
    /// # Errors
    /// `Order` where its last offset is not above that of the last entry.
    pub fn append(&mut self, txn: AbortedTxn) -> Result<(), AppendError> {
        if let Some(last) = self.entries.last()
            && txn.last_offset <= last.last_offset
        {
            let (offset, last_offset) = (txn.last_offset, last.last_offset);
            return Err(AppendError::Order {
                offset,
                last_offset,
            });
        }
        self.entries.push(txn);
        Ok(())
    }

    /// Adds the transactions that may have records in `[from, until)` to `found`. Returns true
    /// where no later segment needs to be asked: an entry was seen whose last stable offset is not
    /// below `until`, so every transaction that began before `until` is decided by then.
    pub fn collect(&self, from: Offset, until: Offset, found: &mut Vec<AbortedTxn>) -> bool {
        collect(&self.entries, from, until, found)
    }

    /// Drops the entries whose last offset is `offset` or above.
    pub fn truncate_to(&mut self, offset: Offset) {
        let kept = self.entries.partition_point(|txn| txn.last_offset < offset);
        self.entries.truncate(kept);
    }

    /// The entries in ascending order of their last offset.
    #[must_use]
    pub fn entries(&self) -> &[AbortedTxn] {
        &self.entries
    }

    /// True without entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// As [`TransactionIndex::collect`], in the file of a closed segment.
///
/// # Errors
/// `Size`, `Malformed`, `Io`; `found` may have entries then.
pub fn collect_file(
    file: &dyn File,
    from: Offset,
    until: Offset,
    found: &mut Vec<AbortedTxn>,
) -> Result<bool, Error> {
    let count = entry_count(file, ENTRY_BYTES)?;
    let mut number = 0;
    let mut block = Vec::new();
    let mut txns = Vec::new();
    while number < count {
        let taken = (count - number).min(READ_ENTRIES);
        block.resize(usize::try_from(taken).unwrap_or(0) * ENTRY_BYTES, 0);
        read_exact(file, &mut block, number * ENTRY_BYTES as u64)?;
        txns.clear();
        for chunk in block.as_chunks::<ENTRY_BYTES>().0 {
            txns.push(AbortedTxn::decode(chunk).ok_or(Error::Malformed { entry: number })?);
            number += 1;
        }
        if collect(&txns, from, until, found) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn collect(txns: &[AbortedTxn], from: Offset, until: Offset, found: &mut Vec<AbortedTxn>) -> bool {
    for txn in txns {
        if txn.overlaps(from, until) {
            found.push(*txn);
        }
        if txn.last_stable_offset >= until {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::test_file::Bytes;
    use super::*;

    fn txn(producer_id: i64, first: i64, last: i64, stable: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id: ProducerId(producer_id),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        }
    }

    fn filled() -> TransactionIndex {
        let mut index = TransactionIndex::new();
        for entry in [
            txn(0, 0, 10, 2),
            txn(1, 5, 15, 16),
            txn(2, 18, 35, 25),
            txn(3, 32, 50, 40),
        ] {
            index.append(entry).unwrap();
        }
        index
    }

    #[test]
    fn collects_what_overlaps_and_knows_when_it_is_complete() {
        let index = filled();
        let file = Bytes(index.encode());
        let check = |from, until, expected: &[i64], complete| {
            let (mut found, mut from_file) = (Vec::new(), Vec::new());
            assert_eq!(
                index.collect(Offset(from), Offset(until), &mut found),
                complete
            );
            assert_eq!(
                collect_file(&file, Offset(from), Offset(until), &mut from_file).unwrap(),
                complete
            );
            assert_eq!(found, from_file);
            let ids: Vec<_> = found.iter().map(|txn| txn.producer_id.0).collect();
            assert_eq!(ids, expected);
        };
        check(0, 100, &[0, 1, 2, 3], false);
        check(0, 32, &[0, 1, 2], true);
        check(0, 35, &[0, 1, 2, 3], true);
        check(10, 35, &[0, 1, 2, 3], true);
        check(11, 35, &[1, 2, 3], true);
        check(20, 41, &[2, 3], false);
        check(51, 100, &[], false);
    }

    #[test]
    fn bytes_round_trip_and_have_kafkas_layout() {
        let index = filled();
        assert_eq!(TransactionIndex::decode(&index.encode()).unwrap(), index);
        let entry = txn(1, 2, 3, 4).encode();
        let mut expected = vec![0, 0];
        for value in 1..=4_u8 {
            expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, value]);
        }
        assert_eq!(entry.to_vec(), expected);
    }

    #[test]
    fn damage_is_found() {
        let mut bytes = filled().encode();
        bytes[1] = 9;
        assert!(matches!(
            TransactionIndex::decode(&bytes),
            Err(Error::Malformed { entry: 0 })
        ));
        assert!(
            collect_file(&Bytes(bytes.clone()), Offset(0), Offset(9), &mut Vec::new()).is_err()
        );
        bytes.pop();
        assert!(matches!(
            TransactionIndex::decode(&bytes),
            Err(Error::Size { .. })
        ));
    }

    #[test]
    fn truncation_and_order() {
        let mut index = filled();
        assert!(index.append(txn(9, 1, 50, 50)).is_err());
        index.truncate_to(Offset(35));
        assert_eq!(index.entries().len(), 2);
    }
}
