use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{
    FetchPartition, FetchTopic, ForgottenTopic, ReplicaState,
};
use kafka_protocol::messages::{BrokerId as KafkaBrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::leader::{CurrentLeader, NodeEndpoint};
use crate::topic::TopicRef;
use crate::wire::{Error, Writer};
use crate::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerId, TopicId,
};

const VERSIONS: std::ops::RangeInclusive<i16> = 4..=18;

/// Name, id, and for each partition its index and numbers for its fields.
type TopicContent = (String, u128, Vec<(i32, [i64; 4])>);

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.é-]{0,12}", Just("x".repeat(300))]
}

fn topics() -> impl Strategy<Value = Vec<TopicContent>> {
    let partitions = prop::collection::vec(any::<(i32, [i64; 4])>(), 0..4);
    prop::collection::vec((text(), any::<u128>(), partitions), 0..4)
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn low(value: i64) -> i32 {
    i32::try_from(value & 0x7fff_ffff).unwrap()
}

/// The topic as `version` names it.
fn topic_ref<'a>(version: i16, name: &'a str, id: u128) -> TopicRef<'a> {
    if version >= 13 {
        TopicRef::Id(TopicId(Uuid::from_u128(id)))
    } else {
        TopicRef::Name(name)
    }
}

fn partition_message(version: i16, index: i32, numbers: [i64; 4]) -> FetchPartition {
    let mut partition = FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(numbers[0])
        .with_partition_max_bytes(low(numbers[1]));
    if version >= 5 {
        partition.log_start_offset = numbers[2];
    }
    if version >= 9 {
        partition.current_leader_epoch = low(numbers[3]);
    }
    if version >= 12 {
        partition.last_fetched_epoch = low(numbers[2]);
    }
    if version >= 17 && numbers[1] > 0 {
        partition.replica_directory_id = Uuid::from_u64_pair(5, numbers[1].cast_unsigned());
    }
    if version >= 18 && numbers[2] > 0 {
        partition.high_watermark = numbers[3];
    }
    partition
}

fn message(version: i16, topics: &[TopicContent], forgotten: &[TopicContent]) -> FetchRequest {
    let mut request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_isolation_level(1);
    for (name, id, partitions) in topics {
        let partitions = partitions
            .iter()
            .map(|(index, numbers)| partition_message(version, *index, *numbers))
            .collect();
        let mut topic = FetchTopic::default().with_partitions(partitions);
        match topic_ref(version, name, *id) {
            TopicRef::Name(name) => topic.topic = TopicName(string(name)),
            TopicRef::Id(id) => topic.topic_id = id.0,
        }
        request.topics.push(topic);
    }
    if version >= 7 {
        request.session_id = 77;
        request.session_epoch = 3;
        for (name, id, partitions) in forgotten {
            let partitions = partitions.iter().map(|(index, _)| *index).collect();
            let mut topic = ForgottenTopic::default().with_partitions(partitions);
            match topic_ref(version, name, *id) {
                TopicRef::Name(name) => topic.topic = TopicName(string(name)),
                TopicRef::Id(id) => topic.topic_id = id.0,
            }
            request.forgotten_topics_data.push(topic);
        }
    }
    if version >= 11 {
        request.rack_id = string("rack-1");
    }
    if version >= 12 {
        request.cluster_id = Some(string("cluster"));
    }
    if version >= 15 {
        request.replica_state = ReplicaState::default()
            .with_replica_id(KafkaBrokerId(4))
            .with_replica_epoch(1 << 40);
    } else {
        request.replica_id = KafkaBrokerId(4);
    }
    request
}

fn encoded(version: i16, message: &FetchRequest) -> BytesMut {
    let mut body = BytesMut::new();
    message.encode(&mut body, version).unwrap();
    body
}

