//! DescribeProducers (61): who writes a partition with idempotence or in transactions (KIP-664).

use std::sync::Arc;

use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_log::producer_state::Producer;
use milena_protocol::{ErrorCode, PartitionIndex};

use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct DescribeProducers;

impl Api for DescribeProducers {
    type Request = DescribeProducersRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DescribeProducersRequest,
    ) -> DescribeProducersResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic
                .partition_indexes
                .iter()
                .map(|&index| describe(broker, &topic.name, PartitionIndex(index)))
                .collect();
            TopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions)
        });
        DescribeProducersResponse::default().with_topics(topics.collect())
    }

    fn throttle(response: &mut DescribeProducersResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn describe(broker: &Broker, topic: &TopicName, index: PartitionIndex) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index.0);
    let partition = broker
        .replicas()
        .named(topic, index)
        .and_then(|partition| partition.closed().map_or(Ok(partition), Err));
    match partition {
        Ok(partition) => response.with_active_producers(
            partition.with_log(|log| log.producers().iter().map(row).collect()),
        ),
        Err(error) => response
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(reason(error)))),
    }
}

fn reason(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::UnknownTopicOrPartition => "this broker has no such partition",
        ErrorCode::NotLeaderOrFollower => "this broker does not lead the partition",
        _ => "the log of the partition is offline",
    }
}

fn row(producer: &Producer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id().0))
        .with_producer_epoch(i32::from(producer.epoch().0))
        .with_last_sequence(producer.last_sequence().0)
        .with_last_timestamp(producer.last_timestamp().0)
        .with_coordinator_epoch(producer.coordinator_epoch())
        .with_current_txn_start_offset(producer.txn_first_offset().map_or(-1, |offset| offset.0))
}
