//! Loading, serving again after it, and resigning.

use super::*;
use milena_protocol::ProducerEpoch;
use milena_protocol::stored::group::{GroupMetadata, Member};

fn stored(members: &[(&str, Option<&str>)]) -> Record {
    let stored = members.iter().map(|(member_id, instance)| Member {
        member_id: (*member_id).into(),
        group_instance_id: instance.map(Into::into),
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout_ms: -1,
        session_timeout_ms: 10_000,
        subscription: subscription(&[TOPIC]),
        assignment: assignment(member_id),
    });
    Record::Group {
        group: GROUP.into(),
        metadata: Some(GroupMetadata {
            protocol_type: "consumer".into(),
            generation: 7,
            protocol: Some("range".into()),
            leader: Some("a".into()),
            current_state_timestamp: Timestamp(5),
            members: stored.collect(),
        }),
    }
}

fn plain(records: Vec<Record>) -> Vec<(ProducerId, Record)> {
    records
        .into_iter()
        .map(|record| (ProducerId::NONE, record))
        .collect()
}

#[test]
fn group_goes_on_after_a_load() {
    let mut before = harness();
    let members = before.stable(&["a", "b"]);
    assert_eq!(before.commit(&members[0], 5), ErrorCode::None);
    let mut after = loaded(Config::default(), before.log);
    assert_eq!(after.state(), Some(State::Stable));
    assert_eq!(after.heartbeat(&members[1]), ErrorCode::None);
    assert_eq!(after.fetch(GROUP), 5);
    let waiter = after.send(Request::Sync(sync(&members[1], &[])));
    assert_eq!(
        after.synced(waiter).assignment,
        assignment(&members[1].member_id)
    );
    // Nothing is heard of the first one.
    after.advance(9_000);
    assert_eq!(after.heartbeat(&members[1]), ErrorCode::None);
    after.advance(1_000);
    assert_eq!(after.heartbeat(&members[1]), ErrorCode::RebalanceInProgress);
    assert_eq!(after.heartbeat(&members[0]), ErrorCode::UnknownMemberId);
}

#[test]
fn loading_coordinator_says_so() {
    let mut core = Coordinator::new(Config::default());
    let mut effects = Vec::new();
    let mut ask = |core: &mut Coordinator, request: Request| {
        let event = Event::Request {
            waiter: Waiter(1),
            request,
        };
        core.step(Timestamp(0), event, &mut effects);
        match effects.pop() {
            Some(Effect::Reply { response, .. }) => response,
            other => panic!("{other:?}"),
        }
    };
    let loading = ErrorCode::CoordinatorLoadInProgress;
    let some = member("a", 1);
    // A member must not take itself for lost.
    assert_eq!(
        ask(&mut core, Request::Heartbeat(some.clone())),
        Response::Heartbeat(ErrorCode::None)
    );
    let requests = [
        Request::Join(join("c", "")),
        Request::Sync(sync(&some, &[])),
        Request::Leave(leave(&[("a", None)])),
        Request::CommitOffsets(commit(&some, 1)),
        Request::FetchOffsets(fetch(GROUP)),
        delete_offsets(TOPIC),
        Request::DeleteGroups(vec![GROUP.into()]),
    ];
    for request in requests.clone() {
        assert_eq!(ask(&mut core, request.clone()), request.refused(loading));
    }
    assert_eq!(core.list(&[], &[]), Err(loading));
    assert_eq!(core.describe(&[GROUP.into()])[0].error, loading);
    core.resign(&mut Vec::new());
    for request in requests {
        let response = ask(&mut core, request.clone());
        assert_eq!(response, request.refused(ErrorCode::NotCoordinator));
    }
    assert_eq!(core.list(&[], &[]), Err(ErrorCode::NotCoordinator));
    assert_eq!(core.next_deadline(), None);
}

