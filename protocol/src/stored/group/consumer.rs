//! Groups of the consumer protocol (KIP-848).
//!
//! | key type | key | value |
//! |---|---|---|
//! | 3 | group | epoch int32, tag 0: metadata hash int64 |
//! | 4 | group | topics of releases before 4.1: [`TopicMetadata`]; read, and written as a tombstone only |
//! | 5 | group, member | [`ConsumerMember`] |
//! | 6 | group | assignment epoch int32, tag 0: assignment timestamp int64 |
//! | 7 | group, member | partitions of the target assignment: [`TopicPartitions`] without epochs |
//! | 8 | group, member | [`CurrentAssignment`] |
//! | 16 | group, regular expression | [`ResolvedExpression`] |
//!
//! Keys hold strings with an int16 length. Values have version 0, which is flexible: compact
//! strings, bytes and arrays, and tagged fields.
//!
//! Sources: the `ConsumerGroup*Key.json` and `ConsumerGroup*Value.json` of Apache Kafka 4.3;
//! KIP-848, KIP-1101 (metadata hash), KIP-1251 (assignment epochs), KIP-1263 (timestamp).

use bytes::{Bytes, BytesMut};

use super::assignment::{
    CurrentAssignment, TOPIC_BYTES_MIN, TopicPartitions, put_tag_0, read_partitions,
    write_partitions,
};
use super::{Error, decode_value_up_to};
use crate::wire::{self, Reader, Writer};
use crate::{PartitionIndex, Timestamp, TopicId};

pub(super) const KEY_METADATA: i16 = 3;
pub(super) const KEY_PARTITION_METADATA: i16 = 4;
pub(super) const KEY_MEMBER: i16 = 5;
pub(super) const KEY_TARGET_METADATA: i16 = 6;
pub(super) const KEY_TARGET_MEMBER: i16 = 7;
pub(super) const KEY_CURRENT: i16 = 8;
pub(super) const KEY_EXPRESSION: i16 = 16;

/// What a record says about a group of the consumer protocol; none removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerRecord {
    /// The group itself (key 3).
    Metadata(Option<ConsumerMetadata>),
    /// Topics as brokers before 4.1 stored them (key 4).
    PartitionMetadata(Option<Vec<TopicMetadata>>),
    /// A member (key 5).
    Member(String, Option<ConsumerMember>),
    /// The epoch of the target assignment (key 6).
    TargetMetadata(Option<TargetMetadata>),
    /// The target assignment of a member (key 7).
    TargetMember(String, Option<Vec<TopicPartitions>>),
    /// What a member has and is to give up (key 8).
    Current(String, Option<CurrentAssignment>),
    /// Topics that match a regular expression (key 16).
    Expression(String, Option<ResolvedExpression>),
}

/// A group (`ConsumerGroupMetadataValue`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerMetadata {
    /// Group epoch: counted up whenever the assignment has to be computed anew.
    pub epoch: i32,
    /// Hash of the subscribed topics; 0 where there are none (KIP-1101).
    pub metadata_hash: i64,
}

/// One topic of the deprecated `ConsumerGroupPartitionMetadataValue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Id of the topic.
    pub topic_id: TopicId,
    /// Name of the topic.
    pub name: String,
    /// Count of its partitions.
    pub partition_count: i32,
    /// Racks of partitions, which are not used since 4.0.
    pub racks: Vec<(PartitionIndex, Vec<String>)>,
}

/// A member (`ConsumerGroupMemberMetadataValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMember {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// Client id of its last request.
    pub client_id: String,
    /// Address of the client, as Java prints it: `/127.0.0.1`.
    pub client_host: String,
    /// Topics that it is subscribed to by name; written in order.
    pub subscribed_topic_names: Vec<String>,
    /// Regular expression that it is subscribed to; empty or none where there is none.
    pub subscribed_topic_regex: Option<String>,
    /// Milliseconds that it has to give partitions up; -1 where it is not known.
    pub rebalance_timeout_ms: i32,
    /// Assignor that it wants.
    pub server_assignor: Option<String>,
    /// What is known of a member of the classic protocol; none of all others.
    pub classic: Option<ClassicMember>,
}

/// The part of a [`ConsumerMember`] that only members of the classic protocol have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMember {
    /// Milliseconds without a heartbeat after which it is removed.
    pub session_timeout_ms: i32,
    /// Protocols that it supports with its metadata, the most wanted first.
    pub supported_protocols: Vec<(String, Bytes)>,
}

