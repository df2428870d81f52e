//! CreateTopics (19): makes topics (KIP-4, KIP-464, KIP-525).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use milena_cluster::metadata::{
    CreateTopics as Operation, CreatedTopic, Error, NewTopic, TopicResult,
};
use milena_protocol::config::TopicConfig;
use milena_protocol::{BrokerId, PartitionIndex, TopicId};
use uuid::Uuid;

use super::answer::{error_of, parts, text};
use super::{Api, Context};
use crate::broker::Broker;
use crate::told;

/// First version that knows `THROTTLING_QUOTA_EXCEEDED`.
const STRICT_FROM: i16 = 6;

pub(crate) struct CreateTopics;

impl Api for CreateTopics {
    type Request = CreateTopicsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: CreateTopicsRequest,
    ) -> CreateTopicsResponse {
        let configs: BTreeMap<String, BTreeMap<String, String>> = request
            .topics
            .iter()
            .map(|topic| (topic.name.to_string(), set(topic)))
            .collect();
        let names: Vec<_> = request
            .topics
            .iter()
            .map(|topic| topic.name.clone())
            .collect();
        let operation = Operation {
            topics: request.topics.into_iter().map(new_topic).collect(),
            validate_only: request.validate_only,
            seed: broker.seed(),
        };
        let topics = match create(broker, context, operation).await {
            Ok(results) => {
                if !request.validate_only {
                    let created = results.iter().filter(|result| result.result.is_ok());
                    let names = created.map(|result| result.name.as_str());
                    told::changed(context, "topics are created", names);
                }
                results
                    .into_iter()
                    .map(|result| respond(broker, &configs, result))
                    .collect()
            }
            Err(error) => {
                let (code, message) = parts(&error);
                let failed = |name| {
                    CreatableTopicResult::default()
                        .with_name(name)
                        .with_error_code(code)
                        .with_error_message(message.clone())
                };
                names.into_iter().map(failed).collect()
            }
        };
        CreateTopicsResponse::default().with_topics(topics)
    }

    fn throttle(response: &mut CreateTopicsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// Makes the topics that are valid and for which the quota of the client suffices.
async fn create(
    broker: &Broker,
    context: &Context,
    mut operation: Operation,
) -> Result<Vec<TopicResult>, Error> {
    if !broker.limits_mutations(context) {
        return broker.controller().run(&operation).await;
    }
    let trial = Operation {
        validate_only: true,
        ..operation.clone()
    };
    let mut results = broker.controller().run(&trial).await?;
    for result in &mut results {
        if let Ok(created) = &result.result {
            let partitions = usize::try_from(created.num_partitions).unwrap_or(0);
            if let Err(refused) = broker.take_mutations(context, STRICT_FROM, partitions) {
                result.result = Err(refused);
            }
        }
    }
    if operation.validate_only {
        return Ok(results);
    }
    let is_valid = |name: &str| {
        results
            .iter()
            .any(|result| result.name == name && result.result.is_ok())
    };
    operation.topics.retain(|topic| is_valid(&topic.name));
    for created in broker.controller().run(&operation).await? {
        if let Some(result) = results
            .iter_mut()
            .find(|result| result.name == created.name)
        {
            *result = created;
        }
    }
    Ok(results)
}

fn set(topic: &CreatableTopic) -> BTreeMap<String, String> {
    let configs = topic.configs.iter();
    configs
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
        .collect()
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let configs = topic.configs.into_iter();
    let assignments = topic.assignments.into_iter();
    NewTopic {
        name: topic.name.to_string(),
        id: TopicId(Uuid::new_v4()),
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments
            .map(|assignment| {
                let brokers = assignment.broker_ids.into_iter().map(|id| BrokerId(id.0));
                (
                    PartitionIndex(assignment.partition_index),
                    brokers.collect(),
                )
            })
            .collect(),
        configs: configs
            .map(|config| {
                (
                    config.name.to_string(),
                    config.value.map(|value| value.to_string()),
                )
            })
            .collect(),
    }
}

fn respond(
    broker: &Broker,
    configs: &BTreeMap<String, BTreeMap<String, String>>,
    result: TopicResult,
) -> CreatableTopicResult {
    let (code, message) = error_of(&result.result);
    let response = CreatableTopicResult::default()
        .with_name(TopicName(text(result.name.clone())))
        .with_error_code(code)
        .with_error_message(message)
        .with_num_partitions(-1)
        .with_replication_factor(-1);
    let Ok(CreatedTopic {
        id,
        num_partitions,
        replication_factor,
    }) = result.result
    else {
        return response;
    };
    let none = BTreeMap::new();
    let overrides = configs.get(&result.name).unwrap_or(&none);
    let entries = TopicConfig::explain(overrides, &broker.values())
        .into_iter()
        .map(|entry| {
            CreatableTopicConfigs::default()
                .with_name(text(entry.name))
                .with_value(entry.value.map(text))
                .with_read_only(entry.read_only)
                .with_config_source(entry.source.code())
                .with_is_sensitive(entry.sensitive)
        });
    response
        .with_topic_id(id.0)
        .with_num_partitions(num_partitions)
        .with_replication_factor(replication_factor)
        .with_configs(Some(entries.collect()))
}
