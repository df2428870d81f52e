//! What holds for every group.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A change of a group between two assignments.
#[derive(Clone, Debug)]
enum Change {
    Join { id: u8, topics: u8 },
    Leave { position: usize },
    Subscribe { position: usize, topics: u8 },
    Grow { topic: u64, by: usize },
    Delete { topic: u64 },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (any::<u8>(), any::<u8>()).prop_map(|(id, topics)| Change::Join { id, topics }),
        1 => any::<usize>().prop_map(|position| Change::Leave { position }),
        1 => (any::<usize>(), any::<u8>())
            .prop_map(|(position, topics)| Change::Subscribe { position, topics }),
        2 => (0..8_u64, 1..12_usize).prop_map(|(topic, by)| Change::Grow { topic, by }),
        1 => (0..8_u64).prop_map(|topic| Change::Delete { topic }),
    ]
}

/// The topics whose bits are set.
fn topics_of(bits: u8) -> BTreeSet<TopicId> {
    (0..8)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(topic)
        .collect()
}

fn id_at(spec: &GroupSpec, position: usize) -> Option<Arc<str>> {
    let count = spec.members.len().max(1);
    spec.members.keys().nth(position % count).cloned()
}

/// Applies a change; in a homogeneous group it concerns all members.
fn apply(spec: &mut GroupSpec, change: &Change, is_homogeneous: bool) {
    let all = spec
        .members
        .values()
        .next()
        .map(|member| member.topics.clone());
    match *change {
        Change::Join { id, topics } => {
            let topics = all
                .filter(|_| is_homogeneous)
                .unwrap_or_else(|| Arc::new(topics_of(topics)));
            let member = MemberSpec {
                instance_id: (id % 3 == 0).then(|| format!("{}", id % 7) + &id.to_string()),
                topics,
                ..MemberSpec::default()
            };
            spec.members
                .entry(Arc::from(id.to_string()))
                .or_insert(member);
        }
        Change::Leave { position } => {
            if let Some(id) = id_at(spec, position) {
                spec.members.remove(&id);
            }
        }
        Change::Subscribe { position, topics } => {
            let one = id_at(spec, position);
            for (id, member) in &mut spec.members {
                if is_homogeneous || one.as_ref() == Some(id) {
                    member.topics = Arc::new(topics_of(topics));
                }
            }
        }
        Change::Grow { topic: number, by } => *spec.topics.entry(topic(number)).or_default() += by,
        Change::Delete { topic: number } => {
            spec.topics.remove(&topic(number));
        }
    }
    let mut subscriptions = spec.members.values().map(|member| &member.topics);
    let first = subscriptions.next();
    spec.is_homogeneous = subscriptions.all(|it| Some(it) == first);
}

/// Fewest moves that lead from what members have to sizes that differ by one at most.
fn least_moves(spec: &GroupSpec) -> usize {
    let topics: BTreeMap<TopicId, usize> = spec
        .members
        .values()
        .flat_map(|it| spec.topics_of(it))
        .collect();
    let total: usize = topics.values().sum();
    let held = |member: &MemberSpec| -> usize {
        let kept = member
            .assigned
            .iter()
            .filter(|(topic, _)| topics.contains_key(*topic));
        kept.map(|(_, partitions)| partitions.len()).sum()
    };
    let quota = total / spec.members.len();
    let extra = total % spec.members.len();
    let over: Vec<usize> = spec
        .members
        .values()
        .map(|it| held(it).saturating_sub(quota))
        .collect();
    let keep_one_more = over.iter().filter(|over| **over > 0).count().min(extra);
    over.iter().sum::<usize>() - keep_one_more
}

fn moves_of_existing(spec: &GroupSpec, assigned: &Assignments) -> usize {
    let mut spec = spec.clone();
    for member in spec.members.values_mut() {
        let (topics, subscribed) = (&spec.topics, &member.topics);
        member
            .assigned
            .retain(|topic, _| topics.contains_key(topic) && subscribed.contains(topic));
    }
    moves(&spec, assigned)
}

proptest! {
    #[test]
    fn uniform_is_even_and_moves_as_few_as_that_takes(changes in vec(change(), 1..40)) {
        let mut spec = GroupSpec::default();
        for change in &changes {
            apply(&mut spec, change, true);
            let assigned = Assignor::Uniform.assign(&spec);
            check_complete(&spec, &assigned);
            let sizes = sizes(&spec, &assigned);
            let (most, least) = (sizes.iter().max(), sizes.iter().min());
            prop_assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{sizes:?}");
            if !spec.members.is_empty() {
                let moved = moves_of_existing(&spec, &assigned);
                prop_assert_eq!(moved, least_moves(&spec));
            }
            prop_assert_eq!(&Assignor::Uniform.assign(&spec.clone()), &assigned);
            settle(&mut spec, &assigned);
            prop_assert_eq!(moves(&spec, &Assignor::Uniform.assign(&spec)), 0);
        }
    }

    #[test]
    fn uniform_with_different_subscriptions_is_complete_and_settles(changes in vec(change(), 1..40)) {
        let mut spec = GroupSpec::default();
        for change in &changes {
            apply(&mut spec, change, false);
            let assigned = Assignor::Uniform.assign(&spec);
            check_complete(&spec, &assigned);
            for number in 0..8 {
                // Who shares a subscription with others has as much as they, if not one more.
                let alike = |it: &MemberSpec| *it.topics == BTreeSet::from([topic(number)]);
                let sizes: Vec<usize> = spec.members.iter().filter(|(_, it)| alike(it))
                    .map(|(id, _)| assigned.get(id).map_or(0, |it| it.values().map(BTreeSet::len).sum()))
                    .collect();
                let (most, least) = (sizes.iter().max(), sizes.iter().min());
                prop_assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{sizes:?}");
            }
            prop_assert_eq!(&Assignor::Uniform.assign(&spec.clone()), &assigned);
            settle(&mut spec, &assigned);
        }
    }

    #[test]
    fn range_is_even_within_each_topic(changes in vec(change(), 1..40), is_homogeneous: bool) {
        let mut spec = GroupSpec::default();
        for change in &changes {
            apply(&mut spec, change, is_homogeneous);
            let assigned = Assignor::Range.assign(&spec);
            check_complete(&spec, &assigned);
            for (topic, count) in &spec.topics {
                let subscribers = spec.members.values().filter(|it| it.topics.contains(topic)).count();
                for assignment in assigned.values() {
                    let Some(partitions) = assignment.get(topic) else { continue };
                    let share = count / subscribers;
                    prop_assert!((share..=share + 1).contains(&partitions.len()));
                    let span = partitions.last().unwrap().0 - partitions.first().unwrap().0;
                    prop_assert_eq!(usize::try_from(span).unwrap() + 1, partitions.len());
                }
            }
            settle(&mut spec, &assigned);
        }
    }
}