/// The target assignment of a group (`ConsumerGroupTargetAssignmentMetadataValue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetMetadata {
    /// Group epoch that it was computed for.
    pub assignment_epoch: i32,
    /// When it was computed; 0 where that is not known (KIP-1263).
    pub assignment_timestamp: Timestamp,
}

/// A regular expression with the topics that match (`ConsumerGroupRegularExpressionValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedExpression {
    /// Names of the topics.
    pub topics: Vec<String>,
    /// Version of the metadata that it was resolved with.
    pub version: i64,
    /// When it was resolved.
    pub timestamp: Timestamp,
}

/// True where the key type is one of this module.
pub(super) const fn is_consumer_key(key_type: i16) -> bool {
    matches!(
        key_type,
        KEY_METADATA
            | KEY_PARTITION_METADATA
            | KEY_MEMBER
            | KEY_TARGET_METADATA
            | KEY_TARGET_MEMBER
            | KEY_CURRENT
            | KEY_EXPRESSION
    )
}

impl ConsumerRecord {
    /// True where it removes what it is about.
    #[must_use]
    pub const fn is_tombstone(&self) -> bool {
        matches!(
            self,
            Self::Metadata(None)
                | Self::PartitionMetadata(None)
                | Self::Member(_, None)
                | Self::TargetMetadata(None)
                | Self::TargetMember(_, None)
                | Self::Current(_, None)
                | Self::Expression(_, None)
        )
    }

    /// Reads the rest of the key and the value.
    pub(super) fn decode(
        key_type: i16,
        reader: &mut Reader<'_>,
        value: Option<&[u8]>,
    ) -> Result<(String, Self), Error> {
        let of_key = |error| Error::Key { key_type, error };
        let group = reader.string().map_err(of_key)?.to_owned();
        let record = match key_type {
            KEY_METADATA => Self::Metadata(decode_value_up_to(0, key_type, value, |reader, _| {
                ConsumerMetadata::read(reader)
            })?),
            KEY_PARTITION_METADATA => {
                Self::PartitionMetadata(decode_value_up_to(0, key_type, value, |reader, _| {
                    read_topics(reader)
                })?)
            }
            KEY_TARGET_METADATA => {
                Self::TargetMetadata(decode_value_up_to(0, key_type, value, |reader, _| {
                    TargetMetadata::read(reader)
                })?)
            }
            KEY_MEMBER => Self::Member(
                reader.string().map_err(of_key)?.to_owned(),
                decode_value_up_to(0, key_type, value, |reader, _| ConsumerMember::read(reader))?,
            ),
            KEY_TARGET_MEMBER => Self::TargetMember(
                reader.string().map_err(of_key)?.to_owned(),
                decode_value_up_to(0, key_type, value, |reader, _| {
                    let topics = read_partitions(reader)?;
                    reader.skip_tagged_fields()?;
                    Ok(topics)
                })?,
            ),
            KEY_CURRENT => Self::Current(
                reader.string().map_err(of_key)?.to_owned(),
                decode_value_up_to(0, key_type, value, |reader, _| {
                    CurrentAssignment::read(reader)
                })?,
            ),
            _ => Self::Expression(
                reader.string().map_err(of_key)?.to_owned(),
                decode_value_up_to(0, key_type, value, |reader, _| {
                    ResolvedExpression::read(reader)
                })?,
            ),
        };
        Ok((group, record))
    }

