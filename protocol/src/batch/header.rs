//! The 61-byte header of a batch, read and patched in place.

use thiserror::Error;

use super::{HEADER_BYTES, LOG_OVERHEAD_BYTES, MAGIC};
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

/// Codec of the records of a batch, bits 0 to 2 of its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Records as they are.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in xerial's framing.
    Snappy,
    /// An LZ4 frame.
    Lz4,
    /// A zstd frame (KIP-110).
    Zstd,
}

impl Compression {
    /// The codec with this number; none for 5 to 7.
    #[must_use]
    pub const fn from_bits(bits: i16) -> Option<Self> {
        Some(match bits {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// Kafka's name of the codec as a configuration value (`uncompressed` is `none` here).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of the value of `compression.type`; none for `producer` and unknown names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" | "uncompressed" => Self::None,
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

/// What the timestamps of a batch mean, bit 3 of its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Set by the producer.
    CreateTime,
    /// Set by the broker; every record has the batch's max timestamp.
    LogAppendTime,
}

/// Attribute bits of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const TIMESTAMP_TYPE: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// Bits of an ordinary batch with this codec.
    #[must_use]
    pub const fn new(compression: Compression) -> Self {
        Self(compression as i16)
    }

    /// The codec; none where the bits name no codec.
    #[must_use]
    pub const fn compression(self) -> Option<Compression> {
        Compression::from_bits(self.0 & 7)
    }

    /// What the timestamps mean.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::TIMESTAMP_TYPE == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// True for a batch of a transaction (data and markers).
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// True for a batch of control records, such as transaction markers.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// True where the base timestamp holds the delete horizon (KIP-534).
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same with the given meaning of timestamps.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::TIMESTAMP_TYPE),
            TimestampType::LogAppendTime => Self(self.0 | Self::TIMESTAMP_TYPE),
        }
    }

    /// The same as part of a transaction.
    #[must_use]
    pub const fn with_transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// The same as a batch of control records.
    #[must_use]
    pub const fn with_control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }

    /// The same with the delete horizon in the base timestamp.
    #[must_use]
    pub const fn with_delete_horizon(self) -> Self {
        Self(self.0 | Self::DELETE_HORIZON)
    }

    /// The same without a delete horizon.
    #[must_use]
    pub const fn without_delete_horizon(self) -> Self {
        Self(self.0 & !Self::DELETE_HORIZON)
    }

    /// The same with another codec.
    #[must_use]
    pub const fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !7) | compression as i16)
    }
}

/// The decoded header of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the first that ever was, in a compacted batch).
    pub base_offset: Offset,
    /// Size of the whole batch in bytes, header included; at least [`HEADER_BYTES`].
    pub size_bytes: usize,
    /// Epoch of the leader that appended the batch.
    pub leader_epoch: LeaderEpoch,
    /// Stored CRC-32C.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control.
    pub attributes: Attributes,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// Timestamp that record deltas are relative to, or the delete horizon.
    pub base_timestamp: Timestamp,
    /// Largest timestamp of the records.
    pub max_timestamp: Timestamp,
    /// Idempotent producer, or none.
    pub producer_id: ProducerId,
    /// Epoch of the producer, or none.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or none.
    pub base_sequence: Sequence,
    /// Number of records that the header claims.
    pub record_count: i32,
}

/// What is wrong with the header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The bytes end within the header or the batch.
    #[error("batch needs {needed_bytes} bytes, {present_bytes} are there")]
    Incomplete {
        /// Size that the header claims (or the header itself).
        needed_bytes: usize,
        /// Bytes that are there.
        present_bytes: usize,
    },
    /// The length field is negative or below the smallest batch.
    #[error("batch length {length} is below the smallest batch")]
    Length {
        /// Value of the length field.
        length: i32,
    },
    /// A magic other than 2.
    #[error("magic {magic} is not served, only 2")]
    Magic {
        /// Value of the magic field.
        magic: i8,
    },
    /// The checksum does not match.
    #[error("stored CRC {stored:#010x}, computed {computed:#010x}")]
    Crc {
        /// Checksum in the header.
        stored: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes
        .get(at..at.checked_add(N)?)?
        .first_chunk::<N>()
        .copied()
}

