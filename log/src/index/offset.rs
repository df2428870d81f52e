//! Offset index: from an offset to a position in the segment file (Kafka class `OffsetIndex`).

use milena_protocol::Offset;

use super::{AppendError, Error, entry_count, field, last_matching, read_entry, relative};
use crate::storage::File;

/// Size of one entry.
pub const ENTRY_BYTES: usize = 8;

/// The offset index of one segment in memory. Offsets and positions strictly increase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetIndex {
    base_offset: Offset,
    /// Relative offset and position.
    entries: Vec<(u32, u32)>,
}

impl OffsetIndex {
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
                .is_none_or(|last| last.0 < entry.0 && last.1 < entry.1);
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
        for (offset, position) in entries {
            bytes.extend_from_slice(&offset.to_be_bytes());
            bytes.extend_from_slice(&position.to_be_bytes());
        }
        bytes
    }

    /// Adds that the batch with `offset` (Kafka: its last offset) begins at `position`.
    ///
    /// # Errors
    /// `Range`, `Order`; the index stays as it was.
    pub fn append(&mut self, offset: Offset, position: u32) -> Result<(), AppendError> {
        let base_offset = self.base_offset;
        let relative = relative(offset, base_offset).ok_or(AppendError::Range {
            offset,
            base_offset,
        })?;
        if let Some(&(last, last_position)) = self.entries.last()
            && (relative <= last || position <= last_position)
        {
            let last_offset = base_offset.plus(i64::from(last));
            return Err(AppendError::Order {
                offset,
                last_offset,
            });
        }
        self.entries.push((relative, position));
        Ok(())
    }

    /// Position from which a scan finds `target`: that of the entry with the largest offset that is
    /// not above it, or 0.
    #[must_use]
    pub fn lookup(&self, target: Offset) -> u32 {
        let matching = self
            .entries
            .partition_point(|entry| is_at_or_before(entry.0, self.base_offset, target));
        matching
            .checked_sub(1)
            .and_then(|at| self.entries.get(at))
            .map_or(0, |entry| entry.1)
    }

    /// Drops entries of offsets from `offset` on.
    pub fn truncate_to(&mut self, offset: Offset) {
        let kept = self
            .entries
            .partition_point(|entry| self.base_offset.plus(i64::from(entry.0)) < offset);
        self.entries.truncate(kept);
    }

    /// Checks that all entries point into a segment file of this size.
    ///
    /// # Errors
    /// `Position`.
    pub fn check(&self, segment_bytes: u64) -> Result<(), Error> {
        match self.entries.last() {
            Some(&(_, position)) if u64::from(position) >= segment_bytes => Err(Error::Position {
                entry: self.entries.len() as u64 - 1,
                position: u64::from(position),
                segment_bytes,
            }),
            _ => Ok(()),
        }
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

    /// Offset and position of the last entry.
    #[must_use]
    pub fn last(&self) -> Option<(Offset, u32)> {
        self.entries
            .last()
            .map(|entry| (self.base_offset.plus(i64::from(entry.0)), entry.1))
    }

    /// Offsets and positions in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (Offset, u32)> + '_ {
        self.entries
            .iter()
            .map(|entry| (self.base_offset.plus(i64::from(entry.0)), entry.1))
    }
}

/// As [`OffsetIndex::lookup`], in the file of a closed segment.
///
/// # Errors
/// `Size`, `Io`.
pub fn lookup(file: &dyn File, base_offset: Offset, target: Offset) -> Result<u32, Error> {
    let entry = last_matching::<ENTRY_BYTES>(file, |entry| {
        is_at_or_before(split(entry).0, base_offset, target)
    })?;
    Ok(entry.map_or(0, |entry| split(&entry).1))
}

/// A cheap check of the file of a closed segment of this size: a whole number of entries, the last
/// one is the largest and points into the segment. An empty file passes.
///
/// # Errors
/// `Size`, `Order`, `Position`, `Io`.
pub fn check_file(file: &dyn File, segment_bytes: u64) -> Result<(), Error> {
    let Some(last_number) = entry_count(file, ENTRY_BYTES)?.checked_sub(1) else {
        return Ok(());
    };
    let first = split(&read_entry(file, 0)?);
    let last = split(&read_entry(file, last_number)?);
    if last_number > 0 && (last.0 <= first.0 || last.1 <= first.1) {
        return Err(Error::Order { entry: last_number });
    }
    let position = u64::from(last.1);
    if position >= segment_bytes {
        return Err(Error::Position {
            entry: last_number,
            position,
            segment_bytes,
        });
    }
    Ok(())
}

