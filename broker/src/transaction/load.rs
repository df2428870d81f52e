//! Reading a partition of `__transaction_state` into a coordinator.

use std::sync::Arc;
use std::time::Duration;

use milena_cluster::transaction::Coordinator;
use milena_protocol::batch::{BatchHeader, HeaderError, Records};
use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset};
use tracing::{error, info};

use super::settings::Settings;
use crate::clock;
use crate::partition::{Isolation, Partition, ReadRequest, collect};

/// Pause between two looks whether all that was read is committed.
pub(super) const COMMIT_PAUSE: Duration = Duration::from_millis(10);
/// Most bytes that a batch may inflate to.
const INFLATED_BYTES_MAX: usize = 1 << 30;

/// What a load has found.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The coordinator with all records applied.
    pub(super) core: Coordinator,
    /// The end of what was read. The coordinator may serve when that is committed.
    pub(super) end: Offset,
}

/// A coordinator without any record.
pub(super) fn empty(partition: &Arc<Partition>, settings: &Settings) -> Coordinator {
    Coordinator::new(settings.config.clone(), partition.leader_epoch().0)
}

/// Reads the whole log, which blocks. None where it cannot be read; the reason is logged.
pub(super) fn read(partition: &Arc<Partition>, settings: &Settings) -> Option<Loaded> {
    let started = clock::instant();
    let mut core = empty(partition, settings);
    let mut offset = partition.log_start();
    // Nobody but the coordinator appends here, and it waits for us.
    let end = partition.log_end();
    while offset < end {
        let read = partition.read(&ReadRequest {
            offset,
            bytes_max: settings.load_bytes,
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
            return failed(partition, offset, read.error.name());
        }
        let bytes = match collect(&read.pieces) {
            Ok(bytes) => bytes,
            Err(fault) => return failed(partition, offset, &fault.to_string()),
        };
        let next = match apply_all(&mut core, &bytes, offset) {
            Ok(next) => next,
            Err((at, reason)) => return failed(partition, at, &reason),
        };
        if next <= offset {
            return failed(partition, offset, "no whole batch was read");
        }
        offset = next;
    }
    info!(partition = %partition.topic_partition(), end = end.0,
        seconds = started.elapsed().as_secs_f64(), "transactions loaded");
    Some(Loaded { core, end })
}

/// Says that the transactional ids of a partition are not served. Those of others are.
fn failed(partition: &Partition, offset: Offset, fault: &str) -> Option<Loaded> {
    error!(partition = %partition.topic_partition(), offset = offset.0, fault,
        "transactions cannot be loaded; those of this partition are not served");
    None
}

/// Applies the whole batches in `bytes` except records before `from`; returns the offset after the
/// last one. A read ends anywhere: the next one begins with a batch at the end that is not whole.
fn apply_all(
    core: &mut Coordinator,
    mut bytes: &[u8],
    from: Offset,
) -> Result<Offset, (Offset, String)> {
    let mut next = from;
    while !bytes.is_empty() {
        let (header, batch) = match BatchHeader::parse_whole(bytes) {
            Ok(parsed) => parsed,
            Err(HeaderError::Incomplete { .. }) if next > from => break,
            Err(fault) => return Err((next, fault.to_string())),
        };
        apply_batch(core, &header, batch, from).map_err(|reason| (next, reason))?;
        next = header.next_offset();
        bytes = bytes.get(header.size_bytes..).unwrap_or(&[]);
    }
    Ok(next)
}

/// Applies one batch; a text says what is wrong with it.
fn apply_batch(
    core: &mut Coordinator,
    header: &BatchHeader,
    batch: &[u8],
    from: Offset,
) -> Result<(), String> {
    header.check_crc(batch).map_err(|fault| fault.to_string())?;
    if header.attributes.is_control() {
        return Ok(());
    }
    let records =
        Records::open(header, batch, INFLATED_BYTES_MAX).map_err(|fault| fault.to_string())?;
    for record in &records {
        let record = record.map_err(|fault| fault.to_string())?;
        if record.offset(header) < from {
            continue;
        }
        // A transaction whose state cannot be read must not be taken for one that does not exist.
        let record = Record::decode(record.key, record.value).map_err(|fault| fault.to_string())?;
        core.apply(record);
    }
    Ok(())
}
