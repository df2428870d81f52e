//! Checks the batches of a segment file, and tells a torn tail from damage.

use std::io;
use std::sync::Arc;

use milena_protocol::Offset;
use milena_protocol::batch::{BatchHeader, HEADER_BYTES};

use crate::segment::scan::{BatchScanner, ScanError, Scanned};
use crate::storage::{File, SECTOR_BYTES};

/// Bytes that are read at once while looking for an intact batch.
const WINDOW_BYTES: usize = 1 << 20;
/// Bytes that are checked in all while looking for intact batches in one segment: what the bytes
/// pretend to be batches must not make the search take for ever.
const CHECKED_BYTES_MAX: u64 = 16 << 30;

/// Bytes that are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Position of the first byte.
    pub(crate) start: u64,
    /// Position of the next intact batch, or the end of the file.
    pub(crate) end: u64,
    /// The offset that was expected.
    pub(crate) first_offset: Offset,
    /// Base offset of the next intact batch; none at the end of the file.
    pub(crate) resumes_at: Option<Offset>,
    /// The bytes have the trace of sectors that were never written.
    pub(crate) is_torn: bool,
}

/// What is walked.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) file: Arc<dyn File>,
    pub(crate) size: u64,
    pub(crate) base_offset: Offset,
    /// Base offset of the next segment.
    pub(crate) next_base: Option<Offset>,
    /// Position and offset of the first batch to be checked.
    pub(crate) from: (u64, Offset),
}

/// Whether to go on after a fault.
pub(crate) type GoesOn = bool;

/// Walks all batches of a segment: `on_batch` gets the intact ones, `on_fault` what is between
/// them and decides whether to go on. Returns the offset behind the last intact batch, and the
/// position where the walk ended.
pub(crate) fn walk_faults(
    walk: &Walk,
    on_batch: &mut dyn FnMut(&Scanned<'_>),
    on_fault: &mut dyn FnMut(&Fault) -> GoesOn,
) -> io::Result<(Offset, u64)> {
    let mut scanner = BatchScanner::batches(Arc::clone(&walk.file), walk.from.0, walk.size);
    let mut expected = walk.from.1;
    let mut budget_bytes = CHECKED_BYTES_MAX;
    loop {
        let start = scanner.position();
        match scanner.next_batch() {
            Ok(None) => return Ok((expected, start)),
            Ok(Some(batch)) if walk.is_intact(&batch.header, batch.bytes, expected) => {
                expected = batch.header.next_offset();
                on_batch(&batch);
                continue;
            }
            Ok(Some(_)) | Err(ScanError::Fault { .. }) => {}
            Err(ScanError::Io(error)) => return Err(error),
        }
        let found = walk.find_intact(start + 1, expected, &mut budget_bytes)?;
        let end = found.map_or(walk.size, |(position, _)| position);
        let fault = Fault {
            start,
            end,
            first_offset: expected,
            resumes_at: found.map(|(_, offset)| offset),
            is_torn: (end == walk.size && walk.ends_within(start, expected)?)
                || has_lost_sector(&*walk.file, (start, end), walk.size)?,
        };
        if !on_fault(&fault) {
            return Ok((expected, start));
        }
        scanner.skip_to(end);
    }
}

impl Walk {
    fn is_plausible(&self, header: &BatchHeader, expected: Offset) -> bool {
        let relative = header.last_offset().0.saturating_sub(self.base_offset.0);
        header.base_offset >= expected
            && header.last_offset_delta >= 0
            && header.last_offset() < Offset(i64::MAX)
            && header.record_count >= 0
            && i32::try_from(relative).is_ok()
            && self
                .next_base
                .is_none_or(|next| header.last_offset() < next)
    }

    fn is_intact(&self, header: &BatchHeader, batch: &[u8], expected: Offset) -> bool {
        self.is_plausible(header, expected) && header.check_crc(batch).is_ok()
    }

    /// True where the file ends within the batch that begins at `start`: its size was not durable.
    fn ends_within(&self, start: u64, expected: Offset) -> io::Result<bool> {
        let mut bytes = [0; HEADER_BYTES];
        let read = self.file.read_at(&mut bytes, start)?;
        if read < bytes.len() {
            return Ok(true);
        }
        Ok(BatchHeader::parse(&bytes).is_ok_and(|header| {
            self.is_plausible(&header, expected) && header.size_bytes as u64 > self.size - start
        }))
    }

    /// Position and base offset of the first intact batch from `from` on.
    fn find_intact(
        &self,
        from: u64,
        expected: Offset,
        budget_bytes: &mut u64,
    ) -> io::Result<Option<(u64, Offset)>> {
        let mut window = Vec::new();
        let mut position = from;
        while self.size.saturating_sub(position) >= HEADER_BYTES as u64 {
            let left = usize::try_from(self.size - position).unwrap_or(usize::MAX);
            window.resize(left.min(WINDOW_BYTES), 0);
            let read = self.file.read_at(&mut window, position)?;
            window.truncate(read);
            if read < HEADER_BYTES {
                return Ok(None);
            }
            let candidates = read - HEADER_BYTES + 1;
            for at in 0..candidates {
                // The magic, 16 bytes in, rules out nearly everything.
                if window[at + 16] != 2 {
                    continue;
                }
                let Ok(header) = BatchHeader::parse(&window[at..]) else {
                    continue;
                };
                let candidate = position + at as u64;
                let size_bytes = header.size_bytes as u64;
                if size_bytes > self.size - candidate || !self.is_plausible(&header, expected) {
                    continue;
                }
                let Some(left) = budget_bytes.checked_sub(size_bytes) else {
                    return Ok(None);
                };
                *budget_bytes = left;
                let mut batch = vec![0; header.size_bytes];
                if self.file.read_at(&mut batch, candidate)? == batch.len()
                    && header.check_crc(&batch).is_ok()
                {
                    return Ok(Some((candidate, header.base_offset)));
                }
            }
            position += candidates as u64;
        }
        Ok(None)
    }
}

/// True where a sector in `[start, end)` reads as zeroes from its beginning (or from `start`, where
/// bytes began to be written) to its end (or to the end of the file). Files only grow, into space
/// that reads as zeroes: so look sectors that a crash kept from being written. The last one may end
/// within the intact batch behind it, whose first bytes are zeroes in any case.
fn has_lost_sector(file: &dyn File, (start, end): (u64, u64), size: u64) -> io::Result<bool> {
    let sector = SECTOR_BYTES as u64;
    let end = end.next_multiple_of(sector).min(size);
    let mut window = Vec::new();
    let mut position = start;
    while position < end {
        // Whole sectors per window, except for the first one.
        let until = (position / sector * sector + WINDOW_BYTES as u64).min(end);
        window.resize(usize::try_from(until - position).unwrap_or(0), 0);
        let read = file.read_at(&mut window, position)?;
        window.truncate(read);
        if read == 0 {
            return Ok(false);
        }
        let mut rest = window.as_slice();
        let mut at = position;
        while !rest.is_empty() {
            let to_boundary = usize::try_from(sector - at % sector).unwrap_or(SECTOR_BYTES);
            let (piece, behind) = rest.split_at(to_boundary.min(rest.len()));
            let reaches_end = piece.len() == to_boundary || at + piece.len() as u64 == size;
            if reaches_end && piece.iter().all(|&byte| byte == 0) {
                return Ok(true);
            }
            at += piece.len() as u64;
            rest = behind;
        }
        position += read as u64;
    }
    Ok(false)
}
