//! Committed offsets: OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete.

use std::collections::BTreeSet;
use std::sync::Arc;

use milena_protocol::bug::{self, Bug};
use milena_protocol::stored::group::{OffsetCommit, OffsetKey, Record};
use milena_protocol::wire::STRING_BYTES_MAX;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp};

use super::classic::State;
use super::consumer::validate_fetch;
use super::coordinator::Coordinator;
use super::durable::Committed;
use super::entry::Entry;
use super::event::{Decision, Waiter};
use super::request::{
    CommitOffsets, DeleteOffsets, FetchOffsets, PartitionCommit, Request, TopicCommits,
};
use super::response::{
    DeletedOffsets, FetchedOffset, FetchedOffsets, FetchedTopic, Response, TopicResult,
};

impl Coordinator {
    pub(super) fn commit_offsets(&mut self, waiter: Waiter, commit: CommitOffsets) {
        match self.decide_commit(self.now, &commit) {
            Ok(decision) => {
                if commit.producer.is_none() {
                    self.commit_is_heartbeat(&commit);
                }
                self.carry_out(waiter, decision, commit.producer, Response::CommitOffsets);
            }
            Err(error) => self.reply(waiter, Request::CommitOffsets(commit).refused(error)),
        }
    }

    fn commit_is_heartbeat(&mut self, commit: &CommitOffsets) {
        let found = self.classic_entry(&commit.member.group);
        if let Some((id, group)) = found
            && matches!(group.state(), State::Stable | State::PreparingRebalance)
        {
            let id: Arc<str> = id.clone();
            self.renew_session(&id, &commit.member.member_id);
        }
    }

    /// Which offsets are to be stored. Every partition of the request is answered.
    ///
    /// # Errors
    /// Where the member may not commit now; the error holds for every partition.
    pub fn decide_commit(
        &self,
        now: Timestamp,
        commit: &CommitOffsets,
    ) -> Result<Decision<Vec<TopicResult>>, ErrorCode> {
        match self.groups.get(commit.member.group.as_str()) {
            Some(_) if bug::is(Bug::OldGenerationCommits) => {}
            Some(group) => group.validate_commit(&self.topics, commit)?,
            // A consumer without a group makes one by its first commit.
            None if commit.member.generation < 0 => {}
            None if commit.understands_group_id_not_found => {
                return Err(ErrorCode::GroupIdNotFound);
            }
            None => return Err(ErrorCode::IllegalGeneration),
        }
        let mut records = Vec::new();
        let mut response = commit.all(ErrorCode::None);
        for (topic, result) in commit.topics.iter().zip(&mut response) {
            for (partition, answer) in topic.partitions.iter().zip(&mut result.partitions) {
                let metadata = partition.metadata.as_deref().unwrap_or_default();
                if self.is_too_large(metadata) {
                    answer.1 = ErrorCode::OffsetMetadataTooLarge;
                } else {
                    records.push(record(commit, topic, partition, now));
                }
            }
        }
        Ok(Decision { records, response })
    }

    /// Kafka counts UTF-16 units though the key says bytes; a stored string has at most 32767
    /// bytes.
    fn is_too_large(&self, metadata: &str) -> bool {
        metadata.len() > STRING_BYTES_MAX
            || metadata.encode_utf16().count() > self.config.offset_metadata_max_bytes
    }

