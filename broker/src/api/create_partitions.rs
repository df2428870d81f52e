//! CreatePartitions (37): adds partitions to topics (KIP-195).

use std::sync::Arc;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use milena_cluster::metadata::{CreatePartitions as Operation, Error, MorePartitions};
use milena_protocol::BrokerId;

use super::answer::{error_of, text};
use super::{Api, Context};
use crate::broker::Broker;
use crate::told;

/// First version that knows `THROTTLING_QUOTA_EXCEEDED`.
const STRICT_FROM: i16 = 3;

pub(crate) struct CreatePartitions;

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let names: Vec<String> = request
            .topics
            .iter()
            .map(|topic| topic.name.to_string())
            .collect();
        let operation = Operation {
            topics: request.topics.into_iter().map(more).collect(),
            validate_only: request.validate_only,
            seed: broker.seed(),
        };
        let results = match create(broker, context, operation).await {
            Ok(results) => results,
            Err(error) => names
                .into_iter()
                .map(|name| (name, Err(error.clone())))
                .collect(),
        };
        if !request.validate_only {
            let more = results.iter().filter(|(_, result)| result.is_ok());
            let names = more.map(|(name, _)| name);
            told::changed(context, "partitions are added to topics", names);
        }
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

type Results = Vec<(String, Result<(), Error>)>;

/// Adds the partitions that are valid and for which the quota of the client suffices.
async fn create(
    broker: &Broker,
    context: &Context,
    mut operation: Operation,
) -> Result<Results, Error> {
    if !broker.limits_mutations(context) {
        return broker.controller().run(&operation).await;
    }
    let trial = Operation {
        validate_only: true,
        ..operation.clone()
    };
    let mut results = broker.controller().run(&trial).await?;
    let image = broker.image();
    for (name, result) in results.iter_mut().filter(|(_, result)| result.is_ok()) {
        let present = image.topic(name).map_or(0, |topic| topic.partitions.len());
        let wanted = operation.topics.iter().find(|topic| topic.topic == *name);
        let wanted = wanted
            .and_then(|topic| usize::try_from(topic.count).ok())
            .unwrap_or(0);
        *result = broker.take_mutations(context, STRICT_FROM, wanted.saturating_sub(present));
    }
    if operation.validate_only {
        return Ok(results);
    }
    let is_valid = |topic: &str| {
        results
            .iter()
            .any(|(name, result)| name == topic && result.is_ok())
    };
    operation.topics.retain(|topic| is_valid(&topic.topic));
    for (created, outcome) in broker.controller().run(&operation).await? {
        if let Some((_, result)) = results.iter_mut().find(|(name, _)| *name == created) {
            *result = outcome;
        }
    }
    Ok(results)
}

fn more(topic: CreatePartitionsTopic) -> MorePartitions {
    MorePartitions {
        topic: topic.name.to_string(),
        count: topic.count,
        assignments: topic.assignments.map(|assignments| {
            let assignments = assignments.into_iter();
            assignments
                .map(|assignment| {
                    assignment
                        .broker_ids
                        .into_iter()
                        .map(|id| BrokerId(id.0))
                        .collect()
                })
                .collect()
        }),
    }
}
