//! OffsetForLeaderEpoch (23): where the records of a leader epoch end (KIP-101, KIP-320).

use std::sync::Arc;

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, TopicName,
};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex};

use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct OffsetForLeaderEpoch;

impl Api for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|asked| respond(broker, &topic.topic, asked))
                .collect();
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic)
                .with_partitions(partitions)
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }

    fn throttle(response: &mut OffsetForLeaderEpochResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(broker: &Broker, topic: &TopicName, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let response = EpochEndOffset::default()
        .with_partition(asked.partition)
        .with_leader_epoch(LeaderEpoch::NONE.0)
        .with_end_offset(Offset::NONE.0);
    match find(broker, topic, asked) {
        Ok((epoch, end)) => response.with_leader_epoch(epoch.0).with_end_offset(end.0),
        Err(error) => response.with_error_code(error.code()),
    }
}

fn find(
    broker: &Broker,
    topic: &TopicName,
    asked: &OffsetForLeaderPartition,
) -> Result<(LeaderEpoch, Offset), ErrorCode> {
    let partition = broker
        .replicas()
        .named(topic, PartitionIndex(asked.partition))?;
    if let Some(error) = partition.closed() {
        return Err(error);
    }
    partition.check_leader_epoch(LeaderEpoch(asked.current_leader_epoch))?;
    let found = partition.end_offset_for_epoch(LeaderEpoch(asked.leader_epoch));
    Ok(found.unwrap_or((LeaderEpoch::NONE, Offset::NONE)))
}
