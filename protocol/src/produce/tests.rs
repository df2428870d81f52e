use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName, TransactionalId};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::leader::{CurrentLeader, NodeEndpoint};
use crate::topic::{TopicRef, TopicSpan};
use crate::wire::{Error, Writer};
use crate::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

const VERSIONS: std::ops::RangeInclusive<i16> = 3..=13;

type TopicContent = (String, u128, Vec<(i32, Option<Vec<u8>>)>);

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.é-]{0,12}", Just("x".repeat(300))]
}

fn topics() -> impl Strategy<Value = Vec<TopicContent>> {
    let records = prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let partitions = prop::collection::vec((any::<i32>(), records), 0..4);
    prop::collection::vec((text(), any::<u128>(), partitions), 0..4)
}

fn message(
    version: i16,
    transactional_id: Option<&String>,
    acks: i16,
    topics: &[TopicContent],
) -> ProduceRequest {
    let topic_data = topics.iter().map(|(name, id, partitions)| {
        let partitions = partitions.iter().map(|(index, records)| {
            PartitionProduceData::default()
                .with_index(*index)
                .with_records(records.clone().map(Bytes::from))
        });
        let topic = TopicProduceData::default().with_partition_data(partitions.collect());
        if version >= 13 {
            topic.with_topic_id(Uuid::from_u128(*id))
        } else {
            topic.with_name(TopicName(StrBytes::from_string(name.clone())))
        }
    });
    let transactional_id =
        transactional_id.map(|id| TransactionalId(StrBytes::from_string(id.clone())));
    ProduceRequest::default()
        .with_transactional_id(transactional_id)
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(topic_data.collect())
}

fn encoded(version: i16, message: &ProduceRequest) -> BytesMut {
    let mut body = BytesMut::new();
    message.encode(&mut body, version).unwrap();
    body
}

