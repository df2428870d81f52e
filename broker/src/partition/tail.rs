//! The newest batches of a partition as they were received, so that consumers at the end need no
//! file.

use std::collections::VecDeque;

use bytes::Bytes;
use milena_protocol::Offset;

/// Bytes kept per partition.
const TAIL_BYTES_MAX: usize = 1024 * 1024;
/// Batches below this size are copied, so that they do not keep a whole read buffer alive.
const COPY_BYTES_MAX: usize = 8 * 1024;

#[derive(Debug)]
struct Batch {
    base: Offset,
    next: Offset,
    bytes: Bytes,
}

/// Contiguous batches up to the end of the log, bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    batches: VecDeque<Batch>,
    bytes: usize,
    was_read: bool,
}

impl Tail {
    /// Adds the batch that was just appended; it covers `[base, next)`.
    pub(crate) fn push(&mut self, base: Offset, next: Offset, bytes: Bytes) {
        if self.batches.back().is_some_and(|last| last.next != base) {
            self.clear();
        }
        let bytes = if bytes.len() <= COPY_BYTES_MAX {
            Bytes::copy_from_slice(&bytes)
        } else {
            bytes
        };
        self.bytes += bytes.len();
        self.batches.push_back(Batch { base, next, bytes });
        while self.bytes > TAIL_BYTES_MAX {
            let Some(oldest) = self.batches.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Forgets everything, as after a truncation, or for a partition that nobody reads.
    pub(crate) fn clear(&mut self) {
        self.batches = VecDeque::new();
        self.bytes = 0;
    }

    /// Forgets everything where nothing was read here since the last call.
    pub(crate) fn clear_unread(&mut self) {
        if !std::mem::take(&mut self.was_read) {
            self.clear();
        }
    }

    /// Bytes that are kept.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True where everything from `start` to the end of the log is here and fits `bytes_max`.
    pub(crate) fn holds_all(&self, start: Offset, bytes_max: usize) -> bool {
        if self.batches.front().is_none_or(|first| start < first.base) {
            return false;
        }
        let first = self.batches.partition_point(|batch| batch.next <= start);
        let mut left = bytes_max;
        self.batches.range(first..).all(|batch| {
            let fits = batch.bytes.len() <= left;
            left = left.saturating_sub(batch.bytes.len());
            fits
        })
    }

    /// The whole batches from the one that contains `start` on, that lie below `end` (exclusive) and
    /// fit `bytes_max`; the first one is given even where it is larger, if `min_one_batch`. None
    /// where `start` is not in the tail.
    pub(crate) fn read(
        &mut self,
        start: Offset,
        end: Offset,
        bytes_max: usize,
        min_one_batch: bool,
    ) -> Option<Vec<Bytes>> {
        if start < self.batches.front()?.base {
            return None;
        }
        self.was_read = true;
        let first = self.batches.partition_point(|batch| batch.next <= start);
        let mut left = bytes_max;
        let mut found = Vec::new();
        for batch in self.batches.range(first..) {
            let forced = found.is_empty() && min_one_batch;
            if batch.next > end || (batch.bytes.len() > left && !forced) {
                break;
            }
            left = left.saturating_sub(batch.bytes.len());
            found.push(batch.bytes.clone());
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(batches: &[(i64, i64, usize)]) -> Tail {
        let mut tail = Tail::default();
        for &(base, next, size) in batches {
            tail.push(Offset(base), Offset(next), Bytes::from(vec![7; size]));
        }
        tail
    }

    fn sizes(found: Option<Vec<Bytes>>) -> Option<Vec<usize>> {
        found.map(|found| found.iter().map(Bytes::len).collect())
    }

    #[test]
    fn a_read_gives_whole_batches_within_its_bounds() {
        let mut tail = tail(&[(10, 15, 100), (15, 16, 200), (16, 20, 300)]);
        let mut read =
            |start, end, max, one| sizes(tail.read(Offset(start), Offset(end), max, one));
        assert_eq!(read(9, 20, 1000, true), None);
        assert_eq!(read(12, 20, 1000, true), Some(vec![100, 200, 300]));
        assert_eq!(read(15, 16, 1000, true), Some(vec![200]));
        assert_eq!(read(15, 20, 499, true), Some(vec![200]));
        assert_eq!(read(16, 20, 1, true), Some(vec![300]));
        assert_eq!(read(16, 20, 1, false), Some(vec![]));
        assert_eq!(read(20, 20, 1000, true), Some(vec![]));
    }

    #[test]
    fn the_oldest_batches_leave_first_and_a_gap_forgets_all() {
        let mut tail = tail(&[(0, 1, TAIL_BYTES_MAX / 2), (1, 2, TAIL_BYTES_MAX / 2)]);
        tail.push(Offset(2), Offset(3), Bytes::from(vec![1; 100]));
        assert_eq!(tail.read(Offset(0), Offset(3), 10, true), None);
        assert!(tail.bytes() <= TAIL_BYTES_MAX);
        tail.push(Offset(7), Offset(8), Bytes::from(vec![1; 100]));
        assert_eq!(tail.read(Offset(2), Offset(8), 10, true), None);
        assert_eq!(tail.bytes(), 100);
        assert!(tail.read(Offset(7), Offset(8), 10, true).is_some());
        tail.clear_unread();
        assert_eq!(tail.bytes(), 100);
        tail.clear_unread();
        assert_eq!(tail.bytes(), 0);
    }
}
