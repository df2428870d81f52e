//! What members of groups of the consumer protocol have and are to have.

use bytes::BytesMut;

use crate::wire::{self, Reader, Writer};
use crate::{PartitionIndex, TopicId};

/// Id, empty arrays and no tagged fields.
pub(super) const TOPIC_BYTES_MIN: usize = 18;

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// Id of the topic.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionIndex>,
    /// Epochs at which the partitions were assigned, one for each of them; empty in a target
    /// assignment and in records before 4.3 (KIP-1251).
    pub assignment_epochs: Vec<i32>,
}

/// What a member has (`ConsumerGroupCurrentMemberAssignmentValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentAssignment {
    /// Epoch of the member.
    pub member_epoch: i32,
    /// Epoch before that.
    pub previous_member_epoch: i32,
    /// State of the member: 0 stable, 1 unrevoked partitions, 2 unreleased partitions.
    pub state: i8,
    /// Partitions that it owns.
    pub assigned: Vec<TopicPartitions>,
    /// Partitions that it is to give up.
    pub pending_revocation: Vec<TopicPartitions>,
}

fn read_i32s(reader: &mut Reader<'_>) -> Result<Vec<i32>, wire::Error> {
    let count = reader.compact_array_len(4)?;
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        numbers.push(reader.i32()?);
    }
    Ok(numbers)
}

pub(super) fn read_partitions(
    reader: &mut Reader<'_>,
) -> Result<Vec<TopicPartitions>, wire::Error> {
    let count = reader.compact_array_len(TOPIC_BYTES_MIN)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let topic_id = TopicId(reader.uuid()?);
        let partitions = read_i32s(reader)?.into_iter().map(PartitionIndex).collect();
        let mut assignment_epochs = Vec::new();
        reader.tagged_fields(|tag, mut value| {
            if tag == 0 {
                // A null array is its default.
                let count = value.compact_nullable_array_len(4)?.unwrap_or(0);
                for _ in 0..count {
                    assignment_epochs.push(value.i32()?);
                }
            }
            Ok(())
        })?;
        topics.push(TopicPartitions {
            topic_id,
            partitions,
            assignment_epochs,
        });
    }
    Ok(topics)
}

pub(super) fn write_partitions(
    topics: &[TopicPartitions],
    out: &mut Writer<'_>,
) -> Result<(), wire::Error> {
    out.put_compact_len(topics.len())?;
    for topic in topics {
        out.put_uuid(topic.topic_id.0);
        out.put_compact_len(topic.partitions.len())?;
        for partition in &topic.partitions {
            out.put_i32(partition.0);
        }
        if topic.assignment_epochs.is_empty() {
            out.put_no_tagged_fields();
        } else {
            out.put_unsigned_varint(1);
            put_tag_0(out, |out| {
                out.put_compact_len(topic.assignment_epochs.len())?;
                for epoch in &topic.assignment_epochs {
                    out.put_i32(*epoch);
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// A tagged field whose length is known only when it is written.
pub(super) fn put_tag_0(
    out: &mut Writer<'_>,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), wire::Error>,
) -> Result<(), wire::Error> {
    let mut bytes = BytesMut::new();
    write(&mut Writer::new(&mut bytes))?;
    let length = u32::try_from(bytes.len()).map_err(|_| wire::Error::TooLong {
        length: u32::MAX,
        max: u32::MAX - 1,
    })?;
    out.put_unsigned_varint(0);
    out.put_unsigned_varint(length);
    out.put_slice(&bytes);
    Ok(())
}

impl CurrentAssignment {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        let current = Self {
            member_epoch: reader.i32()?,
            previous_member_epoch: reader.i32()?,
            state: reader.i8()?,
            assigned: read_partitions(reader)?,
            pending_revocation: read_partitions(reader)?,
        };
        reader.skip_tagged_fields()?;
        Ok(current)
    }

    pub(super) fn write(&self, out: &mut Writer<'_>) -> Result<(), wire::Error> {
        out.put_i32(self.member_epoch);
        out.put_i32(self.previous_member_epoch);
        out.put_i8(self.state);
        write_partitions(&self.assigned, out)?;
        write_partitions(&self.pending_revocation, out)?;
        out.put_no_tagged_fields();
        Ok(())
    }
}
