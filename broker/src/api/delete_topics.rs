//! DeleteTopics (20): deletes topics by name or id (KIP-4, KIP-516).

use std::sync::Arc;

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use milena_cluster::metadata::{DeleteTopics as Operation, DeletedTopic, Error, TopicReference};
use milena_protocol::{ErrorCode, TopicId};

use super::answer::{parts, text};
use super::{Api, Context};
use crate::broker::Broker;
use crate::told;

/// First version with a state per topic instead of names.
const STATES_FROM: i16 = 6;
/// First version that knows `TOPIC_DELETION_DISABLED`.
const DISABLED_FROM: i16 = 3;

/// First version that knows `THROTTLING_QUOTA_EXCEEDED`.
const STRICT_FROM: i16 = 5;

pub(crate) struct DeleteTopics;

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: DeleteTopicsRequest,
    ) -> DeleteTopicsResponse {
        let mut ambiguous = Vec::new();
        let topics: Vec<_> = if context.version >= STATES_FROM {
            let (named_twice, once): (Vec<_>, Vec<_>) = request
                .topics
                .into_iter()
                .partition(|topic| topic.name.is_some() && !topic.topic_id.is_nil());
            ambiguous.extend(named_twice.into_iter().map(ambiguity));
            once.into_iter()
                .map(|topic| match topic.name {
                    Some(name) => TopicReference::Name(name.to_string()),
                    None => TopicReference::Id(TopicId(topic.topic_id)),
                })
                .collect()
        } else {
            let names = request.topic_names.into_iter();
            names
                .map(|name| TopicReference::Name(name.to_string()))
                .collect()
        };
        let deleted = if broker.values().boolean("delete.topic.enable") {
            delete(
                broker,
                context,
                Operation {
                    topics: topics.clone(),
                },
            )
            .await
        } else if context.version < DISABLED_FROM {
            Err(Error::code(ErrorCode::InvalidRequest))
        } else {
            Err(Error::new(
                ErrorCode::TopicDeletionDisabled,
                "topic deletion is disabled",
            ))
        };
        let deleted = deleted.unwrap_or_else(|error| {
            topics
                .into_iter()
                .map(|topic| refused(topic, &error))
                .collect()
        });
        let gone = deleted.iter().filter(|topic| topic.error.is_none());
        let names = gone.filter_map(|topic| topic.name.as_deref());
        told::changed(context, "topics are deleted", names);
        let all = ambiguous.into_iter().chain(deleted);
        DeleteTopicsResponse::default().with_responses(all.map(respond).collect())
    }

    fn throttle(response: &mut DeleteTopicsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// Deletes the topics for which the quota of the client suffices.
async fn delete(
    broker: &Broker,
    context: &Context,
    mut operation: Operation,
) -> Result<Vec<DeletedTopic>, Error> {
    let mut over_quota = Vec::new();
    if broker.limits_mutations(context) {
        let image = broker.image();
        operation.topics.retain(|topic| {
            let found = match topic {
                TopicReference::Name(name) => image.topic(name),
                TopicReference::Id(id) => image.topic_by_id(*id),
            };
            // The controller says what is wrong with a topic that is not there.
            let Some(found) = found else { return true };
            let partitions = found.partitions.len();
            match broker.take_mutations(context, STRICT_FROM, partitions) {
                Ok(()) => true,
                Err(error) => {
                    let name = Some(found.name.to_string());
                    over_quota.push(DeletedTopic {
                        name,
                        id: found.id,
                        error: Some(error),
                    });
                    false
                }
            }
        });
    }
    let mut deleted = broker.controller().run(&operation).await?;
    deleted.append(&mut over_quota);
    Ok(deleted)
}

/// The answer where the request names a topic in both ways: they may mean different topics.
fn ambiguity(topic: DeleteTopicState) -> DeletedTopic {
    DeletedTopic {
        name: topic.name.map(|name| name.to_string()),
        id: TopicId(topic.topic_id),
        error: Some(Error::new(
            ErrorCode::InvalidRequest,
            "either the name or the id of a topic may be given, not both",
        )),
    }
}

fn refused(topic: TopicReference, error: &Error) -> DeletedTopic {
    let (name, id) = match topic {
        TopicReference::Name(name) => (Some(name), TopicId::ZERO),
        TopicReference::Id(id) => (None, id),
    };
    DeletedTopic {
        name,
        id,
        error: Some(error.clone()),
    }
}

fn respond(deleted: DeletedTopic) -> DeletableTopicResult {
    let (code, message) = deleted.error.as_ref().map_or((0, None), parts);
    DeletableTopicResult::default()
        .with_name(deleted.name.map(|name| TopicName(text(name))))
        .with_topic_id(deleted.id.0)
        .with_error_code(code)
        .with_error_message(message)
}