fn cut_records<'a>(body: &'a [u8], partition: &Partition) -> Option<&'a [u8]> {
    partition
        .records
        .clone()
        .map(|range| body.get(range).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn request_is_read_as_it_was_written(
        transactional_id in prop::option::of(text()),
        acks in any::<i16>(),
        topics in topics(),
    ) {
        let mut partitions = vec![
            Partition { topic: TopicSpan::Name(0..1), partition: PartitionIndex(0), records: None };
            3
        ];
        for version in VERSIONS {
            let message = message(version, transactional_id.as_ref(), acks, &topics);
            let body = encoded(version, &message);
            let request = decode_request(version, &body, &mut partitions).unwrap();
            let expected = Request {
                transactional_id: transactional_id.as_deref(),
                acks,
                timeout_ms: 30_000,
            };
            prop_assert_eq!(request, expected);
            let mut read = partitions.iter();
            for (name, id, expected) in &topics {
                for (index, records) in expected {
                    let partition = read.next().unwrap();
                    let topic = if version >= 13 {
                        TopicRef::Id(TopicId(Uuid::from_u128(*id)))
                    } else {
                        TopicRef::Name(name)
                    };
                    prop_assert_eq!(partition.topic.resolve(&body), topic);
                    prop_assert_eq!(partition.partition, PartitionIndex(*index));
                    prop_assert_eq!(cut_records(&body, partition), records.as_deref());
                }
            }
            prop_assert!(read.next().is_none());
        }
    }

    #[test]
    fn damaged_request_never_panics(
        topics in topics(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut partitions = Vec::new();
        for version in VERSIONS {
            let mut body = encoded(version, &message(version, None, 1, &topics));
            let cut = cut.index(body.len());
            prop_assert!(decode_request(version, &body[..cut], &mut partitions).is_err());
            let at = at.index(body.len());
            body[at] = value;
            if decode_request(version, &body, &mut partitions).is_ok() {
                for partition in &partitions {
                    cut_records(&body, partition);
                    let _ = partition.topic.resolve(&body);
                }
            }
        }
    }

    #[test]
    fn garbage_never_panics(body in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut partitions = Vec::new();
        for version in VERSIONS {
            let _ = decode_request(version, &body, &mut partitions);
        }
    }

    #[test]
    fn response_is_read_as_it_was_written(
        topics in topics(),
        message in prop::option::of(text()),
        numbers in any::<(i64, i64, i64, i32, i32)>(),
        has_leader in any::<bool>(),
        error_count in 0_usize..3,
    ) {
        check_response(&topics, message.as_deref(), numbers, has_leader, error_count)?;
    }
}

fn check_response(
    topics: &[TopicContent],
    message: Option<&str>,
    numbers: (i64, i64, i64, i32, i32),
    has_leader: bool,
    error_count: usize,
) -> Result<(), TestCaseError> {
    let (base_offset, append_time, log_start, leader, throttle_time_ms) = numbers;
    let errors = vec![
        RecordError {
            batch_index: leader,
            message
        };
        error_count
    ];
    let current_leader = has_leader.then_some(CurrentLeader {
        leader_id: BrokerId(leader),
        leader_epoch: LeaderEpoch(leader.wrapping_add(1)),
    });
    let endpoint = NodeEndpoint {
        node_id: BrokerId(leader),
        host: "broker-1",
        port: 9092,
        rack: message,
    };
    let endpoints = if has_leader {
        vec![endpoint; 2]
    } else {
        Vec::new()
    };
    for version in VERSIONS {
        let mut partitions = Vec::new();
        for (name, id, indexes) in topics {
            let topic = if version >= 13 {
                TopicRef::Id(TopicId(Uuid::from_u128(*id)))
            } else {
                TopicRef::Name(name)
            };
            partitions.extend(indexes.iter().map(|(index, _)| PartitionResponse {
                topic,
                partition: PartitionIndex(*index),
                error_code: ErrorCode::NotLeaderOrFollower,
                base_offset: Offset(base_offset),
                log_append_time: Timestamp(append_time),
                log_start: Offset(log_start),
                record_errors: &errors,
                error_message: message,
                current_leader,
            }));
        }
        let response = Response {
            partitions: &partitions,
            throttle_time_ms,
            node_endpoints: &endpoints,
        };
        let mut out = BytesMut::new();
        encode_response(version, &response, &mut Writer::new(&mut out)).unwrap();
        let mut rest = out.freeze();
        let read = ProduceResponse::decode(&mut rest, version).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(read.throttle_time_ms, throttle_time_ms);
        prop_assert_eq!(
            read.node_endpoints.len(),
            if version >= 10 { endpoints.len() } else { 0 }
        );
        for read in &read.node_endpoints {
            prop_assert_eq!(read.node_id.0, leader);
            prop_assert_eq!(read.host.as_str(), "broker-1");
            prop_assert_eq!(read.port, 9092);
            prop_assert_eq!(read.rack.as_ref().map(StrBytes::as_str), message);
        }
        compare_partitions(version, &read, &partitions)?;
    }
    Ok(())
}

fn compare_partitions(
    version: i16,
    read: &ProduceResponse,
    partitions: &[PartitionResponse<'_>],
) -> Result<(), TestCaseError> {
    let mut expected = partitions.iter();
    for topic in &read.responses {
        prop_assert!(!topic.partition_responses.is_empty());
        for read in &topic.partition_responses {
            let expected = expected.next().unwrap();
            let read_topic = if version >= 13 {
                TopicRef::Id(TopicId(topic.topic_id))
            } else {
                TopicRef::Name(topic.name.0.as_str())
            };
            prop_assert_eq!(read_topic, expected.topic);
            prop_assert_eq!(read.index, expected.partition.0);
            prop_assert_eq!(read.error_code, 6);
            prop_assert_eq!(read.base_offset, expected.base_offset.0);
            prop_assert_eq!(read.log_append_time_ms, expected.log_append_time.0);
            let log_start = if version >= 5 {
                expected.log_start.0
            } else {
                -1
            };
            prop_assert_eq!(read.log_start_offset, log_start);
            let has_errors = version >= 8;
            let errors = if has_errors {
                expected.record_errors
            } else {
                &[]
            };
            let read_errors: Vec<_> = read
                .record_errors
                .iter()
                .map(|error| RecordError {
                    batch_index: error.batch_index,
                    message: error
                        .batch_index_error_message
                        .as_ref()
                        .map(StrBytes::as_str),
                })
                .collect();
            prop_assert_eq!(read_errors, errors);
            let read_message = read.error_message.as_ref().map(StrBytes::as_str);
            prop_assert_eq!(read_message, expected.error_message.filter(|_| has_errors));
            let expected_leader = expected.current_leader.filter(|_| version >= 10);
            prop_assert_eq!(
                read.current_leader.leader_id.0,
                expected_leader.map_or(-1, |leader| leader.leader_id.0)
            );
            prop_assert_eq!(
                read.current_leader.leader_epoch,
                expected_leader.map_or(-1, |leader| leader.leader_epoch.0)
            );
        }
    }
    prop_assert!(expected.next().is_none());
    Ok(())
}

#[test]
fn huge_counts_are_refused_before_anything_is_kept() {
    let mut partitions = Vec::new();
    // No transactional id, acks, timeout, 2^31 - 1 topics.
    let old = [0xff, 0xff, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff];
    assert!(matches!(
        decode_request(7, &old, &mut partitions),
        Err(Error::TooManyElements { .. })
    ));
    let new = [0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(matches!(
        decode_request(9, &new, &mut partitions),
        Err(Error::TooManyElements { .. })
    ));
    assert_eq!(partitions.capacity(), 0);
    assert!(check_total(999_999, 1).is_ok());
    assert!(check_total(999_999, 2).is_err());
}

#[test]
fn endless_message_is_cut_between_characters() {
    let message = "é".repeat(20_000);
    let partition = PartitionResponse {
        error_message: Some(&message),
        ..PartitionResponse::error(
            TopicRef::Name("t"),
            PartitionIndex(0),
            ErrorCode::InvalidRecord,
        )
    };
    let response = Response {
        partitions: &[partition],
        throttle_time_ms: 0,
        node_endpoints: &[],
    };
    for version in [8, 9] {
        let mut out = BytesMut::new();
        encode_response(version, &response, &mut Writer::new(&mut out)).unwrap();
        let read = ProduceResponse::decode(&mut out.freeze(), version).unwrap();
        let read = read.responses[0].partition_responses[0]
            .error_message
            .clone()
            .unwrap();
        assert_eq!(read.len(), 32_766);
    }
}
