//! ListOffsets (2): offsets by timestamp, and the special positions of a partition.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp};

use super::{Api, Context};
use crate::broker::Broker;
use crate::partition::{Isolation, Partition};

/// End of what the reader may see.
const LATEST: i64 = -1;
/// Start of the log.
const EARLIEST: i64 = -2;
/// Offset of the record with the largest timestamp (KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// Start of the part of the log on this broker (KIP-405).
const EARLIEST_LOCAL: i64 = -4;
/// End of the part of the log in remote storage (KIP-1005).
const LATEST_TIERED: i64 = -5;
/// First offset that is not in remote storage yet (KIP-1023).
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// First version whose response has the epoch of the record (KIP-320).
const EPOCH_FROM: i16 = 4;
/// Replica id of a consumer that sees uncommitted records for debugging.
const DEBUGGING_CONSUMER: i32 = -2;

pub(crate) struct ListOffsets;

/// What was found: offset, timestamp of its record, its epoch.
#[derive(Clone, Copy, Debug)]
struct Position {
    offset: Offset,
    timestamp: Timestamp,
    epoch: LeaderEpoch,
}

impl Position {
    const NONE: Self = Self {
        offset: Offset::NONE,
        timestamp: Timestamp::NONE,
        epoch: LeaderEpoch::NONE,
    };
}

impl Api for ListOffsets {
    type Request = ListOffsetsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: ListOffsetsRequest,
    ) -> ListOffsetsResponse {
        let isolation = match (request.replica_id.0, request.isolation_level) {
            (0.., _) | (DEBUGGING_CONSUMER, _) => Isolation::LogEnd,
            (_, 1) => Isolation::Committed,
            _ => Isolation::Uncommitted,
        };
        let version = context.version;
        let shared = Arc::clone(broker);
        // A lookup by timestamp reads indexes and segments.
        let topics = broker
            .blocking(move || {
                let mut seen = BTreeSet::new();
                let topics = request.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.iter().map(|asked| {
                        let is_new = seen.insert((topic.name.clone(), asked.partition_index));
                        let found = if is_new {
                            shared
                                .replicas()
                                .named(&topic.name, PartitionIndex(asked.partition_index))
                                .and_then(|partition| find(&partition, asked, version, isolation))
                        } else {
                            Err(ErrorCode::InvalidRequest)
                        };
                        respond(version, asked.partition_index, found)
                    });
                    ListOffsetsTopicResponse::default()
                        .with_partitions(partitions.collect())
                        .with_name(topic.name.clone())
                });
                topics.collect()
            })
            .await;
        ListOffsetsResponse::default().with_topics(topics)
    }

    fn throttle(response: &mut ListOffsetsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(
    version: i16,
    index: i32,
    found: Result<Position, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let (error, position) = match found {
        Ok(position) => (ErrorCode::None, position),
        Err(error) => (error, Position::NONE),
    };
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(error.code())
        .with_offset(position.offset.0)
        .with_timestamp(position.timestamp.0)
        .with_leader_epoch(if version < EPOCH_FROM {
            -1
        } else {
            position.epoch.0
        })
}

/// First version that knows a special position; none where every version does or the position is
/// not known at all.
fn special_from(timestamp: i64) -> Option<i16> {
    match timestamp {
        MAX_TIMESTAMP => Some(7),
        EARLIEST_LOCAL => Some(8),
        LATEST_TIERED => Some(9),
        EARLIEST_PENDING_UPLOAD => Some(11),
        _ => None,
    }
}

fn find(
    partition: &Arc<Partition>,
    asked: &ListOffsetsPartition,
    version: i16,
    isolation: Isolation,
) -> Result<Position, ErrorCode> {
    let timestamp = asked.timestamp;
    let is_known = timestamp >= EARLIEST_PENDING_UPLOAD;
    if !is_known || special_from(timestamp).is_some_and(|from| version < from) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    if let Some(error) = partition.closed() {
        return Err(error);
    }
    partition.check_leader_epoch(LeaderEpoch(asked.current_leader_epoch))?;
    let end = match isolation {
        Isolation::LogEnd => partition.log_end(),
        Isolation::Uncommitted => partition.high_watermark(),
        Isolation::Committed => partition.last_stable(),
    };
    let at = |offset, epoch| Position {
        offset,
        epoch,
        timestamp: Timestamp::NONE,
    };
    match timestamp {
        LATEST => Ok(at(end, partition.leader_epoch())),
        EARLIEST | EARLIEST_LOCAL => {
            let start = partition.log_start();
            Ok(at(start, partition.epoch_at(start)))
        }
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(Position::NONE),
        MAX_TIMESTAMP => Ok(visible(partition.max_timestamp()?, end)),
        _ => Ok(visible(
            partition.offset_for_timestamp(Timestamp(timestamp))?,
            end,
        )),
    }
}

/// What a lookup found, unless it lies at or beyond `end`, which the reader may not see.
fn visible(found: Option<(Offset, Timestamp, LeaderEpoch)>, end: Offset) -> Position {
    match found {
        Some((offset, timestamp, epoch)) if offset < end => Position {
            offset,
            timestamp,
            epoch,
        },
        _ => Position::NONE,
    }
}
