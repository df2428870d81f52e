//! Reading a partition of `__consumer_offsets` into a coordinator.

use std::sync::Arc;
use std::time::Duration;

use milena_cluster::group::Coordinator;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset};
use tracing::{error, info};

use super::batch::apply_all;
use super::settings::Settings;
use crate::clock;
use crate::partition::{Isolation, Partition, ReadRequest, collect};

/// Pause between two looks whether all that was read is committed.
pub(super) const COMMIT_PAUSE: Duration = Duration::from_millis(10);

/// What a load has found.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The coordinator with all records applied.
    pub(super) core: Coordinator,
    /// The end of what was read. The coordinator may serve when that is committed.
    pub(super) end: Offset,
}

/// Reads the whole log, which blocks. None where it cannot be read; the reason is logged.
pub(super) fn read(partition: &Arc<Partition>, settings: &Settings) -> Option<Loaded> {
    let started = clock::instant();
    let mut core = Coordinator::new(settings.config.clone());
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
            offset = end;
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
            Err(damaged) => return failed(partition, offset, &damaged.to_string()),
        };
        if next <= offset {
            return failed(partition, offset, "no whole batch was read");
        }
        offset = next;
    }
    info!(partition = %partition.topic_partition(), end = offset.0,
        seconds = started.elapsed().as_secs_f64(), "groups loaded");
    Some(Loaded { core, end })
}

/// Says that the groups of a partition are not served. Those of others are.
fn failed(partition: &Partition, offset: Offset, fault: &str) -> Option<Loaded> {
    error!(partition = %partition.topic_partition(), offset = offset.0, fault,
        "groups cannot be loaded; those of this partition are not served");
    None
}
