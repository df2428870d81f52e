//! Which error a request gets.

use super::*;

/// Members `a` (dynamic) and `s` (static, instance `i`) at epoch 3, and `gone`, which has left.
fn group() -> Harness {
    let mut harness = with_topics(&[("t", 2)]);
    harness.beat_ok(joining("a", &["t"]));
    harness.beat_ok(joining_static("s", "i", &["t"]));
    let mut clients = [Client::new("a", &["t"]), Client::new("s", &["t"])];
    clients[1].instance = Some("i".into());
    settle_known(&mut harness, &mut clients);
    harness
}

fn settle_known(harness: &mut Harness, clients: &mut [Client]) {
    for client in clients.iter_mut() {
        client.epoch = 0;
    }
    settle(harness, clients);
    assert!(
        clients.iter().all(|client| client.epoch == 3),
        "{clients:?}"
    );
}

fn is_static(mut request: ConsumerHeartbeat) -> ConsumerHeartbeat {
    request.group_instance_id = Some("i".into());
    request
}

#[test]
fn heartbeats_that_make_no_sense_are_refused() {
    let rack = |rack: &str| ConsumerHeartbeat {
        rack_id: Some(rack.into()),
        ..joining("n", &["t"])
    };
    let assignor = |name: &str| ConsumerHeartbeat {
        server_assignor: Some(name.into()),
        ..joining("n", &["t"])
    };
    let nothing_subscribed = ConsumerHeartbeat {
        subscribed_topic_names: None,
        ..joining("n", &[])
    };
    let cases = [
        (joining("", &["t"]), ErrorCode::InvalidRequest),
        (
            ConsumerHeartbeat {
                group: String::new(),
                ..joining("n", &["t"])
            },
            ErrorCode::InvalidRequest,
        ),
        (joining_static("n", "", &["t"]), ErrorCode::InvalidRequest),
        (rack(""), ErrorCode::InvalidRequest),
        (
            ConsumerHeartbeat {
                rebalance_timeout_ms: -1,
                ..joining("n", &["t"])
            },
            ErrorCode::InvalidRequest,
        ),
        (
            ConsumerHeartbeat {
                owned_partitions: None,
                ..joining("n", &["t"])
            },
            ErrorCode::InvalidRequest,
        ),
        (
            ConsumerHeartbeat {
                owned_partitions: owned(&assignment_of(&["t-0"])),
                ..joining("n", &["t"])
            },
            ErrorCode::InvalidRequest,
        ),
        (nothing_subscribed, ErrorCode::InvalidRequest),
        // Of a client that takes itself for a member.
        (
            ConsumerHeartbeat {
                rebalance_timeout_ms: -1,
                owned_partitions: None,
                ..joining("n", &["t"])
            },
            ErrorCode::UnknownMemberId,
        ),
        (beat("a", -2), ErrorCode::InvalidRequest),
        (beat("a", -3), ErrorCode::InvalidRequest),
        (assignor("sticky"), ErrorCode::UnsupportedAssignor),
        (joining_regex("n", "["), ErrorCode::InvalidRegularExpression),
    ];
    let mut harness = group();
    let before = harness.log.len();
    for (request, error) in cases {
        assert_eq!(harness.beat_error(request.clone()), error, "{request:?}");
    }
    assert_eq!(harness.log.len(), before, "nothing is stored");
    for name in ["uniform", "range"] {
        harness.beat_ok(assignor(name));
    }
    harness.beat_ok(rack("r"));
}

#[test]
fn members_and_epochs_are_checked() {
    let with_all = |member: &str, epoch: i32, partitions: &[&str]| ConsumerHeartbeat {
        owned_partitions: owned(&assignment_of(partitions)),
        ..beat(member, epoch)
    };
    let cases = [
        (beat("nobody", 1), ErrorCode::UnknownMemberId),
        (beat("nobody", -1), ErrorCode::UnknownMemberId),
        (beat("a", 4), ErrorCode::FencedMemberEpoch),
        (beat("a", 2), ErrorCode::FencedMemberEpoch),
        (
            with_all("a", 2, &["t-0", "t-1"]),
            ErrorCode::FencedMemberEpoch,
        ),
        (is_static(beat("a", 3)), ErrorCode::FencedInstanceId),
        (is_static(beat("a", -1)), ErrorCode::FencedInstanceId),
        (is_static(beat("a", -2)), ErrorCode::FencedInstanceId),
        (
            joining_static("s2", "i", &["t"]),
            ErrorCode::UnreleasedInstanceId,
        ),
        (
            ConsumerHeartbeat {
                group_instance_id: Some("unknown".into()),
                ..beat("a", 3)
            },
            ErrorCode::UnknownMemberId,
        ),
    ];
    for (request, error) in cases {
        let mut harness = group();
        assert_eq!(harness.beat_error(request.clone()), error, "{request:?}");
    }
    let mut harness = group();
    for request in [
        beat("a", 3),
        is_static(beat("s", 3)),
        // Its answer was lost.
        with_all("a", 2, &[]),
    ] {
        let result = harness.beat_ok(request);
        assert_eq!(result.member_epoch, 3);
    }
}

