//! ListPartitionReassignments (46): moves of partitions that are under way (KIP-455).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, TopicName,
};
use milena_cluster::metadata::ListPartitionReassignments as Operation;
use milena_protocol::{BrokerId, PartitionIndex};

use super::answer::{parts, text};
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct ListPartitionReassignments;

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let partitions = request.topics.map(|topics| {
            let topics = topics.into_iter();
            topics
                .map(|topic| {
                    let indexes = topic.partition_indexes.into_iter().map(PartitionIndex);
                    (topic.name.to_string(), indexes.collect())
                })
                .collect()
        });
        let ongoing = match broker.controller().run(&Operation { partitions }).await {
            Ok(ongoing) => ongoing,
            Err(error) => {
                let (code, message) = parts(&error);
                return ListPartitionReassignmentsResponse::default()
                    .with_error_code(code)
                    .with_error_message(message);
            }
        };
        let wire = |ids: &[BrokerId]| ids.iter().map(|id| WireBrokerId(id.0)).collect::<Vec<_>>();
        let mut topics: BTreeMap<Arc<str>, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
        for move_ in ongoing {
            topics.entry(move_.topic).or_default().push(
                OngoingPartitionReassignment::default()
                    .with_partition_index(move_.partition.0)
                    .with_replicas(wire(&move_.replicas))
                    .with_adding_replicas(wire(&move_.adding))
                    .with_removing_replicas(wire(&move_.removing)),
            );
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            OngoingTopicReassignment::default()
                .with_name(TopicName(text(&*name)))
                .with_partitions(partitions)
        });
        ListPartitionReassignmentsResponse::default()
            .with_error_message(None)
            .with_topics(topics.collect())
    }

    fn throttle(response: &mut ListPartitionReassignmentsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