    /// Appends the key and returns the value.
    pub(super) fn encode(
        &self,
        group: &str,
        key: &mut Writer<'_>,
    ) -> Result<Option<Bytes>, wire::Error> {
        let (key_type, second) = match self {
            Self::Metadata(_) => (KEY_METADATA, None),
            Self::PartitionMetadata(_) => (KEY_PARTITION_METADATA, None),
            Self::Member(member, _) => (KEY_MEMBER, Some(member)),
            Self::TargetMetadata(_) => (KEY_TARGET_METADATA, None),
            Self::TargetMember(member, _) => (KEY_TARGET_MEMBER, Some(member)),
            Self::Current(member, _) => (KEY_CURRENT, Some(member)),
            Self::Expression(expression, _) => (KEY_EXPRESSION, Some(expression)),
        };
        key.put_i16(key_type);
        key.put_string(group)?;
        if let Some(second) = second {
            key.put_string(second)?;
        }
        let mut out = BytesMut::with_capacity(64);
        let mut writer = Writer::new(&mut out);
        writer.put_i16(0);
        let is_there = match self {
            Self::Metadata(value) => put(&mut writer, value.as_ref(), ConsumerMetadata::write)?,
            Self::PartitionMetadata(value) => put(&mut writer, value.as_deref(), write_topics)?,
            Self::Member(_, value) => put(&mut writer, value.as_ref(), ConsumerMember::write)?,
            Self::TargetMetadata(value) => put(&mut writer, value.as_ref(), TargetMetadata::write)?,
            Self::TargetMember(_, value) => put(&mut writer, value.as_deref(), |topics, out| {
                write_partitions(topics, out)?;
                out.put_no_tagged_fields();
                Ok(())
            })?,
            Self::Current(_, value) => put(&mut writer, value.as_ref(), CurrentAssignment::write)?,
            Self::Expression(_, value) => {
                put(&mut writer, value.as_ref(), ResolvedExpression::write)?
            }
        };
        Ok(is_there.then(|| out.freeze()))
    }
}

/// Writes a value, or says that there is none.
fn put<T: ?Sized>(
    writer: &mut Writer<'_>,
    value: Option<&T>,
    write: impl FnOnce(&T, &mut Writer<'_>) -> Result<(), wire::Error>,
) -> Result<bool, wire::Error> {
    match value {
        Some(value) => write(value, writer).map(|()| true),
        None => Ok(false),
    }
}

/// A tagged field of a fixed length.
fn put_tag_0_i64(out: &mut Writer<'_>, value: i64) {
    if value == 0 {
        out.put_no_tagged_fields();
    } else {
        out.put_unsigned_varint(1);
        out.put_unsigned_varint(0);
        out.put_unsigned_varint(8);
        out.put_i64(value);
    }
}

fn read_tag_0_i64(reader: &mut Reader<'_>) -> Result<i64, wire::Error> {
    let mut found = 0;
    reader.tagged_fields(|tag, mut value| {
        if tag == 0 {
            found = value.i64()?;
        }
        Ok(())
    })?;
    Ok(found)
}

impl ConsumerMetadata {
    fn read(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        Ok(Self {
            epoch: reader.i32()?,
            metadata_hash: read_tag_0_i64(reader)?,
        })
    }

    fn write(&self, out: &mut Writer<'_>) -> Result<(), wire::Error> {
        out.put_i32(self.epoch);
        put_tag_0_i64(out, self.metadata_hash);
        Ok(())
    }
}

impl TargetMetadata {
    fn read(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        Ok(Self {
            assignment_epoch: reader.i32()?,
            assignment_timestamp: Timestamp(read_tag_0_i64(reader)?),
        })
    }

    fn write(&self, out: &mut Writer<'_>) -> Result<(), wire::Error> {
        out.put_i32(self.assignment_epoch);
        put_tag_0_i64(out, self.assignment_timestamp.0);
        Ok(())
    }
}

fn read_strings(reader: &mut Reader<'_>) -> Result<Vec<String>, wire::Error> {
    let count = reader.compact_array_len(1)?;
    let mut strings = Vec::with_capacity(count);
    for _ in 0..count {
        strings.push(reader.compact_string()?.to_owned());
    }
    Ok(strings)
}

fn write_strings(strings: &[String], out: &mut Writer<'_>) -> Result<(), wire::Error> {
    out.put_compact_len(strings.len())?;
    for string in strings {
        out.put_compact_string(string)?;
    }
    Ok(())
}

fn read_topics(reader: &mut Reader<'_>) -> Result<Vec<TopicMetadata>, wire::Error> {
    let count = reader.compact_array_len(TOPIC_BYTES_MIN)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let topic_id = TopicId(reader.uuid()?);
        let name = reader.compact_string()?.to_owned();
        let partition_count = reader.i32()?;
        let rack_count = reader.compact_array_len(6)?;
        let mut racks = Vec::with_capacity(rack_count);
        for _ in 0..rack_count {
            let partition = PartitionIndex(reader.i32()?);
            let of_partition = read_strings(reader)?;
            reader.skip_tagged_fields()?;
            racks.push((partition, of_partition));
        }
        reader.skip_tagged_fields()?;
        topics.push(TopicMetadata {
            topic_id,
            name,
            partition_count,
            racks,
        });
    }
    reader.skip_tagged_fields()?;
    Ok(topics)
}

