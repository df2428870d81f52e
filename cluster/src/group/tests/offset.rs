//! Committing, fetching and deleting offsets; listing and describing groups.

use super::*;

#[test]
fn offset_is_seen_when_it_is_committed() {
    let mut harness = harness();
    harness.is_fast = false;
    let waiter = harness.send(Request::CommitOffsets(commit(&nobody(), 5)));
    assert!(harness.replies.is_empty());
    assert_eq!(harness.fetch(GROUP), -1);
    // Who wants a stable answer gets it after what is under way.
    let stable = harness.send(Request::FetchOffsets(FetchOffsets {
        member: None,
        require_stable: true,
        ..fetch(GROUP)
    }));
    assert!(harness.replies.is_empty());
    harness.commit_next();
    harness.answer(waiter);
    let Response::FetchOffsets(fetched) = harness.answer(stable) else {
        panic!("a fetch");
    };
    let expected = FetchedOffset {
        partition: PartitionIndex(0),
        error: ErrorCode::None,
        offset: Offset(5),
        leader_epoch: LeaderEpoch(3),
        metadata: "note".into(),
    };
    assert_eq!(fetched.topics[0].partitions, [expected]);
    assert_eq!(harness.fetch(GROUP), 5);
    harness.check_replay();
}

#[test]
fn commit_that_cannot_be_stored_is_refused() {
    let mut harness = harness();
    assert_eq!(harness.commit(&nobody(), 5), ErrorCode::None);
    harness.is_fast = false;
    let waiter = harness.send(Request::CommitOffsets(commit(&nobody(), 6)));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    let Response::CommitOffsets(topics) = harness.answer(waiter) else {
        panic!("a commit");
    };
    assert_eq!(
        topics[0].partitions[0].1,
        ErrorCode::CoordinatorNotAvailable
    );
    assert_eq!(harness.fetch(GROUP), 5);
}

#[test]
fn commit_that_takes_too_long_may_still_come_about() {
    let mut harness = harness();
    harness.is_fast = false;
    let waiter = harness.send(Request::CommitOffsets(commit(&nobody(), 6)));
    let stable = FetchOffsets {
        member: None,
        require_stable: true,
        ..fetch(GROUP)
    };
    let fetching = harness.send(Request::FetchOffsets(stable));
    let token = harness.appends[0].0;
    harness.step(Event::TimedOut { token });
    let Response::CommitOffsets(topics) = harness.answer(waiter) else {
        panic!("a commit");
    };
    assert_eq!(
        topics[0].partitions[0].1,
        ErrorCode::CoordinatorNotAvailable
    );
    let Response::FetchOffsets(fetched) = harness.answer(fetching) else {
        panic!("a fetch");
    };
    assert_eq!(fetched.error, ErrorCode::NotCoordinator);
    harness.commit_next();
    assert_eq!(harness.fetch(GROUP), 6);
    harness.check_replay();
}

#[test]
fn metadata_has_a_largest_size_in_utf16_units() {
    let mut harness = harness();
    let with = |metadata: String| {
        let mut commit = commit(&nobody(), 1);
        commit.topics[0].partitions[0].metadata = Some(metadata);
        commit
    };
    for (metadata, error) in [
        ("x".repeat(4096), ErrorCode::None),
        ("x".repeat(4097), ErrorCode::OffsetMetadataTooLarge),
        ("ü".repeat(4096), ErrorCode::None),
        ("𝄞".repeat(2048), ErrorCode::None),
        ("𝄞".repeat(2049), ErrorCode::OffsetMetadataTooLarge),
    ] {
        let response = harness.ask(Request::CommitOffsets(with(metadata)));
        let Response::CommitOffsets(topics) = response else {
            panic!("a commit");
        };
        assert_eq!(topics[0].partitions[0].1, error);
    }
    // Nothing is stored where every partition is refused.
    let length = harness.log.len();
    harness.ask(Request::CommitOffsets(with("x".repeat(5000))));
    assert_eq!(harness.log.len(), length);
}

#[test]
fn other_partitions_are_stored_where_one_is_refused() {
    let mut harness = harness();
    let mut commit = commit(&nobody(), 1);
    let mut large = commit.topics[0].partitions[0].clone();
    large.partition = PartitionIndex(1);
    large.metadata = Some("x".repeat(5000));
    commit.topics[0].partitions.insert(0, large);
    let Response::CommitOffsets(topics) = harness.ask(Request::CommitOffsets(commit)) else {
        panic!("a commit");
    };
    assert_eq!(
        topics[0].partitions,
        [
            (PartitionIndex(1), ErrorCode::OffsetMetadataTooLarge),
            (PartitionIndex(0), ErrorCode::None)
        ]
    );
    assert_eq!(harness.fetch(GROUP), 1);
}

#[test]
fn newer_clients_hear_that_there_is_no_group() {
    let mut harness = harness();
    let request = CommitOffsets {
        understands_group_id_not_found: true,
        ..commit(&member("a", 3), 1)
    };
    let Response::CommitOffsets(topics) = harness.ask(Request::CommitOffsets(request)) else {
        panic!("a commit");
    };
    assert_eq!(topics[0].partitions[0].1, ErrorCode::GroupIdNotFound);
}

