//! Rebalances, static members, and appends that fail during them.

use super::*;

#[test]
fn new_dynamic_member_has_to_know_its_id() {
    let mut harness = harness();
    let waiter = harness.send(Request::Join(join("client", "")));
    let joined = harness.joined(waiter);
    assert_eq!(joined.error, ErrorCode::MemberIdRequired);
    assert_eq!(
        joined.member_id,
        "client-00000000-0000-0000-0000-000000000000"
    );
    // The group is stored at once, as Kafka stores it.
    let (
        _,
        Record::Group {
            metadata: Some(metadata),
            ..
        },
    ) = &harness.log[0]
    else {
        panic!("{:?}", harness.log);
    };
    assert_eq!(
        (metadata.generation, metadata.protocol_type.as_str()),
        (0, "")
    );
    let waiter = harness.send(Request::Join(join("client", &joined.member_id)));
    harness.advance(3_000);
    let joined = harness.joined(waiter);
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, 1));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, subscription(&[TOPIC]));
    harness.check_replay();
}

#[test]
fn pending_member_is_forgotten_after_its_session() {
    let mut harness = harness();
    let waiter = harness.send(Request::Join(join("client", "")));
    let member_id = harness.joined(waiter).member_id;
    harness.advance(10_000);
    let waiter = harness.send(Request::Join(join("client", &member_id)));
    assert_eq!(harness.joined(waiter).error, ErrorCode::UnknownMemberId);
}

#[test]
fn initial_delay_is_prolonged_while_members_come() {
    let mut harness = harness();
    let first = harness.join_new("a");
    harness.advance(2_000);
    let second = harness.join_new("b");
    harness.advance(1_000);
    assert_eq!(harness.state(), Some(State::PreparingRebalance));
    harness.advance(2_999);
    assert_eq!(harness.state(), Some(State::PreparingRebalance));
    harness.advance(1);
    assert_eq!(harness.state(), Some(State::CompletingRebalance));
    assert_eq!(harness.joined(first).members.len(), 2);
    assert_eq!(harness.joined(second).members.len(), 0);
}

#[test]
fn initial_delay_ends_with_the_rebalance_timeout() {
    let mut harness = harness();
    let request = |client: &str| {
        Request::Join(Join {
            rebalance_timeout_ms: 5_000,
            requires_known_member_id: false,
            ..join(client, "")
        })
    };
    harness.send(request("a"));
    for client in ["b", "c", "d", "e"] {
        harness.advance(1_000);
        harness.send(request(client));
    }
    harness.advance(1_000);
    // 3 s and then no more than the 2 s that are left.
    assert_eq!(harness.state(), Some(State::CompletingRebalance));
}

