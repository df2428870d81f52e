//! DescribeTopicPartitions (75): topics page by page, with eligible leaders (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::metadata::{Image, Partition, Topic};
use milena_protocol::{BrokerId, ErrorCode, PartitionIndex};

use super::{Api, Context, authorized};
use crate::broker::Broker;
use crate::replicas::is_internal;

pub(crate) struct DescribeTopicPartitions;

impl Api for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DescribeTopicPartitionsRequest,
    ) -> DescribeTopicPartitionsResponse {
        let image = broker.image();
        let (first_topic, first_partition) = match &request.cursor {
            Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index),
            None => (String::new(), 0),
        };
        // Without topics all are asked for; the pages are in the order of names.
        let names: BTreeSet<String> = if request.topics.is_empty() {
            image.topics().map(|topic| topic.name.to_string()).collect()
        } else {
            request
                .topics
                .iter()
                .map(|topic| topic.name.to_string())
                .collect()
        };
        if let Some(cursor) = &request.cursor
            && (cursor.partition_index < 0 || !names.contains(cursor.topic_name.as_str()))
        {
            let refused = names.into_iter().map(|name| {
                DescribeTopicPartitionsResponseTopic::default()
                    .with_error_code(ErrorCode::InvalidRequest.code())
                    .with_name(Some(TopicName(StrBytes::from_string(name))))
            });
            return DescribeTopicPartitionsResponse::default().with_topics(refused.collect());
        }
        let limit_max = broker.values().int("max.request.partition.size.limit");
        let limit = request.response_partition_limit.min(limit_max).max(1);
        let mut left = usize::try_from(limit).unwrap_or(1);

        let mut response = DescribeTopicPartitionsResponse::default();
        for name in names.into_iter().filter(|name| *name >= first_topic) {
            let start = if name == first_topic {
                first_partition
            } else {
                0
            };
            let wire_name = TopicName(StrBytes::from_string(name.clone()));
            if left == 0 {
                response.next_cursor = Some(cursor(wire_name, start));
                break;
            }
            let Some(topic) = image.topic(&name) else {
                response.topics.push(unknown(wire_name));
                continue;
            };
            let (described, next) = describe(&image, topic, PartitionIndex(start), &mut left);
            response.topics.push(described);
            if let Some(next) = next {
                response.next_cursor = Some(cursor(wire_name, next.0));
                break;
            }
        }
        response
    }

    fn throttle(response: &mut DescribeTopicPartitionsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn cursor(topic: TopicName, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(topic)
        .with_partition_index(partition)
}

fn unknown(name: TopicName) -> DescribeTopicPartitionsResponseTopic {
    let error = match milena_cluster::metadata::check_topic_name(&name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_is_internal(is_internal(&name))
        .with_topic_authorized_operations(authorized::TOPIC)
        .with_name(Some(name))
}

/// The partitions from `start` on, as many as are left, and the first that does not fit.
fn describe(
    image: &Image,
    topic: &Topic,
    start: PartitionIndex,
    left: &mut usize,
) -> (DescribeTopicPartitionsResponseTopic, Option<PartitionIndex>) {
    let mut partitions = Vec::new();
    let mut next = None;
    for (&index, partition) in topic.partitions.range(start..) {
        if *left == 0 {
            next = Some(index);
            break;
        }
        *left -= 1;
        partitions.push(row(image, index, partition));
    }
    let described = DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(
            topic.name.to_string(),
        ))))
        .with_topic_id(topic.id.0)
        .with_is_internal(is_internal(&topic.name))
        .with_partitions(partitions)
        .with_topic_authorized_operations(authorized::TOPIC);
    (described, next)
}

fn row(
    image: &Image,
    index: PartitionIndex,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let is_live = |id: BrokerId| image.broker(id).is_some_and(|broker| !broker.fenced);
    let wire = |ids: &[BrokerId]| ids.iter().map(|id| WireBrokerId(id.0)).collect::<Vec<_>>();
    let offline: Vec<_> = partition
        .replicas
        .iter()
        .copied()
        .filter(|id| !is_live(*id))
        .collect();
    let error = match partition.leader {
        Some(_) => ErrorCode::None,
        None => ErrorCode::LeaderNotAvailable,
    };
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(error.code())
        .with_partition_index(index.0)
        .with_leader_id(WireBrokerId(partition.leader.unwrap_or(BrokerId::NONE).0))
        .with_leader_epoch(partition.leader_epoch.0)
        .with_replica_nodes(wire(&partition.replicas))
        .with_isr_nodes(wire(&partition.isr))
        .with_eligible_leader_replicas(Some(wire(&partition.elr)))
        .with_last_known_elr(Some(wire(&partition.last_known_elr)))
        .with_offline_replicas(wire(&offline))
}
