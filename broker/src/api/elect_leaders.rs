//! ElectLeaders (43): elects preferred or unclean leaders (KIP-460).

use std::sync::Arc;

use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use milena_cluster::metadata::{ElectLeaders as Operation, ElectionKind, Error};
use milena_protocol::{ErrorCode, PartitionIndex};

use super::answer::{error_of, grouped, parts, text};
use super::{Api, Context};
use crate::broker::Broker;

/// First version that says which kind of leader; before, the preferred one is meant.
const KIND_FROM: i16 = 1;

pub(crate) struct ElectLeaders;

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: ElectLeadersRequest,
    ) -> ElectLeadersResponse {
        let code = if context.version < KIND_FROM {
            0
        } else {
            request.election_type
        };
        let elected = match ElectionKind::from_code(code) {
            None => Err(Error::new(
                ErrorCode::InvalidRequest,
                format!("no election of kind {code}"),
            )),
            Some(kind) => {
                let partitions = request.topic_partitions.map(|topics| {
                    let topics = topics.into_iter();
                    topics
                        .map(|topic| {
                            let indexes = topic.partitions.into_iter().map(PartitionIndex);
                            (topic.topic.to_string(), indexes.collect())
                        })
                        .collect()
                });
                broker
                    .controller()
                    .run(&Operation { kind, partitions })
                    .await
            }
        };
        let elected = match elected {
            Ok(elected) => elected,
            Err(error) => {
                let response = ElectLeadersResponse::default();
                // The oldest version has a place for errors of partitions only.
                let code = if context.version < KIND_FROM {
                    0
                } else {
                    parts(&error).0
                };
                return response.with_error_code(code);
            }
        };
        let partitions = elected.into_iter().map(|partition| {
            let (code, message) = error_of(&partition.result);
            let response = PartitionResult::default()
                .with_partition_id(partition.partition.0)
                .with_error_code(code)
                .with_error_message(message);
            (partition.topic, response)
        });
        let results = grouped(partitions).into_iter().map(|(topic, partitions)| {
            ReplicaElectionResult::default()
                .with_topic(TopicName(text(&*topic)))
                .with_partition_result(partitions)
        });
        ElectLeadersResponse::default().with_replica_election_results(results.collect())
    }

    fn throttle(response: &mut ElectLeadersResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
