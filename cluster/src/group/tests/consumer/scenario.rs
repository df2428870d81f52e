//! Members that come and go.

use super::*;

/// What a heartbeat gave: epoch and partitions.
fn given(result: &ConsumerHeartbeatResult) -> (i32, Option<Assignment>) {
    (result.member_epoch, result.assignment.clone())
}

fn has(partitions: &[&str]) -> Option<Assignment> {
    Some(assignment_of(partitions))
}

fn reports(member: &str, epoch: i32, partitions: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        owned_partitions: owned(&assignment_of(partitions)),
        ..beat(member, epoch)
    }
}

#[test]
fn first_member_gets_everything_at_once() {
    let mut harness = with_topics(&[("t", 3)]);
    let result = harness.beat_ok(joining("a", &["t"]));
    assert_eq!(given(&result), (2, has(&["t-0", "t-1", "t-2"])));
    assert_eq!(result.heartbeat_interval_ms, 500);
    assert_eq!(harness.phase(), "Stable");
    // Nothing new is said, and nothing is stored.
    let before = harness.log.len();
    let result = harness.beat_ok(beat("a", 2));
    assert_eq!(given(&result), (2, None));
    assert_eq!(harness.log.len(), before);
    harness.check_replay();
}

#[test]
fn second_member_waits_until_the_first_has_given_up() {
    let mut harness = with_topics(&[("t", 4)]);
    harness.beat_ok(joining("a", &["t"]));
    let result = harness.beat_ok(joining("b", &["t"]));
    assert_eq!(given(&result), (3, has(&[])));
    assert_eq!(result.heartbeat_interval_ms, 300);
    assert_eq!(harness.phase(), "Reconciling");
    // The first stays in its epoch until it has given up.
    let result = harness.beat_ok(beat("a", 2));
    let (epoch, kept) = given(&result);
    let kept = kept.expect("an assignment");
    assert_eq!((epoch, kept[&id_of("t")].len()), (2, 2));
    let result = harness.beat_ok(beat("b", 3));
    assert_eq!(given(&result), (3, None));
    let result = harness.beat_ok(beat("a", 2));
    assert_eq!(given(&result), (2, None), "it has not said what it has");
    let result = harness.beat_ok(reports("a", 2, &["t-0", "t-1", "t-2", "t-3"]));
    assert_eq!(given(&result), (2, None), "it has not given up");
    let mut report = beat("a", 2);
    report.owned_partitions = owned(&kept);
    assert_eq!(given(&harness.beat_ok(report)), (3, None));
    let result = harness.beat_ok(beat("b", 3));
    let (epoch, got) = given(&result);
    assert_eq!(
        (epoch, got.expect("an assignment")[&id_of("t")].len()),
        (3, 2)
    );
    assert_eq!(harness.phase(), "Stable");
    harness.check_replay();
}

#[test]
fn member_that_does_not_give_up_in_time_is_out() {
    let mut harness = with_topics(&[("t", 2)]);
    harness.beat_ok(joining("a", &["t"]));
    harness.beat_ok(joining("b", &["t"]));
    harness.beat_ok(beat("a", 2));
    // Its heartbeats do not help it.
    for _ in 0..5 {
        harness.advance(10_000);
        harness.beat_ok(beat("a", 2));
        harness.beat_ok(beat("b", 3));
    }
    harness.advance(10_000);
    let error = harness.beat_error(beat("a", 2));
    assert_eq!(error, ErrorCode::UnknownMemberId);
    let result = harness.beat_ok(beat("b", 3));
    assert_eq!(given(&result), (4, has(&["t-0", "t-1"])));
}

#[test]
fn member_without_heartbeats_is_out_after_its_session() {
    let mut harness = with_topics(&[("t", 2)]);
    harness.beat_ok(joining("a", &["t"]));
    harness.advance(44_999);
    harness.beat_ok(beat("a", 2));
    harness.advance(44_999);
    assert_eq!(harness.phase(), "Stable");
    assert_eq!(harness.expired, []);
    harness.advance(1);
    assert_eq!(harness.phase(), "Empty");
    let expired = harness.expired.remove(0);
    let told = (&*expired.group, &*expired.member_id, &*expired.client_id);
    assert_eq!(told, (GROUP, "a", "client"));
    assert_eq!(expired.timeout, "session");
    assert_eq!(harness.committed().epoch(), 3);
    let error = harness.beat_error(beat("a", 2));
    assert_eq!(error, ErrorCode::UnknownMemberId);
    harness.check_replay();
}

#[test]
fn lost_answers_and_repeated_joins_change_nothing() {
    let mut harness = with_topics(&[("t", 2)]);
    for _ in 0..3 {
        let result = harness.beat_ok(joining("a", &["t"]));
        assert_eq!(given(&result), (2, has(&["t-0", "t-1"])));
    }
    assert_eq!(harness.committed().epoch(), 2);
}