#[test]
fn commit_is_a_heartbeat() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    for _ in 0..4 {
        harness.advance(9_000);
        assert_eq!(harness.commit(&members[0], 1), ErrorCode::None);
    }
    assert_eq!(harness.state(), Some(State::Stable));
}

#[test]
fn fetch_answers_every_partition_that_is_asked_for() {
    let mut harness = harness();
    harness.commit(&nobody(), 5);
    let mut request = fetch(GROUP);
    request.topics = Some(vec![
        partitions(TOPIC, TopicId::ZERO),
        // The topic was deleted and made again.
        partitions(TOPIC, TopicId(Uuid::from_u128(8))),
        partitions("nowhere", TopicId::ZERO),
    ]);
    let Response::FetchOffsets(fetched) = harness.ask(Request::FetchOffsets(request)) else {
        panic!("a fetch");
    };
    let offsets: Vec<i64> = fetched
        .topics
        .iter()
        .map(|topic| topic.partitions[0].offset.0)
        .collect();
    assert_eq!(offsets, [5, -1, -1]);
    assert_eq!(harness.fetch("no group"), -1);

    let all = FetchOffsets {
        topics: None,
        ..fetch(GROUP)
    };
    let Response::FetchOffsets(fetched) = harness.ask(Request::FetchOffsets(all)) else {
        panic!("a fetch");
    };
    assert_eq!(fetched.topics.len(), 1);
    assert_eq!(fetched.topics[0].partitions[0].offset, Offset(5));
    let all = FetchOffsets {
        topics: None,
        ..fetch("no group")
    };
    let Response::FetchOffsets(fetched) = harness.ask(Request::FetchOffsets(all)) else {
        panic!("a fetch");
    };
    assert_eq!(
        (fetched.error, fetched.topics),
        (ErrorCode::None, Vec::new())
    );
}

fn delete(harness: &mut Harness, topic: &str) -> ErrorCode {
    match harness.ask(delete_offsets(topic)) {
        Response::DeleteOffsets(DeletedOffsets {
            error: ErrorCode::None,
            topics,
        }) => topics[0].partitions[0].1,
        Response::DeleteOffsets(deleted) => deleted.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn offsets_of_a_subscribed_topic_are_not_deleted() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    harness.commit(&members[0], 5);
    assert_eq!(
        delete(&mut harness, TOPIC),
        ErrorCode::GroupSubscribedToTopic
    );
    assert_eq!(delete(&mut harness, "other"), ErrorCode::None);
    assert_eq!(harness.fetch(GROUP), 5);
    harness.leave(&[(&members[0].member_id, None)]);
    assert_eq!(delete(&mut harness, TOPIC), ErrorCode::None);
    assert_eq!(harness.fetch(GROUP), -1);
    harness.check_replay();
}

#[test]
fn offsets_of_other_protocols_are_deleted_without_members_only() {
    let mut harness = harness();
    harness.send(Request::Join(Join {
        protocol_type: "connect".into(),
        requires_known_member_id: false,
        ..join("a", "")
    }));
    assert_eq!(delete(&mut harness, TOPIC), ErrorCode::NonEmptyGroup);
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut harness = harness();
    harness.stable(&["a"]);
    let other = MemberRef {
        group: "simple".into(),
        ..nobody()
    };
    harness.commit(&other, 1);
    let list = |states: &[&str], types: &[&str]| {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let listed = harness.core.list(&owned(states), &owned(types)).unwrap();
        listed
            .into_iter()
            .map(|listed| listed.group)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[], &[]), [GROUP, "simple"]);
    assert_eq!(list(&["stable"], &[]), [GROUP]);
    assert_eq!(list(&[" EMPTY ", "Dead"], &["Classic"]), ["simple"]);
    assert_eq!(list(&["unheard of"], &[]), [""; 0]);
    assert_eq!(list(&[], &["consumer"]), [""; 0]);
    let listed = &harness.core.list(&[], &[]).unwrap()[0];
    assert_eq!(
        (listed.protocol_type.as_str(), listed.state),
        ("consumer", "Stable")
    );
}

#[test]
fn groups_are_described() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    let described = harness.core.describe(&["none".into(), GROUP.into()]);
    assert_eq!(
        (described[0].error, described[0].state),
        (ErrorCode::GroupIdNotFound, "Dead")
    );
    assert_eq!(
        described[0].error_message.as_deref(),
        Some("there is no group none of the classic protocol")
    );
    let group = &described[1];
    assert_eq!((group.state, group.protocol.as_str()), ("Stable", "range"));
    let expected = DescribedMember {
        member_id: members[0].member_id.clone(),
        group_instance_id: None,
        client_id: "a".into(),
        client_host: "/127.0.0.1".into(),
        metadata: subscription(&[TOPIC]),
        assignment: assignment(&members[0].member_id),
    };
    assert_eq!(group.members, [expected]);
    harness.join_new("b");
    let group = &harness.core.describe(&[GROUP.into()])[0];
    assert_eq!(
        (group.state, group.protocol.as_str()),
        ("PreparingRebalance", "")
    );
    assert!(
        group
            .members
            .iter()
            .all(|member| member.metadata.is_empty())
    );
}
