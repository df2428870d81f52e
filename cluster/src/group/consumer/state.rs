//! What the records of a group of the consumer protocol say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::stored::group::{ConsumerMetadata, ConsumerRecord, ResolvedExpression};
use milena_protocol::{PartitionIndex, Timestamp, TopicId};

use super::member::{Assignment, Member, target_of};

/// State of a group (`ConsumerGroupState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum Phase {
    /// No members.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Members are on their way to the target assignment.
    Reconciling,
    /// All have what they are to have.
    Stable,
}

impl Phase {
    /// Kafka's spelling.
    pub(in crate::group) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// A group: [`State::apply`] is the only way that it changes, and replaying its records gives the
/// same state. Members and assignments are shared between copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct State {
    metadata: ConsumerMetadata,
    assignment_epoch: i32,
    assignment_timestamp: i64,
    members: BTreeMap<Arc<str>, Arc<Member>>,
    targets: BTreeMap<Arc<str>, Arc<Assignment>>,
    expressions: BTreeMap<String, Arc<ResolvedExpression>>,
    /// True while the record of releases before 4.1 is there.
    has_partition_metadata: bool,
    index: Index,
}

impl Default for State {
    /// A group without records. Its epochs begin with 1, as Kafka's do: 0 is the epoch of a member
    /// that joins, and none may be answered with it.
    fn default() -> Self {
        Self {
            metadata: ConsumerMetadata {
                epoch: 1,
                metadata_hash: 0,
            },
            assignment_epoch: 1,
            assignment_timestamp: 0,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            expressions: BTreeMap::new(),
            has_partition_metadata: false,
            index: Index::default(),
        }
    }
}

/// What follows from the members and is kept for speed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    /// Member ids by instance id.
    static_members: BTreeMap<String, Arc<str>>,
    /// Who has a partition, or has not given it up yet.
    owners: BTreeMap<TopicId, BTreeMap<PartitionIndex, Arc<str>>>,
    /// Topics with how many members name them and how many expressions match them.
    topics: BTreeMap<String, Subscribers>,
    /// Expressions with how many members have them.
    regexes: BTreeMap<String, usize>,
    /// Assignors with how many members want them.
    assignors: BTreeMap<String, usize>,
    /// How many members use the classic protocol.
    classic_count: usize,
    /// Classic protocols with how many members support them.
    protocols: BTreeMap<String, usize>,
    /// How many members are where the target assignment wants them.
    reconciled_count: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Subscribers {
    by_name: usize,
    by_regex: usize,
}

impl State {
    /// Takes over a record.
    pub(in crate::group) fn apply(&mut self, record: &ConsumerRecord) {
        match record {
            ConsumerRecord::Metadata(metadata) => self.metadata = metadata.unwrap_or_default(),
            ConsumerRecord::PartitionMetadata(topics) => {
                self.has_partition_metadata = topics.is_some();
            }
            ConsumerRecord::Member(id, Some(metadata)) => {
                self.change_member(id, |member| {
                    let mut metadata = metadata.clone();
                    metadata.subscribed_topic_names.sort_unstable();
                    metadata.subscribed_topic_names.dedup();
                    member.metadata = metadata;
                });
            }
            ConsumerRecord::Member(id, None) => self.remove_member(id),
            ConsumerRecord::TargetMetadata(target) => {
                // A removed assignment has no epoch, which is less than any.
                self.assignment_epoch = target.map_or(-1, |target| target.assignment_epoch);
                self.assignment_timestamp =
                    target.map_or(0, |target| target.assignment_timestamp.0);
                self.count_reconciled();
            }
            ConsumerRecord::TargetMember(id, Some(topics)) => {
                self.targets
                    .insert(Arc::from(id.as_str()), Arc::new(target_of(topics)));
            }
            ConsumerRecord::TargetMember(id, None) => {
                self.targets.remove(id.as_str());
            }
            ConsumerRecord::Current(id, Some(current)) => {
                self.change_member(id, |member| member.update(Some(current)));
            }
            ConsumerRecord::Current(id, None) => {
                if self.members.contains_key(id.as_str()) {
                    self.change_member(id, |member| member.update(None));
                }
            }
            ConsumerRecord::Expression(regex, resolved) => {
                if let Some(before) = self.expressions.remove(regex) {
                    self.index.count_topics(&before, false);
                }
                if let Some(resolved) = resolved {
                    self.index.count_topics(resolved, true);
                    self.expressions
                        .insert(regex.clone(), Arc::new(resolved.clone()));
                }
            }
        }
    }

    fn change_member(&mut self, id: &str, change: impl FnOnce(&mut Member)) {
        let (id, mut member) = match self.members.remove_entry(id) {
            Some((id, member)) => {
                self.index.remove(&id, &member, self.assignment_epoch);
                (id, member)
            }
            None => (Arc::from(id), Arc::default()),
        };
        change(Arc::make_mut(&mut member));
        self.index.add(&id, &member, self.assignment_epoch);
        self.members.insert(id, member);
    }

    fn remove_member(&mut self, id: &str) {
        if let Some((id, member)) = self.members.remove_entry(id) {
            self.index.remove(&id, &member, self.assignment_epoch);
        }
    }

