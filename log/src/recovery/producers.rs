//! Producer state of a log that is opened or was truncated.

use std::sync::Arc;

use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, Timestamp};

use crate::config::LogConfig;
use crate::error::{During, StorageError};
use crate::producer_state::{CompletedTxn, ProducerStates, snapshot};
use crate::segment::name::Kind;
use crate::segment::scan::{BatchScanner, ScanError, read_exact};
use crate::segment::{Place, Segment, Sought, find_batch};

/// Applies a batch whose bytes are needed only for control batches.
pub(super) fn apply(
    states: &mut ProducerStates,
    header: &BatchHeader,
    batch: &[u8],
) -> Option<CompletedTxn> {
    let completed = states.apply_batch(header, batch).unwrap_or_else(|error| {
        let offset = header.base_offset;
        tracing::warn!(%offset, %error, "control batch is ignored");
        None
    });
    states.set_end(states.end().max(header.next_offset()));
    completed
}

/// Writes the producer snapshot at the base offset of a segment, where the crash came before it was
/// written: compaction may take the last records before that offset away, and then nothing else says
/// that none are missing. What lies below is durable.
pub(super) fn keep_snapshot(
    place: Place<'_>,
    base_offset: Offset,
    states: &mut ProducerStates,
) -> Result<(), StorageError> {
    let storage = &**place.handles.storage();
    let path = snapshot::path(place.folder, base_offset);
    if states.end() > base_offset || storage.exists(&path).during("look for", &path)? {
        return Ok(());
    }
    states.set_end(base_offset);
    snapshot::write(storage, place.folder, states).during("write", &path)?;
    Ok(())
}

/// Producer state of the records in `[start, end)`: the newest snapshot of use, and what the log
/// has behind it. Damaged places are passed over.
pub(crate) fn producers_at(
    place: Place<'_>,
    segments: &[Segment],
    config: &LogConfig,
    (start, end, now): (Offset, Offset, Timestamp),
) -> Result<ProducerStates, StorageError> {
    let storage = &**place.handles.storage();
    let range = snapshot::Range {
        log_start: start,
        log_end: end,
        now,
        expiration_ms: config.producer_id_expiration_ms,
    };
    let mut states = snapshot::load(storage, place.folder, &range).during("load", place.folder)?;
    let from = states.end();
    let first = segments
        .partition_point(|segment| segment.base_offset <= from)
        .saturating_sub(1);
    for segment in segments.iter().skip(first) {
        if segment.base_offset >= end || from >= end {
            break;
        }
        replay(place, segment, &mut states, (from, end))?;
    }
    states.set_end(end.max(states.end()));
    Ok(states)
}

fn replay(
    place: Place<'_>,
    segment: &Segment,
    states: &mut ProducerStates,
    (from, end): (Offset, Offset),
) -> Result<(), StorageError> {
    let path = || segment.path(place, Kind::Log);
    let file = segment.file(place)?;
    let start = segment.position_below(place, from);
    let start = match find_batch(&file, (start, segment.size), from, &[]) {
        Ok(Sought::Batch(found)) => found.position,
        Ok(Sought::Damaged(_) | Sought::End) => return Ok(()),
        Err(ScanError::Fault { .. }) => 0,
        Err(ScanError::Io(error)) => return Err(StorageError::new("read", &path(), error)),
    };
    let mut scanner = BatchScanner::headers(Arc::clone(&file), start, segment.size);
    loop {
        let (header, position) = match scanner.next_batch() {
            Ok(Some(batch)) => (batch.header, batch.position),
            Ok(None) | Err(ScanError::Fault { .. }) => return Ok(()),
            Err(ScanError::Io(error)) => return Err(StorageError::new("read", &path(), error)),
        };
        if header.base_offset >= end {
            return Ok(());
        }
        if header.base_offset < from || !header.has_producer() {
            continue;
        }
        let batch = if header.attributes.is_control() {
            read_exact(&*file, position, header.size_bytes).during("read", &path())?
        } else {
            Vec::new()
        };
        apply(states, &header, &batch);
    }
}