#[test]
fn changed_subscription_is_followed() {
    let mut harness = with_topics(&[("t", 1), ("u", 1)]);
    harness.beat_ok(joining("a", &["t"]));
    let change = ConsumerHeartbeat {
        subscribed_topic_names: Some(vec!["u".into()]),
        ..reports("a", 2, &["t-0"])
    };
    assert_eq!(given(&harness.beat_ok(change)), (2, has(&[])));
    let result = harness.beat_ok(reports("a", 2, &[]));
    assert_eq!(given(&result), (3, has(&["u-0"])));
}

#[test]
fn new_partitions_and_topics_are_assigned() {
    let mut harness = with_topics(&[("t", 1)]);
    harness.beat_ok(joining("a", &["t", "later"]));
    harness.set_topics(2, &[("t", 2)]);
    let result = harness.beat_ok(beat("a", 2));
    assert_eq!(given(&result), (3, has(&["t-0", "t-1"])));
    harness.set_topics(3, &[("t", 2), ("later", 1)]);
    let result = harness.beat_ok(beat("a", 3));
    assert_eq!(given(&result), (4, has(&["t-0", "t-1", "later-0"])));
    // A topic of others changes nothing.
    harness.set_topics(4, &[("t", 2), ("later", 1), ("other", 5)]);
    assert_eq!(given(&harness.beat_ok(beat("a", 4))), (4, None));
    // A topic that is gone has to be given up.
    harness.set_topics(5, &[("t", 2)]);
    let result = harness.beat_ok(reports("a", 4, &["t-0", "t-1", "later-0"]));
    assert_eq!(given(&result), (4, has(&["t-0", "t-1"])));
    let result = harness.beat_ok(reports("a", 4, &["t-0", "t-1"]));
    assert_eq!(given(&result), (5, None));
    assert_eq!(harness.phase(), "Stable");
}

#[test]
fn expressions_follow_the_topics() {
    let mut harness = with_topics(&[("foo", 1), ("bar", 1)]);
    let result = harness.beat_ok(joining_regex("a", "foo.*"));
    assert_eq!(given(&result), (2, has(&["foo-0"])));
    harness.set_topics(2, &[("foo", 1), ("bar", 1), ("foo2", 1)]);
    let result = harness.beat_ok(beat("a", 2));
    assert_eq!(given(&result), (3, has(&["foo-0", "foo2-0"])));
    let expressions = harness.committed().expressions().keys().cloned();
    assert_eq!(expressions.collect::<Vec<_>>(), ["foo.*"]);
    // The last one who had an expression takes it along.
    let change = ConsumerHeartbeat {
        subscribed_topic_regex: Some("bar".into()),
        ..reports("a", 3, &["foo-0", "foo2-0"])
    };
    assert_eq!(given(&harness.beat_ok(change)), (3, has(&[])));
    let result = harness.beat_ok(reports("a", 3, &[]));
    assert_eq!(given(&result), (4, has(&["bar-0"])));
    let expressions = harness.committed().expressions().keys().cloned();
    assert_eq!(expressions.collect::<Vec<_>>(), ["bar"]);
    harness.beat_ok(beat("a", -1));
    assert!(harness.committed().expressions().is_empty());
    harness.check_replay();
}

#[test]
fn topics_that_are_named_come_before_those_that_match() {
    let mut harness = with_topics(&[("foo", 1), ("bar", 1)]);
    let mixed = ConsumerHeartbeat {
        subscribed_topic_regex: Some("foo.*".into()),
        ..joining("a", &["bar"])
    };
    let result = harness.beat_ok(mixed);
    let epoch = result.member_epoch;
    assert_eq!(given(&result), (epoch, has(&["bar-0"])));
    assert!(harness.committed().expressions().is_empty());
    let result = harness.beat_ok(beat("a", epoch));
    assert_eq!(given(&result), (epoch + 1, has(&["bar-0", "foo-0"])));
    assert_eq!(given(&harness.beat_ok(beat("a", epoch + 1))).1, None);
    // What is resolved for somebody comes at once.
    let mixed = ConsumerHeartbeat {
        subscribed_topic_regex: Some("foo.*".into()),
        ..joining("b", &["bar"])
    };
    harness.beat_ok(mixed);
    assert_eq!(harness.committed().epoch(), epoch + 2);
    assert_eq!(given(&harness.beat_ok(beat("b", epoch + 2))).0, epoch + 2);
    harness.check_replay();
}