    fn count_reconciled(&mut self) {
        let epoch = self.assignment_epoch;
        let members = self.members.values();
        self.index.reconciled_count = members
            .filter(|member| member.is_reconciled_to(epoch))
            .count();
    }

    pub(in crate::group) const fn epoch(&self) -> i32 {
        self.metadata.epoch
    }

    pub(in crate::group) const fn metadata_hash(&self) -> i64 {
        self.metadata.metadata_hash
    }

    /// Epoch of the group that the target assignment was computed for.
    pub(in crate::group) const fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    /// When the target assignment was computed; 0 where that is not known.
    pub(in crate::group) const fn assignment_timestamp(&self) -> Timestamp {
        Timestamp(self.assignment_timestamp)
    }

    pub(in crate::group) const fn has_partition_metadata(&self) -> bool {
        self.has_partition_metadata
    }

    pub(in crate::group) const fn members(&self) -> &BTreeMap<Arc<str>, Arc<Member>> {
        &self.members
    }

    pub(in crate::group) fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.members.get(id)
    }

    /// The target assignment of a member; none where none was computed.
    pub(in crate::group) fn target(&self, id: &str) -> Option<&Arc<Assignment>> {
        self.targets.get(id)
    }

    pub(in crate::group) const fn expressions(&self) -> &BTreeMap<String, Arc<ResolvedExpression>> {
        &self.expressions
    }

    /// Id of the member with this instance id.
    pub(in crate::group) fn static_member(&self, instance: &str) -> Option<&Arc<str>> {
        self.index.static_members.get(instance)
    }

    /// Who has a partition, or has not given it up yet.
    pub(in crate::group) fn owner(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Option<&Arc<str>> {
        self.index.owners.get(&topic)?.get(&partition)
    }

    /// Names of topics that a member names or an expression matches, in order.
    pub(in crate::group) fn subscribed_topics(&self) -> impl Iterator<Item = &str> {
        self.index.topics.keys().map(String::as_str)
    }

    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.index.topics.contains_key(topic)
    }

    /// How many members have this expression.
    pub(in crate::group) fn regex_count(&self, regex: &str) -> usize {
        self.index.regexes.get(regex).copied().unwrap_or(0)
    }

    /// The assignor that most members want; of equals the first by name.
    pub(in crate::group) fn preferred_assignor(&self) -> Option<&str> {
        let wanted = self.index.assignors.iter();
        // `max_by_key` returns the last of equals.
        wanted
            .rev()
            .max_by_key(|(_, count)| **count)
            .map(|(name, _)| name.as_str())
    }

    /// True where the group has members and all use the classic protocol.
    pub(in crate::group) fn is_all_classic(&self) -> bool {
        !self.members.is_empty() && self.index.classic_count == self.members.len()
    }

    /// True where one of these classic protocols is supported by all members of the classic
    /// protocol.
    pub(in crate::group) fn supports_one_of(&self, protocols: &BTreeSet<&str>) -> bool {
        protocols.iter().any(|name| {
            let count = self.index.protocols.get(*name).copied().unwrap_or(0);
            count == self.index.classic_count
        })
    }

    pub(in crate::group) fn phase(&self) -> Phase {
        if self.members.is_empty() {
            Phase::Empty
        } else if self.metadata.epoch > self.assignment_epoch {
            Phase::Assigning
        } else if self.index.reconciled_count < self.members.len() {
            Phase::Reconciling
        } else {
            Phase::Stable
        }
    }

    /// True where all members are subscribed to the same topics (`SubscriptionType`).
    pub(in crate::group) fn is_homogeneous(&self) -> bool {
        let count = self.members.len();
        let mut topics = self.index.topics.values();
        match self.index.regexes.values().next() {
            None => topics.all(|subscribers| subscribers.by_name == count),
            Some(with_regex) => {
                *with_regex == count
                    && topics
                        .all(|subscribers| subscribers.by_regex == 1 && subscribers.by_name == 0)
            }
        }
    }

    /// The names of the topics of a member, by name and by expression, in order. An expression
    /// that is not resolved matches nothing.
    pub(in crate::group) fn topics_of<'a>(&'a self, member: &'a Member) -> BTreeSet<&'a str> {
        let matched = member
            .regex()
            .and_then(|regex| self.expressions.get(regex))
            .map(|resolved| resolved.topics.iter())
            .into_iter()
            .flatten();
        let named = member.metadata.subscribed_topic_names.iter();
        named.chain(matched).map(String::as_str).collect()
    }

    /// The records that remove the group. Of a member first its assignments go, as Kafka's replay
    /// demands.
    pub(in crate::group) fn tombstones(&self) -> Vec<ConsumerRecord> {
        let ids = || self.members.keys().map(ToString::to_string);
        let mut targets: BTreeSet<String> = ids().collect();
        targets.extend(self.targets.keys().map(ToString::to_string));
        let mut records: Vec<ConsumerRecord> =
            ids().map(|id| ConsumerRecord::Current(id, None)).collect();
        records.extend(
            targets
                .into_iter()
                .map(|id| ConsumerRecord::TargetMember(id, None)),
        );
        records.push(ConsumerRecord::TargetMetadata(None));
        records.extend(ids().map(|id| ConsumerRecord::Member(id, None)));
        let regexes = self.expressions.keys().cloned();
        records.extend(regexes.map(|regex| ConsumerRecord::Expression(regex, None)));
        records.push(ConsumerRecord::PartitionMetadata(None));
        records.push(ConsumerRecord::Metadata(None));
        records
    }

    /// Asserts what holds of the records of any log.
    pub(in crate::group) fn check_invariants(&self, id: &str) {
        let mut index = Index {
            owners: self.index.owners.clone(),
            static_members: self.index.static_members.clone(),
            ..Index::default()
        };
        for resolved in self.expressions.values() {
            index.count_topics(resolved, true);
        }
        for member in self.members.values() {
            index.count(member, self.assignment_epoch, true);
        }
        assert_eq!(index, self.index, "{id}: index of members");
        for member_id in self.index.static_members.values() {
            assert!(
                self.members.contains_key(member_id),
                "{id}: static member {member_id} is none"
            );
        }
        for (topic, partitions) in &self.index.owners {
            assert!(!partitions.is_empty(), "{id}: no owners of {}", topic.0);
        }
    }

    /// Asserts what holds beyond that where the records were decided here.
    #[cfg(test)]
    pub(in crate::group) fn check_ownership(&self, id: &str) {
        let mut owned = 0;
        for (member_id, member) in &self.members {
            for (topic, partition) in member.owned() {
                owned += 1;
                assert_eq!(
                    self.owner(topic, partition),
                    Some(member_id),
                    "{id}: partition {} of {} has two owners",
                    partition.0,
                    topic.0
                );
            }
            assert!(
                member.epoch <= self.metadata.epoch,
                "{id}: {member_id} is ahead of the group"
            );
        }
        let known: usize = self.index.owners.values().map(BTreeMap::len).sum();
        assert_eq!(owned, known, "{id}: owners of partitions that nobody has");
        assert!(
            self.assignment_epoch <= self.metadata.epoch,
            "{id}: the assignment is ahead of the group"
        );
    }
}

