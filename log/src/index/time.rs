//! Time index: from a timestamp to an offset (Kafka class `TimeIndex`). An entry says: no record up
//! to this offset has a larger timestamp.

use milena_protocol::{Offset, Timestamp};

use super::{AppendError, Error, entry_count, field, last_matching, read_entry, relative};
use crate::storage::File;

/// Size of one entry.
pub const ENTRY_BYTES: usize = 12;

/// The time index of one segment in memory. Timestamps strictly increase, offsets do not decrease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeIndex {
    base_offset: Offset,
    /// Timestamp and relative offset.
    entries: Vec<(i64, u32)>,
}

impl TimeIndex {
    /// An empty index of the segment with this base offset. It holds no memory.
    #[must_use]
    pub const fn new(base_offset: Offset) -> Self {
        Self {
            base_offset,
            entries: Vec::new(),
        }
    }

    /// Reads the bytes of a file. Zeroes behind the last entry are left out: Kafka preallocates the
    /// index of the active segment and leaves them after a crash.
    ///
    /// # Errors
    /// `Size`, `Order`.
    pub fn decode(base_offset: Offset, bytes: &[u8]) -> Result<Self, Error> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            let size_bytes = bytes.len() as u64;
            return Err(Error::Size {
                size_bytes,
                entry_bytes: ENTRY_BYTES,
            });
        }
        let mut index = Self::new(base_offset);
        let used = chunks
            .iter()
            .rposition(|chunk| *chunk != [0; ENTRY_BYTES])
            .map_or(0, |at| at + 1);
        index.entries.reserve_exact(used);
        for chunk in &chunks[..used] {
            let entry = split(chunk);
            let is_in_order = index
                .entries
                .last()
                .is_none_or(|last| last.0 < entry.0 && last.1 <= entry.1);
            if !is_in_order {
                return Err(Error::Order {
                    entry: index.entries.len() as u64,
                });
            }
            index.entries.push(entry);
        }
        Ok(index)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_from(0)
    }

    /// The bytes of the file from entry number `first` on.
    #[must_use]
    pub fn encode_from(&self, first: usize) -> Vec<u8> {
        let entries = self.entries.get(first..).unwrap_or_default();
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for (timestamp, offset) in entries {
            bytes.extend_from_slice(&timestamp.to_be_bytes());
            bytes.extend_from_slice(&offset.to_be_bytes());
        }
        bytes
    }

    /// Adds that the record at `offset` has the largest timestamp so far. Does nothing where the
    /// timestamp is not larger than that of the last entry, or is none.
    ///
    /// # Errors
    /// `Range`, `Order`; the index stays as it was.
    pub fn append(&mut self, timestamp: Timestamp, offset: Offset) -> Result<(), AppendError> {
        let base_offset = self.base_offset;
        let relative = relative(offset, base_offset).ok_or(AppendError::Range {
            offset,
            base_offset,
        })?;
        if let Some(&(last_timestamp, last)) = self.entries.last() {
            if timestamp.0 <= last_timestamp {
                return Ok(());
            }
            if relative < last {
                let last_offset = base_offset.plus(i64::from(last));
                return Err(AppendError::Order {
                    offset,
                    last_offset,
                });
            }
        }
        if timestamp > Timestamp::NONE {
            self.entries.push((timestamp.0, relative));
        }
        Ok(())
    }

    /// Offset from which a scan finds the first record with a timestamp of at least `target`: that
    /// of the entry with the largest timestamp below it, or the base offset.
    #[must_use]
    pub fn lookup(&self, target: Timestamp) -> Offset {
        let matching = self.entries.partition_point(|entry| entry.0 < target.0);
        let relative = matching
            .checked_sub(1)
            .and_then(|at| self.entries.get(at))
            .map_or(0, |entry| entry.1);
        self.base_offset.plus(i64::from(relative))
    }

    /// Drops entries of offsets from `offset` on.
    pub fn truncate_to(&mut self, offset: Offset) {
        let kept = self
            .entries
            .partition_point(|entry| self.base_offset.plus(i64::from(entry.1)) < offset);
        self.entries.truncate(kept);
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Base offset of the segment.
    #[must_use]
    pub const fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// The largest timestamp and the offset of its record.
    #[must_use]
    pub fn last(&self) -> Option<(Timestamp, Offset)> {
        self.entries.last().map(|entry| {
            (
                Timestamp(entry.0),
                self.base_offset.plus(i64::from(entry.1)),
            )
        })
    }

    /// Timestamps and offsets in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, Offset)> + '_ {
        self.entries.iter().map(|entry| {
            (
                Timestamp(entry.0),
                self.base_offset.plus(i64::from(entry.1)),
            )
        })
    }
}

