use milena_protocol::stored::metadata::{
    AbortTransaction, BeginTransaction, BrokerRegistrationChange, ClearElr, ClientQuota, Config,
    EndTransaction, EntityPart, FeatureLevel, NoOp, Other, Partition, PartitionChange, ProducerIds,
    Record, RegisterBroker, RemoveTopic, Topic, UnregisterBroker,
};
use milena_protocol::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerId, TopicId,
};
use uuid::Uuid;

use super::*;
use crate::metadata::{Change, ConfigResource, Delta, QuotaEntity};

const ID: TopicId = TopicId(Uuid::from_u128(1000));

fn topic(name: &str, id: TopicId) -> Record {
    Topic {
        name: name.into(),
        topic_id: id,
    }
    .into()
}

fn partition(id: TopicId, index: i32) -> Record {
    Partition {
        partition: PartitionIndex(index),
        topic_id: id,
        replicas: vec![BrokerId(1), BrokerId(2)],
        isr: vec![BrokerId(1)],
        leader: BrokerId(1),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        directories: vec![Uuid::from_u128(500), Uuid::from_u128(501)],
        eligible_leader_replicas: Some(vec![BrokerId(2)]),
        ..Partition::default()
    }
    .into()
}

fn config(kind: i8, resource: &str, name: &str, value: Option<&str>) -> Record {
    Config {
        resource_type: kind,
        resource_name: resource.into(),
        name: name.into(),
        value: value.map(str::to_owned),
    }
    .into()
}

fn quota(key: &str, value: f64, remove: bool) -> Record {
    ClientQuota {
        entity: vec![EntityPart {
            entity_type: "user".into(),
            entity_name: Some("a".into()),
        }],
        key: key.into(),
        value,
        remove,
    }
    .into()
}

fn feature(name: &str, feature_level: i16) -> Record {
    FeatureLevel {
        name: name.into(),
        feature_level,
    }
    .into()
}

fn register(id: i32, epoch: i64) -> Record {
    RegisterBroker {
        broker_id: BrokerId(id),
        broker_epoch: BrokerEpoch(epoch),
        incarnation_id: Uuid::from_u128(7),
        log_dirs: vec![Uuid::from_u128(500)],
        ..RegisterBroker::default()
    }
    .into()
}

fn acl(api_key: i16, id: u128) -> Record {
    let body = Uuid::from_u128(id).as_bytes().to_vec().into();
    Record::Other(Other {
        api_key,
        version: 0,
        body,
    })
}

fn applied(image: &Image, records: &[Record]) -> Image {
    let mut image = image.clone();
    for record in records {
        let offset = Offset(image.position().offset.0 + 1);
        image.advance(Position {
            offset,
            epoch: LeaderEpoch(1),
        });
        image.apply(record);
    }
    image
}

fn sample() -> Image {
    applied(
        &Image::new("c"),
        &[
            feature("metadata.version", 30),
            feature("group.version", 1),
            register(1, -1),
            register(2, 40),
            register(3, -1),
            topic("a.b", ID),
        ],
    )
}

fn full() -> Image {
    let mut image = sample();
    for record in [
        partition(ID, 0),
        partition(ID, 1),
        config(2, "a.b", "retention.ms", Some("1")),
        config(4, "", "log.retention.ms", Some("2")),
        quota("producer_byte_rate", 10.0, false),
        ProducerIds {
            next_producer_id: ProducerId(3000),
            ..ProducerIds::default()
        }
        .into(),
        acl(Other::ACL, 4),
        acl(Other::ACL, 5),
    ] {
        image.apply(&record);
    }
    image.check_invariants();
    image
}

#[test]
fn broker_epoch_is_filled_in_from_the_offset() {
    let mut image = sample_without_topics();
    let epoch = |image: &Image, id| image.broker(BrokerId(id)).unwrap().epoch;
    assert_eq!(epoch(&image, 1), BrokerEpoch(2));
    assert_eq!(epoch(&image, 2), BrokerEpoch(40));
    // Above an epoch that an import brought.
    assert_eq!(epoch(&image, 3), BrokerEpoch(41));
    assert_eq!(image.registered_at(BrokerId(3)), Some(Offset(4)));
    image.apply(
        &UnregisterBroker {
            broker_id: BrokerId(2),
            broker_epoch: BrokerEpoch(39),
        }
        .into(),
    );
    assert!(image.broker(BrokerId(2)).is_some(), "of another epoch");
    image.apply(
        &UnregisterBroker {
            broker_id: BrokerId(2),
            broker_epoch: BrokerEpoch(40),
        }
        .into(),
    );
    assert!(image.broker(BrokerId(2)).is_none());
}