impl Index {
    fn add(&mut self, id: &Arc<str>, member: &Member, assignment_epoch: i32) {
        self.count(member, assignment_epoch, true);
        if let Some(instance) = member.instance_id() {
            self.static_members.insert(instance.to_owned(), id.clone());
        }
        for (topic, partition) in member.owned() {
            // The later record wins: compaction may have removed the one that gave it up.
            self.owners
                .entry(topic)
                .or_default()
                .insert(partition, id.clone());
        }
    }

    fn remove(&mut self, id: &Arc<str>, member: &Member, assignment_epoch: i32) {
        self.count(member, assignment_epoch, false);
        if let Some(instance) = member.instance_id()
            && self.static_members.get(instance) == Some(id)
        {
            self.static_members.remove(instance);
        }
        for (topic, partition) in member.owned() {
            let Some(partitions) = self.owners.get_mut(&topic) else {
                continue;
            };
            if partitions.get(&partition) == Some(id) {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    self.owners.remove(&topic);
                }
            }
        }
    }

    fn count(&mut self, member: &Member, assignment_epoch: i32, is_added: bool) {
        for topic in &member.metadata.subscribed_topic_names {
            self.count_topic(topic, is_added, |subscribers| &mut subscribers.by_name);
        }
        if let Some(regex) = member.regex() {
            count(&mut self.regexes, regex, is_added);
        }
        if let Some(assignor) = &member.metadata.server_assignor {
            count(&mut self.assignors, assignor, is_added);
        }
        for protocol in member.protocol_names() {
            count(&mut self.protocols, protocol, is_added);
        }
        let is_classic = usize::from(member.uses_classic_protocol());
        let is_reconciled = usize::from(member.is_reconciled_to(assignment_epoch));
        if is_added {
            self.classic_count += is_classic;
            self.reconciled_count += is_reconciled;
        } else {
            self.classic_count -= is_classic;
            self.reconciled_count -= is_reconciled;
        }
    }

    fn count_topics(&mut self, resolved: &ResolvedExpression, is_added: bool) {
        let topics: BTreeSet<&String> = resolved.topics.iter().collect();
        for topic in topics {
            self.count_topic(topic, is_added, |subscribers| &mut subscribers.by_regex);
        }
    }

    fn count_topic(
        &mut self,
        topic: &str,
        is_added: bool,
        kind: impl FnOnce(&mut Subscribers) -> &mut usize,
    ) {
        if is_added {
            *kind(self.topics.entry(topic.to_owned()).or_default()) += 1;
        } else if let Some(subscribers) = self.topics.get_mut(topic) {
            *kind(subscribers) -= 1;
            if *subscribers == Subscribers::default() {
                self.topics.remove(topic);
            }
        }
    }
}

fn count(counts: &mut BTreeMap<String, usize>, key: &str, is_added: bool) {
    if is_added {
        *counts.entry(key.to_owned()).or_default() += 1;
    } else if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