    /// The committed offsets that are asked for. What is not there is answered with -1.
    pub(super) fn fetch_offsets(&self, fetch: &FetchOffsets) -> FetchedOffsets {
        let entry = self.groups.get(fetch.group.as_str());
        let is_known = entry.is_some_and(|entry| !entry.is_dead());
        if entry.and_then(Entry::consumer).is_some()
            && let Some(state) = self.durable.consumer_groups().get(&fetch.group)
            && let Err(error) = validate_fetch(state, fetch.member.as_ref())
        {
            return FetchedOffsets {
                group: fetch.group.clone(),
                error,
                topics: Vec::new(),
            };
        }
        let topics = match &fetch.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| FetchedTopic {
                    name: topic.name.clone(),
                    id: topic.id,
                    partitions: topic
                        .partitions
                        .iter()
                        .map(|partition| {
                            let committed = self
                                .durable
                                .offsets()
                                .get(&fetch.group, &topic.name, *partition)
                                .filter(|_| is_known)
                                .filter(|committed| {
                                    // The offset of a topic that was deleted and made again.
                                    let id = committed.commit.topic_id;
                                    id.is_zero() || topic.id.is_zero() || id == topic.id
                                });
                            self.fetched(fetch, &topic.name, *partition, committed)
                        })
                        .collect(),
                })
                .collect(),
            None if is_known => self.fetch_all(fetch),
            None => Vec::new(),
        };
        FetchedOffsets {
            group: fetch.group.clone(),
            error: ErrorCode::None,
            topics,
        }
    }

    fn fetch_all(&self, fetch: &FetchOffsets) -> Vec<FetchedTopic> {
        let topics = self.durable.offsets().of_group(&fetch.group);
        topics
            .into_iter()
            .flatten()
            .map(|(name, partitions)| FetchedTopic {
                name: name.clone(),
                id: milena_protocol::TopicId::ZERO,
                partitions: partitions
                    .iter()
                    .map(|(partition, committed)| {
                        self.fetched(fetch, name, *partition, Some(committed))
                    })
                    .collect(),
            })
            .collect()
    }

    fn fetched(
        &self,
        fetch: &FetchOffsets,
        topic: &str,
        partition: PartitionIndex,
        committed: Option<&Committed>,
    ) -> FetchedOffset {
        let is_unstable =
            fetch.require_stable && self.durable.is_pending(&fetch.group, topic, partition);
        let is_unstable = is_unstable && !bug::is(Bug::UnstableOffsetFetched);
        let nothing = |error| FetchedOffset {
            partition,
            error,
            offset: Offset::NONE,
            leader_epoch: LeaderEpoch::NONE,
            metadata: String::new(),
        };
        match committed {
            _ if is_unstable => nothing(ErrorCode::UnstableOffsetCommit),
            None => nothing(ErrorCode::None),
            Some(Committed { commit, .. }) => FetchedOffset {
                partition,
                error: ErrorCode::None,
                offset: commit.offset,
                leader_epoch: commit.leader_epoch,
                metadata: commit.metadata.clone(),
            },
        }
    }

    /// Which offsets are to be removed.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, and `NON_EMPTY_GROUP` where the group has members whose subscriptions
    /// are not known.
    pub fn decide_delete_offsets(
        &self,
        delete: &DeleteOffsets,
    ) -> Result<Decision<DeletedOffsets>, ErrorCode> {
        let group = self
            .groups
            .get(delete.group.as_str())
            .ok_or(ErrorCode::GroupIdNotFound)?;
        group.validate_delete_offsets()?;
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(delete.topics.len());
        let known = self.offset_keys(&delete.group);
        for topic in &delete.topics {
            let error = if group.is_subscribed_to(&topic.name) {
                ErrorCode::GroupSubscribedToTopic
            } else {
                for partition in &topic.partitions {
                    if known.contains(&(topic.name.clone(), *partition)) {
                        records.push(tombstone(&delete.group, &topic.name, *partition));
                    }
                }
                ErrorCode::None
            };
            topics.push(TopicResult {
                name: topic.name.clone(),
                id: topic.id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| (*partition, error))
                    .collect(),
            });
        }
        let response = DeletedOffsets {
            error: ErrorCode::None,
            topics,
        };
        Ok(Decision { records, response })
    }

    /// Topic and partition of every offset of a group: committed, in open transactions, and on its
    /// way into the log.
    pub(super) fn offset_keys(&self, group: &str) -> BTreeSet<(String, PartitionIndex)> {
        let stored = self
            .durable
            .keys_of_group(group)
            .map(|(topic, partition)| (topic.to_owned(), partition));
        let in_flight = self.records_in_flight().filter_map(|record| match record {
            Record::Offset(key, Some(_)) if key.group == group => {
                Some((key.topic.clone(), key.partition))
            }
            _ => None,
        });
        stored.chain(in_flight).collect()
    }
}

fn record(
    commit: &CommitOffsets,
    topic: &TopicCommits,
    partition: &PartitionCommit,
    now: Timestamp,
) -> Record {
    let key = OffsetKey {
        group: commit.member.group.clone(),
        topic: topic.name.clone(),
        partition: partition.partition,
    };
    let value = OffsetCommit {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        metadata: partition.metadata.clone().unwrap_or_default(),
        commit_timestamp: now,
        expire_timestamp: commit.expire_timestamp(now),
        topic_id: topic.id,
    };
    Record::Offset(key, Some(value))
}

/// The record that removes an offset.
pub(super) fn tombstone(group: &str, topic: &str, partition: PartitionIndex) -> Record {
    let key = OffsetKey {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
    };
    Record::Offset(key, None)
}
