//! Bytes were written by the generated classes of Apache Kafka 4.3.1.

use uuid::Uuid;

use super::*;
use crate::{Timestamp, TopicId};

const K3: &str = "00030006677275707065";
const K4: &str = "00040006677275707065";
const K5: &str = "0005000667727570706500016d";
const K6: &str = "00060006677275707065";
const K7: &str = "0007000667727570706500016d";
const K8: &str = "0008000667727570706500016d";
const K16: &str = "001000066772757070650003782e2a";

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn partitions(partitions: &[i32], epochs: &[i32]) -> TopicPartitions {
    TopicPartitions {
        topic_id: TopicId(Uuid::from_u64_pair(1, 2)),
        partitions: partitions.iter().copied().map(PartitionIndex).collect(),
        assignment_epochs: epochs.to_vec(),
    }
}

fn bare_member() -> ConsumerMember {
    ConsumerMember {
        instance_id: None,
        rack_id: None,
        client_id: "c".into(),
        client_host: "/h".into(),
        subscribed_topic_names: Vec::new(),
        subscribed_topic_regex: None,
        rebalance_timeout_ms: -1,
        server_assignor: None,
        classic: None,
    }
}

fn full_member() -> ConsumerMember {
    ConsumerMember {
        instance_id: Some("i".into()),
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "/h".into(),
        subscribed_topic_names: vec!["a".into(), "b".into()],
        subscribed_topic_regex: Some("x.*".into()),
        rebalance_timeout_ms: 9,
        server_assignor: Some("range".into()),
        classic: Some(ClassicMember {
            session_timeout_ms: 5,
            supported_protocols: vec![("range".into(), Bytes::from_static(&[1, 2]))],
        }),
    }
}

fn current(
    state: i8,
    assigned: TopicPartitions,
    pending: Vec<TopicPartitions>,
) -> CurrentAssignment {
    CurrentAssignment {
        member_epoch: 4,
        previous_member_epoch: 3,
        state,
        assigned: vec![assigned],
        pending_revocation: pending,
    }
}

fn topics() -> Vec<TopicMetadata> {
    vec![TopicMetadata {
        topic_id: TopicId(Uuid::from_u64_pair(1, 2)),
        name: "t".into(),
        partition_count: 3,
        racks: vec![(PartitionIndex(2), vec!["r1".into(), "r2".into()])],
    }]
}

fn cases() -> Vec<(ConsumerRecord, &'static str, &'static str)> {
    use ConsumerRecord as R;
    let metadata = |metadata_hash| ConsumerMetadata {
        epoch: 7,
        metadata_hash,
    };
    vec![
        (
            R::Metadata(Some(metadata(-5))),
            K3,
            "000000000007010008fffffffffffffffb",
        ),
        (R::Metadata(Some(metadata(0))), K3, "00000000000700"),
        (
            R::PartitionMetadata(Some(topics())),
            K4,
            "00000200000000000000010000000000000002027400000003020000000203037231037232000000",
        ),
        (
            R::Member("m".into(), Some(full_member())),
            K5,
            "0000026902720263032f68030261026204782e2a000000090672616e67650100110100000005020672616e67650301020000",
        ),
        (
            R::Member("m".into(), Some(bare_member())),
            K5,
            "000000000263032f680100ffffffff0001000100",
        ),
        (
            R::TargetMetadata(Some(TargetMetadata {
                assignment_epoch: 3,
                assignment_timestamp: Timestamp(99),
            })),
            K6,
            "0000000000030100080000000000000063",
        ),
        (
            R::TargetMember("m".into(), Some(vec![partitions(&[0, 1], &[])])),
            K7,
            "000002000000000000000100000000000000020300000000000000010000",
        ),
        (
            R::Current(
                "m".into(),
                Some(current(
                    1,
                    partitions(&[0, 1], &[3, 4]),
                    vec![partitions(&[2], &[])],
                )),
            ),
            K8,
            "00000000000400000003010200000000000000010000000000000002030000000000000001010009030000000300000004020000000000000001000000000000000202000000020000",
        ),
        (
            R::Expression(
                "x.*".into(),
                Some(ResolvedExpression {
                    topics: vec!["xa".into()],
                    version: 5,
                    timestamp: Timestamp(6),
                }),
            ),
            K16,
            "0000020378610000000000000005000000000000000600",
        ),
    ]
}

#[test]
fn consumer_records_are_kafkas_byte_for_byte() {
    for (record, key, value) in cases() {
        let record = Record::Consumer {
            group: "gruppe".into(),
            record,
        };
        let decoded = Record::decode(Some(&hex(key)), Some(&hex(value))).unwrap();
        assert_eq!(decoded, record);
        let (written_key, written_value) = record.encode().unwrap();
        assert_eq!(written_key, hex(key));
        assert_eq!(written_value.unwrap(), hex(value));
        assert_eq!(record.group(), Some("gruppe"));
    }
}

#[test]
fn tombstones_of_consumer_groups_keep_their_keys() {
    for key in [K3, K4, K5, K6, K7, K8, K16] {
        let record = Record::decode(Some(&hex(key)), None).unwrap();
        assert!(matches!(&record, Record::Consumer { group, .. } if group == "gruppe"));
        assert_eq!(record.encode().unwrap(), (Bytes::from(hex(key)), None));
    }
}

#[test]
fn null_assignment_epochs_are_none() {
    let value = "000000000004000000030002000000000000000100000000000000020200000000010001000100";
    let decoded = Record::decode(Some(&hex(K8)), Some(&hex(value))).unwrap();
    let expected = current(0, partitions(&[0], &[]), Vec::new());
    assert_eq!(
        decoded,
        Record::Consumer {
            group: "gruppe".into(),
            record: ConsumerRecord::Current("m".into(), Some(expected)),
        }
    );
}

#[test]
fn values_of_later_versions_are_refused() {
    assert_eq!(
        Record::decode(Some(&hex(K3)), Some(&[0, 1])),
        Err(Error::ValueVersion {
            key_type: 3,
            version: 1
        })
    );
}
