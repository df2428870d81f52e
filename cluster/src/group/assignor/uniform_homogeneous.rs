//! The uniform assignor where all members are subscribed to the same topics.
//!
//! Each member is entitled to the same number of partitions, the rest of the division going as one
//! more to some. A member keeps what it has up to that number; what is over and what nobody has
//! fills up those who have less. No assignment with this balance moves fewer partitions, but for
//! the choice of who gets one more.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::TopicId;

use super::{Assignment, GroupSpec, partition_at, position_of};

/// A partition by the position of its topic and its own.
type Place = (TopicId, usize);

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    let Some(first) = spec.members.values().next() else {
        return BTreeMap::new();
    };
    let topics: BTreeMap<TopicId, usize> = spec.topics_of(first).collect();
    let mut draft = Draft::new(spec, &topics);
    let member_count = spec.members.len();
    for (index, (id, member)) in spec.members.iter().enumerate() {
        let has_extra = draft.extra_count > 0;
        let mut quota = draft.quota + usize::from(has_extra);
        let mut kept = Assignment::new();
        for (topic, position) in draft.owned(&member.assigned, &topics) {
            if quota > 0 {
                quota -= 1;
                kept.entry(topic)
                    .or_default()
                    .insert(partition_at(position));
            } else {
                draft.unassigned.push((topic, position));
            }
        }
        // One more is left to others that may have it already, while there are enough of them.
        let gives_up = quota > 0 && has_extra && member_count - index > draft.extra_count;
        if gives_up {
            quota -= 1;
        }
        draft.extra_count -= usize::from(has_extra && !gives_up);
        if quota > 0 {
            draft.unfilled.push((Arc::clone(id), quota));
        }
        draft.assigned.insert(Arc::clone(id), kept);
    }
    draft.fill()
}

struct Draft {
    /// Partitions that every member gets at least.
    quota: usize,
    /// Members that are still to get one more than that.
    extra_count: usize,
    /// What is to be given away, in this order.
    unassigned: Vec<Place>,
    /// Who gets so many more, in this order.
    unfilled: Vec<(Arc<str>, usize)>,
    /// Partitions by their topic that a member has been seen to have.
    is_taken: BTreeMap<TopicId, Vec<bool>>,
    assigned: BTreeMap<Arc<str>, Assignment>,
}

impl Draft {
    fn new(spec: &GroupSpec, topics: &BTreeMap<TopicId, usize>) -> Self {
        let mut is_owned: BTreeMap<TopicId, Vec<bool>> = topics
            .iter()
            .map(|(topic, count)| (*topic, vec![false; *count]))
            .collect();
        for member in spec.members.values() {
            for (topic, partitions) in &member.assigned {
                let Some(is_owned) = is_owned.get_mut(topic) else {
                    continue;
                };
                for partition in partitions {
                    if let Some(position) = position_of(*partition, is_owned.len()) {
                        is_owned[position] = true;
                    }
                }
            }
        }
        let unassigned = is_owned
            .iter()
            .flat_map(|(topic, is_owned)| {
                let free = is_owned
                    .iter()
                    .enumerate()
                    .filter(|(_, is_owned)| !**is_owned);
                free.map(|(position, _)| (*topic, position))
            })
            .collect();
        for is_taken in is_owned.values_mut() {
            is_taken.fill(false);
        }
        let total: usize = topics.values().sum();
        Self {
            quota: total / spec.members.len(),
            extra_count: total % spec.members.len(),
            unassigned,
            unfilled: Vec::new(),
            is_taken: is_owned,
            assigned: BTreeMap::new(),
        }
    }

    /// What of an assignment exists and has not been seen with a member before.
    fn owned(&mut self, assigned: &Assignment, topics: &BTreeMap<TopicId, usize>) -> Vec<Place> {
        let mut owned = Vec::new();
        for (topic, partitions) in assigned {
            let (Some(count), Some(is_taken)) = (topics.get(topic), self.is_taken.get_mut(topic))
            else {
                continue;
            };
            for partition in partitions {
                if let Some(position) = position_of(*partition, *count)
                    && !std::mem::replace(&mut is_taken[position], true)
                {
                    owned.push((*topic, position));
                }
            }
        }
        owned
    }

    fn fill(self) -> BTreeMap<Arc<str>, Assignment> {
        let mut assigned = self.assigned;
        let mut unassigned = self.unassigned.into_iter();
        for (id, missing) in self.unfilled {
            let assignment = assigned.entry(id).or_default();
            for (topic, position) in unassigned.by_ref().take(missing) {
                let partitions = assignment.entry(topic).or_default();
                partitions.insert(partition_at(position));
            }
        }
        assert!(unassigned.next().is_none(), "all partitions are given away");
        assigned
    }
}