fn sample_without_topics() -> Image {
    let mut image = sample();
    image.apply(&RemoveTopic { topic_id: ID }.into());
    image.check_invariants();
    image
}

#[test]
fn registration_changes_apply_to_their_epoch() {
    let mut image = sample_without_topics();
    let mut change = BrokerRegistrationChange {
        broker_id: BrokerId(2),
        broker_epoch: BrokerEpoch(40),
        fenced: -1,
        ..BrokerRegistrationChange::default()
    };
    assert!(!image.is_active(BrokerId(2)));
    image.apply(&change.clone().into());
    assert!(image.is_active(BrokerId(2)));
    change.fenced = 0;
    change.in_controlled_shutdown = 1;
    change.log_dirs = vec![Uuid::from_u128(502)];
    image.apply(&change.clone().into());
    let broker = image.broker(BrokerId(2)).unwrap();
    assert!(!broker.is_active() && !broker.fenced);
    assert_eq!(broker.log_dirs, [Uuid::from_u128(502)]);
    change.broker_epoch = BrokerEpoch(41);
    change.fenced = 1;
    image.apply(&change.into());
    assert!(
        !image.broker(BrokerId(2)).unwrap().fenced,
        "of another epoch"
    );
}

#[test]
fn a_removed_topic_takes_its_configurations_with_it() {
    let mut image = full();
    assert_eq!(image.similar_topic("a_b").map(AsRef::as_ref), Some("a.b"));
    assert_eq!(image.similar_topic("a-b"), None);
    image.apply(&RemoveTopic { topic_id: ID }.into());
    image.check_invariants();
    assert!(image.topic("a.b").is_none() && image.topic_by_id(ID).is_none());
    assert!(image.configs(&ConfigResource::topic("a.b")).is_none());
    assert!(image.configs(&ConfigResource::default_broker()).is_some());
    assert_eq!(image.similar_topic("a_b"), None);
}

#[test]
fn a_given_leader_bumps_the_leader_epoch() {
    let mut image = full();
    let change = |leader: i32, isr: &[i32]| {
        Record::from(PartitionChange {
            partition: PartitionIndex(0),
            topic_id: ID,
            leader: BrokerId(leader),
            isr: Some(isr.iter().copied().map(BrokerId).collect()),
            eligible_leader_replicas: Some(vec![]),
            ..PartitionChange::default()
        })
    };
    for (leader, isr, expected, leader_epoch) in [
        (-2, &[1, 2][..], Some(BrokerId(1)), 0),
        (1, &[1, 2], Some(BrokerId(1)), 1),
        (-1, &[2], None, 2),
        (2, &[2], Some(BrokerId(2)), 3),
    ] {
        let before = image
            .partition("a.b", PartitionIndex(0))
            .unwrap()
            .partition_epoch;
        image.apply(&change(leader, isr));
        let partition = image.partition("a.b", PartitionIndex(0)).unwrap();
        assert_eq!(partition.leader, expected);
        assert_eq!(partition.leader_epoch, LeaderEpoch(leader_epoch));
        assert_eq!(partition.partition_epoch, before + 1);
    }
}

#[test]
fn clearing_elr_touches_partitions_that_have_any() {
    for name in ["a.b", ""] {
        let mut image = full();
        let record = Record::from(ClearElr {
            topic_name: name.into(),
        });
        image.apply(&record);
        let partition = image.partition("a.b", PartitionIndex(1)).unwrap();
        assert!(partition.elr.is_empty());
        assert_eq!(partition.partition_epoch, 1);
        image.apply(&record);
        assert_eq!(
            image
                .partition("a.b", PartitionIndex(1))
                .unwrap()
                .partition_epoch,
            1
        );
    }
}

#[test]
fn the_last_deleted_key_removes_its_resource() {
    let mut image = full();
    image.apply(&config(4, "", "log.retention.ms", None));
    image.apply(&quota("producer_byte_rate", 0.0, true));
    image.apply(&feature("group.version", 0));
    image.apply(&acl(Other::REMOVE_ACL, 4));
    image.check_invariants();
    assert!(image.configs(&ConfigResource::default_broker()).is_none());
    assert_eq!(image.client_quotas().count(), 0);
    assert_eq!(image.feature("group.version"), 0);
    assert_eq!(image.others().count(), 1);
}

