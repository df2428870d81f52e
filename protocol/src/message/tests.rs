use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{
    DescribeLogDirsResponse, ListOffsetsRequest, RequestKind, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use super::{Error, decode_request, describe_log_dirs, wire_version};
use crate::wire::Writer;
use crate::{api, guard};

fn body(write: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out.freeze()
}

const TOPIC: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

fn offset_commit() -> Bytes {
    body(|out| {
        out.put_compact_string("group").unwrap();
        out.put_i32(5);
        out.put_compact_string("member").unwrap();
        out.put_compact_nullable_string(Some("instance")).unwrap();
        out.put_compact_len(1).unwrap();
        out.put_uuid(TOPIC);
        out.put_compact_len(2).unwrap();
        for (partition, metadata) in [(0, Some("note")), (1, None)] {
            out.put_i32(partition);
            out.put_i64(42);
            out.put_i32(3);
            out.put_compact_nullable_string(metadata).unwrap();
            out.put_no_tagged_fields();
        }
        out.put_no_tagged_fields();
        // One tagged field that nobody knows.
        out.put_slice(&[1, 9, 1, 0xff]);
    })
}

fn offset_fetch() -> Bytes {
    body(|out| {
        out.put_compact_len(2).unwrap();
        out.put_compact_string("group").unwrap();
        out.put_compact_nullable_string(Some("member")).unwrap();
        out.put_i32(7);
        out.put_compact_len(1).unwrap();
        out.put_uuid(TOPIC);
        out.put_compact_len(2).unwrap();
        out.put_i32(0);
        out.put_i32(4);
        out.put_no_tagged_fields();
        out.put_no_tagged_fields();
        out.put_compact_string("other").unwrap();
        out.put_compact_nullable_string(None).unwrap();
        out.put_i32(-1);
        out.put_compact_null();
        out.put_no_tagged_fields();
        out.put_bool(true);
        out.put_no_tagged_fields();
    })
}

#[test]
fn offset_commit_version_10_names_topics_by_id() {
    let Ok(RequestKind::OffsetCommit(request)) = decode_request(8, 10, &offset_commit()) else {
        panic!("not decoded");
    };
    assert_eq!(request.group_id.as_str(), "group");
    assert_eq!(request.generation_id_or_member_epoch, 5);
    assert_eq!(request.member_id.as_str(), "member");
    assert_eq!(request.group_instance_id.as_deref(), Some("instance"));
    let [topic] = request.topics.as_slice() else {
        panic!("{request:?}");
    };
    assert_eq!((topic.name.as_str(), topic.topic_id), ("", TOPIC));
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|partition| {
            (
                partition.partition_index,
                partition.committed_offset,
                partition.committed_leader_epoch,
                partition.committed_metadata.as_deref(),
            )
        })
        .collect();
    assert_eq!(partitions, [(0, 42, 3, Some("note")), (1, 42, 3, None)]);
}

#[test]
fn offset_fetch_version_10_names_topics_by_id_and_null_means_all() {
    let Ok(RequestKind::OffsetFetch(request)) = decode_request(9, 10, &offset_fetch()) else {
        panic!("not decoded");
    };
    assert!(request.require_stable);
    let [group, other] = request.groups.as_slice() else {
        panic!("{request:?}");
    };
    assert_eq!(group.group_id.as_str(), "group");
    assert_eq!(group.member_id.as_deref(), Some("member"));
    assert_eq!(group.member_epoch, 7);
    let topics = group.topics.as_ref().unwrap();
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].topic_id, TOPIC);
    assert_eq!(topics[0].partition_indexes, [0, 4]);
    assert_eq!(other.group_id.as_str(), "other");
    assert_eq!((other.member_id.as_deref(), other.member_epoch), (None, -1));
    assert!(other.topics.is_none());
}

#[test]
fn bodies_of_version_10_that_end_early_are_refused_without_the_guard_too() {
    let commit = offset_commit();
    for short in 0..commit.len() {
        assert!(super::offset_commit::decode_v10(&commit.slice(..short)).is_err());
    }
    let fetch = offset_fetch();
    for short in 0..fetch.len() {
        assert!(super::offset_fetch::decode_v10(&fetch.slice(..short)).is_err());
    }
}

#[test]
fn every_version_that_clients_may_send_is_decoded_or_has_no_codec() {
    let mut without = Vec::new();
    for row in api::APIS.iter().filter(|row| row.client_listener) {
        for version in row.min_version..=row.max_version {
            for round in 0..10 {
                let body = guard::tests::filled(row.key, version, round);
                match decode_request(row.key, version, &body) {
                    Ok(_) => {}
                    Err(Error::NoCodec { .. }) => {
                        without.push((row.key, version));
                        break;
                    }
                    Err(error) => panic!("{error}: {body:02x?}"),
                }
            }
        }
    }
    let expected = [
        (78, 2),
        (79, 2),
        (80, 1),
        (85, 1),
        (87, 1),
        (88, 0),
        (89, 0),
        (90, 1),
    ];
    assert_eq!(without, expected);
}

#[test]
fn list_offsets_version_11_is_decoded_as_10() {
    assert_eq!(wire_version(2, 11), 10);
    assert_eq!(wire_version(2, 10), 10);
    let mut request = ListOffsetsRequest::default();
    request.timeout_ms = 250;
    let mut out = BytesMut::new();
    request.encode(&mut out, wire_version(2, 11)).unwrap();
    let decoded = decode_request(2, 11, &out.freeze()).unwrap();
    assert_eq!(decoded, RequestKind::ListOffsets(request));
}

#[test]
fn strings_that_are_not_utf8_are_errors() {
    let find_coordinator = Bytes::from_static(&[0, 1, 0xff]);
    assert!(matches!(
        decode_request(10, 0, &find_coordinator),
        Err(Error::Undecodable { api_key: 10, .. })
    ));
    let mut commit = BytesMut::from(offset_commit().as_ref());
    commit[1] = 0xff;
    assert!(matches!(
        decode_request(8, 10, &commit.freeze()),
        Err(Error::Malformed { api_key: 8, .. })
    ));
}

#[test]
fn describe_log_dirs_version_5_adds_whether_a_directory_is_cordoned() {
    let mut partition = DescribeLogDirsPartition::default();
    partition.partition_index = 3;
    partition.partition_size = 1 << 40;
    partition.offset_lag = 17;
    partition.is_future_key = true;
    let mut topic = DescribeLogDirsTopic::default();
    topic.name = TopicName(StrBytes::from_static_str("orders"));
    topic.partitions = vec![partition.clone(), partition];
    let mut result = DescribeLogDirsResult::default();
    result.error_code = 56;
    result.log_dir = StrBytes::from_static_str("/data/1");
    result.topics = vec![topic];
    result.total_bytes = 1000;
    result.usable_bytes = 500;
    let mut response = DescribeLogDirsResponse::default();
    response.throttle_time_ms = 9;
    response.error_code = 29;
    response.results = vec![result];

    let mut expected = BytesMut::new();
    response.encode(&mut expected, 4).unwrap();
    // The new field stands before the tagged fields of the only result and of the response.
    let tagged_fields = expected.split_off(expected.len() - 2);
    expected.extend_from_slice(&[1]);
    expected.extend_from_slice(&tagged_fields);
    let encoded = body(|out| {
        describe_log_dirs::encode_v5(&response, &|path| path == "/data/1", out).unwrap();
    });
    assert_eq!(encoded, expected);
    let cleared = body(|out| {
        describe_log_dirs::encode_v5(&response, &|_| false, out).unwrap();
    });
    assert_eq!(cleared[cleared.len() - 3..], [0, 0, 0]);
}