impl BatchHeader {
    /// Reads the header of the batch that starts at the first byte. The batch itself may extend
    /// beyond `bytes`; see [`BatchHeader::parse_whole`].
    ///
    /// # Errors
    /// `Incomplete` below 61 bytes, `Magic`, `Length`.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let incomplete = HeaderError::Incomplete {
            needed_bytes: HEADER_BYTES,
            present_bytes: bytes.len(),
        };
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(incomplete)?;
        let i64_at = |at| array(header, at).map(i64::from_be_bytes).ok_or(incomplete);
        let i32_at = |at| array(header, at).map(i32::from_be_bytes).ok_or(incomplete);
        let i16_at = |at| array(header, at).map(i16::from_be_bytes).ok_or(incomplete);
        let length = i32_at(8)?;
        let magic = array(header, 16).map(i8::from_be_bytes).ok_or(incomplete)?;
        if magic != MAGIC {
            return Err(HeaderError::Magic { magic });
        }
        let size_bytes = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LOG_OVERHEAD_BYTES))
            .filter(|&size| size >= HEADER_BYTES)
            .ok_or(HeaderError::Length { length })?;
        Ok(Self {
            base_offset: Offset(i64_at(0)?),
            size_bytes,
            leader_epoch: LeaderEpoch(i32_at(12)?),
            crc: array(header, CRC_AT)
                .map(u32::from_be_bytes)
                .ok_or(incomplete)?,
            attributes: Attributes(i16_at(ATTRIBUTES_AT)?),
            last_offset_delta: i32_at(23)?,
            base_timestamp: Timestamp(i64_at(27)?),
            max_timestamp: Timestamp(i64_at(MAX_TIMESTAMP_AT)?),
            producer_id: ProducerId(i64_at(43)?),
            producer_epoch: ProducerEpoch(i16_at(51)?),
            base_sequence: Sequence(i32_at(53)?),
            record_count: i32_at(57)?,
        })
    }

    /// Reads the header of the batch that starts at the first byte and requires the whole batch.
    /// Returns the header and exactly the bytes of the batch. The CRC is not checked.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`], and `Incomplete` where the batch extends beyond `bytes`.
    pub fn parse_whole(bytes: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let header = Self::parse(bytes)?;
        let batch = bytes
            .get(..header.size_bytes)
            .ok_or(HeaderError::Incomplete {
                needed_bytes: header.size_bytes,
                present_bytes: bytes.len(),
            })?;
        Ok((header, batch))
    }

    /// Checks the CRC of `batch`, the whole batch this header was read from.
    ///
    /// # Errors
    /// `Crc` where it does not match.
    pub fn check_crc(&self, batch: &[u8]) -> Result<(), HeaderError> {
        let computed = crc_of(batch);
        if computed == self.crc {
            Ok(())
        } else {
            Err(HeaderError::Crc {
                stored: self.crc,
                computed,
            })
        }
    }

    /// Offset of the last record; saturates for a header whose fields are damaged.
    #[must_use]
    pub const fn last_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64)
    }

    /// The offset after the last record.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// Sequence of the last record, wrapping; none where the batch has no producer.
    #[must_use]
    pub const fn last_sequence(&self) -> Sequence {
        if self.base_sequence.0 < 0 || self.last_offset_delta < 0 {
            Sequence::NONE
        } else {
            self.base_sequence.plus(self.last_offset_delta)
        }
    }

    /// True where an idempotent or transactional producer wrote the batch.
    #[must_use]
    pub const fn has_producer(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// Delete horizon of the batch (KIP-534), where it has one.
    #[must_use]
    pub const fn delete_horizon(&self) -> Option<Timestamp> {
        if self.attributes.has_delete_horizon() {
            Some(self.base_timestamp)
        } else {
            None
        }
    }
}

/// CRC-32C of a batch's bytes from the attributes to the end.
fn crc_of(batch: &[u8]) -> u32 {
    let covered = batch.get(ATTRIBUTES_AT..).unwrap_or_default();
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, covered);
    // A 32-bit algorithm gives a value of 32 bits.
    u32::try_from(checksum).unwrap_or_default()
}

fn put(batch: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = batch.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}

/// Writes the base offset into `batch`; the CRC does not cover it. Does nothing to bytes too short
/// to be a batch.
pub fn patch_base_offset(batch: &mut [u8], base_offset: Offset) {
    put(batch, 0, &base_offset.0.to_be_bytes());
}

/// Writes the partition leader epoch into `batch`; the CRC does not cover it. Does nothing to bytes
/// too short to be a batch.
pub fn patch_leader_epoch(batch: &mut [u8], leader_epoch: LeaderEpoch) {
    put(batch, 12, &leader_epoch.0.to_be_bytes());
}

/// Makes `batch` a batch with `LogAppendTime`: sets the attribute bit and the max timestamp, and
/// seals it. Records keep their deltas; readers take the max timestamp instead.
pub fn rewrite_for_append_time(batch: &mut [u8], append_time: Timestamp) {
    let Some(attributes) = array(batch, ATTRIBUTES_AT).map(i16::from_be_bytes) else {
        return;
    };
    let attributes = Attributes(attributes).with_timestamp_type(TimestampType::LogAppendTime);
    put(batch, ATTRIBUTES_AT, &attributes.0.to_be_bytes());
    put(batch, MAX_TIMESTAMP_AT, &append_time.0.to_be_bytes());
    seal(batch);
}

/// Writes the CRC of `batch` into its header.
pub fn seal(batch: &mut [u8]) {
    let crc = crc_of(batch);
    put(batch, CRC_AT, &crc.to_be_bytes());
}
