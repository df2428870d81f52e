//! Builds batches: from records, and anew from the records of a stored batch.

use thiserror::Error;

use super::records::Record;
use super::varint::{put_varint, varint_bytes};
use super::{
    Attributes, BatchHeader, Compression, HEADER_BYTES, LOG_OVERHEAD_BYTES, MAGIC, TimestampType,
    compress, seal,
};
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Largest size of a batch before compression that is built, in bytes, header included. The length
/// field has 31 bits; half of that leaves room for data that grows when it is compressed.
pub const BUILT_BYTES_MAX: usize = 1 << 30;

/// Why a batch cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The batch would be larger than [`BUILT_BYTES_MAX`].
    #[error("batch of {size_bytes} bytes is above the limit of {limit_bytes}")]
    TooLarge {
        /// Size that the batch would have.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The batch would have more records than its count field holds.
    #[error("batch would have more than 2147483647 records")]
    TooManyRecords,
}

/// Builds one batch. Records are encoded straight into the buffer of the batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    level: Option<i32>,
    header: BatchHeader,
}

impl BatchBuilder {
    /// An empty batch with this codec; `level` as of [`compress`]. The timestamp of the first
    /// record becomes the base timestamp; there is no producer and no leader epoch.
    #[must_use]
    pub fn new(compression: Compression, level: Option<i32>) -> Self {
        let header = BatchHeader {
            base_offset: Offset(0),
            size_bytes: HEADER_BYTES,
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::new(compression),
            last_offset_delta: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: Sequence::NONE,
            record_count: 0,
        };
        Self {
            buffer: vec![0; HEADER_BYTES],
            level,
            header,
        }
    }

    /// The same with room for `bytes` of records.
    #[must_use]
    pub fn with_capacity(mut self, bytes: usize) -> Self {
        self.buffer.reserve(bytes);
        self
    }

    /// Sets the idempotent producer.
    pub fn set_producer(&mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
    }

    /// Makes it a batch of a transaction.
    pub fn set_transactional(&mut self) {
        self.header.attributes = self.header.attributes.with_transactional();
    }

    /// Makes it a batch of control records.
    pub fn set_control(&mut self) {
        self.header.attributes = self.header.attributes.with_control();
    }

    /// Sets the epoch of the leader that appends it.
    pub fn set_leader_epoch(&mut self, leader_epoch: LeaderEpoch) {
        self.header.leader_epoch = leader_epoch;
    }

    /// Makes it a batch with `LogAppendTime`.
    pub fn set_append_time(&mut self, append_time: Timestamp) {
        self.header.attributes = self
            .header
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = append_time;
    }

