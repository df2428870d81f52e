//! What the records of a partition say.

use std::collections::BTreeMap;

use milena_protocol::bug::{self, Bug};
use milena_protocol::stored::group::{
    ConsumerRecord, GroupMetadata, OffsetCommit, OffsetKey, Record,
};
use milena_protocol::{Offset, PartitionIndex, ProducerId, TopicId};

use super::consumer;

/// A committed offset and where its record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) commit: OffsetCommit,
    /// Offset of the record in `__consumer_offsets`: of a plain and a transactional commit the
    /// later record wins, whenever the transaction ends.
    record_offset: Offset,
}

pub(super) type TopicOffsets = BTreeMap<String, BTreeMap<PartitionIndex, Committed>>;

/// Offsets by group, topic and partition. No inner map is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets(BTreeMap<String, TopicOffsets>);

impl Offsets {
    pub(super) fn of_group(&self, group: &str) -> Option<&TopicOffsets> {
        self.0.get(group)
    }

    pub(super) fn get(
        &self,
        group: &str,
        topic: &str,
        partition: PartitionIndex,
    ) -> Option<&Committed> {
        self.0.get(group)?.get(topic)?.get(&partition)
    }

    fn put(&mut self, key: OffsetKey, committed: Committed) {
        self.0
            .entry(key.group)
            .or_default()
            .entry(key.topic)
            .or_default()
            .insert(key.partition, committed);
    }

    fn remove(&mut self, key: &OffsetKey) {
        let Some(topics) = self.0.get_mut(&key.group) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(&key.topic) {
            partitions.remove(&key.partition);
            if partitions.is_empty() {
                topics.remove(&key.topic);
            }
        }
        if topics.is_empty() {
            self.0.remove(&key.group);
        }
    }

    /// Calls `found` with every offset of the topic with this name and id. An offset that was
    /// committed without an id belongs to any topic of its name.
    fn of_topic(&self, name: &str, id: TopicId, found: &mut impl FnMut(&str, PartitionIndex)) {
        for (group, topics) in &self.0 {
            for (partition, committed) in topics.get(name).into_iter().flatten() {
                let stored = committed.commit.topic_id;
                if stored.is_zero() || stored == id {
                    found(group, *partition);
                }
            }
        }
    }

    fn check_invariants(&self) {
        for (group, topics) in &self.0 {
            assert!(!topics.is_empty(), "{group}: no topics");
            for (topic, partitions) in topics {
                assert!(!partitions.is_empty(), "{group}: no partitions of {topic}");
            }
        }
    }
}

/// The replicated state of a coordinator: what replaying its partition gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Durable {
    groups: BTreeMap<String, GroupMetadata>,
    consumer_groups: BTreeMap<String, consumer::State>,
    offsets: Offsets,
    /// Offsets in open transactions. No entry is empty when a record made it; a tombstone may
    /// leave an empty one until the transaction ends.
    pending: BTreeMap<ProducerId, Offsets>,
}

impl Durable {
    /// The only place where records change the state. `producer` is -1 unless the record is part
    /// of a transaction.
    pub(super) fn apply(&mut self, offset: Offset, producer: ProducerId, record: Record) {
        match record {
            Record::Offset(key, Some(commit)) => {
                let committed = Committed {
                    commit,
                    record_offset: offset,
                };
                if producer == ProducerId::NONE {
                    self.offsets.put(key, committed);
                } else {
                    self.pending
                        .entry(producer)
                        .or_default()
                        .put(key, committed);
                }
            }
            Record::Offset(key, None) => {
                self.offsets.remove(&key);
                for offsets in self.pending.values_mut() {
                    offsets.remove(&key);
                }
            }
            Record::Group {
                group,
                metadata: Some(metadata),
            } => {
                self.groups.insert(group, metadata);
            }
            Record::Group {
                group,
                metadata: None,
            } => {
                self.groups.remove(&group);
            }
            Record::Consumer { group, record } => self.apply_consumer(group, &record),
            Record::Unknown { .. } => {}
        }
    }

