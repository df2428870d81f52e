use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::{PartitionIndex, TopicId};
use uuid::Uuid;

use super::{Assignment, Assignor, GroupSpec, MemberSpec};

mod golden;
mod property;

type Assignments = BTreeMap<Arc<str>, Assignment>;

fn topic(number: u64) -> TopicId {
    TopicId(Uuid::from_u64_pair(0, number))
}

fn partitions(numbers: impl IntoIterator<Item = i32>) -> BTreeSet<PartitionIndex> {
    numbers.into_iter().map(PartitionIndex).collect()
}

/// A group of so many members that are subscribed to all topics.
fn homogeneous(member_count: usize, partition_counts: &[usize]) -> GroupSpec {
    let topics: BTreeMap<TopicId, usize> = (1..)
        .map(topic)
        .zip(partition_counts.iter().copied())
        .collect();
    let member = MemberSpec {
        topics: Arc::new(topics.keys().copied().collect()),
        ..MemberSpec::default()
    };
    let ids = (0..member_count).map(|index| Arc::from(format!("member-{index:05}")));
    GroupSpec {
        members: ids.map(|id| (id, member.clone())).collect(),
        topics,
        is_homogeneous: true,
    }
}

/// Makes what was assigned the assignment before.
fn settle(spec: &mut GroupSpec, assigned: &Assignments) {
    for (id, member) in &mut spec.members {
        member.assigned = assigned.get(id).cloned().unwrap_or_default();
    }
}

fn sizes(spec: &GroupSpec, assigned: &Assignments) -> Vec<usize> {
    let size = |id| {
        assigned
            .get(id)
            .map_or(0, |it| it.values().map(BTreeSet::len).sum())
    };
    spec.members.keys().map(size).collect()
}

/// Partitions that have another owner than before, or none; those that nobody had do not count.
fn moves(spec: &GroupSpec, assigned: &Assignments) -> usize {
    let nothing = BTreeSet::new();
    let mut moves = 0;
    for (id, member) in &spec.members {
        for (topic, before) in &member.assigned {
            let now = assigned
                .get(id)
                .and_then(|it| it.get(topic))
                .unwrap_or(&nothing);
            moves += before.difference(now).count();
        }
    }
    moves
}

/// Checks that every partition has exactly one owner, who is subscribed to it.
fn check_complete(spec: &GroupSpec, assigned: &Assignments) {
    let mut owned: BTreeSet<(TopicId, PartitionIndex)> = BTreeSet::new();
    for (id, assignment) in assigned {
        let member = &spec.members[id];
        for (topic, partitions) in assignment {
            assert!(member.topics.contains(topic), "{id} is not subscribed");
            assert!(
                !partitions.is_empty(),
                "{id} has a topic without partitions"
            );
            for partition in partitions {
                assert!(
                    owned.insert((*topic, *partition)),
                    "two have {topic:?} {partition:?}"
                );
            }
        }
    }
    let mut subscribed: BTreeMap<TopicId, usize> = BTreeMap::new();
    for member in spec.members.values() {
        subscribed.extend(spec.topics_of(member));
    }
    let all: BTreeSet<_> = subscribed
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(|it| (*topic, super::partition_at(it))))
        .collect();
    assert_eq!(owned, all);
}

#[test]
fn names_are_those_of_kafka() {
    for (assignor, name) in [(Assignor::Uniform, "uniform"), (Assignor::Range, "range")] {
        assert_eq!(assignor.name(), name);
        assert_eq!(Assignor::from_name(name), Some(assignor));
    }
    assert_eq!(Assignor::from_name("Range"), None);
}

#[test]
fn nobody_gets_nothing() {
    for assignor in Assignor::ALL {
        for is_homogeneous in [true, false] {
            let spec = GroupSpec {
                is_homogeneous,
                ..GroupSpec::default()
            };
            assert_eq!(assignor.assign(&spec), BTreeMap::new());
        }
    }
}

#[test]
fn range_co_partitions_topics_of_one_size() {
    let spec = homogeneous(3, &[7, 7, 7]);
    let assigned = Assignor::Range.assign(&spec);
    for (assignment, expected) in assigned.values().zip([0..3, 3..5, 5..7]) {
        assert_eq!(assignment.len(), 3);
        for found in assignment.values() {
            assert_eq!(*found, partitions(expected.clone()));
        }
    }
}

#[test]
fn range_keeps_static_members_that_come_back_with_another_id() {
    let spec = |ids: [&str; 3]| {
        let mut spec = homogeneous(0, &[5, 3]);
        for (id, instance_id) in ids.into_iter().zip([Some("b"), None, Some("a")]) {
            let member = MemberSpec {
                instance_id: instance_id.map(str::to_owned),
                topics: Arc::new(spec.topics.keys().copied().collect()),
                ..MemberSpec::default()
            };
            spec.members.insert(Arc::from(id), member);
        }
        spec
    };
    let before = Assignor::Range.assign(&spec(["1", "2", "3"]));
    let after = Assignor::Range.assign(&spec(["9", "2", "0"]));
    for (old, new) in [("1", "9"), ("2", "2"), ("3", "0")] {
        assert_eq!(before[old], after[new]);
    }
    assert_eq!(before["3"][&topic(1)], partitions(0..2));
    assert_eq!(before["2"][&topic(1)], partitions(4..5));
}

#[test]
fn what_does_not_exist_is_not_assigned() {
    for assignor in Assignor::ALL {
        for is_homogeneous in [true, false] {
            let mut spec = homogeneous(2, &[2]);
            spec.is_homogeneous = is_homogeneous;
            for member in spec.members.values_mut() {
                Arc::make_mut(&mut member.topics).insert(topic(9));
                // Both say that they have the same, some of which is not there.
                member.assigned = BTreeMap::from([
                    (topic(1), partitions([-1, 0, 1, 2, i32::MAX])),
                    (topic(9), partitions([0])),
                ]);
            }
            let assigned = assignor.assign(&spec);
            check_complete(&spec, &assigned);
            assert_eq!(sizes(&spec, &assigned), [1, 1]);
        }
    }
}

#[test]
fn a_balanced_assignment_is_left_alone() {
    for is_homogeneous in [true, false] {
        let mut spec = homogeneous(7, &[10, 3, 20]);
        spec.is_homogeneous = is_homogeneous;
        let assigned = Assignor::Uniform.assign(&spec);
        settle(&mut spec, &assigned);
        assert_eq!(Assignor::Uniform.assign(&spec), assigned);
    }
}

#[test]
fn large_groups_are_assigned() {
    for (member_count, partition_counts) in [(10_000, vec![1_000; 10]), (100, vec![10_000; 3])] {
        for assignor in Assignor::ALL {
            for is_homogeneous in [true, false] {
                let mut spec = homogeneous(member_count, &partition_counts);
                spec.is_homogeneous = is_homogeneous;
                let assigned = assignor.assign(&spec);
                check_complete(&spec, &assigned);
                if assignor == Assignor::Range {
                    continue;
                }
                settle(&mut spec, &assigned);
                spec.members.pop_last();
                let total: usize = partition_counts.iter().sum();
                let after = assignor.assign(&spec);
                assert!(moves(&spec, &after) <= total / member_count + 1);
            }
        }
    }
}
