//! Reading a log batch by batch.

use milena_log::Log;
use milena_protocol::Offset;
use milena_protocol::batch::{BatchHeader, HeaderError, Records};

/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;
/// Bytes that a batch may inflate to.
pub(crate) const INFLATED_BYTES_MAX: usize = 1 << 24;

/// Is told of a batch.
type OnBatch<'a> = dyn FnMut(&BatchHeader, &[u8]) -> Result<(), String> + 'a;
/// Is told of offset, key and value of a record.
type OnRecord<'a> = dyn FnMut(Offset, Option<&[u8]>, Option<&[u8]>) -> Result<(), String> + 'a;

/// Calls `found` with every whole batch of a log that has records in `[from, end)`, in order.
///
/// # Errors
/// What cannot be read.
pub(crate) fn for_each_batch(
    log: &Log,
    (from, end): (Offset, Offset),
    found: &mut OnBatch<'_>,
) -> Result<(), String> {
    let mut offset = from.max(log.log_start());
    while offset < end {
        let slice = log
            .read(offset, READ_BYTES, end, true)
            .map_err(|error| format!("read {} at {offset}: {error}", log.topic_partition()))?;
        let bytes = slice
            .read()
            .map_err(|error| format!("read {} at {offset}: {error}", log.topic_partition()))?;
        if bytes.is_empty() {
            return Ok(());
        }
        offset = walk(&bytes, offset, found)?;
    }
    Ok(())
}

/// Calls `found` with the whole batches in `bytes`. Returns the offset after the last one.
///
/// # Errors
/// A batch is not what it should be, or what `found` says.
pub(crate) fn walk(
    mut bytes: &[u8],
    from: Offset,
    found: &mut OnBatch<'_>,
) -> Result<Offset, String> {
    let mut next = from;
    while !bytes.is_empty() {
        let (header, batch) = match BatchHeader::parse_whole(bytes) {
            Ok(parsed) => parsed,
            Err(HeaderError::Incomplete { .. }) if from < next => break,
            Err(error) => return Err(format!("batch at {next}: {error}")),
        };
        header
            .check_crc(batch)
            .map_err(|error| format!("batch at {next}: {error}"))?;
        found(&header, batch)?;
        next = header.next_offset();
        bytes = bytes.get(header.size_bytes..).unwrap_or_default();
    }
    Ok(next)
}

/// Calls `found` with offset, key and value of every record of a batch.
///
/// # Errors
/// The records cannot be read, or what `found` says.
pub(crate) fn for_each_record(
    header: &BatchHeader,
    batch: &[u8],
    found: &mut OnRecord<'_>,
) -> Result<(), String> {
    let records =
        Records::open(header, batch, INFLATED_BYTES_MAX).map_err(|error| error.to_string())?;
    for record in records.iter() {
        let record = record.map_err(|error| error.to_string())?;
        found(record.offset(header), record.key, record.value)?;
    }
    Ok(())
}