/// As [`TimeIndex::lookup`], in the file of a closed segment.
///
/// # Errors
/// `Size`, `Io`.
pub fn lookup(file: &dyn File, base_offset: Offset, target: Timestamp) -> Result<Offset, Error> {
    let entry = last_matching::<ENTRY_BYTES>(file, |entry| split(entry).0 < target.0)?;
    Ok(base_offset.plus(entry.map_or(0, |entry| i64::from(split(&entry).1))))
}

/// The last entry of the file of a closed segment: its largest timestamp and the offset of that
/// record; none where the file is empty.
///
/// # Errors
/// `Size`, `Io`.
pub fn last(file: &dyn File, base_offset: Offset) -> Result<Option<(Timestamp, Offset)>, Error> {
    let Some(last_number) = entry_count(file, ENTRY_BYTES)?.checked_sub(1) else {
        return Ok(None);
    };
    let (timestamp, relative) = split(&read_entry(file, last_number)?);
    Ok(Some((
        Timestamp(timestamp),
        base_offset.plus(i64::from(relative)),
    )))
}

/// A cheap check of the file of a closed segment: a whole number of entries, and the last one is
/// the largest. An empty file passes.
///
/// # Errors
/// `Size`, `Order`, `Io`.
pub fn check_file(file: &dyn File) -> Result<(), Error> {
    let Some(last_number) = entry_count(file, ENTRY_BYTES)?.checked_sub(1) else {
        return Ok(());
    };
    let first = split(&read_entry(file, 0)?);
    let last = split(&read_entry(file, last_number)?);
    if last_number > 0 && (last.0 <= first.0 || last.1 < first.1) {
        return Err(Error::Order { entry: last_number });
    }
    Ok(())
}

fn split(entry: &[u8; ENTRY_BYTES]) -> (i64, u32) {
    (
        i64::from_be_bytes(field(entry, 0)),
        u32::from_be_bytes(field(entry, 8)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_file::Bytes;
    use super::*;

    proptest! {
        #[test]
        fn lookup_is_a_linear_scan(
            records in prop::collection::vec(0_i64..5000, 0..1500),
            target in -1_i64..5100,
        ) {
            let base = Offset(7);
            let mut index = TimeIndex::new(base);
            let mut expected = base;
            let mut largest = -1;
            for (number, timestamp) in records.into_iter().enumerate() {
                let offset = base.plus(i64::try_from(number).unwrap());
                index.append(Timestamp(timestamp), offset).unwrap();
                if timestamp > largest {
                    largest = timestamp;
                    if timestamp < target {
                        expected = offset;
                    }
                }
            }
            let bytes = index.encode();
            let file = Bytes(bytes.clone());
            prop_assert_eq!(index.lookup(Timestamp(target)), expected);
            prop_assert_eq!(lookup(&file, base, Timestamp(target)).unwrap(), expected);
            prop_assert_eq!(last(&file, base).unwrap(), index.last());
            prop_assert!(check_file(&file).is_ok());
            prop_assert_eq!(TimeIndex::decode(base, &bytes).unwrap(), index);
        }
    }

    #[test]
    fn bytes_are_kafkas() {
        let mut index = TimeIndex::new(Offset(100));
        index.append(Timestamp(258), Offset(103)).unwrap();
        assert_eq!(index.encode(), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
    }

    #[test]
    fn equal_and_smaller_timestamps_add_nothing() {
        let mut index = TimeIndex::new(Offset(0));
        index.append(Timestamp(5), Offset(1)).unwrap();
        index.append(Timestamp(5), Offset(2)).unwrap();
        index.append(Timestamp(4), Offset(3)).unwrap();
        index.append(Timestamp::NONE, Offset(4)).unwrap();
        assert_eq!(index.last(), Some((Timestamp(5), Offset(1))));
        index.truncate_to(Offset(1));
        assert!(index.is_empty());
    }

    #[test]
    fn damage_is_found() {
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3];
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 4]);
        assert!(matches!(
            TimeIndex::decode(Offset(0), &bytes),
            Err(Error::Order { entry: 1 })
        ));
        assert!(matches!(
            check_file(&Bytes(bytes)),
            Err(Error::Order { .. })
        ));
        assert!(matches!(
            check_file(&Bytes(vec![0; 13])),
            Err(Error::Size { .. })
        ));
    }
}