#[test]
fn static_member_that_comes_back_has_what_it_had() {
    let mut harness = with_topics(&[("t", 2)]);
    harness.beat_ok(joining_static("a", "i", &["t"]));
    let mut clients = [Client::new("a", &["t"]), Client::new("b", &["t"])];
    clients[0].instance = Some("i".into());
    settle(&mut harness, &mut clients);
    let (epoch, kept) = (harness.committed().epoch(), clients[0].owned.clone());
    let mut away = beat("a", -2);
    away.group_instance_id = Some("i".into());
    let result = harness.beat_ok(away);
    assert_eq!((result.member_epoch, result.heartbeat_interval_ms), (-2, 0));
    // Nobody gets its partitions meanwhile.
    assert_eq!(given(&harness.beat_ok(beat("b", epoch))), (epoch, None));
    let result = harness.beat_ok(joining_static("a2", "i", &["t"]));
    assert_eq!(given(&result), (epoch, Some(kept)));
    assert_eq!(harness.committed().epoch(), epoch);
    let mut old = beat("a", epoch);
    old.group_instance_id = Some("i".into());
    assert_eq!(harness.beat_error(old), ErrorCode::FencedInstanceId);
    // Its session ends as that of any member.
    harness.check_replay();
}

#[test]
fn static_member_that_stays_away_is_out_after_its_session() {
    let mut harness = with_topics(&[("t", 1)]);
    harness.beat_ok(joining_static("a", "i", &["t"]));
    let mut away = beat("a", -2);
    away.group_instance_id = Some("i".into());
    harness.beat_ok(away);
    harness.advance(44_999);
    assert_eq!(harness.committed().members().len(), 1);
    harness.advance(1);
    assert_eq!(harness.phase(), "Empty");
    // Now the instance id is free.
    harness.beat_ok(joining_static("b", "i", &["t"]));
}

#[test]
fn settings_of_the_group_are_obeyed() {
    let mut harness = with_topics(&[("t", 1)]);
    harness.step(Event::GroupConfigChanged {
        group: GROUP.into(),
        config: GroupConfig {
            consumer_session_timeout_ms: Some(50_000),
            consumer_heartbeat_interval_ms: Some(7_000),
            consumer_assignment_interval_ms: Some(1_000),
        },
    });
    let result = harness.beat_ok(joining("a", &["t"]));
    assert_eq!(result.heartbeat_interval_ms, 7_000);
    // The next assignment has to wait; the group epoch does not.
    let result = harness.beat_ok(joining("b", &["t"]));
    assert_eq!((result.member_epoch, harness.phase()), (2, "Assigning"));
    harness.advance(1_000);
    assert_eq!(harness.beat_ok(beat("b", 2)).member_epoch, 3);
    harness.advance(48_999);
    harness.beat_ok(beat("b", 3));
    assert_eq!(harness.committed().members().len(), 2);
    harness.advance(1);
    assert_eq!(harness.committed().members().len(), 1);
    let config = ConsumerConfig {
        heartbeat_interval_ms: Some(9_000),
        ..ConsumerConfig::default()
    };
    harness.step(Event::ConsumerConfigChanged(config));
    harness.step(Event::GroupConfigChanged {
        group: GROUP.into(),
        config: GroupConfig::default(),
    });
    assert_eq!(harness.beat_ok(beat("b", 3)).heartbeat_interval_ms, 9_000);
}

#[test]
fn members_choose_the_assignor() {
    let mut harness = with_topics(&[("t", 1)]);
    let wants = |id: &str, assignor: &str| ConsumerHeartbeat {
        server_assignor: Some(assignor.into()),
        ..joining(id, &["t"])
    };
    harness.beat_ok(joining("a", &["t"]));
    assert_eq!(harness.described().assignor, "uniform");
    harness.beat_ok(wants("b", "range"));
    assert_eq!(harness.described().assignor, "range");
}

#[test]
fn requests_wait_for_the_append_before_them_and_share_the_next() {
    let mut harness = with_topics(&[("t", 2)]);
    harness.is_fast = false;
    let first = harness.send(Request::ConsumerHeartbeat(joining("a", &["t"])));
    let others: Vec<u64> = ["b", "c", "d"]
        .into_iter()
        .map(|id| harness.send(Request::ConsumerHeartbeat(joining(id, &["t"]))))
        .collect();
    assert_eq!((harness.appends.len(), harness.replies.len()), (1, 0));
    harness.commit_next();
    assert_eq!(harness.joined_epoch(first), 2);
    assert_eq!(harness.appends.len(), 1);
    harness.commit_next();
    for (waiter, epoch) in others.into_iter().zip([3, 4, 5]) {
        assert_eq!(harness.joined_epoch(waiter), epoch);
    }
    assert!(harness.appends.is_empty());
    harness.check_replay();
}

