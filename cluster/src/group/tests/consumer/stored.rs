//! Groups that are loaded: from what Kafka stored, from what compaction has left, from anything.

use milena_protocol::stored::group::{
    ClassicMember, ConsumerMember, ConsumerMetadata, ConsumerRecord, CurrentAssignment,
    ResolvedExpression, TargetMetadata, TopicMetadata, TopicPartitions,
};
use proptest::prelude::*;

use super::*;

fn record(record: ConsumerRecord) -> (ProducerId, Record) {
    let record = Record::Consumer {
        group: GROUP.into(),
        record,
    };
    (ProducerId::NONE, record)
}

fn stored_member(names: &[&str]) -> ConsumerMember {
    ConsumerMember {
        instance_id: None,
        rack_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: names.iter().map(|name| (*name).to_owned()).collect(),
        subscribed_topic_regex: None,
        rebalance_timeout_ms: 60_000,
        server_assignor: None,
        classic: None,
    }
}

fn stored_partitions(topic: &str, partitions: &[i32], epochs: &[i32]) -> Vec<TopicPartitions> {
    vec![TopicPartitions {
        topic_id: id_of(topic),
        partitions: partitions.iter().copied().map(PartitionIndex).collect(),
        assignment_epochs: epochs.to_vec(),
    }]
}

fn metadata(epoch: i32, metadata_hash: i64) -> ConsumerRecord {
    ConsumerRecord::Metadata(Some(ConsumerMetadata {
        epoch,
        metadata_hash,
    }))
}

/// A group with one member at epoch 5, as Kafka before 4.3 stores it.
fn kafkas(state: i8, hash: i64) -> Vec<(ProducerId, Record)> {
    let current = CurrentAssignment {
        member_epoch: 5,
        previous_member_epoch: 4,
        state,
        assigned: stored_partitions("t", &[0, 1], &[]),
        pending_revocation: Vec::new(),
    };
    let target = TargetMetadata {
        assignment_epoch: 5,
        assignment_timestamp: Timestamp(0),
    };
    [
        ConsumerRecord::Member("a".into(), Some(stored_member(&["t"]))),
        metadata(5, hash),
        ConsumerRecord::TargetMember("a".into(), Some(stored_partitions("t", &[0, 1], &[]))),
        ConsumerRecord::TargetMetadata(Some(target)),
        ConsumerRecord::Current("a".into(), Some(current)),
    ]
    .map(record)
    .to_vec()
}

fn with_log(log: Vec<(ProducerId, Record)>) -> Harness {
    let mut harness = loaded(Config::default(), log);
    harness.set_topics(1, &[("t", 2)]);
    harness
}

#[test]
fn group_of_kafka_goes_on_without_a_rebalance() {
    let hash = topics(1, &[("t", 2)]).hash(["t"].into_iter());
    let mut harness = with_log(kafkas(0, hash));
    let before = harness.log.len();
    let mut heartbeat = beat("a", 5);
    heartbeat.owned_partitions = owned(&assignment_of(&["t-0", "t-1"]));
    let result = harness.beat_ok(heartbeat);
    assert_eq!((result.member_epoch, result.assignment), (5, None));
    assert_eq!((harness.log.len(), harness.phase()), (before, "Stable"));
    // Its commits count from the epoch that the record has for all.
    let mut commit = commit(&member("a", 4), 1);
    commit.supports_member_epoch = true;
    commit.topics[0].id = id_of("t");
    let Response::CommitOffsets(committed) = harness.ask(Request::CommitOffsets(commit)) else {
        panic!("an answer");
    };
    assert_eq!(committed[0].partitions[0].1, ErrorCode::StaleMemberEpoch);
    // Loaded members have a session.
    harness.advance(45_000);
    assert_eq!(harness.phase(), "Empty");
}

#[test]
fn group_before_4_1_gets_a_hash_instead_of_its_topics() {
    let mut log = kafkas(0, 0);
    let topic = TopicMetadata {
        topic_id: id_of("t"),
        name: "t".into(),
        partition_count: 2,
        racks: Vec::new(),
    };
    log.push(record(ConsumerRecord::PartitionMetadata(Some(vec![topic]))));
    let mut harness = with_log(log);
    harness.beat_ok(beat("a", 5));
    let (_, last) = harness
        .log
        .iter()
        .rfind(|(_, record)| {
            let Record::Consumer { record, .. } = record else {
                return false;
            };
            matches!(record, ConsumerRecord::PartitionMetadata(_))
        })
        .expect("a tombstone");
    assert_eq!(last, &record(ConsumerRecord::PartitionMetadata(None)).1);
    assert_eq!(harness.committed().epoch(), 6);
}

#[test]
fn member_in_a_state_of_a_later_release_is_fenced_until_it_has_nothing() {
    let mut harness = with_log(kafkas(9, 0));
    assert_eq!(
        harness.beat_error(beat("a", 5)),
        ErrorCode::FencedMemberEpoch
    );
    let result = harness.beat_ok(joining("a", &["t"]));
    assert_eq!(result.assignment, Some(assignment_of(&["t-0", "t-1"])));
    assert_eq!(harness.phase(), "Stable");
}

