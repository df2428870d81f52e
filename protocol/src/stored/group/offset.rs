//! Committed offsets.
//!
//! | field of the value | type | versions |
//! |---|---|---|
//! | offset | int64 | 0+ |
//! | leader epoch | int32 | 3+ |
//! | metadata | string, compact from 4 | 0+ |
//! | commit timestamp | int64 | 0+ |
//! | expire timestamp | int64 | 1 |
//! | topic id | uuid | tag 0 of 4+ |

use bytes::{Bytes, BytesMut};

use crate::wire::{Error, Reader, Writer};
use crate::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

const TAG_TOPIC_ID: u32 = 0;

/// Whose offset it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetKey {
    /// Id of the group.
    pub group: String,
    /// Name of the topic.
    pub topic: String,
    /// Partition of the topic.
    pub partition: PartitionIndex,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Offset of the next record to be read.
    pub offset: Offset,
    /// Leader epoch of the last record that was read; -1 where it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What the committer wants to keep with it; empty where there is nothing.
    pub metadata: String,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it expires, for requests of version 2 to 4 with a retention; -1 where the group's rule
    /// holds.
    pub expire_timestamp: Timestamp,
    /// Id of the topic; zero where the committer did not say.
    pub topic_id: TopicId,
}

impl OffsetKey {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            group: reader.string()?.to_owned(),
            topic: reader.string()?.to_owned(),
            partition: PartitionIndex(reader.i32()?),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.put_string(&self.group)?;
        writer.put_string(&self.topic)?;
        writer.put_i32(self.partition.0);
        Ok(())
    }
}

impl OffsetCommit {
    pub(super) fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, Error> {
        let flexible = version >= 4;
        let offset = Offset(reader.i64()?);
        let leader_epoch = if version >= 3 {
            LeaderEpoch(reader.i32()?)
        } else {
            LeaderEpoch::NONE
        };
        let metadata = if flexible {
            reader.compact_string()?
        } else {
            reader.string()?
        };
        let commit_timestamp = Timestamp(reader.i64()?);
        let expire_timestamp = if version == 1 {
            Timestamp(reader.i64()?)
        } else {
            Timestamp::NONE
        };
        let mut topic_id = TopicId::ZERO;
        if flexible {
            reader.tagged_fields(|tag, mut value| {
                if tag == TAG_TOPIC_ID {
                    topic_id = TopicId(value.uuid()?);
                }
                Ok(())
            })?;
        }
        Ok(Self {
            offset,
            leader_epoch,
            metadata: metadata.to_owned(),
            commit_timestamp,
            expire_timestamp,
            topic_id,
        })
    }

    /// The value with its version. Version 1 loses leader epoch and topic id, as with Kafka.
    pub(super) fn encode(&self) -> Result<Bytes, Error> {
        let mut out = BytesMut::with_capacity(64);
        let mut writer = Writer::new(&mut out);
        if self.expire_timestamp == Timestamp::NONE {
            writer.put_i16(4);
            writer.put_i64(self.offset.0);
            writer.put_i32(self.leader_epoch.0);
            writer.put_compact_string(&self.metadata)?;
            writer.put_i64(self.commit_timestamp.0);
            if self.topic_id.is_zero() {
                writer.put_no_tagged_fields();
            } else {
                writer.put_unsigned_varint(1);
                writer.put_unsigned_varint(TAG_TOPIC_ID);
                writer.put_unsigned_varint(16);
                writer.put_uuid(self.topic_id.0);
            }
        } else {
            writer.put_i16(1);
            writer.put_i64(self.offset.0);
            writer.put_string(&self.metadata)?;
            writer.put_i64(self.commit_timestamp.0);
            writer.put_i64(self.expire_timestamp.0);
        }
        Ok(out.freeze())
    }
}
