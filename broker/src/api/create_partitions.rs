//! CreatePartitions (37): adds partitions to topics (KIP-195).

use std::sync::Arc;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use milena_cluster::metadata::{CreatePartitions as Operation, MorePartitions};
use milena_protocol::BrokerId;

use super::answer::{error_of, text};
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct CreatePartitions;

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let names: Vec<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
        let operation = Operation {
            topics: request.topics.into_iter().map(more).collect(),
            validate_only: request.validate_only,
            seed: broker.seed(),
        };
        let results = match broker.controller().run(&operation).await {
            Ok(results) => results,
            Err(error) => names.into_iter().map(|name| (name, Err(error.clone()))).collect(),
        };
        let results = results.into_iter().map(|(name, result)| {
            let (code, message) = error_of(&result);
            CreatePartitionsTopicResult::default()
                .with_name(TopicName(text(name)))
                .with_error_code(code)
                .with_error_message(message)
        });
        CreatePartitionsResponse::default().with_results(results.collect())
    }

    fn throttle(response: &mut CreatePartitionsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn more(topic: CreatePartitionsTopic) -> MorePartitions {
    MorePartitions {
        topic: topic.name.to_string(),
        count: topic.count,
        assignments: topic.assignments.map(|assignments| {
            let assignments = assignments.into_iter();
            assignments
                .map(|assignment| assignment.broker_ids.into_iter().map(|id| BrokerId(id.0)).collect())
                .collect()
        }),
    }
}
