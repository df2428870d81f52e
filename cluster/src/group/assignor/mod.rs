//! Assignors of the coordinator (KIP-848): which member of a group is to have which partition.
//!
//! | assignor | what it gives |
//! |---|---|
//! | `range` | of every topic a range of partitions to each member, members in the same order for every topic, so that topics of one size are co-partitioned |
//! | `uniform` | as many partitions to each member as to any other, and as few moves as that takes |
//!
//! Both are functions of what stands in the [`GroupSpec`] and decide as Apache Kafka's do where
//! Kafka walks the members in the order of their ids; Kafka's own walk is in the order of a hash
//! table. Neither looks at racks, as Kafka's do not either.
//!
//! Sources: `RangeAssignor`, `UniformAssignor`, `UniformHomogeneousAssignmentBuilder`,
//! `UniformHeterogeneousAssignmentBuilder` of Apache Kafka 4.3.

mod balancer;
mod range;
#[cfg(test)]
mod tests;
mod uniform;
mod uniform_heterogeneous;
mod uniform_homogeneous;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::{PartitionIndex, TopicId};

/// Partitions by topic; no topic has none.
type Assignment = BTreeMap<TopicId, BTreeSet<PartitionIndex>>;

/// An assignor of the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Balanced and sticky.
    Uniform,
    /// Ranges, co-partitioned.
    Range,
}

impl Assignor {
    /// All of them, Kafka's default first.
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// The name that members and `group.consumer.assignors` use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|assignor| assignor.name() == name)
    }

    /// What each member is to have. A member that gets nothing may be left out.
    ///
    /// Every partition of a topic that somebody is subscribed to goes to exactly one of those who
    /// are. What does not exist is not assigned, whoever is subscribed to it or has it.
    pub(in crate::group) fn assign(self, spec: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
        match self {
            Self::Uniform => uniform::assign(spec),
            Self::Range => range::assign(spec),
        }
    }
}

/// A group that partitions are to be assigned to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct GroupSpec {
    /// The members, by their ids.
    pub(in crate::group) members: BTreeMap<Arc<str>, MemberSpec>,
    /// The topics that members are subscribed to, each with the number of its partitions. A
    /// subscription to another topic counts for nothing.
    pub(in crate::group) topics: BTreeMap<TopicId, usize>,
    /// True where all members are subscribed to the same topics.
    pub(in crate::group) is_homogeneous: bool,
}

/// A member of a [`GroupSpec`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct MemberSpec {
    /// `group.instance.id` of a static member.
    pub(in crate::group) instance_id: Option<String>,
    /// What it is subscribed to.
    pub(in crate::group) topics: Arc<BTreeSet<TopicId>>,
    /// What the target assignment before gave to it.
    pub(in crate::group) assigned: Assignment,
}

impl GroupSpec {
    /// The topics of a member that exist, with the number of their partitions.
    fn topics_of<'a>(
        &'a self,
        member: &'a MemberSpec,
    ) -> impl Iterator<Item = (TopicId, usize)> + 'a {
        member
            .topics
            .iter()
            .filter_map(|topic| Some((*topic, *self.topics.get(topic)?)))
    }
}

/// The partition at a position below the number of partitions; counts of Kafka fit an `i32`.
fn partition_at(position: usize) -> PartitionIndex {
    PartitionIndex(i32::try_from(position).unwrap_or(i32::MAX))
}

/// The position of a partition, where a topic of so many has it.
fn position_of(partition: PartitionIndex, count: usize) -> Option<usize> {
    usize::try_from(partition.0)
        .ok()
        .filter(|position| *position < count)
}
