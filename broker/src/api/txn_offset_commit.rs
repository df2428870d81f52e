//! TxnOffsetCommit (28): offsets that count when a transaction is committed (KIP-98, KIP-447).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use milena_cluster::group::{
    CommitOffsets, MemberRef, PartitionCommit, Producer as Committer, Request, Response,
    TopicCommits,
};
use milena_cluster::metadata::Image;
use milena_cluster::transaction::Producer;
use milena_protocol::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicPartition,
};

use super::add_offsets_to_txn::of_group;
use super::{Api, Context};
use crate::broker::Broker;
use crate::transaction::{Admission, admit};

/// First version whose clients know `COORDINATOR_LOAD_IN_PROGRESS` (KAFKA-7296).
const LOADING_FROM: i16 = 2;
/// First version whose clients know `TRANSACTION_ABORTABLE`.
const ABORTABLE_FROM: i16 = 4;
/// First version that adds the partition of the offsets to the transaction (KIP-890).
const ADDS_FROM: i16 = 5;

pub(crate) struct TxnOffsetCommit;

impl Api for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: TxnOffsetCommitRequest,
    ) -> TxnOffsetCommitResponse {
        let image = broker.image();
        let topics: Vec<TopicCommits> = request
            .topics
            .iter()
            .filter_map(|topic| commits(&image, topic))
            .collect();
        let refused = if topics.is_empty() {
            None
        } else {
            verify(broker, context.version, &request).await.err()
        };
        let errors = match refused {
            Some(error) => Answers::All(group_error(error)),
            None if topics.is_empty() => Answers::Each(BTreeMap::new()),
            None => commit(broker, &request, topics).await,
        };
        let old = context.version < LOADING_FROM;
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let index = PartitionIndex(partition.partition_index);
                let error = if exists(&image, topic, index) {
                    errors.of(&topic.name, index)
                } else {
                    ErrorCode::UnknownTopicOrPartition
                };
                let error = match error {
                    ErrorCode::CoordinatorLoadInProgress if old => {
                        ErrorCode::CoordinatorNotAvailable
                    }
                    error => error,
                };
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(index.0)
                    .with_error_code(error.code())
            });
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }

    fn throttle(response: &mut TxnOffsetCommitResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// What became of the offsets.
enum Answers {
    All(ErrorCode),
    Each(BTreeMap<String, BTreeMap<PartitionIndex, ErrorCode>>),
}

impl Answers {
    fn of(&self, topic: &str, index: PartitionIndex) -> ErrorCode {
        match self {
            Self::All(error) => *error,
            Self::Each(topics) => topics
                .get(topic)
                .and_then(|partitions| partitions.get(&index))
                .copied()
                .unwrap_or(ErrorCode::UnknownTopicOrPartition),
        }
    }
}

fn exists(image: &Image, topic: &TxnOffsetCommitRequestTopic, index: PartitionIndex) -> bool {
    image.partition(&topic.name, index).is_some()
}

/// The offsets of partitions that exist.
fn commits(image: &Image, topic: &TxnOffsetCommitRequestTopic) -> Option<TopicCommits> {
    let known = image.topic(&topic.name)?;
    let partitions: Vec<PartitionCommit> = topic
        .partitions
        .iter()
        .filter(|partition| exists(image, topic, PartitionIndex(partition.partition_index)))
        .map(|partition| PartitionCommit {
            partition: PartitionIndex(partition.partition_index),
            offset: Offset(partition.committed_offset),
            leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
            metadata: partition
                .committed_metadata
                .as_ref()
                .map(ToString::to_string),
        })
        .collect();
    (!partitions.is_empty()).then(|| TopicCommits {
        name: topic.name.to_string(),
        id: known.id,
        partitions,
    })
}

/// Sees to it that the transaction is known before its offsets are appended, as for a batch of a
/// producer.
async fn verify(
    broker: &Arc<Broker>,
    version: i16,
    request: &TxnOffsetCommitRequest,
) -> Result<(), ErrorCode> {
    let admission = match version {
        ADDS_FROM.. => Admission::Added,
        ABORTABLE_FROM.. => Admission::VerifiedAbortable,
        _ => Admission::Verified,
    };
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let partition = of_group(broker, &request.group_id).await?;
    let TopicPartition {
        topic,
        partition: index,
    } = &partition;
    let offsets = broker
        .replicas()
        .named(topic, *index)
        .map_err(|_| ErrorCode::NotCoordinator)?;
    let producer = Producer {
        id: ProducerId(request.producer_id.0),
        epoch: ProducerEpoch(request.producer_epoch),
    };
    let guard =
        offsets.begin_verification_of_coordinator(producer.id, producer.epoch, admission.adds());
    let Some(guard) = guard else {
        return Ok(());
    };
    if admission.adds() || broker.transactions().verifies() {
        let transactional_id = request.transactional_id.to_string();
        let partitions = BTreeSet::from([partition.clone()]);
        let admitted = admit(broker, admission, transactional_id, producer, partitions).await;
        match admitted.of(&partition) {
            ErrorCode::None => {}
            // Of the coordinator of transactions: that of the group is here, and clients before
            // version 5 take a concurrent transaction for fatal.
            ErrorCode::NotCoordinator => return Err(ErrorCode::CoordinatorNotAvailable),
            ErrorCode::ConcurrentTransactions if !admission.adds() => {
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
            error => return Err(error),
        }
    }
    // The log takes the offsets only as long as no marker has come since.
    broker
        .groups()
        .note_verified(&request.group_id, producer.id, guard);
    Ok(())
}

/// What a failed verification means to a client of a group's coordinator.
fn group_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        error => error,
    }
}

async fn commit(
    broker: &Arc<Broker>,
    request: &TxnOffsetCommitRequest,
    topics: Vec<TopicCommits>,
) -> Answers {
    let group = request.group_id.to_string();
    let commit = CommitOffsets {
        member: MemberRef {
            group: group.clone(),
            generation: request.generation_id,
            member_id: request.member_id.to_string(),
            group_instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        },
        retention_ms: -1,
        understands_group_id_not_found: false,
        supports_member_epoch: true,
        producer: Some(Committer {
            id: ProducerId(request.producer_id.0),
            epoch: ProducerEpoch(request.producer_epoch),
        }),
        topics,
    };
    let response = broker
        .groups()
        .request(&group, Request::CommitOffsets(commit))
        .await;
    match response {
        Response::CommitOffsets(topics) => {
            let mut answers: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
            for topic in topics {
                answers
                    .entry(topic.name)
                    .or_default()
                    .extend(topic.partitions);
            }
            Answers::Each(answers)
        }
        other => unreachable!("a commit is answered with {other:?}"),
    }
}
