//! OffsetDelete (47): removes offsets of topics that a group does not read (KIP-496).

use std::sync::Arc;

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use milena_cluster::group::{
    DeleteOffsets, DeletedOffsets, Request, Response, TopicPartitions, TopicResult,
};
use milena_protocol::{ErrorCode, PartitionIndex};

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;
use crate::told;

pub(crate) struct OffsetDelete;

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: OffsetDeleteRequest,
    ) -> OffsetDeleteResponse {
        let image = broker.image();
        let group = request.group_id.to_string();
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for topic in request.topics {
            let found = image.topic(&topic.name);
            let indexes = topic.partitions.iter();
            let (partitions, others): (Vec<_>, Vec<_>) = indexes
                .map(|partition| PartitionIndex(partition.partition_index))
                .partition(|&index| found.is_some_and(|it| it.partition(index).is_some()));
            let name = topic.name.to_string();
            if !others.is_empty() {
                unknown.push(missing(name.clone(), others));
            }
            if let (Some(found), false) = (found, partitions.is_empty()) {
                known.push(TopicPartitions {
                    name,
                    id: found.id,
                    partitions,
                });
            }
        }
        // The group is asked for even where nothing is left: it may not be there.
        let delete = DeleteOffsets {
            group: group.clone(),
            topics: known,
        };
        let response = broker
            .groups()
            .request(&group, Request::DeleteOffsets(delete))
            .await;
        let mut deleted = match response {
            Response::DeleteOffsets(answer) => answer,
            other => unreachable!("a deletion is answered with {other:?}"),
        };
        let partitions = deleted.topics.iter().flat_map(|topic| &topic.partitions);
        if partitions
            .clone()
            .any(|(_, error)| *error == ErrorCode::None)
        {
            told::changed(context, "offsets of a group are deleted", [&group]);
        }
        if deleted.error == ErrorCode::None {
            deleted.topics.extend(unknown);
        }
        respond(deleted)
    }

    fn throttle(response: &mut OffsetDeleteResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn missing(name: String, partitions: Vec<PartitionIndex>) -> TopicResult {
    let error = ErrorCode::UnknownTopicOrPartition;
    TopicResult {
        name,
        id: milena_protocol::TopicId::ZERO,
        partitions: partitions.into_iter().map(|index| (index, error)).collect(),
    }
}

fn respond(deleted: DeletedOffsets) -> OffsetDeleteResponse {
    let topics = deleted.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|(index, error)| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(index.0)
                .with_error_code(error.code())
        });
        OffsetDeleteResponseTopic::default()
            .with_name(TopicName(text(topic.name)))
            .with_partitions(partitions.collect())
    });
    OffsetDeleteResponse::default()
        .with_error_code(deleted.error.code())
        .with_topics(topics.collect())
}