#[test]
fn loaded_member_that_gives_up_has_its_time_for_that() {
    let mut harness = with_topics(&[("t", 2)]);
    harness.beat_ok(joining("a", &["t"]));
    harness.beat_ok(joining("b", &["t"]));
    harness.beat_ok(beat("a", 2));
    let mut harness = with_log(harness.log);
    for _ in 0..5 {
        harness.advance(10_000);
        harness.beat_ok(beat("a", 2));
        harness.beat_ok(beat("b", 3));
    }
    harness.advance(10_000);
    assert_eq!(harness.beat_error(beat("a", 2)), ErrorCode::UnknownMemberId);
}

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[abt]", 0..3)
}

fn any_partitions() -> impl Strategy<Value = Vec<TopicPartitions>> {
    let topic = (
        "[abt]",
        proptest::collection::vec(-1..3_i32, 0..4),
        proptest::collection::vec(any::<i32>(), 0..4),
    );
    proptest::collection::vec(topic, 0..3).prop_map(|topics| {
        let all = topics.into_iter();
        all.flat_map(|(topic, partitions, epochs)| stored_partitions(&topic, &partitions, &epochs))
            .collect()
    })
}

fn any_member() -> impl Strategy<Value = ConsumerMember> {
    let classic = proptest::option::of((any::<i32>(), names(), any::<Vec<u8>>()));
    (
        names(),
        proptest::option::of("[ab.\\[*]{0,3}"),
        proptest::option::of("[ij]"),
        classic,
        any::<i32>(),
        proptest::option::of("range|uniform|x"),
    )
        .prop_map(
            |(names, regex, instance, classic, timeout, assignor)| ConsumerMember {
                instance_id: instance,
                subscribed_topic_names: names,
                subscribed_topic_regex: regex,
                rebalance_timeout_ms: timeout,
                server_assignor: assignor,
                classic: classic.map(|(session_timeout_ms, protocols, metadata)| ClassicMember {
                    session_timeout_ms,
                    supported_protocols: protocols
                        .into_iter()
                        .map(|name| (name, Bytes::from(metadata.clone())))
                        .collect(),
                }),
                ..stored_member(&[])
            },
        )
}

fn any_record() -> impl Strategy<Value = ConsumerRecord> {
    let id = || "[mn]";
    let epoch = || prop_oneof![-3..9_i32, any::<i32>()];
    let maybe = |record: BoxedStrategy<ConsumerRecord>| record;
    prop_oneof![
        maybe(
            (epoch(), any::<i64>())
                .prop_map(|(epoch, hash)| metadata(epoch, hash))
                .boxed()
        ),
        (id(), proptest::option::of(any_member()))
            .prop_map(|(id, member)| ConsumerRecord::Member(id, member)),
        (epoch(), any::<i64>()).prop_map(|(assignment_epoch, time)| {
            ConsumerRecord::TargetMetadata(Some(TargetMetadata {
                assignment_epoch,
                assignment_timestamp: Timestamp(time),
            }))
        }),
        (id(), proptest::option::of(any_partitions()))
            .prop_map(|(id, target)| ConsumerRecord::TargetMember(id, target)),
        (
            id(),
            epoch(),
            epoch(),
            0..4_i8,
            any_partitions(),
            any_partitions()
        )
            .prop_map(
                |(id, member_epoch, previous_member_epoch, state, assigned, pending_revocation)| {
                    ConsumerRecord::Current(
                        id,
                        Some(CurrentAssignment {
                            member_epoch,
                            previous_member_epoch,
                            state,
                            assigned,
                            pending_revocation,
                        }),
                    )
                }
            ),
        id().prop_map(|id| ConsumerRecord::Current(id, None)),
        ("[ab.\\[*]{1,3}", proptest::option::of(names())).prop_map(|(regex, topics)| {
            let resolved = topics.map(|topics| ResolvedExpression {
                topics,
                version: 1,
                timestamp: Timestamp(1),
            });
            ConsumerRecord::Expression(regex, resolved)
        }),
        Just(ConsumerRecord::TargetMetadata(None)),
        Just(ConsumerRecord::PartitionMetadata(None)),
        Just(ConsumerRecord::Metadata(None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_records_are_loaded_and_served(
        records in proptest::collection::vec(any_record(), 0..30),
        epochs in proptest::collection::vec(-2..9_i32, 6),
    ) {
        let mut core = Coordinator::new(Config::default());
        let mut log = Vec::new();
        for item in records {
            let (producer, item) = record(item);
            core.apply(Offset(0), producer, item.clone());
            log.push((producer, item));
        }
        let mut harness = with_log(Vec::new());
        harness.is_foreign = true;
        harness.core = core;
        harness.log = log;
        let mut effects = Vec::new();
        harness.core.finish_loading(harness.now, &mut effects);
        harness.absorb(effects);
        harness.set_topics(7, &[("a", 2), ("t", 3)]);
        for (index, epoch) in epochs.into_iter().enumerate() {
            let id = ["m", "n", "o"][index % 3];
            let mut heartbeat = beat(id, epoch);
            heartbeat.group_instance_id = (index % 2 == 0).then(|| "i".to_owned());
            harness.beat(heartbeat);
            harness.beat(joining(id, &["a", "t"]));
            harness.heartbeat(&member(id, epoch));
            harness.described();
            harness.advance(30_000);
        }
        harness.leave(&[("m", None), ("n", None), ("", Some("i"))]);
        harness.advance(3_000_000);
        harness.check_replay();
    }
}