fn is_at_or_before(relative: u32, base_offset: Offset, target: Offset) -> bool {
    base_offset.plus(i64::from(relative)) <= target
}

fn split(entry: &[u8; ENTRY_BYTES]) -> (u32, u32) {
    (
        u32::from_be_bytes(field(entry, 0)),
        u32::from_be_bytes(field(entry, 4)),
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
            base in 0_i64..1000,
            steps in prop::collection::vec((1_u32..50, 1_u32..9000), 0..1500),
            target in -10_i64..80_000,
        ) {
            let mut index = OffsetIndex::new(Offset(base));
            let (mut offset, mut position) = (base, 0);
            let mut expected = 0;
            for (offset_step, position_step) in steps {
                offset += i64::from(offset_step);
                position += position_step;
                index.append(Offset(offset), position).unwrap();
                if offset <= target {
                    expected = position;
                }
            }
            let bytes = index.encode();
            prop_assert_eq!(index.lookup(Offset(target)), expected);
            prop_assert_eq!(lookup(&Bytes(bytes.clone()), Offset(base), Offset(target)).unwrap(), expected);
            prop_assert_eq!(OffsetIndex::decode(Offset(base), &bytes).unwrap(), index);
        }
    }

    #[test]
    fn bytes_are_kafkas() {
        let mut index = OffsetIndex::new(Offset(100));
        index.append(Offset(103), 4097).unwrap();
        assert_eq!(index.encode(), [0, 0, 0, 3, 0, 0, 0x10, 1]);
    }

    #[test]
    fn trailing_zeroes_of_a_preallocated_file_are_left_out() {
        let mut bytes = vec![0, 0, 0, 3, 0, 0, 0x10, 1];
        bytes.resize(4096, 0);
        assert_eq!(OffsetIndex::decode(Offset(0), &bytes).unwrap().len(), 1);
        assert!(matches!(
            check_file(&Bytes(bytes), 10_000),
            Err(Error::Order { .. })
        ));
    }

    #[test]
    fn damage_is_found() {
        let swapped = [0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 10];
        assert!(matches!(
            OffsetIndex::decode(Offset(0), &swapped),
            Err(Error::Order { entry: 1 })
        ));
        assert!(matches!(
            OffsetIndex::decode(Offset(0), &swapped[..15]),
            Err(Error::Size { .. })
        ));
        assert!(matches!(
            check_file(&Bytes(swapped.to_vec()), 100),
            Err(Error::Order { .. })
        ));
        assert!(matches!(
            check_file(&Bytes(swapped[..8].to_vec()), 9),
            Err(Error::Position { .. })
        ));
        assert!(check_file(&Bytes(Vec::new()), 0).is_ok());
    }

    #[test]
    fn entries_out_of_range_or_order_are_refused() {
        let mut index = OffsetIndex::new(Offset(10));
        assert!(matches!(
            index.append(Offset(9), 1),
            Err(AppendError::Range { .. })
        ));
        let beyond = Offset(11 + i64::from(u32::MAX));
        assert!(matches!(
            index.append(beyond, 1),
            Err(AppendError::Range { .. })
        ));
        index.append(Offset(12), 5).unwrap();
        assert!(matches!(
            index.append(Offset(12), 6),
            Err(AppendError::Order { .. })
        ));
        assert_eq!(index.last(), Some((Offset(12), 5)));
    }

    #[test]
    fn truncation_drops_entries_from_the_offset_on() {
        let mut index = OffsetIndex::new(Offset(0));
        for offset in [5, 10, 15] {
            index
                .append(Offset(offset), u32::try_from(offset).unwrap() * 10)
                .unwrap();
        }
        index.truncate_to(Offset(10));
        assert_eq!(index.iter().collect::<Vec<_>>(), [(Offset(5), 50)]);
    }
}
