//! From an offset to a batch.

use std::sync::Arc;

use milena_protocol::Offset;
use milena_protocol::batch::BatchHeader;

use super::scan::{BatchScanner, ScanError};
use crate::damage::DamagedBytes;
use crate::storage::File;

/// A batch in a segment file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

/// What a search ran into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sought {
    Batch(Found),
    /// The offset lies in these bytes.
    Damaged(DamagedBytes),
    /// All batches are below the offset.
    End,
}

/// The first batch from `from` on whose last offset is not below `target`, in a file of `size`
/// bytes with these damaged places, ascending.
pub(crate) fn find_batch(
    file: &Arc<dyn File>,
    (from, size): (u64, u64),
    target: Offset,
    damaged: &[DamagedBytes],
) -> Result<Sought, ScanError> {
    let mut scanner = BatchScanner::headers(Arc::clone(file), from, size);
    loop {
        let position = scanner.position();
        if let Some(damage) = damaged.iter().find(|damage| damage.covers(position)) {
            if target < damage.next_offset {
                return Ok(Sought::Damaged(*damage));
            }
            scanner.skip_to(damage.end);
            continue;
        }
        let Some(scanned) = scanner.next_batch()? else {
            return Ok(Sought::End);
        };
        if scanned.header.last_offset() >= target {
            return Ok(Sought::Batch(Found {
                position,
                header: scanned.header,
            }));
        }
    }
}