    /// Number of records.
    #[must_use]
    pub const fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// True without records.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Size of the batch as it is, in bytes before compression, header included.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Appends one record; its offset delta is the number of records before it. `headers` is gone
    /// through twice; `[]` where there are none.
    ///
    /// # Errors
    /// `TooLarge`, `TooManyRecords`; the batch stays as it was.
    pub fn append<'h>(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], Option<&'h [u8]>), IntoIter: Clone>,
    ) -> Result<(), BuildError> {
        let headers = headers.into_iter();
        let offset_delta = self.header.record_count;
        let next_count = offset_delta
            .checked_add(1)
            .ok_or(BuildError::TooManyRecords)?;
        let base = if offset_delta == 0 {
            timestamp
        } else {
            self.header.base_timestamp
        };
        let timestamp_delta = timestamp.0.wrapping_sub(base.0);

        let mut header_count = 0_usize;
        let mut headers_bytes = 0_usize;
        for (key, value) in headers.clone() {
            header_count = header_count.saturating_add(1);
            headers_bytes = headers_bytes
                .saturating_add(nullable_size(Some(key)))
                .saturating_add(nullable_size(value));
        }
        let body_bytes = (1 + varint_bytes(timestamp_delta))
            .saturating_add(varint_bytes(i64::from(offset_delta)))
            .saturating_add(nullable_size(key))
            .saturating_add(nullable_size(value))
            .saturating_add(varint_bytes(length_field(header_count)))
            .saturating_add(headers_bytes);
        let record_bytes = body_bytes.saturating_add(varint_bytes(length_field(body_bytes)));
        check_size(self.buffer.len().saturating_add(record_bytes))?;

        self.buffer.reserve(record_bytes);
        put_varint(&mut self.buffer, length_field(body_bytes));
        self.buffer.push(0);
        put_varint(&mut self.buffer, timestamp_delta);
        put_varint(&mut self.buffer, i64::from(offset_delta));
        put_nullable(&mut self.buffer, key);
        put_nullable(&mut self.buffer, value);
        put_varint(&mut self.buffer, length_field(header_count));
        for (key, value) in headers {
            put_nullable(&mut self.buffer, Some(key));
            put_nullable(&mut self.buffer, value);
        }

        self.header.base_timestamp = base;
        self.header.record_count = next_count;
        self.header.last_offset_delta = offset_delta;
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime
            && (offset_delta == 0 || timestamp > self.header.max_timestamp)
        {
            self.header.max_timestamp = timestamp;
        }
        Ok(())
    }

    /// The sealed batch, compressed. Without records it is an empty batch that stands for one
    /// offset.
    #[must_use]
    pub fn finish(mut self, base_offset: Offset) -> Vec<u8> {
        self.header.base_offset = base_offset;
        assemble(self.buffer, self.header, self.level)
    }
}

fn check_size(size_bytes: usize) -> Result<(), BuildError> {
    if size_bytes > BUILT_BYTES_MAX {
        return Err(BuildError::TooLarge {
            size_bytes,
            limit_bytes: BUILT_BYTES_MAX,
        });
    }
    Ok(())
}

/// A length as the value of a varint; what passes [`check_size`] has 31 bits.
fn length_field(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| {
        bytes
            .len()
            .saturating_add(varint_bytes(length_field(bytes.len())))
    })
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, length_field(bytes.len()));
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

/// Compresses the records behind the room for the header, writes the header and seals the batch.
/// The codec of a batch without records becomes none: there is nothing to inflate.
fn assemble(mut buffer: Vec<u8>, mut header: BatchHeader, level: Option<i32>) -> Vec<u8> {
    let codec = header.attributes.compression().unwrap_or(Compression::None);
    let records = buffer.get(HEADER_BYTES..).unwrap_or_default();
    if records.is_empty() {
        header.attributes = header.attributes.with_compression(Compression::None);
    } else if codec != Compression::None {
        let compressed = compress(codec, level, records);
        buffer.truncate(HEADER_BYTES);
        buffer.extend_from_slice(&compressed);
    }
    write_header(&mut buffer, &header);
    buffer
}

/// Writes `header` over the first bytes of `batch`, with the batch's own size and CRC.
fn write_header(batch: &mut [u8], header: &BatchHeader) {
    let length = i32::try_from(batch.len() - LOG_OVERHEAD_BYTES)
        .expect("a batch of at most 1 GiB before compression is below 2 GiB after it");
    let fields: [&[u8]; 13] = [
        &header.base_offset.0.to_be_bytes(),
        &length.to_be_bytes(),
        &header.leader_epoch.0.to_be_bytes(),
        &MAGIC.to_be_bytes(),
        &[0; 4],
        &header.attributes.0.to_be_bytes(),
        &header.last_offset_delta.to_be_bytes(),
        &header.base_timestamp.0.to_be_bytes(),
        &header.max_timestamp.0.to_be_bytes(),
        &header.producer_id.0.to_be_bytes(),
        &header.producer_epoch.0.to_be_bytes(),
        &header.base_sequence.0.to_be_bytes(),
        &header.record_count.to_be_bytes(),
    ];
    let mut rest = &mut *batch;
    for field in fields {
        let (place, behind) = rest
            .split_at_mut_checked(field.len())
            .expect("a batch starts with 61 bytes");
        place.copy_from_slice(field);
        rest = behind;
    }
    seal(batch);
}

