//! Reading a partition of an internal topic into a coordinator.

use std::sync::Arc;
use std::time::Duration;

use milena_protocol::batch::{BatchHeader, HeaderError, Record, Records};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::clock;
use crate::completion::Appended;
use crate::partition::{Isolation, Partition, ReadRequest, collect};

/// Pause between two looks whether all that was read is committed.
const COMMIT_PAUSE: Duration = Duration::from_millis(10);
/// A load that waits longer for its records to be committed is told of.
const COMMIT_WARN_AFTER: Duration = Duration::from_secs(10);
/// Most bytes that a batch may inflate to.
const INFLATED_BYTES_MAX: usize = 1 << 30;

/// Takes one record with the header of its batch, control records too. A text says why it cannot be
/// taken.
pub(crate) type Apply<'a> = dyn FnMut(&BatchHeader, &Record<'_>) -> Result<(), String> + 'a;

/// Reads the whole log in pieces of `bytes_max`, which blocks. Returns the end of what was read; none
/// where it cannot be read, which is logged: what it keeps (`what`) is not served then, and that of
/// other partitions is.
pub(crate) fn all(
    partition: &Arc<Partition>,
    what: &'static str,
    bytes_max: usize,
    apply: &mut Apply<'_>,
) -> Option<Offset> {
    let failed = |offset: Offset, fault: &str| {
        error!(partition = %partition.topic_partition(), offset = offset.0, fault,
            "{what} cannot be loaded; those of this partition are not served");
        None
    };
    let started = clock::instant();
    let mut offset = partition.log_start();
    // What comes later comes through the coordinator, which waits for us: a marker goes past one that
    // has given up only as long as no other is there (`Shards::while_there`).
    let end = partition.settled_end();
    while offset < end {
        let read = partition.read(&ReadRequest {
            offset,
            bytes_max,
            min_one_batch: true,
            isolation: Isolation::LogEnd,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
        });
        if read.error == ErrorCode::None && read.bytes == 0 {
            // Compaction left nothing below the end.
            break;
        }
        if read.error != ErrorCode::None {
            return failed(offset, read.error.name());
        }
        let bytes = match collect(&read.pieces) {
            Ok(bytes) => bytes,
            Err(fault) => return failed(offset, &fault.to_string()),
        };
        let next = match batches(&bytes, offset, apply) {
            Ok(next) => next,
            Err((at, reason)) => return failed(at, &reason),
        };
        if next <= offset {
            return failed(offset, "no whole batch was read");
        }
        offset = next;
    }
    debug!(partition = %partition.topic_partition(), end = end.0,
        seconds = started.elapsed().as_secs_f64(), "{what} loaded");
    Some(end)
}

/// Applies the whole batches in `bytes` except records before `from`; returns the offset after the
/// last one. A read ends anywhere: a batch at the end that is not whole is left for the next read,
/// which begins with it.
///
/// # Errors
/// The offset of the batch that cannot be applied, and what is wrong with it.
pub(crate) fn batches(
    mut bytes: &[u8],
    from: Offset,
    apply: &mut Apply<'_>,
) -> Result<Offset, (Offset, String)> {
    let mut next = from;
    while !bytes.is_empty() {
        let (header, batch) = match BatchHeader::parse_whole(bytes) {
            Ok(parsed) => parsed,
            Err(HeaderError::Incomplete { .. }) if next > from => break,
            Err(fault) => return Err((next, fault.to_string())),
        };
        records(&header, batch, from, apply).map_err(|reason| (next, reason))?;
        next = header.next_offset();
        bytes = bytes.get(header.size_bytes..).unwrap_or(&[]);
    }
    Ok(next)
}

fn records(
    header: &BatchHeader,
    batch: &[u8],
    from: Offset,
    apply: &mut Apply<'_>,
) -> Result<(), String> {
    header.check_crc(batch).map_err(|fault| fault.to_string())?;
    let records =
        Records::open(header, batch, INFLATED_BYTES_MAX).map_err(|fault| fault.to_string())?;
    for record in &records {
        let record = record.map_err(|fault| fault.to_string())?;
        if from <= record.offset(header) {
            apply(header, &record)?;
        }
    }
    Ok(())
}

/// Waits until everything below `end` is committed: what was read must not be taken back. False
/// where that does not come about any more.
pub(crate) async fn committed(
    partition: &Arc<Partition>,
    what: &'static str,
    end: Offset,
    has_resigned: impl Fn() -> bool,
) -> bool {
    let mut is_told = false;
    let since = Instant::now();
    while partition.high_watermark() < end {
        if partition.closed().is_some() || has_resigned() {
            return false;
        }
        if !is_told && since.elapsed() > COMMIT_WARN_AFTER {
            is_told = true;
            warn!(partition = %partition.topic_partition(), end = end.0,
                high_watermark = partition.high_watermark().0,
                "{what} wait for the replicas of their partition");
        }
        tokio::time::sleep(COMMIT_PAUSE).await;
    }
    true
}

/// True where records that were refused may be in the log all the same: only a new load tells. A full
/// disk refuses records too, until it has room again; those are in no log.
pub(crate) fn is_uncertain(partition: &Arc<Partition>, outcome: &Appended) -> bool {
    match outcome.error {
        ErrorCode::NotLeaderOrFollower => true,
        ErrorCode::KafkaStorageError => partition.is_offline(),
        _ => false,
    }
}