#[test]
fn an_aborted_transaction_leaves_the_state_of_its_begin() {
    let before = full();
    let mut image = before.clone();
    image.apply(&BeginTransaction::default().into());
    image.apply(&RemoveTopic { topic_id: ID }.into());
    assert!(image.in_transaction() && image.topic("a.b").is_none());
    assert_eq!(
        Image::from_records(
            "c",
            &image.encode_snapshot(),
            image.position(),
            image.digest()
        ),
        before
    );
    let mut ended = image.clone();
    image.apply(&AbortTransaction::default().into());
    assert_eq!(image, before);
    assert_ne!(image.digest(), before.digest());
    ended.apply(&EndTransaction::default().into());
    assert!(!ended.in_transaction() && ended.topic("a.b").is_none());
}

#[test]
fn a_snapshot_gives_an_equal_image() {
    let image = full();
    let records = image.encode_snapshot();
    let copy = Image::from_records("c", &records, image.position(), image.digest());
    copy.check_invariants();
    assert_eq!(copy, image);
    assert_eq!(copy.digest(), image.digest());
    assert_eq!(copy.encode_snapshot(), records);
    assert_eq!(records[0], feature("metadata.version", 30));
    for record in &records {
        let mut bytes = bytes::BytesMut::new();
        record.encode(image.metadata_version(), &mut bytes).unwrap();
        assert_eq!(&Record::decode(&bytes).unwrap(), record);
    }
}

#[test]
fn the_digest_depends_on_every_record_and_their_order() {
    let check = |records: &[Record]| applied(&Image::new("c"), records).digest();
    let (a, b) = (NoOp::default().into(), feature("x", 1));
    let digests = [
        check(&[]),
        check(&[Record::clone(&a)]),
        check(&[a.clone(), a.clone()]),
        check(&[a.clone(), b.clone()]),
        check(&[b.clone(), a.clone()]),
        check(&[feature("x", 2), a.clone()]),
    ];
    for (index, digest) in digests.iter().enumerate() {
        assert!(!digests[..index].contains(digest), "{digests:?}");
    }
    assert_eq!(check(&[a.clone(), b.clone()]), check(&[a, b]));
    // Digests are compared across versions of the program: they must stay what they are.
    assert_eq!(
        Digest::EMPTY.then(b"record").to_string(),
        "055175728552fdbb05b829bd8bff6749"
    );
}

#[test]
fn records_about_nothing_have_no_effect() {
    let image = full();
    let mut copy = image.clone();
    let other = TopicId(Uuid::from_u128(9));
    for record in [
        partition(other, 0),
        PartitionChange {
            topic_id: other,
            ..PartitionChange::default()
        }
        .into(),
        RemoveTopic { topic_id: other }.into(),
        ClearElr {
            topic_name: "z".into(),
        }
        .into(),
        config(99, "a", "b", Some("c")),
        config(2, "z", "b", None),
        quota("z", 0.0, true),
        acl(Other::REMOVE_ACL, 99),
        EndTransaction::default().into(),
        AbortTransaction::default().into(),
    ] {
        copy.apply(&record);
    }
    assert_eq!(copy, image);
}

#[test]
fn a_topic_that_a_log_creates_twice_stays_one_to_one() {
    let mut image = full();
    let other = TopicId(Uuid::from_u128(2000));
    image.apply(&topic("a.b", other));
    image.apply(&partition(other, 0));
    image.check_invariants();
    assert!(image.topic_by_id(ID).is_none());
    image.apply(&topic("c", other));
    image.apply(&partition(other, 0));
    image.apply(&config(2, "a.b", "retention.ms", None));
    image.check_invariants();
    assert!(image.topic("a.b").is_none());
}

