//! Reading a partition of `__consumer_offsets` into a coordinator.

use std::sync::Arc;

use milena_cluster::group::Coordinator;
use milena_protocol::batch::{BatchHeader, Record as Stored};
use milena_protocol::stored::group::Record;
use milena_protocol::{Offset, ProducerId};
use tracing::warn;

use super::settings::Settings;
use crate::coordinator::read;
use crate::partition::Partition;

/// What is in the topic, in words.
pub(super) const WHAT: &str = "groups";
/// Type of the control record that ends a transaction well.
const COMMIT: i16 = 1;

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
    let mut core = Coordinator::new(settings.config.clone());
    let end = read::all(
        partition,
        WHAT,
        settings.load_bytes,
        &mut |header, record| {
            apply(&mut core, header, record);
            Ok(())
        },
    )?;
    Some(Loaded { core, end })
}

/// Applies one record to a coordinator that loads.
pub(super) fn apply(core: &mut Coordinator, header: &BatchHeader, record: &Stored<'_>) {
    if header.attributes.is_control() {
        if let Some(is_commit) = marker(record.key) {
            core.apply_marker(header.producer_id, is_commit);
        }
        return;
    }
    let producer = match header.attributes.is_transactional() {
        true => header.producer_id,
        false => ProducerId::NONE,
    };
    let at = record.offset(header);
    match Record::decode(record.key, record.value) {
        Ok(record) => core.apply(at, producer, record),
        // Of one group at most; the others need not suffer for it.
        Err(fault) => warn!(offset = at.0, %fault, "record of the offsets topic is left out"),
    }
}

/// True where a control record commits, false where it aborts, none where it is another one. Its
/// key is version int16, type int16.
fn marker(key: Option<&[u8]>) -> Option<bool> {
    let kind = key?.get(2..4)?.first_chunk::<2>()?;
    match i16::from_be_bytes(*kind) {
        COMMIT => Some(true),
        0 => Some(false),
        _ => None,
    }
}
