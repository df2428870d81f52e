//! OffsetCommit, whose version 10 names topics by id (KIP-848).

use bytes::Bytes;
use kafka_protocol::messages::OffsetCommitRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};

use super::text;
use crate::wire::{Error, Reader};

/// Least bytes of a topic: its id, an empty array, no tagged fields.
const TOPIC_BYTES_MIN: usize = 16 + 1 + 1;
/// Least bytes of a partition: index, offset, leader epoch, null metadata, no tagged fields.
const PARTITION_BYTES_MIN: usize = 4 + 8 + 4 + 1 + 1;

/// Decodes the body of a request of version 10. Names of topics are empty in it; tagged fields,
/// of which the version knows none, are dropped.
///
/// # Errors
/// What is wrong with the bytes, as [`Reader`] says.
pub fn decode_v10(body: &Bytes) -> Result<OffsetCommitRequest, Error> {
    let mut reader = Reader::new(body);
    let mut request = OffsetCommitRequest::default();
    request.group_id = text(body, reader.compact_string()?).into();
    request.generation_id_or_member_epoch = reader.i32()?;
    request.member_id = text(body, reader.compact_string()?);
    let instance = reader.compact_nullable_string()?;
    request.group_instance_id = instance.map(|instance| text(body, instance));
    let count = reader.compact_array_len(TOPIC_BYTES_MIN)?;
    request.topics.reserve_exact(count);
    for _ in 0..count {
        request.topics.push(topic(body, &mut reader)?);
    }
    reader.skip_tagged_fields()?;
    Ok(request)
}

fn topic(body: &Bytes, reader: &mut Reader<'_>) -> Result<OffsetCommitRequestTopic, Error> {
    let mut topic = OffsetCommitRequestTopic::default();
    topic.topic_id = reader.uuid()?;
    let count = reader.compact_array_len(PARTITION_BYTES_MIN)?;
    topic.partitions.reserve_exact(count);
    for _ in 0..count {
        let mut partition = OffsetCommitRequestPartition::default();
        partition.partition_index = reader.i32()?;
        partition.committed_offset = reader.i64()?;
        partition.committed_leader_epoch = reader.i32()?;
        let metadata = reader.compact_nullable_string()?;
        partition.committed_metadata = metadata.map(|metadata| text(body, metadata));
        reader.skip_tagged_fields()?;
        topic.partitions.push(partition);
    }
    reader.skip_tagged_fields()?;
    Ok(topic)
}
