//! The uniform assignor where members are subscribed to different topics.
//!
//! 1. Members keep what they are subscribed to.
//! 2. What nobody has goes, topic by topic, to the subscriber with the fewest partitions; topics
//!    with many partitions for each subscriber come first, since they leave the least choice.
//! 3. Topic by topic again, partitions move from the subscriber with the most to the one with the
//!    fewest, until a whole round moves none or the limit of rounds is reached.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::{PartitionIndex, TopicId};

use super::balancer::Balancer;
use super::{Assignment, GroupSpec, partition_at, position_of};

/// Most rounds of the last step. One is enough where all subscribers of a topic have the same
/// subscription; each round about halves what imbalance there is elsewhere.
const ROUNDS_MAX: usize = 16;

/// A topic while it is assigned.
#[derive(Debug)]
struct Topic {
    id: TopicId,
    /// Indices of the members that are subscribed to it, ascending.
    subscribers: Vec<usize>,
    /// Index of the member that has each partition.
    owners: Vec<Option<usize>>,
}

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    let mut draft = Draft::new(spec);
    draft.assign_free();
    draft.balance();
    draft.finish(spec)
}

struct Draft {
    /// In the order in which they are assigned and balanced.
    topics: Vec<Topic>,
    /// How many partitions each member has, by its index.
    sizes: Vec<usize>,
    balancer: Balancer,
}

impl Draft {
    /// With what members keep.
    fn new(spec: &GroupSpec) -> Self {
        let mut topics: BTreeMap<TopicId, Topic> = BTreeMap::new();
        for (index, member) in spec.members.values().enumerate() {
            for (id, partition_count) in spec.topics_of(member) {
                let topic = topics.entry(id).or_insert_with(|| Topic {
                    id,
                    subscribers: Vec::new(),
                    owners: vec![None; partition_count],
                });
                topic.subscribers.push(index);
            }
        }
        let mut sizes = vec![0; spec.members.len()];
        for (index, member) in spec.members.values().enumerate() {
            for (id, partitions) in &member.assigned {
                let Some(topic) = topics.get_mut(id).filter(|_| member.topics.contains(id)) else {
                    continue;
                };
                for partition in partitions {
                    if let Some(position) = position_of(*partition, topic.owners.len())
                        && topic.owners[position].is_none()
                    {
                        topic.owners[position] = Some(index);
                        sizes[index] += 1;
                    }
                }
            }
        }
        let mut topics: Vec<Topic> = topics.into_values().collect();
        topics.sort_by(order);
        Self {
            topics,
            sizes,
            balancer: Balancer::default(),
        }
    }

    fn assign_free(&mut self) {
        for topic in &mut self.topics {
            if topic.owners.iter().all(Option::is_some) {
                continue;
            }
            self.balancer.start(&topic.subscribers, &self.sizes);
            for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
                let member = self.balancer.next_least(&self.sizes);
                *owner = member;
                if let Some(member) = member {
                    self.sizes[member] += 1;
                }
            }
        }
    }

    fn balance(&mut self) {
        let candidates: Vec<usize> = (0..self.topics.len())
            .filter(|index| self.topics[*index].subscribers.len() >= 2)
            .collect();
        // The last topic that has changed; when it comes again, nothing has since then.
        let mut last = None;
        for _ in 0..ROUNDS_MAX {
            for index in &candidates {
                if last == Some(*index) {
                    return;
                }
                let moved = self.balance_topic(*index);
                if moved > 0 || last.is_none() {
                    last = Some(*index);
                }
            }
        }
    }

    /// How many partitions of a topic it has moved.
    fn balance_topic(&mut self, index: usize) -> usize {
        let topic = &mut self.topics[index];
        if self.balancer.start(&topic.subscribers, &self.sizes) <= 1 {
            return 0;
        }
        let mut partitions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (position, owner) in topic.owners.iter().enumerate() {
            if let Some(owner) = owner {
                partitions.entry(*owner).or_default().push(position);
            }
        }
        let mut moved = 0;
        while !self.balancer.is_balanced() {
            let Some((giver, position)) =
                next_given(&mut self.balancer, &self.sizes, &mut partitions)
            else {
                break;
            };
            let Some(taker) = self.balancer.next_least(&self.sizes) else {
                break;
            };
            if self.balancer.is_balanced() {
                break;
            }
            topic.owners[position] = Some(taker);
            self.sizes[giver] -= 1;
            self.sizes[taker] += 1;
            moved += 1;
        }
        moved
    }

    fn finish(self, spec: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
        let mut assignments: Vec<Assignment> = Vec::new();
        assignments.resize_with(spec.members.len(), Assignment::new);
        for topic in self.topics {
            let mut by_owner: BTreeMap<usize, Vec<PartitionIndex>> = BTreeMap::new();
            for (position, owner) in topic.owners.iter().enumerate() {
                let owner =
                    owner.expect("every topic here has a subscriber, who takes what is free");
                by_owner
                    .entry(owner)
                    .or_default()
                    .push(partition_at(position));
            }
            for (owner, partitions) in by_owner {
                assignments[owner].insert(topic.id, partitions.into_iter().collect());
            }
        }
        let ids = spec.members.keys().map(Arc::clone);
        ids.zip(assignments).collect()
    }
}

/// The last partition of the member with the most that has one to give.
fn next_given(
    balancer: &mut Balancer,
    sizes: &[usize],
    partitions: &mut BTreeMap<usize, Vec<usize>>,
) -> Option<(usize, usize)> {
    loop {
        let giver = balancer.next_most(sizes)?;
        if let Some(position) = partitions.get_mut(&giver).and_then(Vec::pop) {
            return Some((giver, position));
        }
        balancer.exclude_most();
    }
}

/// Topics with many partitions for each subscriber first, of those the ones with few subscribers,
/// of those by id as Java compares it.
fn order(one: &Topic, other: &Topic) -> Ordering {
    // Fractions are compared by multiplying out.
    let share = |topic: &Topic, other: &Topic| topic.owners.len() * other.subscribers.len();
    let key = |topic: &Topic| (topic.subscribers.len(), signed(topic.id));
    Reverse(share(one, other))
        .cmp(&Reverse(share(other, one)))
        .then_with(|| key(one).cmp(&key(other)))
}

/// An id as two signed halves.
fn signed(id: TopicId) -> (i64, i64) {
    let (high, low) = id.0.as_u64_pair();
    (high.cast_signed(), low.cast_signed())
}
