//! Sparse indexes beside a segment file, in Kafka's byte formats (big endian). They are caches:
//! whatever is wrong with one, it is rebuilt from its segment.
//!
//! | file | entry | fields |
//! |---|---|---|
//! | `.index` | 8 bytes | offset relative to the base offset (u32), position in the segment file (u32) |
//! | `.timeindex` | 12 bytes | largest timestamp so far (i64), relative offset of its record (u32) |
//! | `.txnindex` | 34 bytes | version = 0 (i16), producer id, first offset, last offset, last stable offset (i64 each) |
//!
//! The index of the segment that is being written is in memory and its file is written on roll.
//! Indexes of closed segments stay on disk; a lookup reads about as many entries as a binary search
//! needs, and one block of at most [`BLOCK_BYTES`] at its end.

pub mod offset;
pub mod time;
pub mod transaction;

use std::io;

use milena_protocol::Offset;
use thiserror::Error;

use crate::storage::File;

/// Most bytes that the last step of a lookup reads at once.
pub const BLOCK_BYTES: usize = 4096;

/// Why an index is of no use. All but `Io` call for rebuilding it.
#[derive(Debug, Error)]
pub enum Error {
    /// The file does not hold a whole number of entries.
    #[error("index has {size_bytes} bytes, which is no multiple of {entry_bytes}")]
    Size {
        /// Size of the file.
        size_bytes: u64,
        /// Size of one entry.
        entry_bytes: usize,
    },
    /// An entry is not greater than the one before it.
    #[error("index entry {entry} does not follow the entry before it")]
    Order {
        /// Number of the entry, 0-based.
        entry: u64,
    },
    /// An entry holds what no index holds: a negative offset, or an unknown version.
    #[error("index entry {entry} is malformed")]
    Malformed {
        /// Number of the entry, 0-based.
        entry: u64,
    },
    /// An entry points behind the end of the segment.
    #[error("index entry {entry} points to {position}, the segment has {segment_bytes} bytes")]
    Position {
        /// Number of the entry, 0-based.
        entry: u64,
        /// Where it points to.
        position: u64,
        /// Size of the segment file.
        segment_bytes: u64,
    },
    /// The file could not be read.
    #[error("read index: {0}")]
    Io(#[from] io::Error),
}

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The offset is below the base offset or more than `u32::MAX` above it: the segment must roll.
    #[error("offset {offset} does not fit an index with base offset {base_offset}")]
    Range {
        /// Offset of the entry.
        offset: Offset,
        /// Base offset of the segment.
        base_offset: Offset,
    },
    /// The entry does not follow the last one.
    #[error("entry for offset {offset} does not follow the one for offset {last_offset}")]
    Order {
        /// Offset of the entry.
        offset: Offset,
        /// Offset of the last entry.
        last_offset: Offset,
    },
}

/// Offset relative to `base_offset`; none where it does not fit.
pub(crate) fn relative(offset: Offset, base_offset: Offset) -> Option<u32> {
    u32::try_from(offset.0.checked_sub(base_offset.0)?).ok()
}

/// Number of whole entries in `file`.
fn entry_count(file: &dyn File, entry_bytes: usize) -> Result<u64, Error> {
    let size_bytes = file.len()?;
    let wide = entry_bytes as u64;
    if size_bytes.is_multiple_of(wide) {
        Ok(size_bytes / wide)
    } else {
        Err(Error::Size {
            size_bytes,
            entry_bytes,
        })
    }
}

fn read_exact(file: &dyn File, buffer: &mut [u8], position: u64) -> Result<(), Error> {
    let read = file.read_at(buffer, position)?;
    if read == buffer.len() {
        Ok(())
    } else {
        Err(Error::Io(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "index ended early",
        )))
    }
}

/// Entry `number` of `file`.
fn read_entry<const N: usize>(file: &dyn File, number: u64) -> Result<[u8; N], Error> {
    let mut entry = [0; N];
    read_exact(file, &mut entry, number * N as u64)?;
    Ok(entry)
}

/// The last entry of `file` for which `is_at_or_before` holds, given that it holds for a prefix of
/// the entries. Reads at most 64 entries and one block.
fn last_matching<const N: usize>(
    file: &dyn File,
    is_at_or_before: impl Fn(&[u8; N]) -> bool,
) -> Result<Option<[u8; N]>, Error> {
    let per_block = (BLOCK_BYTES / N) as u64;
    let (mut low, mut high) = (0, entry_count(file, N)?);
    // Entries below `low` match, entries from `high` on do not.
    while high - low > per_block {
        let middle = low + (high - low) / 2;
        if is_at_or_before(&read_entry(file, middle)?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let from = low.saturating_sub(1);
    let count = usize::try_from(high - from).unwrap_or(0);
    let mut block = vec![0; count * N];
    read_exact(file, &mut block, from * N as u64)?;
    let (entries, _) = block.as_chunks::<N>();
    let matching = entries.partition_point(is_at_or_before);
    Ok(matching
        .checked_sub(1)
        .and_then(|index| entries.get(index))
        .copied())
}

/// The `N` bytes of `bytes` from `at`; the callers pass constants that fit.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
pub(crate) mod test_file {
    //! A file in memory for the tests of this module.

    use std::io::{self, IoSlice};
    use std::os::fd::BorrowedFd;

    use crate::storage::File;

    #[derive(Debug)]
    pub(crate) struct Bytes(pub(crate) Vec<u8>);

    impl File for Bytes {
        fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            let from = usize::try_from(position).unwrap().min(self.0.len());
            let count = buffer.len().min(self.0.len() - from);
            buffer[..count].copy_from_slice(&self.0[from..from + count]);
            Ok(count)
        }
        fn write_at(&self, _: &[IoSlice<'_>], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn reserve(&self, _: u64, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn descriptor(&self) -> Option<BorrowedFd<'_>> {
            None
        }
    }
}
