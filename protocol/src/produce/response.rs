//! Encoder of Produce responses.

use super::{FLEXIBLE_FROM, TOPIC_ID_FROM};
use crate::flexible::{put_array_len, put_no_tags, put_nullable_string};
use crate::leader::{CurrentLeader, NodeEndpoint, put_tagged_endpoints};
use crate::topic::TopicRef;
use crate::wire::{Error, STRING_BYTES_MAX, Writer};
use crate::{ErrorCode, Offset, PartitionIndex, Timestamp};

/// First version with the log start offset.
const LOG_START_FROM: i16 = 5;
/// First version with record errors and an error message (KIP-467).
const RECORD_ERRORS_FROM: i16 = 8;
/// First version that names new leaders (KIP-951).
const LEADER_FROM: i16 = 10;

/// A Produce response.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// One entry for each partition of the request, in its order: neighbours with the same topic
    /// become one topic entry.
    pub partitions: &'a [PartitionResponse<'a>],
    /// How long the client was or is to be throttled, in milliseconds.
    pub throttle_time_ms: i32,
    /// The brokers that are named as current leaders; from version 10.
    pub node_endpoints: &'a [NodeEndpoint<'a>],
}

/// What became of the records for one partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionResponse<'a> {
    /// The topic as the request named it.
    pub topic: TopicRef<'a>,
    /// The partition.
    pub partition: PartitionIndex,
    /// The error, or none.
    pub error_code: ErrorCode,
    /// Offset of the first record, none on error.
    pub base_offset: Offset,
    /// When the leader appended the records, none with `CreateTime`.
    pub log_append_time: Timestamp,
    /// Log start offset of the partition, none where unknown; from version 5.
    pub log_start: Offset,
    /// The records that the batch was refused for; from version 8 (KIP-467).
    pub record_errors: &'a [RecordError<'a>],
    /// Summary of the error; from version 8.
    pub error_message: Option<&'a str>,
    /// The leader to turn to; from version 10 (KIP-951).
    pub current_leader: Option<CurrentLeader>,
}

/// Why a batch was refused for one of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError<'a> {
    /// 0-based index of the record in its batch.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: Option<&'a str>,
}

impl<'a> PartitionResponse<'a> {
    /// The answer to records that were refused with this error.
    #[must_use]
    pub const fn error(
        topic: TopicRef<'a>,
        partition: PartitionIndex,
        error_code: ErrorCode,
    ) -> Self {
        Self {
            topic,
            partition,
            error_code,
            base_offset: Offset::NONE,
            log_append_time: Timestamp::NONE,
            log_start: Offset::NONE,
            record_errors: &[],
            error_message: None,
            current_leader: None,
        }
    }
}

/// Appends the body of a Produce response of `version`, 3 to 13. Messages that are too long for
/// the wire are cut.
///
/// # Errors
/// `TooLong` for a topic, host or array beyond what the wire can say. What was appended is
/// incomplete then.
pub fn encode_response(
    version: i16,
    response: &Response<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let is_flexible = version >= FLEXIBLE_FROM;
    let topics = || {
        response
            .partitions
            .chunk_by(|left, right| left.topic == right.topic)
    };
    put_array_len(out, is_flexible, topics().count())?;
    for partitions in topics() {
        if let Some(first) = partitions.first() {
            first
                .topic
                .put(out, is_flexible, version >= TOPIC_ID_FROM)?;
        }
        put_array_len(out, is_flexible, partitions.len())?;
        for partition in partitions {
            put_partition(version, partition, out)?;
        }
        put_no_tags(out, is_flexible);
    }
    out.put_i32(response.throttle_time_ms);
    if version >= LEADER_FROM {
        put_tagged_endpoints(out, response.node_endpoints)?;
    } else {
        put_no_tags(out, is_flexible);
    }
    Ok(())
}

fn put_partition(
    version: i16,
    partition: &PartitionResponse<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let is_flexible = version >= FLEXIBLE_FROM;
    out.put_i32(partition.partition.0);
    out.put_i16(partition.error_code.code());
    out.put_i64(partition.base_offset.0);
    out.put_i64(partition.log_append_time.0);
    if version >= LOG_START_FROM {
        out.put_i64(partition.log_start.0);
    }
    if version >= RECORD_ERRORS_FROM {
        put_array_len(out, is_flexible, partition.record_errors.len())?;
        for error in partition.record_errors {
            out.put_i32(error.batch_index);
            put_nullable_string(out, is_flexible, error.message.map(cut))?;
            put_no_tags(out, is_flexible);
        }
        put_nullable_string(out, is_flexible, partition.error_message.map(cut))?;
    }
    match partition.current_leader {
        Some(leader) if version >= LEADER_FROM => {
            out.put_unsigned_varint(1);
            leader.put_tagged(out, 0);
        }
        _ => put_no_tags(out, is_flexible),
    }
    Ok(())
}

/// The part of a message that fits the wire.
fn cut(message: &str) -> &str {
    message
        .get(..message.floor_char_boundary(STRING_BYTES_MAX))
        .unwrap_or_default()
}