#[test]
fn a_delta_says_what_changed() {
    let before = full();
    assert!(Delta::between(&before, &before.clone()).is_empty());
    let mut after = before.clone();
    let other = TopicId(Uuid::from_u128(2000));
    for record in [
        topic("new", other),
        partition(other, 0),
        PartitionChange {
            partition: PartitionIndex(1),
            topic_id: ID,
            isr: Some(vec![BrokerId(1)]),
            ..PartitionChange::default()
        }
        .into(),
        UnregisterBroker {
            broker_id: BrokerId(2),
            broker_epoch: BrokerEpoch(40),
        }
        .into(),
        register(9, -1),
        config(2, "new", "k", Some("v")),
        quota("consumer_byte_rate", 1.0, false),
        feature("group.version", 0),
    ] {
        after.apply(&record);
    }
    let delta = Delta::between(&before, &after);
    assert_eq!(delta.topics_created.keys().collect::<Vec<_>>(), [&other]);
    assert!(delta.topics_removed.is_empty());
    assert_eq!(
        delta.partitions_changed[&ID].iter().collect::<Vec<_>>(),
        [&PartitionIndex(1)]
    );
    let brokers = [
        (BrokerId(2), Change::Removed),
        (BrokerId(9), Change::Created),
    ];
    assert_eq!(delta.brokers.into_iter().collect::<Vec<_>>(), brokers);
    assert_eq!(
        delta.configs.into_iter().collect::<Vec<_>>(),
        [ConfigResource::topic("new")]
    );
    assert!(
        delta
            .client_quotas
            .contains(&QuotaEntity::of(&[("user", Some("a"))]))
    );
    assert!(delta.features_changed && !delta.producer_ids_changed && !delta.others_changed);
    let back = Delta::between(&after, &before);
    assert_eq!(back.topics_removed.keys().collect::<Vec<_>>(), [&other]);
}

/// Offsets and values of the records of a log that Apache Kafka wrote.
fn kafka_log() -> Vec<(i64, Vec<u8>)> {
    include_str!("kafka_log.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (offset, hex) = line.split_once(' ').unwrap();
            let bytes = (0..hex.len() / 2)
                .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            (offset.parse().unwrap(), bytes)
        })
        .collect()
}

/// The image of that log; every record is written as it was read.
fn kafka_image() -> Image {
    let mut image = Image::new("c");
    for (offset, bytes) in kafka_log() {
        let (record, version) = Record::decode_versioned(&bytes).unwrap();
        let mut again = bytes::BytesMut::new();
        record.encode_version(version, &mut again).unwrap();
        assert_eq!(again, bytes, "{record:?}");
        let offset = Offset(offset);
        image.advance(Position {
            offset,
            epoch: LeaderEpoch(1),
        });
        image.apply(&record);
    }
    assert!(!image.in_transaction());
    image.check_invariants();
    image
}

#[test]
fn the_log_of_a_kafka_broker_is_read() {
    let image = kafka_image();
    let names: Vec<_> = image
        .topics()
        .map(|topic| (&*topic.name, topic.partition_count()))
        .collect();
    assert_eq!(names, [("gone", 1), ("orders.new", 3)]);
    let configs = |resource: &ConfigResource| -> Vec<(String, String)> {
        let configs = image.configs(resource).into_iter().flatten();
        configs
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        configs(&ConfigResource::topic("orders.new")),
        [
            pair("cleanup.policy", "compact"),
            pair("min.insync.replicas", "1"),
            pair("segment.ms", "60000"),
        ]
    );
    assert_eq!(configs(&ConfigResource::topic("gone")), []);
    assert_eq!(
        configs(&ConfigResource::default_broker()),
        [
            pair("log.retention.ms", "7000"),
            pair("min.insync.replicas", "1")
        ]
    );
}

#[test]
fn brokers_and_settings_of_a_kafka_log_are_read() {
    let image = kafka_image();
    let quotas: Vec<_> = image.client_quotas().collect();
    assert_eq!(quotas.len(), 2);
    assert_eq!(
        quotas[0].0,
        &QuotaEntity::of(&[("client-id", Some("c")), ("user", Some("alice"))])
    );
    assert_eq!(quotas[0].1.get("producer_byte_rate"), Some(&1000.0));
    assert_eq!(quotas[1].0, &QuotaEntity::of(&[("ip", None)]));
    assert_eq!(image.next_producer_id(), ProducerId(1000));
    assert_eq!(image.metadata_version().0, 30);
    assert_eq!(
        (
            image.feature("share.version"),
            image.feature("transaction.version")
        ),
        (0, 2)
    );
    assert_eq!(image.others().count(), 1, "the credential of alice");
    let broker = image.broker(BrokerId(1)).unwrap();
    assert!(broker.fenced && broker.endpoint("PLAINTEXT").unwrap().port == 47393);
    // It stopped cleanly: nobody leads, and it stays eligible.
    for (_, _, partition) in image.partitions() {
        assert_eq!(
            (partition.leader, partition.elr.as_slice()),
            (None, &[BrokerId(1)][..])
        );
    }
    let (position, digest) = (image.position(), image.digest());
    assert_eq!(
        Image::from_records("c", &image.encode_snapshot(), position, digest),
        image
    );
}