fn write_topics(topics: &[TopicMetadata], out: &mut Writer<'_>) -> Result<(), wire::Error> {
    out.put_compact_len(topics.len())?;
    for topic in topics {
        out.put_uuid(topic.topic_id.0);
        out.put_compact_string(&topic.name)?;
        out.put_i32(topic.partition_count);
        out.put_compact_len(topic.racks.len())?;
        for (partition, racks) in &topic.racks {
            out.put_i32(partition.0);
            write_strings(racks, out)?;
            out.put_no_tagged_fields();
        }
        out.put_no_tagged_fields();
    }
    out.put_no_tagged_fields();
    Ok(())
}

fn nullable(reader: &mut Reader<'_>) -> Result<Option<String>, wire::Error> {
    Ok(reader.compact_nullable_string()?.map(str::to_owned))
}

impl ConsumerMember {
    fn read(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        let mut member = Self {
            instance_id: nullable(reader)?,
            rack_id: nullable(reader)?,
            client_id: reader.compact_string()?.to_owned(),
            client_host: reader.compact_string()?.to_owned(),
            subscribed_topic_names: read_strings(reader)?,
            subscribed_topic_regex: nullable(reader)?,
            rebalance_timeout_ms: reader.i32()?,
            server_assignor: nullable(reader)?,
            classic: None,
        };
        reader.tagged_fields(|tag, mut value| {
            // In a tagged field a nullable struct begins with a varint: 0 for null.
            if tag == 0 && value.unsigned_varint()? != 0 {
                member.classic = Some(ClassicMember::read(&mut value)?);
            }
            Ok(())
        })?;
        Ok(member)
    }

    fn write(&self, out: &mut Writer<'_>) -> Result<(), wire::Error> {
        out.put_compact_nullable_string(self.instance_id.as_deref())?;
        out.put_compact_nullable_string(self.rack_id.as_deref())?;
        out.put_compact_string(&self.client_id)?;
        out.put_compact_string(&self.client_host)?;
        write_strings(&self.subscribed_topic_names, out)?;
        out.put_compact_nullable_string(self.subscribed_topic_regex.as_deref())?;
        out.put_i32(self.rebalance_timeout_ms);
        out.put_compact_nullable_string(self.server_assignor.as_deref())?;
        // The generated classes do not take null for the default: they always write the field.
        out.put_unsigned_varint(1);
        put_tag_0(out, |out| match &self.classic {
            None => {
                out.put_unsigned_varint(0);
                Ok(())
            }
            Some(classic) => {
                out.put_unsigned_varint(1);
                classic.write(out)
            }
        })
    }
}

impl ClassicMember {
    fn read(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        let session_timeout_ms = reader.i32()?;
        let count = reader.compact_array_len(3)?;
        let mut supported_protocols = Vec::with_capacity(count);
        for _ in 0..count {
            let name = reader.compact_string()?.to_owned();
            let metadata = Bytes::copy_from_slice(reader.compact_bytes()?);
            reader.skip_tagged_fields()?;
            supported_protocols.push((name, metadata));
        }
        reader.skip_tagged_fields()?;
        Ok(Self {
            session_timeout_ms,
            supported_protocols,
        })
    }

    fn write(&self, out: &mut Writer<'_>) -> Result<(), wire::Error> {
        out.put_i32(self.session_timeout_ms);
        out.put_compact_len(self.supported_protocols.len())?;
        for (name, metadata) in &self.supported_protocols {
            out.put_compact_string(name)?;
            out.put_compact_bytes(metadata)?;
            out.put_no_tagged_fields();
        }
        out.put_no_tagged_fields();
        Ok(())
    }
}

impl ResolvedExpression {
    fn read(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        let expression = Self {
            topics: read_strings(reader)?,
            version: reader.i64()?,
            timestamp: Timestamp(reader.i64()?),
        };
        reader.skip_tagged_fields()?;
        Ok(expression)
    }

    fn write(&self, out: &mut Writer<'_>) -> Result<(), wire::Error> {
        write_strings(&self.topics, out)?;
        out.put_i64(self.version);
        out.put_i64(self.timestamp.0);
        out.put_no_tagged_fields();
        Ok(())
    }
}