#[test]
fn groups_that_are_none_are_not_found() {
    let mut harness = with_topics(&[("t", 1)]);
    for epoch in [1, -1] {
        let error = harness.beat_error(beat("a", epoch));
        assert_eq!(error, ErrorCode::GroupIdNotFound, "{epoch}");
    }
    let mut left = beat("a", -2);
    left.group_instance_id = Some("i".into());
    assert_eq!(harness.beat_error(left), ErrorCode::GroupIdNotFound);
    assert!(harness.core.groups.is_empty());
    let described = harness.described();
    assert_eq!(described.error, ErrorCode::GroupIdNotFound);
    // A group of the classic protocol that cannot be taken over.
    let mut classic = with_topics(&[("t", 1)]);
    classic.commit(&nobody(), 1);
    assert_eq!(classic.beat_error(beat("a", 2)), ErrorCode::GroupIdNotFound);
    assert_eq!(classic.described().error, ErrorCode::GroupIdNotFound);
}

#[test]
fn nobody_joins_before_the_topics_are_known() {
    let mut harness = harness();
    let error = harness.beat_error(joining("a", &["t"]));
    assert_eq!(error, ErrorCode::CoordinatorLoadInProgress);
}

#[test]
fn full_group_takes_no_more_members() {
    let mut config = Config::default();
    config.consumer.max_size = 1;
    let mut harness = with_config(config, &[("t", 1)]);
    harness.beat_ok(joining("a", &["t"]));
    harness.beat_ok(joining("a", &["t"]));
    let error = harness.beat_error(joining("b", &["t"]));
    assert_eq!(error, ErrorCode::GroupMaxSizeReached);
}

#[test]
fn commits_are_taken_by_epoch_and_partition() {
    // `a` has the partition since epoch 2, and `b` has joined since.
    let mut harness = with_topics(&[(TOPIC, 1)]);
    harness.beat_ok(joining("a", &[TOPIC]));
    harness.beat_ok(joining("b", &[TOPIC]));
    let epoch = harness.beat_ok(beat("a", 2)).member_epoch;
    assert_eq!(epoch, 3);
    let commit_of = |id: &str, epoch: i32, index: i32| {
        let mut commit = commit(&member(id, epoch), 5);
        commit.supports_member_epoch = true;
        commit.topics[0].id = id_of(TOPIC);
        commit.topics[0].partitions[0].partition = PartitionIndex(index);
        commit
    };
    let old_version = CommitOffsets {
        supports_member_epoch: false,
        ..commit_of("a", 3, 0)
    };
    let in_transaction = |mut commit: CommitOffsets| {
        commit.producer = Some(Producer {
            id: ProducerId(1),
            epoch: milena_protocol::ProducerEpoch(0),
        });
        commit
    };
    let cases = [
        (commit_of("a", 3, 0), ErrorCode::None),
        (commit_of("a", 3, 7), ErrorCode::None),
        // It has had the partition since then, but another not.
        (commit_of("a", 2, 0), ErrorCode::None),
        (commit_of("a", 2, 7), ErrorCode::StaleMemberEpoch),
        (commit_of("a", 0, 0), ErrorCode::StaleMemberEpoch),
        (commit_of("a", 4, 0), ErrorCode::StaleMemberEpoch),
        (commit_of("c", 2, 0), ErrorCode::UnknownMemberId),
        (commit_of("", -1, 0), ErrorCode::UnknownMemberId),
        (old_version, ErrorCode::UnsupportedVersion),
        (in_transaction(commit_of("", -1, 0)), ErrorCode::None),
        (in_transaction(commit_of("a", 3, 0)), ErrorCode::None),
        (
            in_transaction(commit_of("a", 4, 0)),
            ErrorCode::IllegalGeneration,
        ),
        (
            in_transaction(commit_of("a", 2, 7)),
            ErrorCode::IllegalGeneration,
        ),
    ];
    for (commit, error) in cases {
        let request = Request::CommitOffsets(commit.clone());
        let Response::CommitOffsets(topics) = harness.ask(request) else {
            panic!("an answer to a commit");
        };
        assert_eq!(topics[0].partitions[0].1, error, "{commit:?}");
    }
    // Without members anybody may.
    harness.beat_ok(beat("a", -1));
    harness.beat_ok(beat("b", -1));
    assert_eq!(harness.commit(&nobody(), 9), ErrorCode::None);
}