#[test]
fn join_requests_are_checked() {
    let mut harness = harness();
    let cases = [
        (
            Join {
                group: String::new(),
                ..join("c", "")
            },
            ErrorCode::InvalidGroupId,
        ),
        (
            Join {
                session_timeout_ms: 5_999,
                ..join("c", "")
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            Join {
                session_timeout_ms: 1_800_001,
                ..join("c", "")
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            Join {
                protocols: Vec::new(),
                ..join("c", "")
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            Join {
                protocol_type: String::new(),
                ..join("c", "")
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (join("c", "id"), ErrorCode::UnknownMemberId),
    ];
    for (request, error) in cases {
        let member_id = request.member_id.clone();
        let waiter = harness.send(Request::Join(request));
        let joined = harness.joined(waiter);
        assert_eq!((joined.error, joined.generation), (error, -1));
        assert_eq!(
            (joined.member_id, joined.leader),
            (member_id, String::new())
        );
    }
    assert_eq!(harness.state(), None, "a refused join makes no group");
    assert!(harness.log.is_empty());
}

#[test]
fn group_has_a_largest_size() {
    let mut harness = loaded(
        Config {
            max_size: 1,
            ..Config::default()
        },
        Vec::new(),
    );
    harness.stable(&["a"]);
    let waiter = harness.send(Request::Join(join("b", "")));
    let joined = harness.joined(waiter);
    assert_eq!(
        (joined.error, joined.member_id.as_str()),
        (ErrorCode::GroupMaxSizeReached, "")
    );
    assert_eq!(harness.state(), Some(State::Stable));
}

#[test]
fn most_wanted_common_protocol_is_chosen() {
    let mut harness = harness();
    let request = |client: &str, names: &[&str]| {
        Request::Join(Join {
            protocols: names.iter().map(|name| protocol(name)).collect(),
            requires_known_member_id: false,
            ..join(client, "")
        })
    };
    let waiter = harness.send(request("a", &["x", "y", "z"]));
    harness.send(request("b", &["z", "y"]));
    harness.send(request("c", &["y", "z", "y"]));
    harness.advance(60_000);
    assert_eq!(harness.joined(waiter).protocol_name.as_deref(), Some("y"));
}

#[test]
fn member_that_does_not_join_again_is_out() {
    let mut harness = harness();
    let members = harness.stable(&["a", "b"]);
    let waiter = harness.join_new("c");
    // Both are alive, but only the second one joins.
    let rejoin = harness.send(Request::Join(join("b", &members[1].member_id)));
    for _ in 0..12 {
        assert_eq!(
            harness.heartbeat(&members[0]),
            ErrorCode::RebalanceInProgress
        );
        harness.advance(5_000);
    }
    assert_eq!(harness.state(), Some(State::CompletingRebalance));
    let joined = harness.joined(waiter);
    assert_eq!((joined.generation, joined.members.len()), (2, 0));
    let leader = harness.joined(rejoin);
    assert_eq!(leader.leader, members[1].member_id);
    assert_eq!(leader.members.len(), 2);
    assert_eq!(harness.heartbeat(&members[0]), ErrorCode::UnknownMemberId);
}

#[test]
fn member_that_does_not_sync_is_out() {
    let mut harness = harness();
    let waiters = [harness.join_new("a"), harness.join_new("b")];
    harness.advance(6_000);
    let ids = waiters.map(|waiter| harness.joined(waiter).member_id);
    let members = ids.map(|member_id| member(&member_id, 1));
    let waiting = harness.send(Request::Sync(sync(&members[1], &[])));
    for _ in 0..6 {
        harness.heartbeat(&members[0]);
        harness.heartbeat(&members[1]);
        harness.advance(9_000);
    }
    assert_eq!(harness.state(), Some(State::CompletingRebalance));
    harness.heartbeat(&members[0]);
    harness.advance(6_000);
    assert_eq!(
        harness.synced(waiting).error,
        ErrorCode::RebalanceInProgress
    );
    assert_eq!(harness.heartbeat(&members[0]), ErrorCode::UnknownMemberId);
    assert_eq!(
        harness.heartbeat(&members[1]),
        ErrorCode::RebalanceInProgress
    );
}

#[test]
fn last_member_that_leaves_makes_the_group_empty() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    harness.is_fast = false;
    let waiter = harness.send(Request::Leave(leave(&[(&members[0].member_id, None)])));
    assert_eq!(harness.state(), Some(State::Empty));
    assert!(
        !harness.replies.contains_key(&waiter),
        "answered before the record is committed"
    );
    harness.commit_next();
    let left = harness.answer(waiter);
    assert!(matches!(
        left,
        Response::Leave(Left {
            error: ErrorCode::None,
            ..
        })
    ));
    let Some((
        _,
        Record::Group {
            metadata: Some(metadata),
            ..
        },
    )) = harness.log.last()
    else {
        panic!("{:?}", harness.log);
    };
    assert_eq!(
        (metadata.generation, metadata.protocol_type.as_str()),
        (2, "consumer")
    );
    assert_eq!((&metadata.protocol, &metadata.leader), (&None, &None));
    harness.check_replay();
}

#[test]
fn members_leave_together_and_by_instance() {
    let mut harness = harness();
    let waiter = harness.send(Request::Join(join_static("s", "i")));
    let pending = harness.send(Request::Join(join("p", "")));
    let pending = harness.joined(pending).member_id;
    let left = harness.leave(&[
        ("", Some("i")),
        (&pending, None),
        ("nobody", None),
        ("", None),
    ]);
    let errors: Vec<ErrorCode> = left.members.iter().map(|(_, error)| *error).collect();
    assert_eq!(
        errors,
        [
            ErrorCode::None,
            ErrorCode::None,
            ErrorCode::UnknownMemberId,
            ErrorCode::UnknownMemberId
        ]
    );
    assert_eq!(harness.joined(waiter).error, ErrorCode::UnknownMemberId);
}

#[test]
fn assignment_is_answered_when_it_is_committed() {
    let mut harness = harness();
    let waiters = [harness.join_new("a"), harness.join_new("b")];
    harness.advance(6_000);
    let members = waiters.map(|waiter| {
        let joined = harness.joined(waiter);
        member(&joined.member_id, joined.generation)
    });
    harness.is_fast = false;
    let follower = harness.send(Request::Sync(sync(&members[1], &[])));
    let leader = harness.send(Request::Sync(sync(&members[0], &members)));
    assert!(harness.replies.is_empty());
    // The leader asks again: one generation has one assignment.
    let again = harness.send(Request::Sync(sync(&members[0], &[])));
    assert_eq!(harness.synced(leader).error, ErrorCode::RebalanceInProgress);
    assert_eq!(harness.appends.len(), 1);
    harness.commit_next();
    assert_eq!(
        harness.synced(follower).assignment,
        assignment(&members[1].member_id)
    );
    assert_eq!(
        harness.synced(again).assignment,
        assignment(&members[0].member_id)
    );
    assert_eq!(harness.state(), Some(State::Stable));
    harness.check_replay();
}

#[test]
fn assignment_that_cannot_be_stored_is_taken_back() {
    for (code, answer) in [
        (
            ErrorCode::NotEnoughReplicas,
            ErrorCode::CoordinatorNotAvailable,
        ),
        (ErrorCode::NotLeaderOrFollower, ErrorCode::NotCoordinator),
        (ErrorCode::MessageTooLarge, ErrorCode::UnknownServerError),
    ] {
        let mut harness = harness();
        let members = harness.stable(&["a"]);
        let waiter = harness.send(Request::Join(join("a", &members[0].member_id)));
        let generation = harness.joined(waiter).generation;
        let changed = member(&members[0].member_id, generation);
        harness.is_fast = false;
        let waiter = harness.send(Request::Sync(sync(&changed, &members)));
        harness.fail_next(code);
        assert_eq!(harness.synced(waiter).error, answer);
        assert_eq!(harness.state(), Some(State::PreparingRebalance));
        harness.check_replay();
    }
}

#[test]
fn rebalance_during_the_append_of_an_assignment_wins() {
    let mut harness = harness();
    let waiter = harness.join_new("a");
    harness.advance(3_000);
    let joined = harness.joined(waiter);
    let leader = member(&joined.member_id, joined.generation);
    harness.is_fast = false;
    let waiter = harness.send(Request::Sync(sync(&leader, std::slice::from_ref(&leader))));
    harness.join_new("b");
    assert_eq!(harness.synced(waiter).error, ErrorCode::RebalanceInProgress);
    harness.commit_next();
    assert_eq!(harness.state(), Some(State::PreparingRebalance));
    harness.check_replay();
}

#[test]
fn group_that_cannot_be_stored_is_forgotten() {
    let mut harness = harness();
    harness.is_fast = false;
    let waiter = harness.send(Request::Join(Join {
        requires_known_member_id: false,
        ..join("a", "")
    }));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    assert_eq!(
        harness.joined(waiter).error,
        ErrorCode::CoordinatorNotAvailable
    );
    assert_eq!(harness.state(), None);
    let timers = harness.core.timers.all().len();
    assert_eq!(timers, 1, "only the search for expired offsets is left");
}

/// A stable group of the static members `i` and `j`, `i` leads.
fn stable_static() -> (Harness, Vec<MemberRef>) {
    let mut harness = harness();
    let waiters: Vec<u64> = [("a", "i"), ("b", "j")]
        .into_iter()
        .map(|(client, instance)| harness.send(Request::Join(join_static(client, instance))))
        .collect();
    harness.advance(6_000);
    let mut members = Vec::new();
    for (waiter, instance) in waiters.into_iter().zip(["i", "j"]) {
        let joined = harness.joined(waiter);
        assert!(joined.member_id.starts_with(instance));
        members.push(MemberRef {
            group_instance_id: Some(instance.into()),
            ..member(&joined.member_id, joined.generation)
        });
    }
    harness.sync_all(&members);
    (harness, members)
}

fn come_back(instance: &str) -> Join {
    Join {
        new_member_uuid: Uuid::from_u128(1),
        ..join_static("x", instance)
    }
}

#[test]
fn static_follower_that_comes_back_disturbs_nobody() {
    let (mut harness, members) = stable_static();
    harness.is_fast = false;
    let waiter = harness.send(Request::Join(come_back("j")));
    assert!(
        harness.replies.is_empty(),
        "answered before the record is committed"
    );
    harness.commit_next();
    let joined = harness.joined(waiter);
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, 1));
    assert_eq!(
        (joined.leader, joined.skip_assignment),
        (members[0].member_id.clone(), false)
    );
    assert_eq!(harness.state(), Some(State::Stable));
    let renamed = MemberRef {
        group_instance_id: Some("j".into()),
        ..member(&joined.member_id, 1)
    };
    let waiter = harness.send(Request::Sync(sync(&renamed, &[])));
    assert_eq!(
        harness.synced(waiter).assignment,
        assignment(&members[1].member_id)
    );
    // The old process is fenced.
    assert_eq!(harness.heartbeat(&members[1]), ErrorCode::FencedInstanceId);
    assert_eq!(harness.commit(&members[1], 1), ErrorCode::FencedInstanceId);
    let old = &members[1];
    let left = harness.leave(&[(&old.member_id, Some("j"))]);
    assert_eq!(left.members[0].1, ErrorCode::FencedInstanceId);
    harness.check_replay();
}

#[test]
fn static_leader_that_comes_back_does_not_assign() {
    for supports_skip_assignment in [true, false] {
        let (mut harness, members) = stable_static();
        let request = Join {
            supports_skip_assignment,
            ..come_back("i")
        };
        let waiter = harness.send(Request::Join(request));
        let joined = harness.joined(waiter);
        assert_eq!(joined.skip_assignment, supports_skip_assignment);
        if supports_skip_assignment {
            assert_eq!(joined.leader, joined.member_id);
            assert_eq!(joined.members.len(), 2);
        } else {
            assert_eq!(joined.leader, members[0].member_id);
            assert!(joined.members.is_empty());
        }
        assert_eq!(harness.state(), Some(State::Stable));
        harness.check_replay();
    }
}

#[test]
fn static_member_whose_new_id_cannot_be_stored_keeps_the_old_one() {
    let (mut harness, members) = stable_static();
    harness.is_fast = false;
    let waiter = harness.send(Request::Join(come_back("i")));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    let joined = harness.joined(waiter);
    assert_eq!(
        (joined.error, joined.member_id.as_str()),
        (ErrorCode::CoordinatorNotAvailable, "")
    );
    assert_eq!(harness.heartbeat(&members[0]), ErrorCode::None);
    assert_eq!(
        harness.core.classic(GROUP).expect("a group").leader_name(),
        members[0].member_id
    );
    harness.check_replay();
}

#[test]
fn static_member_that_changes_the_protocol_causes_a_rebalance() {
    let (mut harness, _) = stable_static();
    let protocols = vec![protocol("roundrobin")];
    harness.send(Request::Join(Join {
        protocols,
        ..come_back("j")
    }));
    assert_eq!(harness.state(), Some(State::PreparingRebalance));
}

#[test]
fn two_static_members_with_one_instance_fence_the_older() {
    let mut harness = harness();
    let older = harness.send(Request::Join(join_static("a", "i")));
    let newer = harness.send(Request::Join(come_back("i")));
    assert_eq!(harness.joined(older).error, ErrorCode::FencedInstanceId);
    harness.advance(6_000);
    assert_eq!(harness.joined(newer).error, ErrorCode::None);
}

#[test]
fn static_members_survive_a_rebalance_that_they_miss() {
    let (mut harness, members) = stable_static();
    let waiter = harness.send(Request::Join(join_static("c", "k")));
    // Nobody joins again but all are alive; the rebalance timeout ends the join phase.
    for _ in 0..12 {
        for member in &members {
            harness.heartbeat(member);
        }
        harness.advance(5_000);
    }
    let joined = harness.joined(waiter);
    assert_eq!(joined.leader, joined.member_id, "only this one has joined");
    assert_eq!(joined.members.len(), 3);
    assert_eq!(harness.generation(), 2);
}

#[test]
fn join_without_anybody_does_not_spin() {
    let mut harness = harness();
    let waiter = harness.send(Request::Join(Join {
        rebalance_timeout_ms: 1,
        ..join_static("a", "i")
    }));
    harness.advance(3_000);
    let joined = harness.joined(waiter);
    let known = MemberRef {
        group_instance_id: Some("i".into()),
        ..member(&joined.member_id, 1)
    };
    harness.sync_all(std::slice::from_ref(&known));
    // A new member comes and goes, and the static one does not join again.
    let pending = harness.send(Request::Join(join("b", "")));
    let pending = harness.joined(pending).member_id;
    harness.send(Request::Join(Join {
        rebalance_timeout_ms: 1,
        ..join("b", &pending)
    }));
    harness.leave(&[(&pending, None)]);
    harness.advance(2_000);
    assert_eq!(harness.state(), Some(State::PreparingRebalance));
    harness.advance(20_000);
    assert_eq!(harness.state(), Some(State::Empty));
}
