//! AlterPartitionReassignments (45): moves partitions to other brokers (KIP-455).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, TopicName,
};
use milena_cluster::metadata::{AlterPartitionReassignments as Operation, Reassignment};
use milena_protocol::{BrokerId, PartitionIndex};

use super::answer::{error_of, parts, text};
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct AlterPartitionReassignments;

impl Api for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: AlterPartitionReassignmentsRequest,
    ) -> AlterPartitionReassignmentsResponse {
        let topics = request.topics.into_iter();
        let partitions = topics.flat_map(|topic| {
            let name = topic.name.to_string();
            topic
                .partitions
                .into_iter()
                .map(move |partition| Reassignment {
                    topic: name.clone(),
                    partition: PartitionIndex(partition.partition_index),
                    replicas: partition
                        .replicas
                        .map(|replicas| replicas.into_iter().map(|id| BrokerId(id.0)).collect()),
                })
        });
        let operation = Operation {
            partitions: partitions.collect(),
            allow_replication_factor_change: context.version < 1
                || request.allow_replication_factor_change,
        };
        let results = match broker.controller().run(&operation).await {
            Ok(results) => results,
            Err(error) => {
                let (code, message) = parts(&error);
                return AlterPartitionReassignmentsResponse::default()
                    .with_error_code(code)
                    .with_error_message(message);
            }
        };
        let mut topics: BTreeMap<String, Vec<ReassignablePartitionResponse>> = BTreeMap::new();
        for result in results {
            let (code, message) = error_of(&result.result);
            topics.entry(result.topic).or_default().push(
                ReassignablePartitionResponse::default()
                    .with_partition_index(result.partition.0)
                    .with_error_code(code)
                    .with_error_message(message),
            );
        }
        let responses = topics.into_iter().map(|(name, partitions)| {
            ReassignableTopicResponse::default()
                .with_name(TopicName(text(name)))
                .with_partitions(partitions)
        });
        AlterPartitionReassignmentsResponse::default().with_responses(responses.collect())
    }

    fn throttle(response: &mut AlterPartitionReassignmentsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
