//! DeleteTopics.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::metadata::RemoveTopic;
use milena_protocol::{ErrorCode, TopicId};

use super::{Draft, Operation};
use crate::metadata::Error;

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicReference {
    /// By its name.
    Name(String),
    /// By its id (KIP-516).
    Id(TopicId),
}

/// Deletes topics.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct DeleteTopics {
    /// The topics, each once.
    pub topics: Vec<TopicReference>,
}

/// What became of a topic of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Name of the topic; none where the request gave an id that no topic has.
    pub name: Option<String>,
    /// Id of the topic; zero where the request gave a name that no topic has.
    pub id: TopicId,
    /// Why it was not deleted.
    pub error: Option<Error>,
}

impl Operation for DeleteTopics {
    /// One for each different reference, in the order of the request.
    type Response = Vec<DeletedTopic>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let mut counts: BTreeMap<&TopicReference, usize> = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(topic).or_default() += 1;
        }
        let mut results = Vec::with_capacity(counts.len());
        let mut answered = BTreeSet::new();
        let mut deleted = BTreeSet::new();
        for topic in &self.topics {
            if !answered.insert(topic) {
                continue;
            }
            let is_duplicate = counts.get(topic).is_some_and(|&count| count > 1);
            let result = match topic {
                TopicReference::Name(name) if is_duplicate => DeletedTopic {
                    name: Some(name.clone()),
                    id: TopicId::ZERO,
                    error: Some(Error::new(
                        ErrorCode::InvalidRequest,
                        "Duplicate topic name.",
                    )),
                },
                TopicReference::Id(id) if is_duplicate => DeletedTopic {
                    name: None,
                    id: *id,
                    error: Some(Error::new(ErrorCode::InvalidRequest, "Duplicate topic id.")),
                },
                _ => delete(draft, topic, &mut deleted),
            };
            results.push(result);
        }
        Ok(results)
    }
}

fn delete(
    draft: &mut Draft<'_>,
    reference: &TopicReference,
    deleted: &mut BTreeSet<TopicReference>,
) -> DeletedTopic {
    let found = match reference {
        TopicReference::Name(name) => draft.image().topic(name),
        TopicReference::Id(id) => draft.image().topic_by_id(*id),
    };
    let Some(topic) = found.cloned() else {
        return not_found(reference, deleted);
    };
    draft.push(RemoveTopic { topic_id: topic.id });
    deleted.insert(TopicReference::Name(topic.name.to_string()));
    deleted.insert(TopicReference::Id(topic.id));
    DeletedTopic {
        name: Some(topic.name.to_string()),
        id: topic.id,
        error: None,
    }
}

fn not_found(reference: &TopicReference, deleted: &BTreeSet<TopicReference>) -> DeletedTopic {
    let twice = || {
        Error::new(
            ErrorCode::InvalidRequest,
            "The provided topic name maps to an ID that was already supplied.",
        )
    };
    let is_deleted = deleted.contains(reference);
    match reference {
        TopicReference::Name(name) => DeletedTopic {
            name: Some(name.clone()),
            id: TopicId::ZERO,
            error: Some(if is_deleted {
                twice()
            } else {
                Error::usual(ErrorCode::UnknownTopicOrPartition)
            }),
        },
        TopicReference::Id(id) => DeletedTopic {
            name: None,
            id: *id,
            error: Some(if id.is_zero() {
                Error::new(
                    ErrorCode::InvalidRequest,
                    "Neither topic name nor id were specified.",
                )
            } else if is_deleted {
                twice()
            } else {
                Error::usual(ErrorCode::UnknownTopicId)
            }),
        },
    }
}
