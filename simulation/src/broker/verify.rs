//! Whether a batch may begin a transaction in a partition: the coordinator is asked, or told of the
//! partition (KIP-890), before the append, and a guard ties the answer to it.

use std::collections::BTreeSet;

use bytes::Bytes;
use bytes::BytesMut;
use milena_cluster::group;
use milena_cluster::transaction::{self, AddPartitions, Producer, VerifyPartitions};
use milena_log::producer_state::VerificationGuard;
use milena_log::validate::{ValidBatch, ValidationRules, validate};
use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression};
use milena_protocol::stored::group::partition_for;
use milena_protocol::{ErrorCode, Offset, Sequence, Timestamp, TopicPartition};

use super::{Broker, Done, Input};
use crate::layout::{self, INTERNAL_PARTITIONS, OFFSETS};
use crate::message::{Response, Transactional};

/// What goes on when the coordinator has answered.
#[derive(Debug)]
pub(crate) enum Pending {
    /// A batch of a client.
    Batch {
        request: u64,
        partition: TopicPartition,
        batch: ValidBatch,
    },
    /// Offsets of a client.
    Offsets {
        request: u64,
        commit: group::CommitOffsets,
        partition: TopicPartition,
        guard: Option<VerificationGuard>,
    },
}

impl Broker {
    /// Produce of a transaction.
    pub(super) fn produce_transactional(
        &mut self,
        request: u64,
        partition: &TopicPartition,
        records: &Bytes,
        by: &Transactional,
    ) {
        let now = self.clock.wall();
        let Some(found) = self.partitions.get_mut(partition) else {
            let error = ErrorCode::UnknownTopicOrPartition;
            return self.reply(request, Response::Produced(Err(error)));
        };
        let rules = ValidationRules::new(found.log.config(), false);
        let batch = match validate(BytesMut::from(&**records), &rules, now) {
            Ok(batch) => batch,
            Err(invalid) => {
                return self.reply(request, Response::Produced(Err(invalid.code)));
            }
        };
        let producers = found.log.producers_mut();
        let bumps = by.version >= 2;
        let guard = producers.begin_verification(batch.header(), bumps, now);
        let Some(guard) = guard else {
            return self.append(partition, batch, Done::Produce { request });
        };
        let producer = Producer {
            id: batch.header().producer_id,
            epoch: batch.header().producer_epoch,
        };
        let pending = Pending::Batch {
            request,
            partition: partition.clone(),
            batch: batch.with_guard(guard),
        };
        self.ask(pending, producer, partition.clone(), by);
    }

    /// TxnOffsetCommit.
    pub(super) fn commit_transactional(
        &mut self,
        request: u64,
        commit: group::CommitOffsets,
        by: &Transactional,
    ) {
        let now = self.clock.wall();
        let index = partition_for(&commit.member.group, INTERNAL_PARTITIONS);
        let partition = layout::partition(OFFSETS, index.0);
        let (Some(of), Some(found)) = (commit.producer, self.partitions.get_mut(&partition)) else {
            let error = ErrorCode::InvalidRequest;
            return self.reply(request, Response::Refused(error));
        };
        let header = header_of(of, now);
        let producers = found.log.producers_mut();
        let guard = header.and_then(|it| producers.begin_verification(&it, by.version >= 2, now));
        let is_open = guard.is_none();
        let pending = Pending::Offsets {
            request,
            commit,
            partition: partition.clone(),
            guard,
        };
        if is_open {
            return self.go_on(pending, ErrorCode::None);
        }
        let producer = Producer {
            id: of.id,
            epoch: of.epoch,
        };
        self.ask(pending, producer, partition, by);
    }

    fn ask(
        &mut self,
        pending: Pending,
        producer: Producer,
        partition: TopicPartition,
        by: &Transactional,
    ) {
        let id = self.next_own();
        self.verifications.insert(id, pending);
        let transactional_id = by.id.clone();
        let partitions = BTreeSet::from([partition]);
        let request = if by.version >= 2 {
            transaction::Request::Add(AddPartitions {
                transactional_id,
                producer,
                partitions,
                transaction_version: by.version,
            })
        } else {
            transaction::Request::Verify(VerifyPartitions {
                transactional_id,
                producer,
                partitions,
            })
        };
        let after_ms = self.random.between(0, 20);
        self.later(after_ms, Input::Ask { id, request });
    }

    /// The coordinator has answered.
    pub(super) fn verified(&mut self, id: u64, response: &transaction::Response) {
        let Some(pending) = self.verifications.remove(&id) else {
            return;
        };
        let error = match response {
            transaction::Response::Add(error) => *error,
            transaction::Response::Verify(partitions) => {
                let mut codes = partitions.values().copied();
                codes.find(|code| code.is_err()).unwrap_or(ErrorCode::None)
            }
            _ => ErrorCode::UnknownServerError,
        };
        self.go_on(pending, error);
    }

    fn go_on(&mut self, pending: Pending, error: ErrorCode) {
        let error = match error {
            // The producer knows nothing of this coordinator.
            ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress => ErrorCode::NotEnoughReplicas,
            error => error,
        };
        match pending {
            Pending::Batch {
                request,
                partition,
                batch,
            } => {
                if error.is_err() {
                    return self.reply(request, Response::Produced(Err(error)));
                }
                self.append(&partition, batch, Done::Produce { request });
            }
            Pending::Offsets {
                request,
                commit,
                partition,
                guard,
            } => {
                if error.is_err() {
                    return self.reply(request, Response::Refused(error));
                }
                if let (Some(guard), Some(producer)) = (guard, commit.producer) {
                    let shard = Self::index_of(&partition);
                    self.guards.insert((shard, producer.id), guard);
                }
                let group = commit.member.group.clone();
                self.group_request(request, &group, group::Request::CommitOffsets(commit));
            }
        }
    }
}

/// The header of a batch of offsets of this producer.
fn header_of(producer: group::Producer, now: Timestamp) -> Option<BatchHeader> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(producer.id, producer.epoch, Sequence::NONE);
    builder.set_transactional();
    builder.append(now, None, None, []).ok()?;
    BatchHeader::parse(&builder.finish(Offset(0))).ok()
}
