//! Records of `__transaction_state`, byte for byte as Kafka 4.3 has them.
//!
//! A key begins with its type as int16, a value with its version as int16. A null value removes the
//! transactional id.
//!
//! | field of the value | type | versions |
//! |---|---|---|
//! | producer id | int64 | 0+ |
//! | producer epoch | int16 | 0+ |
//! | transaction timeout, ms | int32 | 0+ |
//! | state | int8 | 0+ |
//! | partitions | nullable array of (topic string, array of int32) | 0+ |
//! | last update, start of the transaction | int64, int64 | 0+ |
//! | previous producer id, next producer id | int64, int64 | tags 0 and 1 of 1+ |
//! | transaction version of the client | int16 | tag 2 of 1+ |
//!
//! Version 1 is flexible. Partitions are null in the state Empty. Kafka writes version 1 from level
//! 1 of the feature `transaction.version` on.
//!
//! Sources: `TransactionLogKey.json`, `TransactionLogValue.json` and `TransactionLog` of Apache
//! Kafka 4.3; KIP-98, KIP-915, KIP-890.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::wire::{self, Reader, Writer};
use crate::{PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicPartition};

pub use super::group::partition_for;

/// Name of the topic.
pub const TOPIC: &str = "__transaction_state";

const KEY_TRANSACTION: i16 = 0;
const VERSION_MAX: i16 = 1;
const TAG_PREVIOUS_PRODUCER_ID: u32 = 0;
const TAG_NEXT_PRODUCER_ID: u32 = 1;
const TAG_CLIENT_TRANSACTION_VERSION: u32 = 2;

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
    #[error("value of version {version}: {error}")]
    Value {
        /// Version of the value; -1 where it has none.
        version: i16,
        /// What is wrong with it.
        error: wire::Error,
    },
    /// A value of a version that no Kafka up to 4.3 writes.
    #[error("version {version} of the value is not known")]
    ValueVersion {
        /// Version of the value.
        version: i16,
    },
    /// No state has this number.
    #[error("state {number} is not known")]
    State {
        /// The number.
        number: i8,
    },
}

/// State of a transaction as it is stored (`TransactionState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No transaction since the producer was initialised.
    Empty,
    /// Partitions were added.
    Ongoing,
    /// The commit is decided; markers are being written.
    PrepareCommit,
    /// The abort is decided; markers are being written.
    PrepareAbort,
    /// All commit markers are written.
    CompleteCommit,
    /// All abort markers are written.
    CompleteAbort,
    /// The transactional id is being removed; Kafka never stores it.
    Dead,
    /// The producer is being fenced; Kafka never stores it.
    PrepareEpochFence,
}

impl State {
    /// Every state, by its number.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// The state with this name, as ListTransactions filters have it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Kafka's name, such as `CompleteCommit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    fn from_number(number: i8) -> Result<Self, Error> {
        let index = usize::try_from(number).map_err(|_| Error::State { number })?;
        Self::ALL.get(index).copied().ok_or(Error::State { number })
    }

    const fn number(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
            Self::Dead => 6,
            Self::PrepareEpochFence => 7,
        }
    }
}

/// What is stored of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionMetadata {
    /// Id of the producer.
    pub producer_id: ProducerId,
    /// Id that the producer had before the last transition; -1 where there was none.
    pub previous_producer_id: ProducerId,
    /// Id that the producer gets when the transaction is complete, since its epochs are used up; -1
    /// where it keeps its own.
    pub next_producer_id: ProducerId,
    /// Epoch of the producer.
    pub producer_epoch: ProducerEpoch,
    /// Milliseconds after which an open transaction is aborted.
    pub timeout_ms: i32,
    /// State of the transaction.
    pub state: State,
    /// Partitions of the transaction.
    pub partitions: BTreeSet<TopicPartition>,
    /// When this was written.
    pub last_update: Timestamp,
    /// When the transaction began; -1 where none did.
    pub start: Timestamp,
    /// Version of the protocol that the client of the transaction uses: 0, 1 or 2.
    pub client_transaction_version: i16,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A transactional id; none removes it.
    Transaction {
        /// The id.
        transactional_id: String,
        /// What is known of it.
        metadata: Option<TransactionMetadata>,
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
        if key_type != KEY_TRANSACTION {
            return Ok(Self::Unknown {
                key_type,
                key: Bytes::copy_from_slice(key),
                value: value.map(Bytes::copy_from_slice),
            });
        }
        let transactional_id = reader
            .string()
            .map_err(|error| Error::Key { key_type, error })?
            .to_owned();
        let metadata = value.map(TransactionMetadata::decode).transpose()?;
        Ok(Self::Transaction {
            transactional_id,
            metadata,
        })
    }

    /// Key and value, the value in version 0 or 1; null where the record is a tombstone.
    ///
    /// # Errors
    /// `TooLong` where a string or an array does not fit into its length field.
    pub fn encode(&self, value_version: i16) -> Result<(Bytes, Option<Bytes>), wire::Error> {
        match self {
            Self::Transaction {
                transactional_id,
                metadata,
            } => {
                let mut key = BytesMut::new();
                let mut writer = Writer::new(&mut key);
                writer.put_i16(KEY_TRANSACTION);
                writer.put_string(transactional_id)?;
                let value = metadata
                    .as_ref()
                    .map(|metadata| metadata.encode(value_version))
                    .transpose()?;
                Ok((key.freeze(), value))
            }
            Self::Unknown { key, value, .. } => Ok((key.clone(), value.clone())),
        }
    }
}