fn expected_request(version: i16) -> Request<'static> {
    Request {
        cluster_id: (version >= 12).then_some("cluster"),
        replica_id: BrokerId(4),
        replica_epoch: BrokerEpoch(if version >= 15 { 1 << 40 } else { -1 }),
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation_level: 1,
        session_id: if version >= 7 { 77 } else { 0 },
        session_epoch: if version >= 7 { 3 } else { -1 },
        rack_id: if version >= 11 { "rack-1" } else { "" },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn request_is_read_as_it_was_written(topics in topics(), forget in topics()) {
        let (mut partitions, mut forgotten) = (Vec::new(), Vec::new());
        for version in VERSIONS {
            let body = encoded(version, &message(version, &topics, &forget));
            let request = decode_request(version, &body, &mut partitions, &mut forgotten).unwrap();
            prop_assert_eq!(request, expected_request(version));

            let mut read = partitions.iter();
            for (name, id, expected) in &topics {
                for (index, numbers) in expected {
                    let read = read.next().unwrap();
                    let expected = partition_message(version, *index, *numbers);
                    prop_assert_eq!(read.topic.resolve(&body), topic_ref(version, name, *id));
                    prop_assert_eq!(read.partition.0, expected.partition);
                    prop_assert_eq!(read.current_leader_epoch.0, expected.current_leader_epoch);
                    prop_assert_eq!(read.fetch_offset.0, expected.fetch_offset);
                    prop_assert_eq!(read.last_fetched_epoch.0, expected.last_fetched_epoch);
                    prop_assert_eq!(read.log_start.0, expected.log_start_offset);
                    prop_assert_eq!(read.max_bytes, expected.partition_max_bytes);
                    prop_assert_eq!(read.replica_directory_id, expected.replica_directory_id);
                    prop_assert_eq!(read.high_watermark.0, expected.high_watermark);
                }
            }
            prop_assert!(read.next().is_none());

            let mut read = forgotten.iter();
            for (name, id, expected) in forget.iter().filter(|_| version >= 7) {
                for (index, _) in expected {
                    let read = read.next().unwrap();
                    prop_assert_eq!(read.topic.resolve(&body), topic_ref(version, name, *id));
                    prop_assert_eq!(read.partition.0, *index);
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
        let (mut partitions, mut forgotten) = (Vec::new(), Vec::new());
        for version in VERSIONS {
            let mut body = encoded(version, &message(version, &topics, &topics));
            let cut = &body[..cut.index(body.len())];
            prop_assert!(decode_request(version, cut, &mut partitions, &mut forgotten).is_err());
            let at = at.index(body.len());
            body[at] = value;
            if decode_request(version, &body, &mut partitions, &mut forgotten).is_ok() {
                for partition in &partitions {
                    let _ = partition.topic.resolve(&body);
                }
            }
        }
    }

    #[test]
    fn garbage_never_panics(body in prop::collection::vec(any::<u8>(), 0..150)) {
        let (mut partitions, mut forgotten) = (Vec::new(), Vec::new());
        for version in VERSIONS {
            let _ = decode_request(version, &body, &mut partitions, &mut forgotten);
        }
    }

    #[test]
    fn response_is_read_as_it_was_written(
        topics in topics(),
        rack in prop::option::of(text()),
        options in any::<[bool; 5]>(),
    ) {
        check_response(&topics, rack.as_deref(), options)?;
    }
}

/// Numbers below 300, so that compact lengths have one and two bytes.
fn records_of(numbers: &[i64; 4]) -> Vec<u8> {
    let [low, ..] = numbers[2].to_le_bytes();
    vec![low; usize::try_from(numbers[0].rem_euclid(300)).unwrap()]
}

fn response_partition<'a>(
    topic: TopicRef<'a>,
    index: i32,
    numbers: &[i64; 4],
    aborted: &'a [AbortedTransaction],
    options: [bool; 5],
) -> PartitionResponse<'a> {
    let epoch = LeaderEpoch(low(numbers[1]));
    let end_offset = Offset(numbers[2]);
    PartitionResponse {
        topic,
        partition: PartitionIndex(index),
        error_code: ErrorCode::FencedLeaderEpoch,
        high_watermark: Offset(numbers[0]),
        last_stable: Offset(numbers[1]),
        log_start: Offset(numbers[2]),
        diverging_epoch: options[0].then_some(EpochEnd { epoch, end_offset }),
        current_leader: options[1].then_some(CurrentLeader {
            leader_id: BrokerId(8),
            leader_epoch: epoch,
        }),
        snapshot_id: options[2].then_some(SnapshotId { end_offset, epoch }),
        aborted_transactions: options[3].then_some(aborted),
        preferred_read_replica: BrokerId(low(numbers[3])),
        records_bytes: records_of(numbers).len(),
    }
}

/// What the connection does: writes the pieces behind one another.
fn assembled(encoded: Bytes, gaps: &[RecordsGap], records: &[Vec<u8>]) -> BytesMut {
    let mut wire = BytesMut::new();
    for segment in segments(encoded, gaps) {
        match segment {
            Segment::Bytes(bytes) => {
                assert!(!bytes.is_empty());
                wire.extend_from_slice(&bytes);
            }
            Segment::Records {
                partition,
                records_bytes,
            } => {
                assert!(records_bytes > 0);
                assert_eq!(records[partition].len(), records_bytes);
                wire.extend_from_slice(&records[partition]);
            }
        }
    }
    wire
}

fn check_response(
    topics: &[TopicContent],
    rack: Option<&str>,
    options: [bool; 5],
) -> Result<(), TestCaseError> {
    let aborted = [1, 2].map(|producer| AbortedTransaction {
        producer_id: ProducerId(producer),
        first_offset: Offset(producer + 5),
    });
    let endpoint = NodeEndpoint {
        node_id: BrokerId(8),
        host: "host",
        port: 9092,
        rack,
    };
    let endpoints = if options[4] {
        vec![endpoint]
    } else {
        Vec::new()
    };
    for version in VERSIONS {
        let (mut partitions, mut records) = (Vec::new(), Vec::new());
        for (name, id, indexes) in topics {
            let topic = topic_ref(version, name, *id);
            for (index, numbers) in indexes {
                partitions.push(response_partition(
                    topic, *index, numbers, &aborted, options,
                ));
                records.push(records_of(numbers));
            }
        }
        let response = Response {
            throttle_time_ms: 9,
            error_code: ErrorCode::FetchSessionIdNotFound,
            session_id: 78,
            partitions: &partitions,
            node_endpoints: &endpoints,
        };
        // Something stands before the body, as the header of the response does.
        let mut out = BytesMut::from(b"head".as_slice());
        let mut gaps = Vec::new();
        let total =
            encode_response(version, &response, &mut Writer::new(&mut out), &mut gaps).unwrap();
        prop_assert_eq!(total, records.iter().map(Vec::len).sum::<usize>());
        let size_bytes = out.len() + total;
        let wire = assembled(out.freeze(), &gaps, &records);
        prop_assert_eq!(wire.len(), size_bytes);

        let mut rest = wire.freeze().split_off(4);
        let read = FetchResponse::decode(&mut rest, version).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(read.throttle_time_ms, 9);
        prop_assert_eq!(read.error_code, if version >= 7 { 70 } else { 0 });
        prop_assert_eq!(read.session_id, if version >= 7 { 78 } else { 0 });
        let has_endpoints = version >= 16 && options[4];
        prop_assert_eq!(read.node_endpoints.len(), usize::from(has_endpoints));
        for read in &read.node_endpoints {
            prop_assert_eq!((read.node_id.0, read.port), (8, 9092));
            prop_assert_eq!(read.rack.as_ref().map(StrBytes::as_str), rack);
        }
        compare_partitions(version, &read, &partitions, &records)?;
    }
    Ok(())
}

fn compare_partitions(
    version: i16,
    read: &FetchResponse,
    partitions: &[PartitionResponse<'_>],
    records: &[Vec<u8>],
) -> Result<(), TestCaseError> {
    let mut expected = partitions.iter().zip(records);
    let is_flexible = version >= 12;
    for topic in &read.responses {
        for read in &topic.partitions {
            let (expected, records) = expected.next().unwrap();
            let name = topic.topic.0.as_str();
            prop_assert_eq!(
                topic_ref(version, name, topic.topic_id.as_u128()),
                expected.topic
            );
            prop_assert_eq!(read.partition_index, expected.partition.0);
            prop_assert_eq!(read.error_code, 74);
            prop_assert_eq!(read.high_watermark, expected.high_watermark.0);
            prop_assert_eq!(read.last_stable_offset, expected.last_stable.0);
            let log_start = if version >= 5 {
                expected.log_start.0
            } else {
                -1
            };
            prop_assert_eq!(read.log_start_offset, log_start);
            let diverging = expected.diverging_epoch.filter(|_| is_flexible);
            prop_assert_eq!(
                (read.diverging_epoch.epoch, read.diverging_epoch.end_offset),
                diverging.map_or((-1, -1), |end| (end.epoch.0, end.end_offset.0))
            );
            let leader = expected.current_leader.filter(|_| is_flexible);
            prop_assert_eq!(
                (
                    read.current_leader.leader_id.0,
                    read.current_leader.leader_epoch
                ),
                leader.map_or((-1, -1), |leader| (
                    leader.leader_id.0,
                    leader.leader_epoch.0
                ))
            );
            let snapshot = expected.snapshot_id.filter(|_| is_flexible);
            prop_assert_eq!(
                (read.snapshot_id.end_offset, read.snapshot_id.epoch),
                snapshot.map_or((-1, -1), |id| (id.end_offset.0, id.epoch.0))
            );
            let aborted: Option<Vec<_>> = read.aborted_transactions.as_ref().map(|aborted| {
                let read = aborted.iter().map(|read| AbortedTransaction {
                    producer_id: ProducerId(read.producer_id.0),
                    first_offset: Offset(read.first_offset),
                });
                read.collect()
            });
            prop_assert_eq!(aborted.as_deref(), expected.aborted_transactions);
            let replica = if version >= 11 {
                expected.preferred_read_replica.0
            } else {
                -1
            };
            prop_assert_eq!(read.preferred_read_replica.0, replica);
            // Empty records are empty, not null.
            prop_assert_eq!(read.records.as_deref(), Some(records.as_slice()));
        }
    }
    prop_assert!(expected.next().is_none());
    Ok(())
}

#[test]
fn huge_counts_are_refused_before_anything_is_kept() {
    let (mut partitions, mut forgotten) = (Vec::new(), Vec::new());
    let old = [[0; 17].as_slice(), &[0x7f, 0xff, 0xff, 0xff]].concat();
    assert!(matches!(
        decode_request(4, &old, &mut partitions, &mut forgotten),
        Err(Error::TooManyElements { .. })
    ));
    let new = [[0; 21].as_slice(), &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert!(matches!(
        decode_request(15, &new, &mut partitions, &mut forgotten),
        Err(Error::TooManyElements { .. })
    ));
    assert_eq!((partitions.capacity(), forgotten.capacity()), (0, 0));
}

#[test]
fn response_without_records_is_one_piece() {
    let encoded = Bytes::from_static(b"body");
    let pieces: Vec<_> = segments(encoded.clone(), &[]).collect();
    assert_eq!(pieces, [Segment::Bytes(encoded)]);
}
