//! Bytes were written by the generated classes of Apache Kafka 4.3.1.

use proptest::prelude::*;

use super::*;
use crate::{LeaderEpoch, Offset, Timestamp, TopicId};

const KEY_LEGACY: &str = "0000000667727570706500017400000007";
const KEY_OFFSET: &str = "0001000667727570706500017400000007";
const KEY_GROUP: &str = "00020006677275707065";

const OFFSETS: [&str; 5] = [
    "0000000000000000002a00036dc3bc0000018bcfe56800",
    "0001000000000000002a00036dc3bc0000018bcfe568000000018bcfe56be8",
    "0002000000000000002a00036dc3bc0000018bcfe56800",
    "0003000000000000002a0000000500036dc3bc0000018bcfe56800",
    "0004000000000000002a00000005046dc3bc0000018bcfe5680001001000000000000000010000000000000002",
];
const OFFSET_WITHOUT_TOPIC_ID: &str = "0004000000000000002a00000005046dc3bc0000018bcfe5680000";

const GROUPS: [&str; 5] = [
    "00000008636f6e73756d657200000003000572616e676500026d310000000200026d31000163000a2f3132372e302e302e3100002710000000020001000000010200026d320000000168000000020000000000000000",
    "00010008636f6e73756d657200000003000572616e676500026d310000000200026d31000163000a2f3132372e302e302e310000ea6000002710000000020001000000010200026d32000000016800000001000000020000000000000000",
    "00020008636f6e73756d657200000003000572616e676500026d310000018bcfe568000000000200026d31000163000a2f3132372e302e302e310000ea6000002710000000020001000000010200026d32000000016800000001000000020000000000000000",
    "00030008636f6e73756d657200000003000572616e676500026d310000018bcfe568000000000200026d3100026931000163000a2f3132372e302e302e310000ea6000002710000000020001000000010200026d32ffff000000016800000001000000020000000000000000",
    "000409636f6e73756d6572000000030672616e6765036d310000018bcfe5680003036d3103693102630b2f3132372e302e302e310000ea6000002710030001020200036d3200010268000000010000000201010000",
];
const EMPTY_GROUPS: [&str; 5] = [
    "0000000000000000ffffffff00000000",
    "0001000000000000ffffffff00000000",
    "0002000000000000ffffffff000000000000000900000000",
    "0003000000000000ffffffff000000000000000900000000",
    "00040100000000000000000000000000090100",
];

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn decode(key: &str, value: &str) -> Record {
    Record::decode(Some(&hex(key)), Some(&hex(value))).unwrap()
}

fn key() -> OffsetKey {
    OffsetKey {
        group: "gruppe".into(),
        topic: "t".into(),
        partition: PartitionIndex(7),
    }
}

fn commit(version: i16) -> OffsetCommit {
    OffsetCommit {
        offset: Offset(42),
        leader_epoch: LeaderEpoch(if version >= 3 { 5 } else { -1 }),
        metadata: "mü".into(),
        commit_timestamp: Timestamp(1_700_000_000_000),
        expire_timestamp: Timestamp(if version == 1 { 1_700_000_001_000 } else { -1 }),
        topic_id: if version >= 4 {
            TopicId(uuid::Uuid::from_u64_pair(1, 2))
        } else {
            TopicId::ZERO
        },
    }
}

fn group(version: i16) -> GroupMetadata {
    let timeout = |ms| if version >= 1 { ms } else { -1 };
    GroupMetadata {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m1".into()),
        current_state_timestamp: Timestamp(if version >= 2 { 1_700_000_000_000 } else { -1 }),
        members: vec![
            Member {
                member_id: "m1".into(),
                group_instance_id: (version >= 3).then(|| "i1".into()),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                rebalance_timeout_ms: timeout(60_000),
                session_timeout_ms: 10_000,
                subscription: Bytes::from_static(&[0, 1]),
                assignment: Bytes::from_static(&[2]),
            },
            Member {
                member_id: "m2".into(),
                group_instance_id: None,
                client_id: String::new(),
                client_host: "h".into(),
                rebalance_timeout_ms: timeout(1),
                session_timeout_ms: 2,
                subscription: Bytes::new(),
                assignment: Bytes::new(),
            },
        ],
    }
}

#[test]
fn offsets_of_every_version_are_read() {
    for (version, value) in (0..).zip(OFFSETS) {
        for key_text in [KEY_LEGACY, KEY_OFFSET] {
            let expected = Record::Offset(key(), Some(commit(version)));
            assert_eq!(decode(key_text, value), expected, "version {version}");
        }
    }
}

#[test]
fn groups_of_every_version_are_read() {
    for (version, (value, empty)) in (0..).zip(GROUPS.into_iter().zip(EMPTY_GROUPS)) {
        let expected = Record::Group {
            group: "gruppe".into(),
            metadata: Some(group(version)),
        };
        assert_eq!(decode(KEY_GROUP, value), expected, "version {version}");
        let Record::Group { metadata, .. } = decode(KEY_GROUP, empty) else {
            panic!("a group");
        };
        let expected = GroupMetadata {
            protocol_type: String::new(),
            generation: 0,
            protocol: None,
            leader: None,
            current_state_timestamp: Timestamp(if version >= 2 { 9 } else { -1 }),
            members: Vec::new(),
        };
        assert_eq!(metadata, Some(expected), "version {version}");
    }
}

