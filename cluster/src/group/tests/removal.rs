//! Deleted groups, expired offsets, deleted topics.

use super::*;

const DAY_MS: i64 = 24 * 3_600_000;

/// Moves to an instant at which the search for expired offsets has just run.
fn pass_days(harness: &mut Harness, days: i64) {
    harness.now = harness.now.plus_ms(days * DAY_MS);
    harness.step(Event::Tick);
}

#[test]
fn deleted_group_is_dead_until_that_is_committed() {
    let mut harness = harness();
    harness.commit(&nobody(), 5);
    harness.is_fast = false;
    // A commit that is under way is deleted too.
    let mut second = commit(&nobody(), 6);
    second.topics[0].partitions[0].partition = PartitionIndex(1);
    harness.send(Request::CommitOffsets(second));
    let waiter = harness.send(Request::DeleteGroups(vec![GROUP.into(), GROUP.into()]));
    assert_eq!(harness.state(), Some(State::Dead));
    assert_eq!(
        harness.core.describe(&[GROUP.into()])[0].error,
        ErrorCode::GroupIdNotFound
    );
    assert_eq!(harness.fetch(GROUP), -1);
    harness.commit_next();
    harness.commit_next();
    let deleted = (GROUP.to_owned(), ErrorCode::None);
    let expected = Response::DeleteGroups(vec![deleted.clone(), deleted]);
    assert_eq!(harness.answer(waiter), expected);
    assert_eq!(harness.state(), None);
    harness.check_replay();
    assert!(!harness.core.durable.knows(GROUP));
}

#[test]
fn group_whose_deletion_cannot_be_stored_is_there_again() {
    let mut harness = harness();
    harness.commit(&nobody(), 5);
    harness.is_fast = false;
    let waiter = harness.send(Request::DeleteGroups(vec![GROUP.into()]));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    let expected = vec![(GROUP.to_owned(), ErrorCode::CoordinatorNotAvailable)];
    assert_eq!(harness.answer(waiter), Response::DeleteGroups(expected));
    assert_eq!(harness.state(), Some(State::Empty));
    assert_eq!(harness.fetch(GROUP), 5);
}

#[test]
fn offsets_of_nobody_expire_after_their_commit() {
    let mut harness = harness();
    harness.commit(&nobody(), 5);
    pass_days(&mut harness, 6);
    assert_eq!(harness.fetch(GROUP), 5);
    harness.commit(&nobody(), 6);
    pass_days(&mut harness, 6);
    assert_eq!(harness.fetch(GROUP), 6);
    pass_days(&mut harness, 1);
    assert_eq!(harness.fetch(GROUP), -1);
    assert_eq!(harness.state(), None, "nothing is left of the group");
    harness.check_replay();
}

#[test]
fn offsets_of_an_empty_group_expire_after_it_became_empty() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    harness.commit(&members[0], 5);
    // Alive for eight days.
    for _ in 0..8 {
        harness.now = harness.now.plus_ms(DAY_MS);
        assert_eq!(harness.heartbeat(&members[0]), ErrorCode::None);
        harness.step(Event::Tick);
    }
    harness.leave(&[(&members[0].member_id, None)]);
    pass_days(&mut harness, 6);
    assert_eq!(harness.fetch(GROUP), 5);
    // The time of the state outlives a load.
    let mut harness = loaded(Config::default(), std::mem::take(&mut harness.log));
    harness.now = Timestamp(1_000_000).plus_ms(14 * DAY_MS);
    harness.step(Event::Tick);
    assert_eq!(harness.fetch(GROUP), 5);
    pass_days(&mut harness, 2);
    assert_eq!(harness.fetch(GROUP), -1);
    assert_eq!(harness.state(), None);
}

