//! Records of a coordinator as they are read back.

use milena_cluster::group::Coordinator;
use milena_protocol::batch::{BatchHeader, HeaderError, Records};
use milena_protocol::stored::group::Record;
use milena_protocol::{Offset, ProducerId};
use thiserror::Error;
use tracing::warn;

/// Most bytes that a batch may inflate to.
const INFLATED_BYTES_MAX: usize = 1 << 30;
/// Type of the control record that ends a transaction well.
const COMMIT: i16 = 1;

/// Why a batch cannot be applied.
#[derive(Debug, Error)]
#[error("batch at offset {offset}: {reason}")]
pub(super) struct Damaged {
    /// Offset of its first record, as far as it is known.
    offset: i64,
    /// What is wrong.
    reason: String,
}

/// Applies the whole batches in `bytes` to a coordinator that loads, except records before `from`.
/// Returns the offset after the last one. A read ends anywhere: a batch at the end that is not whole
/// is left for the next read, which begins with it.
pub(super) fn apply_all(
    core: &mut Coordinator,
    mut bytes: &[u8],
    from: Offset,
) -> Result<Offset, Damaged> {
    let mut next = from;
    while !bytes.is_empty() {
        let damaged = |reason: String| Damaged {
            offset: next.0,
            reason,
        };
        let (header, batch) = match BatchHeader::parse_whole(bytes) {
            Ok(parsed) => parsed,
            Err(HeaderError::Incomplete { .. }) if next > from => break,
            Err(fault) => return Err(damaged(fault.to_string())),
        };
        header
            .check_crc(batch)
            .map_err(|fault| damaged(fault.to_string()))?;
        apply_batch(core, &header, batch, from).map_err(damaged)?;
        next = header.next_offset();
        bytes = &bytes[header.size_bytes.min(bytes.len())..];
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
    let records =
        Records::open(header, batch, INFLATED_BYTES_MAX).map_err(|fault| fault.to_string())?;
    let producer = match header.attributes.is_transactional() {
        true => header.producer_id,
        false => ProducerId::NONE,
    };
    for record in &records {
        let record = record.map_err(|fault| fault.to_string())?;
        let at = record.offset(header);
        if at < from {
            continue;
        }
        if header.attributes.is_control() {
            if let Some(is_commit) = marker(record.key) {
                core.apply_marker(header.producer_id, is_commit);
            }
            continue;
        }
        match Record::decode(record.key, record.value) {
            Ok(record) => core.apply(at, producer, record),
            // Of one group at most; the others need not suffer for it.
            Err(fault) => warn!(offset = at.0, %fault, "record of the offsets topic is left out"),
        }
    }
    Ok(())
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