#[test]
fn late_commit_is_taken_from_whoever_kept_the_partition() {
    let mut harness = with_topics(&[(TOPIC, 1)]);
    let epoch = harness.beat_ok(joining("a", &[TOPIC])).member_epoch;
    let mut late = commit(&member("a", epoch), 5);
    late.supports_member_epoch = true;
    late.topics[0].id = id_of(TOPIC);
    let come_late = |harness: &mut Harness| {
        let request = Request::CommitOffsets(late.clone());
        match harness.ask(request) {
            Response::CommitOffsets(topics) => topics[0].partitions[0].1,
            other => panic!("{other:?}"),
        }
    };
    let offset = |harness: &Harness| {
        let offsets = harness.core.durable.offsets();
        let committed = offsets.get(GROUP, TOPIC, PartitionIndex(0));
        committed.map_or(Offset::NONE, |committed| committed.commit.offset)
    };
    harness.beat_ok(joining("b", &[TOPIC]));
    let now = harness.beat_ok(beat("a", epoch)).member_epoch;
    assert!(epoch < now);
    let mut current = late.clone();
    current.member.generation = now;
    current.topics[0].partitions[0].offset = Offset(9);
    harness.ask(Request::CommitOffsets(current));
    assert_eq!(offset(&harness), Offset(9));
    // As in Kafka, it sets the offset back: the partition is the member's since then (KIP-1251).
    assert_eq!(come_late(&mut harness), ErrorCode::None);
    assert_eq!(offset(&harness), Offset(5));
    // A member that was fenced and joins again has what it had all along.
    let fenced = harness.beat_error(beat("a", now + 1));
    assert_eq!(fenced, ErrorCode::FencedMemberEpoch);
    harness.beat_ok(joining("a", &[TOPIC]));
    assert_eq!(come_late(&mut harness), ErrorCode::None);
    // One that was removed has it anew.
    harness.beat_ok(beat("a", -1));
    harness.beat_ok(beat("b", -1));
    assert_eq!(come_late(&mut harness), ErrorCode::UnknownMemberId);
    harness.beat_ok(joining("a", &[TOPIC]));
    assert_eq!(come_late(&mut harness), ErrorCode::StaleMemberEpoch);
}

#[test]
fn offsets_are_fetched_by_epoch() {
    let mut harness = group();
    let fetch_as = |member_id: &str, member_epoch: i32| FetchOffsets {
        member: Some(FetchingMember {
            member_id: member_id.into(),
            member_epoch,
        }),
        ..fetch(GROUP)
    };
    let cases = [
        (fetch(GROUP), ErrorCode::None),
        (fetch_as("a", 3), ErrorCode::None),
        (fetch_as("a", 2), ErrorCode::StaleMemberEpoch),
        (fetch_as("a", 4), ErrorCode::StaleMemberEpoch),
        (fetch_as("nobody", 2), ErrorCode::UnknownMemberId),
    ];
    for (fetch, error) in cases {
        match harness.ask(Request::FetchOffsets(fetch.clone())) {
            Response::FetchOffsets(fetched) => assert_eq!(fetched.error, error, "{fetch:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn administrators_see_and_delete_groups_of_both_protocols() {
    let mut harness = group();
    let listed = harness.core.list(&[], &["Consumer".into()]).unwrap();
    assert_eq!(
        (
            listed[0].group_type,
            listed[0].state,
            &*listed[0].protocol_type
        ),
        ("consumer", "Stable", "consumer")
    );
    assert_eq!(harness.core.list(&[], &["classic".into()]), Ok(Vec::new()));
    let classic = &harness.core.describe(&[GROUP.into()])[0];
    assert_eq!(classic.error, ErrorCode::GroupIdNotFound);
    let message = classic.error_message.as_deref();
    assert_eq!(message, Some("group group is not of the classic protocol"));
    let described = harness.described();
    assert_eq!((described.group_epoch, described.assignment_epoch), (3, 3));
    assert_eq!(
        (described.state, &*described.assignor),
        ("Stable", "uniform")
    );
    let members: Vec<_> = described
        .members
        .iter()
        .map(|it| {
            (
                &*it.member_id,
                it.member_epoch,
                it.assignment.len(),
                it.is_classic,
            )
        })
        .collect();
    assert_eq!(members, [("a", 3, 1, false), ("s", 3, 1, false)]);

    let delete = || Request::DeleteGroups(vec![GROUP.to_owned()]);
    let deleted = |response| match response {
        Response::DeleteGroups(groups) => groups[0].1,
        other => panic!("{other:?}"),
    };
    assert_eq!(deleted(harness.ask(delete())), ErrorCode::NonEmptyGroup);
    harness.beat_ok(beat("a", -1));
    harness.beat_ok(is_static(beat("s", -1)));
    assert_eq!(harness.phase(), "Empty");
    harness.commit(&nobody(), 1);
    assert_eq!(deleted(harness.ask(delete())), ErrorCode::None);
    assert!(harness.core.groups.is_empty());
    assert_eq!(harness.fetch(GROUP), -1);
    harness.check_replay();
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted() {
    let mut harness = with_topics(&[(TOPIC, 1), ("other", 1)]);
    harness.commit(&nobody(), 1);
    harness.beat_ok(joining("a", &[TOPIC]));
    let mut delete = |topic| match harness.ask(delete_offsets(topic)) {
        Response::DeleteOffsets(deleted) => deleted.topics[0].partitions[0].1,
        other => panic!("{other:?}"),
    };
    assert_eq!(delete(TOPIC), ErrorCode::GroupSubscribedToTopic);
    assert_eq!(delete("other"), ErrorCode::None);
}
