//! DeleteRecords (21): moves the start of a log forward (KIP-107).

use std::sync::Arc;

use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use milena_protocol::{ErrorCode, Offset, PartitionIndex};

use super::{Api, Context};
use crate::broker::Broker;
use crate::replicas::is_internal;

/// Offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

pub(crate) struct DeleteRecords;

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DeleteRecordsRequest,
    ) -> DeleteRecordsResponse {
        let shared = Arc::clone(broker);
        // Each new start is synced before it is answered.
        let topics = broker
            .blocking(move || {
                let topics = request.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.iter();
                    let deleted: Vec<_> = partitions
                        .map(|asked| (asked.partition_index, delete(&shared, &topic.name, asked)))
                        .collect();
                    (topic.name, deleted)
                });
                let topics: Vec<_> = topics.collect();
                // A start that is answered must survive a crash.
                let durable = shared.replicas().checkpoint();
                topics
                    .into_iter()
                    .map(|(name, deleted)| respond(name, deleted, durable))
                    .collect()
            })
            .await;
        DeleteRecordsResponse::default().with_topics(topics)
    }

    fn throttle(response: &mut DeleteRecordsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(
    name: TopicName,
    deleted: Vec<(i32, Result<Offset, ErrorCode>)>,
    durable: Result<(), ErrorCode>,
) -> DeleteRecordsTopicResult {
    let partitions = deleted.into_iter().map(|(index, deleted)| {
        let (error, low_watermark) = match deleted.and_then(|start| durable.map(|()| start)) {
            Ok(start) => (ErrorCode::None, start),
            Err(error) => (error, Offset::NONE),
        };
        DeleteRecordsPartitionResult::default()
            .with_partition_index(index)
            .with_low_watermark(low_watermark.0)
            .with_error_code(error.code())
    });
    DeleteRecordsTopicResult::default()
        .with_name(name)
        .with_partitions(partitions.collect())
}

fn delete(
    broker: &Broker,
    topic: &TopicName,
    asked: &DeleteRecordsPartition,
) -> Result<Offset, ErrorCode> {
    if is_internal(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let partition = broker
        .replicas()
        .named(topic, PartitionIndex(asked.partition_index))?;
    if let Some(error) = partition.closed() {
        return Err(error);
    }
    let settings = partition.settings();
    if settings.log.cleanup_compact && !settings.log.cleanup_delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let high_watermark = partition.high_watermark();
    let before = match asked.offset {
        HIGH_WATERMARK => high_watermark,
        offset => Offset(offset),
    };
    if before < Offset(0) || before > high_watermark {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    partition.delete_records_before(before)
}