/// Builds a stored batch anew with only some of its records, as compaction does
/// (`MemoryRecords.filterTo`). `kept` are records of the batch with this `header`, in order. Kept
/// are offsets, timestamps, last offset delta (so the offset range stays, and producer state can
/// be rebuilt from it), leader epoch, producer, and the kind of the batch. With `delete_horizon`,
/// or where the batch has one already, the base timestamp is the horizon (KIP-534). The max
/// timestamp is that of the kept records.
///
/// Without kept records the batch has a header only: no codec, no horizon, no base timestamp, and
/// the max timestamp it had.
///
/// # Errors
/// `TooLarge`, `TooManyRecords`; only where `kept` is not what came out of one batch.
pub fn rebuild<'a>(
    header: &BatchHeader,
    kept: impl IntoIterator<Item = Record<'a>>,
    codec: Compression,
    level: Option<i32>,
    delete_horizon: Option<Timestamp>,
) -> Result<Vec<u8>, BuildError> {
    let mut built = *header;
    built.attributes = header.attributes.with_compression(codec);
    built.record_count = 0;
    if let Some(horizon) = delete_horizon {
        built.attributes = built.attributes.with_delete_horizon();
        built.base_timestamp = horizon;
    }
    let shift = header.base_timestamp.0.wrapping_sub(built.base_timestamp.0);

    let mut buffer = Vec::with_capacity(header.size_bytes.min(BUILT_BYTES_MAX));
    buffer.resize(HEADER_BYTES, 0);
    let mut max_timestamp: Option<Timestamp> = None;
    for record in kept {
        if shift == 0 {
            buffer.extend_from_slice(record.raw());
        } else {
            put_shifted(&mut buffer, &record, shift);
        }
        check_size(buffer.len())?;
        built.record_count = built
            .record_count
            .checked_add(1)
            .ok_or(BuildError::TooManyRecords)?;
        max_timestamp = max_timestamp.max(Some(record.timestamp(header)));
    }
    match max_timestamp {
        Some(max_timestamp) => built.max_timestamp = max_timestamp,
        None => {
            built.base_timestamp = Timestamp::NONE;
            built.attributes = built.attributes.without_delete_horizon();
        }
    }
    Ok(assemble(buffer, built, level))
}

/// Appends `record` with its timestamp delta moved by `shift` milliseconds.
fn put_shifted(out: &mut Vec<u8>, record: &Record<'_>, shift: i64) {
    let timestamp_delta = record.timestamp_delta.wrapping_add(shift);
    let tail = record.after_timestamp();
    let body_bytes = 1 + varint_bytes(timestamp_delta) + tail.len();
    put_varint(out, length_field(body_bytes));
    out.push(record.attributes);
    put_varint(out, timestamp_delta);
    out.extend_from_slice(tail);
}

/// Builds a batch anew with another codec. `records` are all of its records, inflated
/// ([`super::Records::bytes`]); everything else stays.
///
/// # Errors
/// `TooLarge`.
pub fn recompress(
    header: &BatchHeader,
    records: &[u8],
    codec: Compression,
    level: Option<i32>,
) -> Result<Vec<u8>, BuildError> {
    check_size(records.len().saturating_add(HEADER_BYTES))?;
    let mut built = *header;
    built.attributes = header.attributes.with_compression(codec);
    let mut buffer = vec![0; HEADER_BYTES];
    if codec == Compression::None || records.is_empty() {
        buffer.extend_from_slice(records);
        return Ok(assemble(buffer, built, level));
    }
    buffer.extend_from_slice(&compress(codec, level, records));
    write_header(&mut buffer, &built);
    Ok(buffer)
}

#[cfg(test)]
mod tests;
