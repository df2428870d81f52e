//! What one client or one log may do to others: nothing.

use milena_protocol::stored::group::{ClassicMember, ConsumerMember, ConsumerMetadata};
use milena_protocol::stored::group::{ConsumerRecord, Record};
use milena_protocol::wire::STRING_BYTES_MAX;

use super::*;

#[test]
fn what_cannot_be_stored_is_refused_alone() {
    let long = "x".repeat(STRING_BYTES_MAX + 1);
    let mut harness = with_topics(&[("t", 2)]);
    harness.is_fast = false;
    harness.send(Request::ConsumerHeartbeat(joining("a", &["t"])));
    let with = |change: fn(&mut ConsumerHeartbeat, String)| {
        let mut request = joining("z", &["t"]);
        change(&mut request, long.clone());
        request
    };
    let requests = [
        with(|it, long| it.member_id = long),
        with(|it, long| it.group_instance_id = Some(long)),
        with(|it, long| it.rack_id = Some(long)),
        with(|it, long| it.subscribed_topic_names = Some(vec![long])),
        with(|it, long| it.client_id = long),
    ];
    for request in requests {
        let waiter = harness.send(Request::ConsumerHeartbeat(request));
        let error = harness.heartbeat_error(waiter);
        assert_eq!(error, ErrorCode::InvalidRequest);
    }
    let mut classic = join("c", "");
    classic.protocols[0].name = long;
    let waiter = harness.send(Request::Join(classic));
    let Some(Response::Join(joined)) = harness.replies.remove(&waiter) else {
        panic!("no answer");
    };
    assert_eq!(joined.error, ErrorCode::InvalidRequest);
    let waiter = harness.send(Request::ConsumerHeartbeat(joining("b", &["t"])));
    harness.commit_next();
    for (_, records, _) in &harness.appends {
        assert!(records.iter().all(|record| record.encode().is_ok()));
    }
    harness.commit_next();
    assert!(harness.replies.contains_key(&waiter));
}

#[test]
fn who_waits_behind_an_append_that_does_not_end_is_told() {
    let mut harness = with_topics(&[("t", 1)]);
    harness.is_fast = false;
    let ids = ["a", "b", "c"];
    let waiters = ids.map(|id| harness.send(Request::ConsumerHeartbeat(joining(id, &["t"]))));
    let (token, _, _) = harness.appends[0].clone();
    harness.step(Event::TimedOut { token });
    for waiter in waiters {
        let error = harness.heartbeat_error(waiter);
        assert_eq!(error, ErrorCode::CoordinatorNotAvailable);
    }
    let waiter = harness.send(Request::ConsumerHeartbeat(joining("d", &["t"])));
    let error = harness.heartbeat_error(waiter);
    assert_eq!(error, ErrorCode::CoordinatorNotAvailable);
    harness.commit_next();
    harness.is_fast = true;
    assert_eq!(harness.beat_ok(joining("d", &["t"])).member_epoch, 3);
}

#[test]
fn two_members_of_one_instance_in_the_log_do_no_harm() {
    let member = |instance: Option<&str>, is_classic: bool| ConsumerMember {
        instance_id: instance.map(str::to_owned),
        rack_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: vec!["t".into()],
        subscribed_topic_regex: None,
        rebalance_timeout_ms: 60_000,
        server_assignor: None,
        classic: is_classic.then(|| ClassicMember {
            session_timeout_ms: 10_000,
            supported_protocols: vec![("range".into(), protocol("range").metadata)],
        }),
    };
    let stored = |record| {
        let group = GROUP.to_owned();
        (ProducerId::NONE, Record::Consumer { group, record })
    };
    let of = |id: &str, member| stored(ConsumerRecord::Member(id.into(), Some(member)));
    let metadata = ConsumerMetadata {
        epoch: 3,
        metadata_hash: 0,
    };
    let log = vec![
        stored(ConsumerRecord::Metadata(Some(metadata))),
        of("m", member(Some("i"), true)),
        of("n", member(Some("i"), true)),
        of("o", member(None, false)),
    ];
    let mut harness = loaded(Config::default(), log);
    harness.step(Event::TopicsChanged(topics(1, &[("t", 2)])));
    harness.beat(beat("o", -1));
    harness.core.check_invariants();
}

#[test]
fn an_expression_follows_topics_by_what_has_changed() {
    let mut harness = with_topics(&[("a1", 1), ("a2", 1), ("b1", 1)]);
    let mut clients = [Client::new("m", &[])];
    clients[0].regex = Some("a.*".into());
    settle(&mut harness, &mut clients);
    let subscribed = |harness: &Harness| -> Vec<String> {
        harness.committed().expressions()["a.*"].topics.clone()
    };
    assert_eq!(subscribed(&harness), ["a1", "a2"]);
    let view = topics(1, &[("a1", 1), ("a2", 1), ("b1", 1)]);
    let added = view.changed(2, [topic("a0", 1), topic("b2", 1)], &[]);
    let removed = added.changed(3, [topic("a3", 2)], &[id_of("a2")]);
    // The group misses the version between.
    harness.step(Event::TopicsChanged(removed.clone()));
    settle(&mut harness, &mut clients);
    assert_eq!(subscribed(&harness), ["a0", "a1", "a3"]);
    // A view that has nothing to do with the one before.
    harness.set_topics(9, &[("a9", 1)]);
    settle(&mut harness, &mut clients);
    assert_eq!(subscribed(&harness), ["a9"]);
    assert_eq!(removed.changed_since(3), Some(BTreeSet::new()));
    assert_eq!(removed.changed_since(2), Some(["a2", "a3"].into()));
    assert_eq!(removed.changed_since(7), None);
}
