//! OffsetCommit (8): a consumer stores how far it has read.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kafka_protocol::protocol::Decodable;
use milena_cluster::group::{
    CommitOffsets, MemberRef, PartitionCommit, Request, Response, TopicCommits, TopicResult,
};
use milena_cluster::metadata::Topic;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, message};

use super::{Api, Context, Unreadable};
use crate::broker::Broker;

/// First version that knows GROUP_ID_NOT_FOUND.
const GROUP_ID_NOT_FOUND_FROM: i16 = 9;
/// First version that may have the epoch of a member for a generation (KIP-848).
const MEMBER_EPOCH_FROM: i16 = 9;
/// First version that names topics by id (KIP-848).
const TOPIC_IDS_FROM: i16 = 10;

pub(crate) struct OffsetCommit;

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: OffsetCommitRequest,
    ) -> OffsetCommitResponse {
        let image = broker.image();
        let has_ids = context.version >= TOPIC_IDS_FROM;
        let group = request.group_id.to_string();
        let known: Vec<Option<&Arc<Topic>>> = request
            .topics
            .iter()
            .map(|topic| match has_ids {
                true => image.topic_by_id(TopicId(topic.topic_id)),
                false => image.topic(&topic.name),
            })
            .collect();
        let asked = request.topics.iter().zip(&known);
        let topics = asked.filter_map(|(topic, known)| commits(topic, (*known)?));
        let commit = CommitOffsets {
            member: MemberRef {
                group: group.clone(),
                generation: request.generation_id_or_member_epoch,
                member_id: request.member_id.to_string(),
                group_instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
            },
            retention_ms: request.retention_time_ms,
            understands_group_id_not_found: context.version >= GROUP_ID_NOT_FOUND_FROM,
            supports_member_epoch: context.version >= MEMBER_EPOCH_FROM,
            producer: None,
            topics: topics.collect(),
        };
        let mut results = VecDeque::new();
        if !commit.topics.is_empty() {
            match broker
                .groups()
                .request(&group, Request::CommitOffsets(commit))
                .await
            {
                Response::CommitOffsets(topics) => {
                    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
                    let committed = partitions.filter(|(_, error)| *error == ErrorCode::None);
                    broker.metrics().offsets_committed(committed.count());
                    results.extend(topics);
                }
                other => unreachable!("a commit is answered with {other:?}"),
            }
        }
        // The answers to the known partitions, in the order of the request, among those to the others.
        let topics = request.topics.iter().zip(known);
        let topics = topics.map(|(topic, known)| respond(topic, known, &mut results, has_ids));
        OffsetCommitResponse::default().with_topics(topics.collect())
    }

    fn throttle(response: &mut OffsetCommitResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }

    fn decode(version: i16, body: &mut Bytes) -> Result<OffsetCommitRequest, Unreadable> {
        let unreadable = |error: String| Unreadable::Message(error);
        if version >= TOPIC_IDS_FROM {
            return message::offset_commit::decode_v10(body)
                .map_err(|error| unreadable(error.to_string()));
        }
        OffsetCommitRequest::decode(body, version).map_err(|error| unreadable(error.to_string()))
    }
}

fn is_there(topic: &Topic, index: i32) -> bool {
    topic.partition(PartitionIndex(index)).is_some()
}

/// The offsets of partitions that exist; none where the topic has none of them.
fn commits(asked: &OffsetCommitRequestTopic, topic: &Topic) -> Option<TopicCommits> {
    let all = asked.partitions.iter();
    let existing = all.filter(|partition| is_there(topic, partition.partition_index));
    let partitions = existing.map(|partition| PartitionCommit {
        partition: PartitionIndex(partition.partition_index),
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: partition
            .committed_metadata
            .as_ref()
            .map(ToString::to_string),
    });
    let partitions: Vec<PartitionCommit> = partitions.collect();
    (!partitions.is_empty()).then(|| TopicCommits {
        name: topic.name.to_string(),
        id: topic.id,
        partitions,
    })
}

/// `results` are those of the topics of which something was stored.
fn respond(
    asked: &OffsetCommitRequestTopic,
    topic: Option<&Arc<Topic>>,
    results: &mut VecDeque<TopicResult>,
    has_ids: bool,
) -> OffsetCommitResponseTopic {
    let was_stored = |index| topic.is_some_and(|topic| is_there(topic, index));
    let mut indexes = asked.partitions.iter().map(|it| it.partition_index);
    let result = match indexes.any(was_stored) {
        true => results.pop_front(),
        false => None,
    };
    let mut stored = result.into_iter().flat_map(|result| result.partitions);
    let partitions = asked.partitions.iter().map(|partition| {
        let index = partition.partition_index;
        let error = match topic {
            Some(_) if was_stored(index) => stored.next().map(|(_, error)| error),
            None if has_ids => Some(ErrorCode::UnknownTopicId),
            _ => None,
        };
        OffsetCommitResponsePartition::default()
            .with_partition_index(index)
            .with_error_code(error.unwrap_or(ErrorCode::UnknownTopicOrPartition).code())
    });
    OffsetCommitResponseTopic::default()
        .with_name(asked.name.clone())
        .with_topic_id(asked.topic_id)
        .with_partitions(partitions.collect())
}
