use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionIndex, ProducerId, TopicId};

fn golden() -> Vec<(&'static str, i16, Vec<u8>)> {
    include_str!("golden.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            let version = words.next().unwrap().parse().unwrap();
            let hex = words.next().unwrap();
            let bytes = (0..hex.len() / 2)
                .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            (name, version, bytes)
        })
        .collect()
}

fn encoded(record: &Record, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    record.encode_version(version, &mut out).unwrap();
    out
}

fn uuid(low: u64) -> Uuid {
    Uuid::from_u64_pair(0x1112_1314_1516_1718, low)
}

#[test]
fn frames_are_kafkas_in_every_version() {
    let golden = golden();
    assert_eq!(golden.len(), 39);
    for (name, version, bytes) in golden {
        let (record, read_version) = Record::decode_versioned(&bytes).unwrap();
        assert_eq!((record.name(), read_version), (name, version));
        assert_eq!(encoded(&record, version), bytes, "{record:?}");
    }
}

#[test]
fn fields_are_read_where_kafka_wrote_them() {
    let records: Vec<Record> = golden()
        .iter()
        .map(|(_, _, bytes)| Record::decode(bytes).unwrap())
        .collect();
    assert_eq!(
        records[4],
        RegisterBroker {
            broker_id: BrokerId(3),
            incarnation_id: uuid(1),
            broker_epoch: BrokerEpoch(77),
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 59092,
                security_protocol: 0,
            }],
            features: vec![FeatureRange {
                name: "metadata.version".into(),
                min_supported_version: 7,
                max_supported_version: 30,
            }],
            rack: Some("r1".into()),
            log_dirs: vec![uuid(5)],
            cordoned_log_dirs: Some(vec![uuid(5)]),
            ..RegisterBroker::default()
        }
        .into()
    );
    assert_eq!(
        records[9],
        Partition {
            partition: PartitionIndex(4),
            topic_id: TopicId(uuid(9)),
            replicas: vec![BrokerId(1), BrokerId(2)],
            leader_epoch: LeaderEpoch(5),
            partition_epoch: 6,
            directories: vec![uuid(5), uuid(6)],
            eligible_leader_replicas: Some(vec![BrokerId(2)]),
            last_known_elr: Some(vec![BrokerId(1)]),
            ..Partition::default()
        }
        .into()
    );
    assert_eq!(
        records[13],
        PartitionChange {
            partition: PartitionIndex(4),
            topic_id: TopicId(uuid(9)),
            directories: Some(vec![uuid(5)]),
            ..PartitionChange::default()
        }
        .into()
    );
    assert_eq!(
        records[20],
        ProducerIds {
            broker_id: BrokerId(3),
            broker_epoch: BrokerEpoch(77),
            next_producer_id: ProducerId(2000),
        }
        .into()
    );
}

#[test]
fn a_record_of_other_and_its_removal_have_one_identity() {
    let others: Vec<Other> = golden()
        .iter()
        .filter_map(|(_, _, bytes)| match Record::decode(bytes).unwrap() {
            Record::Other(other) => Some(other),
            _ => None,
        })
        .collect();
    assert_eq!(others.len(), 6);
    for pair in others.chunks(2) {
        assert_eq!(pair[0].identity(), pair[1].identity());
        assert!(!pair[0].removes() && pair[1].removes());
    }
    assert_eq!(others[0].identity(), Ok(Identity::Acl(uuid(7))));
    assert_eq!(others[2].identity(), Ok(Identity::Scram("alice".into(), 1)));
    assert_eq!(
        others[4].identity(),
        Ok(Identity::DelegationToken("tok".into()))
    );
    let empty = Other {
        api_key: Other::ACL,
        version: 0,
        body: Bytes::new(),
    };
    assert!(empty.identity().is_err());
}

