//! Going on at a resume point of the segment that was written to (see `log::resume`).

use milena_protocol::{Offset, Timestamp};

use crate::config::LogConfig;
use crate::error::{During, StorageError};
use crate::producer_state::{ProducerStates, snapshot};
use crate::segment::name::Kind;
use crate::segment::scan::{BatchScanner, ScanError};
use crate::segment::{Active, Place, Segment};

/// Where the check of a segment begins, and what is known of the records below.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) offset: Offset,
    pub(super) position: u64,
    pub(super) active: Active,
    pub(super) producers: ProducerStates,
}

/// The newest resume point of `segment` that is not above the recovery point; none where there is
/// none, or where any part of it is missing or does not fit the segment.
pub(super) fn find(
    place: Place<'_>,
    segment: &Segment,
    config: &LogConfig,
    (log_start, recovery_point, now): (Offset, Offset, Timestamp),
) -> Result<Option<Resumed>, StorageError> {
    let storage = &**place.handles.storage();
    let range = snapshot::Range {
        log_start,
        log_end: recovery_point,
        now,
        expiration_ms: config.producer_id_expiration_ms,
    };
    let producers = snapshot::load(storage, place.folder, &range).during("load", place.folder)?;
    let offset = producers.end();
    if offset <= segment.base_offset {
        return Ok(None);
    }
    // A damaged index is no error here: everything is read then.
    let Ok(Some(mut active)) = segment.load(place, now) else {
        return Ok(None);
    };
    let from = active.rewind(offset);
    let position = walk(place, segment, config, (from, offset), &mut active)?;
    Ok(position.map(|position| Resumed {
        offset,
        position,
        active,
        producers,
    }))
}

/// Takes the batches between the last entry of the index and `end` into the indexes. Returns the
/// position of `end`; none where the index or the snapshot does not fit the batches.
fn walk(
    place: Place<'_>,
    segment: &Segment,
    config: &LogConfig,
    ((last_offset, from), end): ((Option<Offset>, u64), Offset),
    active: &mut Active,
) -> Result<Option<u64>, StorageError> {
    let mut scanner = BatchScanner::headers(segment.file(place)?, from, segment.size);
    let mut expected = last_offset;
    let mut next = segment.base_offset;
    loop {
        let position = scanner.position();
        if next == end {
            return Ok(Some(position));
        }
        match scanner.next_batch() {
            Ok(Some(batch)) => {
                let header = &batch.header;
                let fits = header.base_offset >= next
                    && header.next_offset() > header.base_offset
                    && header.next_offset() <= end
                    && expected
                        .take()
                        .is_none_or(|last| last == header.last_offset());
                if !fits {
                    return Ok(None);
                }
                active.add(header, position, config.index_interval_bytes);
                next = header.next_offset();
            }
            Ok(None) | Err(ScanError::Fault { .. }) => return Ok(None),
            Err(ScanError::Io(error)) => {
                let path = segment.path(place, Kind::Log);
                return Err(StorageError::new("read", &path, error));
            }
        }
    }
}
