//! Reading a partition of `__transaction_state` into a coordinator.

use std::sync::Arc;

use milena_cluster::transaction::Coordinator;
use milena_protocol::Offset;
use milena_protocol::stored::transaction::Record;

use super::settings::Settings;
use crate::coordinator::read;
use crate::partition::Partition;

/// What is in the topic, in words.
pub(super) const WHAT: &str = "transactions";

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
    let mut core = empty(partition, settings);
    let end = read::all(
        partition,
        WHAT,
        settings.load_bytes,
        &mut |header, record| {
            if !header.attributes.is_control() {
                // A transaction whose state cannot be read must not be taken for one that does not
                // exist.
                let record =
                    Record::decode(record.key, record.value).map_err(|fault| fault.to_string())?;
                core.apply(record);
            }
            Ok(())
        },
    )?;
    Some(Loaded { core, end })
}
