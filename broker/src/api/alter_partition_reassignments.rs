//! AlterPartitionReassignments (45): moves partitions to other brokers (KIP-455).

use std::sync::Arc;

use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, TopicName,
};
use milena_cluster::metadata::{AlterPartitionReassignments as Operation, Reassignment};
use milena_protocol::{BrokerId, PartitionIndex};

use super::answer::{error_of, grouped, parts, text};
use super::{Api, Context};
use crate::broker::Broker;

/// First version that can refuse another replication factor (KIP-860); before, it is allowed.
const CHANGE_FROM: i16 = 1;

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
        let allows_change =
            context.version < CHANGE_FROM || request.allow_replication_factor_change;
        let operation = Operation {
            partitions: partitions.collect(),
            allow_replication_factor_change: allows_change,
        };
        let results = match broker.controller().run(&operation).await {
            Ok(results) => results,
            Err(error) => {
                let (code, message) = parts(&error);
                return AlterPartitionReassignmentsResponse::default()
                    .with_allow_replication_factor_change(allows_change)
                    .with_error_code(code)
                    .with_error_message(message);
            }
        };
        let partitions = results.into_iter().map(|result| {
            let (code, message) = error_of(&result.result);
            let response = ReassignablePartitionResponse::default()
                .with_partition_index(result.partition.0)
                .with_error_code(code)
                .with_error_message(message);
            (result.topic, response)
        });
        let responses = grouped(partitions).into_iter().map(|(name, partitions)| {
            ReassignableTopicResponse::default()
                .with_name(TopicName(text(name)))
                .with_partitions(partitions)
        });
        AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(allows_change)
            .with_error_message(None)
            .with_responses(responses.collect())
    }

    fn throttle(response: &mut AlterPartitionReassignmentsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
