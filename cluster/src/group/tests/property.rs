//! Random sequences of events.

use std::collections::BTreeSet;

use milena_protocol::ProducerEpoch;
use proptest::prelude::*;

use super::*;

/// One event. Numbers choose among what there is, modulo how much there is.
#[derive(Clone, Debug)]
enum Op {
    Join {
        group: u8,
        member: u8,
        instance: u8,
        protocols: u8,
        is_old: bool,
    },
    Sync {
        group: u8,
        member: u8,
    },
    Heartbeat {
        group: u8,
        member: u8,
    },
    Leave {
        group: u8,
        member: u8,
    },
    Commit {
        group: u8,
        member: u8,
        topic: u8,
        is_transactional: bool,
    },
    Fetch {
        group: u8,
    },
    DeleteGroup {
        group: u8,
    },
    DeleteOffsets {
        group: u8,
        topic: u8,
    },
    TopicDeleted {
        topic: u8,
    },
    Pass {
        ms: i64,
    },
    Committed,
    Refused,
    TimedOut {
        append: u8,
    },
    Marker {
        is_commit: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let group = 0_u8..2;
    let member = any::<u8>();
    prop_oneof![
        6 => (group.clone(), member, 0_u8..6, 0_u8..4, any::<bool>()).prop_map(
            |(group, member, instance, protocols, is_old)| Op::Join { group, member, instance, protocols, is_old }
        ),
        6 => (group.clone(), member).prop_map(|(group, member)| Op::Sync { group, member }),
        2 => (group.clone(), member).prop_map(|(group, member)| Op::Heartbeat { group, member }),
        1 => (group.clone(), member).prop_map(|(group, member)| Op::Leave { group, member }),
        2 => (group.clone(), member, 0_u8..2, any::<bool>()).prop_map(
            |(group, member, topic, is_transactional)| Op::Commit { group, member, topic, is_transactional }
        ),
        1 => group.clone().prop_map(|group| Op::Fetch { group }),
        1 => group.clone().prop_map(|group| Op::DeleteGroup { group }),
        1 => (group, 0_u8..2).prop_map(|(group, topic)| Op::DeleteOffsets { group, topic }),
        1 => (0_u8..2).prop_map(|topic| Op::TopicDeleted { topic }),
        5 => prop_oneof![0_i64..10_000, 0_i64..100_000, Just(700_000_000)].prop_map(|ms| Op::Pass { ms }),
        8 => Just(Op::Committed),
        1 => Just(Op::Refused),
        1 => any::<u8>().prop_map(|append| Op::TimedOut { append }),
        1 => any::<bool>().prop_map(|is_commit| Op::Marker { is_commit }),
    ]
}

/// What clients know.
#[derive(Default)]
struct Clients {
    /// Group, member id, generation and instance of members, as answers told them.
    members: Vec<MemberRef>,
    /// Request, group and instance of joins that wait.
    joins: Vec<(u64, String, Option<String>)>,
    /// Requests that were answered.
    answered: BTreeSet<u64>,
}

impl Clients {
    fn learn(&mut self, harness: &mut Harness) {
        for (waiter, response) in std::mem::take(&mut harness.replies) {
            assert!(self.answered.insert(waiter), "{waiter} was answered twice");
            let asked = self.joins.iter().position(|(join, _, _)| *join == waiter);
            let Some((_, group, instance)) = asked.map(|index| self.joins.remove(index)) else {
                continue;
            };
            if let Response::Join(joined) = response
                && !joined.member_id.is_empty()
            {
                self.members
                    .retain(|known| known.member_id != joined.member_id);
                self.members.push(MemberRef {
                    group,
                    generation: joined.generation,
                    member_id: joined.member_id,
                    group_instance_id: instance,
                });
            }
        }
    }