#[test]
fn foreign_frames_are_refused() {
    let check = |bytes: &[u8], error: Error| assert_eq!(Record::decode(bytes), Err(error));
    check(&[0, 20, 0, 0], Error::FrameVersion { version: 0 });
    check(&[2, 20, 0, 0], Error::FrameVersion { version: 2 });
    check(&[1, 99, 0, 0], Error::UnknownRecord { api_key: 99 });
    check(&[1, 6, 0, 0], Error::UnknownRecord { api_key: 6 });
    check(
        &[1, 2, 1, 0],
        Error::UnsupportedVersion {
            api_key: 2,
            version: 1,
            max: 0,
        },
    );
    check(
        &[1, 18, 1, 0],
        Error::UnsupportedVersion {
            api_key: 18,
            version: 1,
            max: 0,
        },
    );
    assert!(matches!(
        Record::decode(&[1, 20, 0, 0, 7]),
        Err(Error::Wire(_))
    ));
    assert!(matches!(Record::decode(&[1, 2, 0]), Err(Error::Wire(_))));
    assert!(matches!(Record::decode(&[]), Err(Error::Wire(_))));
    // An unknown tagged field is passed over, as Kafka does.
    assert_eq!(
        Record::decode(&[1, 20, 0, 1, 9, 1, 0]),
        Ok(NoOp::default().into())
    );
}

#[test]
fn every_prefix_of_a_frame_is_refused_or_read() {
    for (_, _, bytes) in golden() {
        for length in 0..bytes.len() {
            let _ = Record::decode(&bytes[..length]);
        }
    }
}

#[test]
fn a_value_that_a_version_lacks_is_not_lost_silently() {
    let record = Record::from(RegisterBroker {
        cordoned_log_dirs: Some(vec![]),
        ..RegisterBroker::default()
    });
    let mut out = BytesMut::new();
    assert_eq!(
        record.encode_version(3, &mut out),
        Err(Error::FieldNotInVersion {
            field: "cordoned_log_dirs",
            version: 3
        })
    );
    assert_eq!(
        record.encode_version(5, &mut out),
        Err(Error::UnsupportedVersion {
            api_key: 0,
            version: 5,
            max: 4
        })
    );
    out.clear();
    record.encode(MetadataVersion::LATEST, &mut out).unwrap();
    assert_eq!(Record::decode(&out), Ok(record));
}

#[test]
fn levels_have_kafkas_names_and_record_versions() {
    for (level, name, register, partition) in [
        (7, "3.3-IV3", 1, 0),
        (8, "3.4-IV0", 2, 0),
        (16, "3.7-IV1", 2, 0),
        (17, "3.7-IV2", 3, 1),
        (22, "4.0-IV0", 3, 1),
        (23, "4.0-IV1", 3, 2),
        (29, "4.2-IV1", 3, 2),
        (30, "4.3-IV0", 4, 2),
    ] {
        let level = MetadataVersion(level);
        assert_eq!(level.to_string(), name);
        assert_eq!(level.register_broker_version(), register, "{name}");
        assert_eq!(level.partition_version(), partition, "{name}");
    }
    assert_eq!(MetadataVersion(6).name(), None);
    assert_eq!(MetadataVersion(31).name(), None);
    assert!(MetadataVersion(30).differs_in_records(MetadataVersion(29)));
    assert!(!MetadataVersion(29).differs_in_records(MetadataVersion(24)));
    assert!(MetadataVersion(22).differs_in_records(MetadataVersion(23)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = vec![1];
        framed.extend_from_slice(&bytes);
        if let Ok((record, version)) = Record::decode_versioned(&framed) {
            let again = encoded(&record, version);
            // Bytes compare equal where numbers do not: NaN is a possible quota.
            let second = Record::decode_versioned(&again).unwrap();
            prop_assert_eq!(encoded(&second.0, version), again);
        }
    }

    #[test]
    fn partitions_round_trip(
        partition in 0..i32::MAX,
        replicas in proptest::collection::vec(0..i32::MAX, 0..5),
        elr in proptest::option::of(proptest::collection::vec(0..i32::MAX, 0..5)),
        epochs in any::<(i32, i32)>(),
    ) {
        let replicas: Vec<_> = replicas.into_iter().map(BrokerId).collect();
        let record = Record::from(Partition {
            partition: PartitionIndex(partition),
            topic_id: TopicId(uuid(1)),
            directories: replicas.iter().map(|_| uuid(2)).collect(),
            replicas,
            leader_epoch: LeaderEpoch(epochs.0),
            partition_epoch: epochs.1,
            eligible_leader_replicas: elr.map(|elr| elr.into_iter().map(BrokerId).collect()),
            ..Partition::default()
        });
        prop_assert_eq!(Record::decode(&encoded(&record, 2)), Ok(record));
    }
}
