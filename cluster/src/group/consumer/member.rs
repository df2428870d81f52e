//! One member of a group of the consumer protocol.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::group as stored;
use milena_protocol::{PartitionIndex, TopicId};

/// Partitions by topic.
pub type Assignment = BTreeMap<TopicId, BTreeSet<PartitionIndex>>;

/// Partitions by topic, each with the epoch at which it was assigned (KIP-1251).
pub(in crate::group) type Partitions = BTreeMap<TopicId, BTreeMap<PartitionIndex, i32>>;

/// Epoch in a heartbeat of a member that leaves, and of a member whose assignment was removed.
pub const LEAVE_EPOCH: i32 = -1;
/// Epoch of a static member that has left for a while.
pub const STATIC_LEAVE_EPOCH: i32 = -2;

/// How far a member is on its way to the target assignment (`MemberState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It has what it is to have, or a later target has come since.
    Stable,
    /// It has to give partitions up before it goes on to the next epoch.
    UnrevokedPartitions,
    /// It waits for partitions that others have not given up.
    UnreleasedPartitions,
    /// The state of a later release, as it is stored.
    Unknown(i8),
}

impl MemberState {
    const fn stored(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown(state) => state,
        }
    }

    const fn from_stored(state: i8) -> Self {
        match state {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            state => Self::Unknown(state),
        }
    }
}

/// A member as its records have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct Member {
    /// Epoch that the member has to heartbeat with; 0 before its first assignment.
    pub(in crate::group) epoch: i32,
    /// Epoch before that, with which a heartbeat is taken whose predecessor's answer was lost.
    pub(in crate::group) previous_epoch: i32,
    pub(in crate::group) state: MemberState,
    pub(in crate::group) assigned: Partitions,
    /// What it has been told to give up and has not yet.
    pub(in crate::group) pending_revocation: Partitions,
    /// Names of its topics are in order, each once.
    pub(in crate::group) metadata: stored::ConsumerMember,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Partitions::new(),
            pending_revocation: Partitions::new(),
            metadata: stored::ConsumerMember {
                instance_id: None,
                rack_id: None,
                client_id: String::new(),
                client_host: String::new(),
                subscribed_topic_names: Vec::new(),
                subscribed_topic_regex: Some(String::new()),
                rebalance_timeout_ms: -1,
                server_assignor: None,
                classic: None,
            },
        }
    }
}

impl Member {
    /// Takes over what a record says; none where the assignment was removed.
    pub(in crate::group) fn update(&mut self, current: Option<&stored::CurrentAssignment>) {
        let Some(current) = current else {
            self.epoch = LEAVE_EPOCH;
            self.previous_epoch = LEAVE_EPOCH;
            self.assigned = Partitions::new();
            self.pending_revocation = Partitions::new();
            return;
        };
        self.epoch = current.member_epoch;
        self.previous_epoch = current.previous_member_epoch;
        self.state = MemberState::from_stored(current.state);
        self.assigned = with_epochs(&current.assigned, current.member_epoch);
        self.pending_revocation = with_epochs(&current.pending_revocation, current.member_epoch);
    }

    /// The record of what the member has.
    pub(in crate::group) fn current(&self) -> stored::CurrentAssignment {
        stored::CurrentAssignment {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.stored(),
            assigned: stored_with_epochs(&self.assigned),
            pending_revocation: stored_with_epochs(&self.pending_revocation),
        }
    }

    /// Goes on to an epoch.
    pub(in crate::group) fn advance_to(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }

    pub(in crate::group) const fn uses_classic_protocol(&self) -> bool {
        self.metadata.classic.is_some()
    }

    /// True where it is to give partitions up. One that is away has given up what it had.
    pub(in crate::group) fn owes_partitions(&self) -> bool {
        self.state == MemberState::UnrevokedPartitions && self.epoch != STATIC_LEAVE_EPOCH
    }