    fn member(&self, group: u8, member: u8) -> MemberRef {
        let group = format!("g{group}");
        let known: Vec<&MemberRef> = self
            .members
            .iter()
            .filter(|known| known.group == group)
            .collect();
        match known.len() {
            0 => MemberRef { group, ..nobody() },
            count => known[usize::from(member) % count].clone(),
        }
    }
}

fn join_of(harness: &Harness, clients: &Clients, op: &Op) -> Option<Join> {
    let Op::Join {
        group,
        member,
        instance,
        protocols,
        is_old,
    } = *op
    else {
        return None;
    };

    let known = clients.member(group, member);
    let is_new = member % 3 == 0;
    let names = [&["x"][..], &["x", "y"], &["y", "x"], &["z", "z"]][usize::from(protocols)];
    let instance = (instance < 2).then(|| format!("i{instance}"));
    Some(Join {
        group: format!("g{group}"),
        member_id: if is_new {
            String::new()
        } else {
            known.member_id
        },
        group_instance_id: if is_new {
            instance
        } else {
            known.group_instance_id
        },
        protocols: names.iter().map(|name| protocol(name)).collect(),
        rebalance_timeout_ms: i32::from(member) * 100,
        new_member_uuid: Uuid::from_u128(u128::from(harness.requests)),
        requires_known_member_id: !is_old,
        supports_skip_assignment: !is_old,
        ..join("c", "")
    })
}

fn request(harness: &Harness, clients: &Clients, op: &Op) -> Option<Request> {
    let request = match *op {
        Op::Join { .. } => Request::Join(join_of(harness, clients, op)?),
        Op::Sync { group, member } => {
            let known = clients.member(group, member);
            Request::Sync(Sync {
                protocol_name: None,
                ..sync(&known, &clients.members)
            })
        }
        Op::Heartbeat { group, member } => Request::Heartbeat(clients.member(group, member)),
        Op::Leave { group, member } => {
            let known = clients.member(group, member);
            let leave = leave(&[(&known.member_id, known.group_instance_id.as_deref())]);
            Request::Leave(Leave {
                group: known.group,
                ..leave
            })
        }
        Op::Commit {
            group,
            member,
            topic,
            is_transactional,
        } => {
            let offset = i64::try_from(harness.requests).unwrap();
            let mut commit = commit(&clients.member(group, member), offset);
            commit.topics[0].name = format!("t{topic}");
            if is_transactional {
                commit.producer = Some(PRODUCER);
            }
            Request::CommitOffsets(commit)
        }
        Op::Fetch { group } => Request::FetchOffsets(FetchOffsets {
            member: None,
            require_stable: true,
            ..fetch(&format!("g{group}"))
        }),
        Op::DeleteGroup { group } => Request::DeleteGroups(vec![format!("g{group}")]),
        Op::DeleteOffsets { group, topic } => Request::DeleteOffsets(DeleteOffsets {
            group: format!("g{group}"),
            topics: vec![partitions(&format!("t{topic}"), TopicId::ZERO)],
        }),
        _ => return None,
    };
    Some(request)
}

const PRODUCER: Producer = Producer {
    id: ProducerId(4),
    epoch: ProducerEpoch(0),
};

fn run(harness: &mut Harness, clients: &mut Clients, op: &Op) {
    if let Some(request) = request(harness, clients, op) {
        if let Request::Join(join) = &request {
            let instance = join.group_instance_id.clone();
            clients
                .joins
                .push((harness.requests + 1, join.group.clone(), instance));
        }
        harness.send(request);
    } else {
        match *op {
            Op::TopicDeleted { topic } => harness.step(Event::TopicsDeleted(vec![DeletedTopic {
                name: format!("t{topic}"),
                id: topic_id(),
            }])),
            Op::Pass { ms } => harness.advance(ms),
            Op::Committed if !harness.appends.is_empty() => harness.commit_next(),
            Op::Refused if !harness.appends.is_empty() => {
                harness.fail_next(ErrorCode::NotEnoughReplicas);
            }
            Op::TimedOut { append } if !harness.appends.is_empty() => {
                let index = usize::from(append) % harness.appends.len();
                let token = harness.appends[index].0;
                harness.step(Event::TimedOut { token });
            }
            // A marker comes behind what its producer has appended.
            Op::Marker { is_commit } if harness.appends.is_empty() => {
                harness.core.apply_marker(PRODUCER.id, is_commit);
                harness.core.check_invariants();
            }
            _ => {}
        }
    }
    clients.learn(harness);
}

/// What is stored of a stable group is what it is, unless something is under way.
fn check_stored(harness: &Harness) {
    for (id, entry) in &harness.core.groups {
        let group = entry.classic().expect("a classic group");
        if group.state() == State::Stable && !harness.core.is_in_flight(id) {
            // It was stored before it became stable.
            let mut metadata = group.metadata(None);
            let stored = harness.core.durable.groups().get(&**id);
            metadata.current_state_timestamp =
                stored.map_or(Timestamp::NONE, |stored| stored.current_state_timestamp);
            assert_eq!(stored, Some(&metadata), "{id}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_is_answered_once_and_a_replay_gives_the_same(
        ops in proptest::collection::vec(op(), 0..150),
    ) {
        let mut harness = harness();
        harness.is_fast = false;
        let mut clients = Clients::default();
        let mut has_uncertain = false;
        let mut has_marker = false;
        for op in &ops {
            run(&mut harness, &mut clients, op);
            has_uncertain |= matches!(op, Op::TimedOut { .. });
            has_marker |= matches!(op, Op::Marker { .. });
            // The append of a static member's new id may come about after its time: then the old
            // id lives on until the next rebalance.
            if !has_uncertain {
                check_stored(&harness);
            }
        }
        while !harness.appends.is_empty() {
            harness.commit_next();
        }
        if !has_marker {
            harness.check_replay();
        }
        // A loaded coordinator agrees about all groups, and without heartbeats all members go.
        harness.advance(400_000);
        while !harness.appends.is_empty() {
            harness.commit_next();
        }
        clients.learn(&mut harness);
        for (id, group) in &harness.core.groups {
            let state = group.classic().map(classic::Group::state);
            prop_assert_eq!(state, Some(State::Empty), "{}", id);
        }
        prop_assert_eq!(clients.answered.len(), usize::try_from(harness.requests).unwrap());
    }

    #[test]
    fn loaded_coordinator_takes_any_event(
        before in proptest::collection::vec(op(), 0..60),
        after in proptest::collection::vec(op(), 0..60),
    ) {
        let mut first = harness();
        let mut clients = Clients::default();
        for op in &before {
            run(&mut first, &mut clients, op);
        }
        let mut second = loaded(Config::default(), std::mem::take(&mut first.log));
        second.requests = first.requests;
        second.now = first.now;
        clients.joins.clear();
        for op in &after {
            run(&mut second, &mut clients, op);
        }
        let mut effects = Vec::new();
        second.core.resign(&mut effects);
        second.absorb(effects);
        clients.learn(&mut second);
        let requests = first.requests + 1..=second.requests;
        prop_assert!(requests.into_iter().all(|request| clients.answered.contains(&request)));
    }
}
