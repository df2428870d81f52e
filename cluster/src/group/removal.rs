//! What removes groups and offsets: DeleteGroups, expiration (KIP-211), deleted topics.

use std::collections::BTreeSet;

use milena_protocol::stored::group::{OffsetCommit, Record};
use milena_protocol::{ErrorCode, PartitionIndex, Timestamp};

use super::append::Then;
use super::coordinator::Coordinator;
use super::entry::Entry;
use super::event::Decision;
use super::offset::tombstone;
use super::request::DeletedTopic;

/// Most records of one append where they need not be stored together.
const RECORDS_PER_APPEND_MAX: usize = 1000;

impl Coordinator {
    /// Which records remove these groups. Every group is answered, in the order of the request.
    #[must_use]
    pub fn decide_delete_groups(&self, groups: &[String]) -> Decision<Vec<(String, ErrorCode)>> {
        let mut records = Vec::new();
        let mut response = Vec::with_capacity(groups.len());
        let mut deleted = BTreeSet::new();
        for id in groups {
            let found = self.groups.get(id.as_str());
            let found = found.ok_or(ErrorCode::GroupIdNotFound);
            let valid = found.and_then(|entry| entry.validate_delete().map(|()| entry));
            if let (Ok(entry), true) = (valid, !deleted.contains(id)) {
                deleted.insert(id);
                for (topic, partition) in self.offset_keys(id) {
                    records.push(tombstone(id, &topic, partition));
                }
                records.extend(entry.tombstones(id));
            }
            response.push((id.clone(), valid.err().unwrap_or(ErrorCode::None)));
        }
        Decision { records, response }
    }

    /// Which records remove the offsets that have expired by `now`, and the groups that have
    /// nothing left. A tombstone of a group comes after those of its offsets.
    #[must_use]
    pub fn decide_expiration(&self, now: Timestamp) -> Vec<Record> {
        let mut records = Vec::new();
        // What is on its way into the log is newer than what is seen here.
        let busy: BTreeSet<&str> = self.records_in_flight().filter_map(Record::group).collect();
        for (id, group) in &self.groups {
            if group.is_dead() || busy.contains(&**id) {
                continue;
            }
            let is_bare = self.expire_offsets(id, group, now, &mut records);
            if is_bare && group.is_vacant() {
                records.extend(group.tombstones(id));
            }
        }
        records
    }

    /// True where no offset of the group is left.
    fn expire_offsets(
        &self,
        id: &str,
        group: &Entry,
        now: Timestamp,
        records: &mut Vec<Record>,
    ) -> bool {
        let mut is_bare = !self.durable.has_open_transactions(id);
        let topics = self.durable.offsets().of_group(id);
        for (topic, partitions) in topics.into_iter().flatten() {
            let is_subscribed = group.is_subscribed_to(topic);
            for (partition, committed) in partitions {
                let is_kept = is_subscribed
                    || !self.has_expired(group, &committed.commit, now)
                    || self.durable.is_pending(id, topic, *partition);
                if is_kept {
                    is_bare = false;
                } else {
                    records.push(tombstone(id, topic, *partition));
                }
            }
        }
        is_bare
    }

    fn has_expired(&self, group: &Entry, commit: &OffsetCommit, now: Timestamp) -> bool {
        let Some(since) = group.retained_since(commit) else {
            return false;
        };
        if commit.expire_timestamp == Timestamp::NONE {
            now.ms_since(since) >= self.config.offsets_retention_ms
        } else {
            now >= commit.expire_timestamp
        }
    }

    /// Which records remove the offsets of topics that are gone. Offsets of a topic that was made
    /// again under the name of a deleted one stay.
    #[must_use]
    pub fn decide_topics_deleted(&self, topics: &[DeletedTopic]) -> Vec<Record> {
        let mut found = BTreeSet::<(String, &str, PartitionIndex)>::new();
        for topic in topics {
            self.durable
                .of_topic(&topic.name, topic.id, |group, partition| {
                    found.insert((group.to_owned(), &topic.name, partition));
                });
            for record in self.records_in_flight() {
                if let Record::Offset(key, Some(commit)) = record
                    && key.topic == topic.name
                    && (commit.topic_id.is_zero() || commit.topic_id == topic.id)
                {
                    found.insert((key.group.clone(), &topic.name, key.partition));
                }
            }
        }
        found
            .into_iter()
            .map(|(group, topic, partition)| tombstone(&group, topic, partition))
            .collect()
    }

    /// Appends records that need not be stored together.
    pub(super) fn append_parts(&mut self, records: Vec<Record>) {
        let mut records = records.into_iter();
        loop {
            let part: Vec<Record> = records.by_ref().take(RECORDS_PER_APPEND_MAX).collect();
            if part.is_empty() {
                return;
            }
            self.append(part, None, Then::Nothing);
        }
    }
}
