//! The range assignor.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::TopicId;

use super::{Assignment, GroupSpec, MemberSpec, partition_at};

/// How far a topic has been given away.
#[derive(Debug, Default)]
struct Progress {
    partition_count: usize,
    subscriber_count: usize,
    /// Subscribers that have had their turn.
    served: usize,
    /// First partition that nobody has.
    next: usize,
}

impl Progress {
    /// End, exclusive, of the range of the next subscriber: the first ones get one more where the
    /// partitions cannot be divided evenly.
    fn advance(&mut self) -> (usize, usize) {
        let least = self.partition_count / self.subscriber_count.max(1);
        let extra = self.partition_count % self.subscriber_count.max(1);
        let start = self.next;
        self.next = start + least + usize::from(self.served < extra);
        self.served += 1;
        (start, self.next)
    }
}

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    let mut topics: BTreeMap<TopicId, Progress> = BTreeMap::new();
    for member in spec.members.values() {
        for (topic, partition_count) in spec.topics_of(member) {
            let progress = topics.entry(topic).or_default();
            progress.partition_count = partition_count;
            progress.subscriber_count += 1;
        }
    }
    let mut assigned = BTreeMap::new();
    for (id, member) in in_order(spec) {
        let mut assignment = Assignment::new();
        for topic in &*member.topics {
            let Some(progress) = topics.get_mut(topic) else {
                continue;
            };
            let (start, end) = progress.advance();
            if start < end {
                let partitions: BTreeSet<_> = (start..end).map(partition_at).collect();
                assignment.insert(*topic, partitions);
            }
        }
        assigned.insert(Arc::clone(id), assignment);
    }
    for progress in topics.values() {
        assert_eq!(
            progress.next, progress.partition_count,
            "all partitions of a topic are given away"
        );
    }
    assigned
}

/// Members in the order in which they are served: static ones by their instance ids, so that one
/// that comes back with another member id gets what it had; then dynamic ones by their ids.
fn in_order(spec: &GroupSpec) -> Vec<(&Arc<str>, &MemberSpec)> {
    let mut members: Vec<_> = spec.members.iter().collect();
    members.sort_by(|(one_id, one), (other_id, other)| {
        match (&one.instance_id, &other.instance_id) {
            (Some(one), Some(other)) => java_order(one, other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => java_order(one_id, other_id),
        }
    });
    members
}

/// `String.compareTo`: by UTF-16 units.
fn java_order(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}