#[test]
fn refused_append_is_undone() {
    let mut harness = with_topics(&[("t", 2)]);
    harness.is_fast = false;
    let waiter = harness.send(Request::ConsumerHeartbeat(joining("a", &["t"])));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    assert_eq!(
        harness.heartbeat_error(waiter),
        ErrorCode::CoordinatorNotAvailable
    );
    assert!(harness.core.groups.is_empty());
    harness.is_fast = true;
    harness.beat_ok(joining("a", &["t"]));
    harness.is_fast = false;
    let left = harness.send(Request::ConsumerHeartbeat(beat("a", -1)));
    let next = harness.send(Request::ConsumerHeartbeat(beat("a", 2)));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    assert_eq!(
        harness.heartbeat_error(left),
        ErrorCode::CoordinatorNotAvailable
    );
    // It is a member as before, with a session.
    assert_eq!(harness.heartbeat_error(next), ErrorCode::None);
    harness.is_fast = true;
    harness.advance(45_000);
    assert_eq!(harness.phase(), "Empty");
}

#[test]
fn late_append_is_told_and_stands() {
    let mut harness = with_topics(&[("t", 1)]);
    harness.is_fast = false;
    let waiter = harness.send(Request::ConsumerHeartbeat(joining("a", &["t"])));
    let (token, _, _) = harness.appends[0].clone();
    harness.step(Event::TimedOut { token });
    assert_eq!(
        harness.heartbeat_error(waiter),
        ErrorCode::CoordinatorNotAvailable
    );
    harness.commit_next();
    harness.is_fast = true;
    assert_eq!(harness.beat_ok(joining("a", &["t"])).member_epoch, 2);
}

#[test]
fn resigning_coordinator_answers_all_who_wait() {
    let mut harness = with_topics(&[("t", 1)]);
    harness.is_fast = false;
    let waiters =
        ["a", "b"].map(|id| harness.send(Request::ConsumerHeartbeat(joining(id, &["t"]))));
    let mut effects = Vec::new();
    harness.core.resign(&mut effects);
    harness.absorb(effects);
    for waiter in waiters {
        assert_eq!(harness.heartbeat_error(waiter), ErrorCode::NotCoordinator);
    }
}

#[test]
fn empty_group_goes_when_its_offsets_have_expired() {
    let mut harness = with_topics(&[(TOPIC, 1)]);
    harness.beat_ok(joining("a", &[TOPIC]));
    harness.commit(&member("a", 1), 1);
    harness.beat_ok(beat("a", -1));
    harness.commit(&nobody(), 2);
    harness.advance(8 * 24 * 3_600_000);
    assert!(harness.core.groups.is_empty());
    assert_eq!(harness.fetch(GROUP), -1);
    harness.check_replay();
}

impl Harness {
    fn joined_epoch(&mut self, waiter: u64) -> i32 {
        match self.answer(waiter) {
            Response::ConsumerHeartbeat(result) => result.member_epoch,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn heartbeat_error(&mut self, waiter: u64) -> ErrorCode {
        match self.answer(waiter) {
            Response::ConsumerHeartbeat(result) => result.error,
            other => panic!("{other:?}"),
        }
    }
}

/// A group in which the static member `a` is to give a partition up within 5 s, and its epoch.
fn owing() -> (Harness, i32) {
    let mut harness = with_topics(&[("t", 2)]);
    let join = ConsumerHeartbeat {
        rebalance_timeout_ms: 5_000,
        ..joining_static("a", "i", &["t"])
    };
    let epoch = harness.beat_ok(join).member_epoch;
    harness.beat_ok(joining("b", &["t"]));
    let told = harness.beat_ok(beat_of("a", "i", epoch));
    assert_eq!(told.assignment.map(|it| it.len()), Some(1));
    (harness, epoch)
}

#[test]
fn static_member_that_is_away_owes_nothing() {
    let (mut harness, _) = owing();
    harness.beat_ok(beat_of("a", "i", -2));
    harness.advance(6_000);
    assert!(harness.committed().member("a").is_some());
    // Nor does it after a load, when all have their time anew.
    let mut harness = loaded(Config::default(), harness.log.clone());
    harness.step(Event::TopicsChanged(topics(1, &[("t", 2)])));
    harness.advance(6_000);
    assert!(harness.committed().member("a").is_some());
    harness.advance(39_000);
    assert!(harness.committed().member("a").is_none());
    harness.check_replay();
}

#[test]
fn time_that_ends_behind_a_leave_for_a_while_counts_for_nothing() {
    let (mut harness, _) = owing();
    harness.is_fast = false;
    harness.send(Request::ConsumerHeartbeat(joining("c", &["t"])));
    let waiter = harness.send(Request::ConsumerHeartbeat(beat_of("a", "i", -2)));
    harness.advance(6_000);
    while !harness.appends.is_empty() {
        harness.commit_next();
    }
    assert!(harness.replies.contains_key(&waiter));
    assert!(harness.committed().member("a").is_some());
    assert!(harness.expired.is_empty());
    harness.check_replay();
}

fn beat_of(member_id: &str, instance: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_instance_id: Some(instance.into()),
        ..beat(member_id, epoch)
    }
}