    fn apply_consumer(&mut self, group: String, record: &ConsumerRecord) {
        match record {
            ConsumerRecord::Metadata(None) => {
                self.consumer_groups.remove(&group);
            }
            record if record.is_tombstone() => {
                // Of a group that is gone only tombstones may be left.
                if let Some(state) = self.consumer_groups.get_mut(&group) {
                    state.apply(record);
                }
            }
            record => self.consumer_groups.entry(group).or_default().apply(record),
        }
    }

    /// Groups of the consumer protocol.
    pub(super) fn consumer_groups(&self) -> &BTreeMap<String, consumer::State> {
        &self.consumer_groups
    }

    /// The end of the transaction of a producer.
    pub(super) fn end_transaction(&mut self, producer: ProducerId, commit: bool) {
        let Some(ended) = self.pending.remove(&producer) else {
            return;
        };
        if !commit && !bug::is(Bug::AbortedOffsetsKept) {
            return;
        }
        for (group, topics) in ended.0 {
            for (topic, partitions) in topics {
                for (partition, committed) in partitions {
                    let known = self.offsets.get(&group, &topic, partition);
                    if known.is_some_and(|known| known.record_offset >= committed.record_offset) {
                        continue;
                    }
                    let key = OffsetKey {
                        group: group.clone(),
                        topic: topic.clone(),
                        partition,
                    };
                    self.offsets.put(key, committed);
                }
            }
        }
    }

    pub(super) fn groups(&self) -> &BTreeMap<String, GroupMetadata> {
        &self.groups
    }

    pub(super) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// True where anything of the group is stored.
    pub(super) fn knows(&self, group: &str) -> bool {
        self.groups.contains_key(group)
            || self.consumer_groups.contains_key(group)
            || self.offsets.of_group(group).is_some()
            || self.has_open_transactions(group)
    }

    /// Ids of all groups with metadata or offsets; some come more than once.
    pub(super) fn group_ids(&self) -> impl Iterator<Item = &String> {
        let pending = self.pending.values().flat_map(|offsets| offsets.0.keys());
        self.groups
            .keys()
            .chain(self.consumer_groups.keys())
            .chain(self.offsets.0.keys())
            .chain(pending)
    }

    /// True where an open transaction has offsets of the group.
    pub(super) fn has_open_transactions(&self, group: &str) -> bool {
        self.pending
            .values()
            .any(|offsets| offsets.of_group(group).is_some())
    }

    /// True where an open transaction has this offset.
    pub(super) fn is_pending(&self, group: &str, topic: &str, partition: PartitionIndex) -> bool {
        self.pending
            .values()
            .any(|offsets| offsets.get(group, topic, partition).is_some())
    }

    /// Keys of all offsets of a group, committed and pending; some come more than once.
    pub(super) fn keys_of_group<'a>(
        &'a self,
        group: &'a str,
    ) -> impl Iterator<Item = (&'a str, PartitionIndex)> {
        std::iter::once(&self.offsets)
            .chain(self.pending.values())
            .filter_map(|offsets| offsets.of_group(group))
            .flatten()
            .flat_map(|(topic, partitions)| {
                partitions
                    .keys()
                    .map(|partition| (topic.as_str(), *partition))
            })
    }

    /// Calls `found` with group and partition of every offset of a topic, committed and pending.
    pub(super) fn of_topic(
        &self,
        name: &str,
        id: TopicId,
        mut found: impl FnMut(&str, PartitionIndex),
    ) {
        for offsets in std::iter::once(&self.offsets).chain(self.pending.values()) {
            offsets.of_topic(name, id, &mut found);
        }
    }

    pub(super) fn check_invariants(&self) {
        self.offsets.check_invariants();
        for (id, state) in &self.consumer_groups {
            state.check_invariants(id);
        }
        for offsets in self.pending.values() {
            offsets.check_invariants();
        }
    }
}