    pub(in crate::group) fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == assignment_epoch
    }

    /// The regular expression of the member; none where it has none.
    pub(in crate::group) fn regex(&self) -> Option<&str> {
        self.metadata
            .subscribed_topic_regex
            .as_deref()
            .filter(|regex| !regex.is_empty())
    }

    pub(in crate::group) fn instance_id(&self) -> Option<&str> {
        self.metadata.instance_id.as_deref()
    }

    /// Epoch at which a partition was assigned that the member has or is to give up.
    pub(in crate::group) fn assignment_epoch(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Option<i32> {
        [&self.assigned, &self.pending_revocation]
            .into_iter()
            .find_map(|partitions| partitions.get(&topic)?.get(&partition).copied())
    }

    /// Every partition that the member has or is to give up.
    pub(in crate::group) fn owned(&self) -> impl Iterator<Item = (TopicId, PartitionIndex)> {
        [&self.assigned, &self.pending_revocation]
            .into_iter()
            .flatten()
            .flat_map(|(topic, partitions)| partitions.keys().map(|partition| (*topic, *partition)))
    }

    /// The names of its classic protocols, each once.
    pub(in crate::group) fn protocol_names(&self) -> BTreeSet<&str> {
        let protocols = self.metadata.classic.iter();
        protocols
            .flat_map(|classic| &classic.supported_protocols)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Partitions without their epochs.
pub(in crate::group) fn without_epochs(partitions: &Partitions) -> Assignment {
    partitions
        .iter()
        .map(|(topic, partitions)| (*topic, partitions.keys().copied().collect()))
        .collect()
}

/// Partitions that are all assigned at one epoch.
pub(in crate::group) fn at_epoch(assignment: &Assignment, epoch: i32) -> Partitions {
    assignment
        .iter()
        .map(|(topic, partitions)| {
            let partitions = partitions.iter().map(|partition| (*partition, epoch));
            (*topic, partitions.collect())
        })
        .collect()
}

/// Partitions of a record. Where it has not one epoch for each, that of the member holds; a static
/// member that was away has 0.
fn with_epochs(topics: &[stored::TopicPartitions], member_epoch: i32) -> Partitions {
    let mut all = Partitions::new();
    for topic in topics {
        let has_epochs = topic.assignment_epochs.len() == topic.partitions.len();
        let epochs = topic.assignment_epochs.iter().copied();
        let default = std::iter::repeat(member_epoch.max(0));
        let partitions = topic.partitions.iter().copied();
        let of_topic = all.entry(topic.topic_id).or_default();
        if has_epochs {
            of_topic.extend(partitions.zip(epochs));
        } else {
            of_topic.extend(partitions.zip(default));
        }
    }
    all.retain(|_, partitions| !partitions.is_empty());
    all
}

fn stored_with_epochs(partitions: &Partitions) -> Vec<stored::TopicPartitions> {
    partitions
        .iter()
        .map(|(topic, partitions)| stored::TopicPartitions {
            topic_id: *topic,
            partitions: partitions.keys().copied().collect(),
            assignment_epochs: partitions.values().copied().collect(),
        })
        .collect()
}

/// The record of a target assignment.
pub(in crate::group) fn stored_target(assignment: &Assignment) -> Vec<stored::TopicPartitions> {
    assignment
        .iter()
        .map(|(topic, partitions)| stored::TopicPartitions {
            topic_id: *topic,
            partitions: partitions.iter().copied().collect(),
            assignment_epochs: Vec::new(),
        })
        .collect()
}

/// The target assignment of a record.
pub(in crate::group) fn target_of(topics: &[stored::TopicPartitions]) -> Assignment {
    let mut assignment = Assignment::new();
    for topic in topics {
        let partitions = assignment.entry(topic.topic_id).or_default();
        partitions.extend(topic.partitions.iter().copied());
    }
    assignment.retain(|_, partitions| !partitions.is_empty());
    assignment
}
