//! Records of `__consumer_offsets`, byte for byte as Kafka 4.3 has them.
//!
//! A key begins with its type as int16 (which Kafka once called its version), a value with its
//! version as int16. A null value is a tombstone.
//!
//! | key type | key | value versions read | value version written |
//! |---|---|---|---|
//! | 0, 1 | group string, topic string, partition int32: [`OffsetCommit`] | 0 to 4 | 4, or 1 with an expire timestamp |
//! | 2 | group string: [`GroupMetadata`] | 0 to 4 | 3 |
//! | 3 to 8, 16 | groups of the consumer protocol: [`ConsumerRecord`] | 0 | 0 |
//! | all others | share and streams groups: [`Record::Unknown`] | | |
//!
//! Key type 0 is older than Kafka 0.9 and never written. Bytes behind the last field are ignored,
//! as Kafka ignores them: they are somebody's stored data.
//!
//! Sources: `OffsetCommitKey.json`, `OffsetCommitValue.json`, `GroupMetadataKey.json`,
//! `GroupMetadataValue.json` and `GroupCoordinatorRecordHelpers` of Apache Kafka 4.3.

mod assignment;
mod consumer;
#[cfg(test)]
mod consumer_tests;
mod metadata;
mod offset;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::PartitionIndex;
use crate::wire;
use crate::wire::{Reader, Writer};

pub use assignment::{CurrentAssignment, TopicPartitions};
pub use consumer::{
    ClassicMember, ConsumerMember, ConsumerMetadata, ConsumerRecord, ResolvedExpression,
    TargetMetadata, TopicMetadata,
};
pub use metadata::{GroupMetadata, Member};
pub use offset::{OffsetCommit, OffsetKey};

/// Name of the topic.
pub const TOPIC: &str = "__consumer_offsets";

const KEY_LEGACY_OFFSET_COMMIT: i16 = 0;
const KEY_OFFSET_COMMIT: i16 = 1;
const KEY_GROUP_METADATA: i16 = 2;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The record has no key.
    #[error("record has no key")]
    NoKey,
    /// The bytes of the key.
    #[error("key of type {key_type}: {error}")]
    Key {
        /// Type of the key; -1 where it has none.
        key_type: i16,
        /// What is wrong with it.
        error: wire::Error,
    },
    /// The bytes of the value.
    #[error("value of version {version} of a key of type {key_type}: {error}")]
    Value {
        /// Type of the key.
        key_type: i16,
        /// Version of the value; -1 where it has none.
        version: i16,
        /// What is wrong with it.
        error: wire::Error,
    },
    /// A value of a version that no Kafka up to 4.3 writes.
    #[error("version {version} of the value of a key of type {key_type} is not known")]
    ValueVersion {
        /// Type of the key.
        key_type: i16,
        /// Version of the value.
        version: i16,
    },
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A committed offset; none removes it.
    Offset(OffsetKey, Option<OffsetCommit>),
    /// A group of the classic protocol; none removes it.
    Group {
        /// Id of the group.
        group: String,
        /// What is known of it.
        metadata: Option<GroupMetadata>,
    },
    /// A part of a group of the consumer protocol.
    Consumer {
        /// Id of the group.
        group: String,
        /// The part, or its removal.
        record: ConsumerRecord,
    },
    /// A record of another type, kept as it is.
    Unknown {
        /// Type of the key.
        key_type: i16,
        /// Key with its type.
        key: Bytes,
        /// Value with its version, or null.
        value: Option<Bytes>,
    },
}

impl Record {
    /// Reads key and value.
    ///
    /// # Errors
    /// Where a record of a known type cannot be read.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, Error> {
        let key = key.ok_or(Error::NoKey)?;
        let mut reader = Reader::new(key);
        let key_type = reader.i16().map_err(|error| Error::Key {
            key_type: -1,
            error,
        })?;
        let of_key = |error| Error::Key { key_type, error };
        match key_type {
            KEY_LEGACY_OFFSET_COMMIT | KEY_OFFSET_COMMIT => Ok(Self::Offset(
                OffsetKey::read(&mut reader).map_err(of_key)?,
                decode_value(key_type, value, OffsetCommit::read)?,
            )),
            KEY_GROUP_METADATA => Ok(Self::Group {
                group: reader.string().map_err(of_key)?.to_owned(),
                metadata: decode_value(key_type, value, GroupMetadata::read)?,
            }),
            _ if consumer::is_consumer_key(key_type) => {
                let (group, record) = ConsumerRecord::decode(key_type, &mut reader, value)?;
                Ok(Self::Consumer { group, record })
            }
            _ => Ok(Self::Unknown {
                key_type,
                key: Bytes::copy_from_slice(key),
                value: value.map(Bytes::copy_from_slice),
            }),
        }
    }

    /// Key and value; null where the record is a tombstone.
    ///
    /// # Errors
    /// `TooLong` where a string does not fit into its length field.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), wire::Error> {
        let mut key = BytesMut::new();
        let mut writer = Writer::new(&mut key);
        let value = match self {
            Self::Offset(offset_key, commit) => {
                writer.put_i16(KEY_OFFSET_COMMIT);
                offset_key.write(&mut writer)?;
                commit.as_ref().map(OffsetCommit::encode).transpose()?
            }
            Self::Group { group, metadata } => {
                writer.put_i16(KEY_GROUP_METADATA);
                writer.put_string(group)?;
                metadata.as_ref().map(GroupMetadata::encode).transpose()?
            }
            Self::Consumer { group, record } => record.encode(group, &mut writer)?,
            Self::Unknown { key, value, .. } => return Ok((key.clone(), value.clone())),
        };
        Ok((key.freeze(), value))
    }

    /// Id of the group that the record is about; none for a record of another type.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Offset(key, _) => Some(&key.group),
            Self::Group { group, .. } | Self::Consumer { group, .. } => Some(group),
            Self::Unknown { .. } => None,
        }
    }
}

/// Reads the version in front of a value and then the value.
fn decode_value<T>(
    key_type: i16,
    value: Option<&[u8]>,
    read: impl FnOnce(&mut Reader<'_>, i16) -> Result<T, wire::Error>,
) -> Result<Option<T>, Error> {
    decode_value_up_to(4, key_type, value, read)
}

/// The same, of version 0 to `version_max`.
fn decode_value_up_to<T>(
    version_max: i16,
    key_type: i16,
    value: Option<&[u8]>,
    read: impl FnOnce(&mut Reader<'_>, i16) -> Result<T, wire::Error>,
) -> Result<Option<T>, Error> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = Reader::new(value);
    let version = reader.i16().map_err(|error| Error::Value {
        key_type,
        version: -1,
        error,
    })?;
    if !(0..=version_max).contains(&version) {
        return Err(Error::ValueVersion { key_type, version });
    }
    let value = read(&mut reader, version).map_err(|error| Error::Value {
        key_type,
        version,
        error,
    })?;
    Ok(Some(value))
}

/// The partition of `__consumer_offsets` that holds a group: the absolute value of Java's
/// `String.hashCode` modulo `partition_count`, as `Utils.abs` has it, which maps `i32::MIN` to 0.
/// `partition_count` is at least 1.
///
/// # Panics
/// Where `partition_count` is not positive.
#[must_use]
pub fn partition_for(group: &str, partition_count: i32) -> PartitionIndex {
    assert!(
        0 < partition_count,
        "a topic has partitions, not {partition_count}"
    );
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    PartitionIndex(hash.checked_abs().unwrap_or(0) % partition_count)
}