#[test]
fn only_offsets_of_topics_without_subscription_expire_in_a_stable_group() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    harness.commit(&members[0], 5);
    let mut other = commit(&members[0], 6);
    other.topics[0].name = "other".into();
    harness.send(Request::CommitOffsets(other));
    for _ in 0..8 {
        harness.now = harness.now.plus_ms(DAY_MS);
        assert_eq!(harness.heartbeat(&members[0]), ErrorCode::None);
        harness.step(Event::Tick);
    }
    let all = FetchOffsets {
        topics: None,
        ..fetch(GROUP)
    };
    let Response::FetchOffsets(fetched) = harness.ask(Request::FetchOffsets(all)) else {
        panic!("a fetch");
    };
    let names: Vec<&str> = fetched
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    assert_eq!(names, [TOPIC]);
    assert_eq!(harness.state(), Some(State::Stable));
    harness.check_replay();
}

#[test]
fn offset_with_a_retention_of_its_own_expires_then() {
    let mut harness = harness();
    let request = CommitOffsets {
        retention_ms: DAY_MS,
        ..commit(&nobody(), 5)
    };
    harness.send(Request::CommitOffsets(request));
    harness.advance(DAY_MS - 3_600_000);
    assert_eq!(harness.fetch(GROUP), 5);
    harness.advance(2 * 3_600_000);
    assert_eq!(harness.fetch(GROUP), -1);
}

#[test]
fn offset_that_is_being_committed_does_not_expire() {
    let mut harness = harness();
    harness.commit(&nobody(), 5);
    harness.is_fast = false;
    harness.send(Request::CommitOffsets(commit(&nobody(), 6)));
    pass_days(&mut harness, 8);
    harness.commit_next();
    assert!(harness.appends.is_empty());
    assert_eq!(harness.fetch(GROUP), 6);
}

#[test]
fn group_with_a_pending_member_does_not_expire() {
    let mut harness = harness();
    let waiter = harness.send(Request::Join(Join {
        session_timeout_ms: 1_800_000,
        ..join("a", "")
    }));
    let member_id = harness.joined(waiter).member_id;
    harness.advance(600_000);
    let waiter = harness.send(Request::Join(join("a", &member_id)));
    harness.advance(3_000);
    assert_eq!(harness.joined(waiter).error, ErrorCode::None);
}

#[test]
fn group_that_was_removed_counts_its_generations_anew() {
    let mut harness = harness();
    let first = harness.stable(&["a"]);
    harness.leave(&[(&first[0].member_id, None)]);
    harness.advance(600_000);
    assert_eq!(harness.state(), None, "it has neither members nor offsets");
    assert_eq!(harness.heartbeat(&first[0]), ErrorCode::UnknownMemberId);
    let second = harness.stable(&["b"]);
    assert_eq!(second[0].generation, first[0].generation);
    assert_eq!(harness.commit(&first[0], 5), ErrorCode::UnknownMemberId);
    harness.check_replay();
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it() {
    let mut harness = harness();
    let members = harness.stable(&["a"]);
    harness.commit(&members[0], 5);
    let deleted = |id| {
        let name = TOPIC.to_owned();
        Event::TopicsDeleted(vec![DeletedTopic { name, id }])
    };
    // Another topic of that name.
    harness.step(deleted(TopicId(Uuid::from_u128(8))));
    assert_eq!(harness.fetch(GROUP), 5);
    harness.is_fast = false;
    harness.send(Request::CommitOffsets(commit(&members[0], 6)));
    harness.step(deleted(topic_id()));
    harness.commit_next();
    harness.commit_next();
    assert_eq!(harness.fetch(GROUP), -1);
    assert_eq!(harness.state(), Some(State::Stable));
    harness.check_replay();
}

#[test]
fn many_expired_offsets_are_removed_in_parts() {
    let mut harness = harness();
    let mut request = commit(&nobody(), 5);
    let one = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = (0..2500)
        .map(|partition| PartitionCommit {
            partition: PartitionIndex(partition),
            ..one.clone()
        })
        .collect();
    harness.send(Request::CommitOffsets(request));
    harness.is_fast = false;
    pass_days(&mut harness, 8);
    let sizes: Vec<usize> = harness
        .appends
        .iter()
        .map(|(_, records, _)| records.len())
        .collect();
    assert_eq!(sizes, [1000, 1000, 501]);
    for _ in sizes {
        harness.commit_next();
    }
    assert_eq!(harness.state(), None);
    harness.check_replay();
}