impl TransactionMetadata {
    fn decode(value: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(value);
        let version = reader
            .i16()
            .map_err(|error| Error::Value { version: -1, error })?;
        if !(0..=VERSION_MAX).contains(&version) {
            return Err(Error::ValueVersion { version });
        }
        let (number, mut read) = Self::read(&mut reader, version >= 1)
            .map_err(|error| Error::Value { version, error })?;
        read.state = State::from_number(number)?;
        Ok(read)
    }

    /// The number of the state, and the rest.
    fn read(reader: &mut Reader<'_>, flexible: bool) -> Result<(i8, Self), wire::Error> {
        let producer_id = ProducerId(reader.i64()?);
        let producer_epoch = ProducerEpoch(reader.i16()?);
        let timeout_ms = reader.i32()?;
        let state = reader.i8()?;
        let mut read = Self {
            producer_id,
            previous_producer_id: ProducerId::NONE,
            next_producer_id: ProducerId::NONE,
            producer_epoch,
            timeout_ms,
            state: State::Empty,
            partitions: read_partitions(reader, flexible)?,
            last_update: Timestamp(reader.i64()?),
            start: Timestamp(reader.i64()?),
            client_transaction_version: 0,
        };
        if flexible {
            reader.tagged_fields(|tag, mut value| {
                match tag {
                    TAG_PREVIOUS_PRODUCER_ID => {
                        read.previous_producer_id = ProducerId(value.i64()?);
                    }
                    TAG_NEXT_PRODUCER_ID => read.next_producer_id = ProducerId(value.i64()?),
                    TAG_CLIENT_TRANSACTION_VERSION => {
                        read.client_transaction_version = value.i16()?;
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok((state, read))
    }

    fn encode(&self, version: i16) -> Result<Bytes, wire::Error> {
        let flexible = version >= 1;
        let mut out = BytesMut::with_capacity(96);
        let mut writer = Writer::new(&mut out);
        writer.put_i16(if flexible { VERSION_MAX } else { 0 });
        writer.put_i64(self.producer_id.0);
        writer.put_i16(self.producer_epoch.0);
        writer.put_i32(self.timeout_ms);
        writer.put_i8(self.state.number());
        self.write_partitions(&mut writer, flexible)?;
        writer.put_i64(self.last_update.0);
        writer.put_i64(self.start.0);
        if flexible {
            self.write_tags(&mut writer);
        }
        Ok(out.freeze())
    }

    fn write_partitions(&self, writer: &mut Writer<'_>, flexible: bool) -> Result<(), wire::Error> {
        if self.state == State::Empty {
            if flexible {
                writer.put_compact_null();
            } else {
                writer.put_null_array();
            }
            return Ok(());
        }
        let mut topics: BTreeMap<&str, Vec<PartitionIndex>> = BTreeMap::new();
        for partition in &self.partitions {
            topics
                .entry(&partition.topic)
                .or_default()
                .push(partition.partition);
        }
        let put_len = |writer: &mut Writer<'_>, count| match flexible {
            true => writer.put_compact_len(count),
            false => writer.put_array_len(count),
        };
        put_len(writer, topics.len())?;
        for (topic, partitions) in topics {
            match flexible {
                true => writer.put_compact_string(topic)?,
                false => writer.put_string(topic)?,
            }
            put_len(writer, partitions.len())?;
            for partition in partitions {
                writer.put_i32(partition.0);
            }
            if flexible {
                writer.put_no_tagged_fields();
            }
        }
        Ok(())
    }

    fn write_tags(&self, writer: &mut Writer<'_>) {
        let ids = [
            (TAG_PREVIOUS_PRODUCER_ID, self.previous_producer_id),
            (TAG_NEXT_PRODUCER_ID, self.next_producer_id),
        ];
        let ids: Vec<_> = ids
            .into_iter()
            .filter(|(_, id)| *id != ProducerId::NONE)
            .collect();
        let has_version = self.client_transaction_version != 0;
        let count = ids.len() + usize::from(has_version);
        // Three at most.
        writer.put_unsigned_varint(u32::try_from(count).unwrap_or(0));
        for (tag, id) in ids {
            writer.put_unsigned_varint(tag);
            writer.put_unsigned_varint(8);
            writer.put_i64(id.0);
        }
        if has_version {
            writer.put_unsigned_varint(TAG_CLIENT_TRANSACTION_VERSION);
            writer.put_unsigned_varint(2);
            writer.put_i16(self.client_transaction_version);
        }
    }
}

fn read_partitions(
    reader: &mut Reader<'_>,
    flexible: bool,
) -> Result<BTreeSet<TopicPartition>, wire::Error> {
    let topics = match flexible {
        true => reader.compact_nullable_array_len(2)?,
        false => reader.nullable_array_len(6)?,
    };
    let mut partitions = BTreeSet::new();
    for _ in 0..topics.unwrap_or(0) {
        let topic: Arc<str> = match flexible {
            true => reader.compact_string()?.into(),
            false => reader.string()?.into(),
        };
        let count = match flexible {
            true => reader.compact_array_len(4)?,
            false => reader.array_len(4)?,
        };
        for _ in 0..count {
            let partition = PartitionIndex(reader.i32()?);
            partitions.insert(TopicPartition::new(Arc::clone(&topic), partition));
        }
        if flexible {
            reader.skip_tagged_fields()?;
        }
    }
    Ok(partitions)
}