#[test]
fn what_is_written_is_what_kafka_writes() {
    let mut without_topic_id = commit(4);
    without_topic_id.topic_id = TopicId::ZERO;
    let of_group = |metadata| Record::Group {
        group: "gruppe".into(),
        metadata,
    };
    let cases = [
        (
            Record::Offset(key(), Some(commit(4))),
            KEY_OFFSET,
            OFFSETS[4],
        ),
        (
            Record::Offset(key(), Some(commit(1))),
            KEY_OFFSET,
            OFFSETS[1],
        ),
        (
            Record::Offset(key(), Some(without_topic_id)),
            KEY_OFFSET,
            OFFSET_WITHOUT_TOPIC_ID,
        ),
        (of_group(Some(group(3))), KEY_GROUP, GROUPS[3]),
    ];
    for (record, key, value) in cases {
        let (written_key, written_value) = record.encode().unwrap();
        assert_eq!(written_key, hex(key));
        assert_eq!(written_value.unwrap(), hex(value));
    }
    for (record, key) in [
        (Record::Offset(key(), None), KEY_OFFSET),
        (of_group(None), KEY_GROUP),
    ] {
        assert_eq!(record.encode().unwrap(), (Bytes::from(hex(key)), None));
        assert_eq!(Record::decode(Some(&hex(key)), None).unwrap(), record);
    }
}

#[test]
fn records_of_other_types_are_kept_as_they_are() {
    let key = [0, 9, 0, 1, b'g'];
    let record = Record::decode(Some(&key), Some(&[0, 9, 1])).unwrap();
    assert_eq!(
        record,
        Record::Unknown {
            key_type: 9,
            key: Bytes::copy_from_slice(&key),
            value: Some(Bytes::from_static(&[0, 9, 1])),
        }
    );
    assert_eq!(record.group(), None);
    let (written_key, written_value) = record.encode().unwrap();
    assert_eq!(written_key, key[..]);
    assert_eq!(written_value.unwrap(), [0, 9, 1][..]);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    assert_eq!(Record::decode(None, None), Err(Error::NoKey));
    assert!(matches!(
        Record::decode(Some(&[0]), None),
        Err(Error::Key { key_type: -1, .. })
    ));
    assert!(matches!(
        Record::decode(Some(&[0, 1, 0, 5, b'g']), None),
        Err(Error::Key { key_type: 1, .. })
    ));
    let key = hex(KEY_GROUP);
    assert_eq!(
        Record::decode(Some(&key), Some(&[0, 5])),
        Err(Error::ValueVersion {
            key_type: 2,
            version: 5
        })
    );
    assert!(matches!(
        Record::decode(Some(&key), Some(&[])),
        Err(Error::Value { version: -1, .. })
    ));
    // A count of members that the bytes cannot hold.
    let mut value = hex(EMPTY_GROUPS[3]);
    let end = value.len();
    value[end - 4..].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    assert!(matches!(
        Record::decode(Some(&key), Some(&value)),
        Err(Error::Value {
            error: wire::Error::TooManyElements { .. },
            ..
        })
    ));
}

#[test]
fn unknown_tagged_fields_are_passed_over() {
    // Tag 1 of three bytes behind the topic id.
    let value = OFFSETS[4].replace("68000100", "68000200") + "0103aabbcc";
    assert_eq!(
        decode(KEY_OFFSET, &value),
        Record::Offset(key(), Some(commit(4)))
    );
}

#[test]
fn partition_of_a_group_is_kafkas() {
    let cases = [
        ("", 0),
        ("gruppe", 47),
        ("console-consumer-1", 24),
        ("ünïcode-𝄞", 25),
        // Its hash code is i32::MIN.
        ("polygenelubricants", 0),
    ];
    for (group, partition) in cases {
        assert_eq!(
            partition_for(group, 50),
            PartitionIndex(partition),
            "{group}"
        );
    }
}

proptest! {
    #[test]
    fn offsets_round_trip(offset: i64, epoch: i32, metadata in ".{0,40}", time in 0_i64.., id: u128) {
        let record = Record::Offset(key(), Some(OffsetCommit {
            offset: Offset(offset),
            leader_epoch: LeaderEpoch(epoch),
            metadata,
            commit_timestamp: Timestamp(time),
            expire_timestamp: Timestamp::NONE,
            topic_id: TopicId(uuid::Uuid::from_u128(id)),
        }));
        let (key, value) = record.encode().unwrap();
        prop_assert_eq!(Record::decode(Some(&key), value.as_deref()).unwrap(), record);
    }

    #[test]
    fn any_bytes_are_read_or_refused(key: Vec<u8>, kind in 0_u8..18, version in 0_u8..6, value: Vec<u8>) {
        let key = [&[0, kind][..], &key].concat();
        let value = [&[0, version][..], &value].concat();
        let _ = Record::decode(Some(&key), Some(&value));
        let _ = Record::decode(Some(&hex(KEY_OFFSET)), Some(&value));
        let _ = Record::decode(Some(&hex(KEY_GROUP)), Some(&value));
    }
}
