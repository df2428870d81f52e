//! OffsetFetch, whose version 10 names topics by id (KIP-848).

use bytes::Bytes;
use kafka_protocol::messages::OffsetFetchRequest;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};

use super::text;
use crate::wire::{Error, Reader};

/// Least bytes of a group: its id, null member id, member epoch, null topics, no tagged fields.
const GROUP_BYTES_MIN: usize = 1 + 1 + 4 + 1 + 1;
/// Least bytes of a topic: its id, an empty array, no tagged fields.
const TOPIC_BYTES_MIN: usize = 16 + 1 + 1;

/// Decodes the body of a request of version 10. Names of topics are empty in it; tagged fields,
/// of which the version knows none, are dropped.
///
/// # Errors
/// What is wrong with the bytes, as [`Reader`] says.
pub fn decode_v10(body: &Bytes) -> Result<OffsetFetchRequest, Error> {
    let mut reader = Reader::new(body);
    let mut request = OffsetFetchRequest::default();
    let count = reader.compact_array_len(GROUP_BYTES_MIN)?;
    request.groups.reserve_exact(count);
    for _ in 0..count {
        request.groups.push(group(body, &mut reader)?);
    }
    request.require_stable = reader.bool()?;
    reader.skip_tagged_fields()?;
    Ok(request)
}

fn group(body: &Bytes, reader: &mut Reader<'_>) -> Result<OffsetFetchRequestGroup, Error> {
    let mut group = OffsetFetchRequestGroup::default();
    group.group_id = text(body, reader.compact_string()?).into();
    let member = reader.compact_nullable_string()?;
    group.member_id = member.map(|member| text(body, member));
    group.member_epoch = reader.i32()?;
    // Null asks for all topics of the group.
    group.topics = match reader.compact_nullable_array_len(TOPIC_BYTES_MIN)? {
        None => None,
        Some(count) => {
            let mut topics = Vec::with_capacity(count);
            for _ in 0..count {
                topics.push(topic(reader)?);
            }
            Some(topics)
        }
    };
    reader.skip_tagged_fields()?;
    Ok(group)
}

fn topic(reader: &mut Reader<'_>) -> Result<OffsetFetchRequestTopics, Error> {
    let mut topic = OffsetFetchRequestTopics::default();
    topic.topic_id = reader.uuid()?;
    let count = reader.compact_array_len(4)?;
    topic.partition_indexes.reserve_exact(count);
    for _ in 0..count {
        topic.partition_indexes.push(reader.i32()?);
    }
    reader.skip_tagged_fields()?;
    Ok(topic)
}