#[test]
fn damaged_metadata_is_loaded_as_far_as_it_goes() {
    // Twice the same member and instance; a leader that is no member.
    let twice = stored(&[("b", Some("i")), ("b", None), ("c", Some("i")), ("d", None)]);
    let harness = loaded(Config::default(), plain(vec![twice]));
    let group = harness.core.classic(GROUP).expect("a group");
    let ids: Vec<&str> = group.members().keys().map(|id| &**id).collect();
    assert_eq!((ids, group.leader_name().as_str()), (vec!["b", "d"], "b"));

    let Record::Group {
        group,
        metadata: Some(metadata),
    } = stored(&[("a", None)])
    else {
        panic!("a group");
    };
    for (protocol_type, protocol) in [("consumer", None), ("", Some("range".to_owned()))] {
        let metadata = GroupMetadata {
            protocol_type: protocol_type.into(),
            protocol,
            ..metadata.clone()
        };
        let record = Record::Group {
            group: group.clone(),
            metadata: Some(metadata),
        };
        let harness = loaded(Config::default(), plain(vec![record]));
        assert_eq!(harness.state(), Some(State::Empty));
    }
}

#[test]
fn records_of_newer_protocols_are_passed_over() {
    let unknown = Record::decode(Some(&[0, 11, 0, 1, b'g']), Some(&[0, 0])).unwrap();
    let harness = loaded(Config::default(), plain(vec![unknown]));
    assert!(harness.core.groups.is_empty());
}

#[test]
fn group_that_is_too_large_now_joins_again() {
    let records = plain(vec![stored(&[("a", None), ("b", None)])]);
    let harness = loaded(
        Config {
            max_size: 1,
            ..Config::default()
        },
        records,
    );
    assert_eq!(harness.state(), Some(State::PreparingRebalance));
}

#[test]
fn resignation_answers_all_who_wait() {
    let mut harness = harness();
    let joining = harness.join_new("a");
    harness.is_fast = false;
    let committing = harness.send(Request::CommitOffsets(CommitOffsets {
        member: MemberRef {
            group: "other".into(),
            ..nobody()
        },
        ..commit(&nobody(), 1)
    }));
    let fetching = harness.send(Request::FetchOffsets(FetchOffsets {
        member: None,
        require_stable: true,
        ..fetch("other")
    }));
    let (token, _, _) = harness.appends.pop_front().unwrap();
    let mut effects = Vec::new();
    harness.core.resign(&mut effects);
    harness.absorb(effects);
    assert_eq!(harness.joined(joining).error, ErrorCode::NotCoordinator);
    let Response::CommitOffsets(topics) = harness.answer(committing) else {
        panic!("a commit");
    };
    assert_eq!(topics[0].partitions[0].1, ErrorCode::NotCoordinator);
    let Response::FetchOffsets(fetched) = harness.answer(fetching) else {
        panic!("a fetch");
    };
    assert_eq!(fetched.error, ErrorCode::NotCoordinator);
    // What comes later is of no interest.
    harness.step(Event::Appended {
        token,
        result: Ok(Offset(3)),
    });
    harness.step(Event::TimedOut { token });
    harness.step(Event::Tick);
    assert!(harness.replies.is_empty());
}

#[test]
fn transactional_offsets_count_when_the_transaction_has_ended() {
    let producer = Producer {
        id: ProducerId(4),
        epoch: ProducerEpoch(0),
    };
    for is_commit in [true, false] {
        let mut harness = harness();
        assert_eq!(harness.commit(&nobody(), 1), ErrorCode::None);
        harness.send(Request::CommitOffsets(CommitOffsets {
            producer: Some(producer),
            ..commit(&nobody(), 2)
        }));
        assert_eq!(harness.fetch(GROUP), 1);
        let stable = FetchOffsets {
            member: None,
            require_stable: true,
            ..fetch(GROUP)
        };
        let Response::FetchOffsets(fetched) = harness.ask(Request::FetchOffsets(stable)) else {
            panic!("a fetch");
        };
        let partition = &fetched.topics[0].partitions[0];
        assert_eq!(partition.error, ErrorCode::UnstableOffsetCommit);
        assert_eq!(partition.offset, Offset(-1));
        harness.check_replay();
        harness.core.apply_marker(producer.id, is_commit);
        assert_eq!(harness.fetch(GROUP), if is_commit { 2 } else { 1 });
    }
}

#[test]
fn plain_commit_after_a_transactional_one_wins() {
    let mut harness = harness();
    let producer = Producer {
        id: ProducerId(4),
        epoch: ProducerEpoch(0),
    };
    harness.send(Request::CommitOffsets(CommitOffsets {
        producer: Some(producer),
        ..commit(&nobody(), 2)
    }));
    assert_eq!(harness.commit(&nobody(), 3), ErrorCode::None);
    harness.core.apply_marker(producer.id, true);
    assert_eq!(harness.fetch(GROUP), 3);
}
