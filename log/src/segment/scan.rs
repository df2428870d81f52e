//! Walks the batches of a segment file.

use std::io;
use std::sync::Arc;

use milena_protocol::batch::{BatchHeader, HEADER_BYTES, HeaderError};
use thiserror::Error;

use crate::storage::File;

/// Bytes that are read at once where only headers are wanted.
const HEADERS_CHUNK_BYTES: usize = 4096;
/// Bytes that are read at once where whole batches are wanted.
const BATCHES_CHUNK_BYTES: usize = 256 << 10;

/// Why a walk ended before its end.
#[derive(Debug, Error)]
pub enum ScanError {
    /// There is no whole batch at `position`.
    #[error("no batch at {position}: {fault}")]
    Fault {
        /// Position in the file.
        position: u64,
        /// What stands there instead.
        fault: HeaderError,
    },
    /// The file could not be read.
    #[error("read: {0}")]
    Io(#[from] io::Error),
}

/// A batch in a file. CRC and offsets are not checked.
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'a> {
    /// Position of its first byte.
    pub position: u64,
    /// Its header.
    pub header: BatchHeader,
    /// All of its bytes; empty where only headers are wanted.
    pub bytes: &'a [u8],
}

/// Walks the batches of a file from one position to another.
#[derive(Debug)]
pub struct BatchScanner {
    file: Arc<dyn File>,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    chunk_bytes: usize,
    chunk_position: u64,
    wants_bytes: bool,
}

impl BatchScanner {
    /// Whole batches from `position`, where one begins, to `end` (exclusive).
    #[must_use]
    pub fn batches(file: Arc<dyn File>, position: u64, end: u64) -> Self {
        Self::new(file, position, end, BATCHES_CHUNK_BYTES, true)
    }

    /// Headers only from `position`, where a batch begins, to `end` (exclusive).
    #[must_use]
    pub fn headers(file: Arc<dyn File>, position: u64, end: u64) -> Self {
        Self::new(file, position, end, HEADERS_CHUNK_BYTES, false)
    }

    fn new(
        file: Arc<dyn File>,
        position: u64,
        end: u64,
        chunk_bytes: usize,
        wants_bytes: bool,
    ) -> Self {
        Self {
            file,
            position,
            end,
            chunk: Vec::new(),
            chunk_bytes,
            chunk_position: 0,
            wants_bytes,
        }
    }

    /// Position of the next batch.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`, where a batch begins.
    pub const fn skip_to(&mut self, position: u64) {
        self.position = position;
    }

    /// Makes at least `wanted` bytes from the position available, fewer only at the end.
    fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        let covers = |position: u64, chunk_position: u64, length: usize| {
            let from = usize::try_from(position.checked_sub(chunk_position)?).ok()?;
            (from.checked_add(wanted)? <= length).then_some(from)
        };
        let from = match covers(self.position, self.chunk_position, self.chunk.len()) {
            Some(from) => from,
            None => {
                let size = wanted.max(self.chunk_bytes).min(left);
                self.chunk.resize(size, 0);
                let read = self.file.read_at(&mut self.chunk, self.position)?;
                self.chunk.truncate(read);
                self.chunk_position = self.position;
                0
            }
        };
        let there = self.chunk.get(from..).unwrap_or_default();
        Ok(there.get(..there.len().min(left)).unwrap_or_default())
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// `Fault` where no whole batch stands at the position; the scanner stays there. `Io`.
    pub fn next_batch(&mut self) -> Result<Option<Scanned<'_>>, ScanError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let fault = |fault| ScanError::Fault { position, fault };
        let header = BatchHeader::parse(self.fill(HEADER_BYTES)?).map_err(fault)?;
        let left = self.end - position;
        if header.size_bytes as u64 > left {
            return Err(fault(HeaderError::Incomplete {
                needed_bytes: header.size_bytes,
                present_bytes: usize::try_from(left).unwrap_or(usize::MAX),
            }));
        }
        if !self.wants_bytes {
            self.position += header.size_bytes as u64;
            let bytes = &[];
            return Ok(Some(Scanned {
                position,
                header,
                bytes,
            }));
        }
        let present_bytes = self.fill(header.size_bytes)?.len();
        if present_bytes < header.size_bytes {
            return Err(fault(HeaderError::Incomplete {
                needed_bytes: header.size_bytes,
                present_bytes,
            }));
        }
        self.position += header.size_bytes as u64;
        let from = usize::try_from(position - self.chunk_position).unwrap_or(usize::MAX);
        let bytes = self
            .chunk
            .get(from..)
            .and_then(|bytes| bytes.get(..header.size_bytes))
            .unwrap_or_default();
        Ok(Some(Scanned {
            position,
            header,
            bytes,
        }))
    }
}

/// Reads `length` bytes at `position`.
pub(crate) fn read_exact(file: &dyn File, position: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    if file.read_at(&mut bytes, position)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use milena_protocol::batch::{BatchBuilder, Compression};
    use milena_protocol::{Offset, Timestamp};

    use super::*;
    use crate::storage::{MemoryStorage, Storage};

    fn batch(base_offset: i64, value_bytes: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None, None);
        let value = vec![7; value_bytes];
        builder
            .append(Timestamp(5), None, Some(&value), [])
            .unwrap();
        builder.finish(Offset(base_offset))
    }

    #[test]
    fn every_batch_is_seen_whatever_its_size() {
        let mut bytes = Vec::new();
        let mut positions = Vec::new();
        for (offset, size) in [1, 10, 5000, 3, 300_000, 4000, 20, 1]
            .into_iter()
            .enumerate()
        {
            positions.push(bytes.len() as u64);
            bytes.extend(batch(i64::try_from(offset).unwrap(), size));
        }
        let storage = MemoryStorage::new();
        let file = storage.open_or_create(Path::new("/f")).unwrap();
        file.write_at(&[io::IoSlice::new(&bytes)], 0).unwrap();
        let end = bytes.len() as u64;
        for mut scanner in [
            BatchScanner::batches(Arc::clone(&file), 0, end),
            BatchScanner::headers(Arc::clone(&file), 0, end),
        ] {
            let mut seen = Vec::new();
            while let Some(scanned) = scanner.next_batch().unwrap() {
                seen.push(scanned.position);
                if !scanned.bytes.is_empty() {
                    scanned.header.check_crc(scanned.bytes).unwrap();
                }
            }
            assert_eq!(seen, positions);
        }
        let mut scanner = BatchScanner::batches(file, positions[7], end - 1);
        assert!(matches!(
            scanner.next_batch(),
            Err(ScanError::Fault { position, .. }) if position == positions[7]
        ));
    }
}
