//! Frames and requests made by hand, good and bad, and what Kafka answers to them.

use anyhow::{Context, Result};
use bytes::BytesMut;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, JoinGroupRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    ProduceRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use milena_conformance::broker::Broker;
use milena_conformance::partition::{self, FETCH, Fetch, PRODUCE, Partition, batch, sequenced};
use milena_conformance::wire::{Connection, request_payload};
use milena_protocol::{ProducerEpoch, ProducerId, Sequence};

const CORRUPT_MESSAGE: i16 = 2;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_REQUIRED_ACKS: i16 = 21;
const UNSUPPORTED_VERSION: i16 = 35;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_RECORD: i16 = 87;

fn serves(broker: &Broker) -> Result<()> {
    let mut connection = Connection::open(broker.address())?;
    let answer = connection.call(0, &ApiVersionsRequest::default())?;
    assert_eq!(answer.error_code, 0);
    Ok(())
}

/// Bytes after which the broker must close the connection, and go on.
fn check_closes(bytes: &[u8]) -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    connection.write(bytes)?;
    assert_eq!(connection.read_frame()?, None, "the connection is closed");
    serves(&broker)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = i32::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes()
        .to_vec();
    frame.extend_from_slice(payload);
    frame
}

// Frames

#[test]
fn negative_length_closes_the_connection() -> Result<()> {
    check_closes(&[0xff, 0xff, 0xff, 0xff])
}

#[test]
fn absurd_length_closes_the_connection() -> Result<()> {
    check_closes(&[0x7f, 0xff, 0xff, 0xff])
}

#[test]
fn http_closes_the_connection() -> Result<()> {
    check_closes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[test]
fn short_frame_closes_the_connection() -> Result<()> {
    check_closes(&frame(&[0, 3, 0]))
}

#[test]
fn unknown_api_closes_the_connection() -> Result<()> {
    let mut payload = 4711_i16.to_be_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 0, 0, 7, 0xff, 0xff, 0]);
    check_closes(&frame(&payload))
}

#[test]
fn unknown_version_closes_the_connection() -> Result<()> {
    let payload = [0, 3, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0];
    check_closes(&frame(&payload))
}

#[test]
fn count_beyond_the_frame_closes_the_connection() -> Result<()> {
    // Metadata version 1 whose array of topics claims two thousand million entries.
    let payload = [0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x77, 0xff, 0xff, 0xff];
    check_closes(&frame(&payload))
}

#[test]
fn half_a_frame_and_an_end_leave_the_broker_well() -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    connection.write(&[0, 0, 1, 0, 0, 18, 0, 0])?;
    connection.finish_writing()?;
    assert_eq!(connection.read_frame()?, None);
    serves(&broker)
}

#[test]
fn noise_leaves_the_broker_well() -> Result<()> {
    let broker = Broker::any()?;
    if !broker.is_own() {
        // Noise may be a request that changes the broker for the tests beside this one.
        return Ok(());
    }
    // A linear congruential generator: the same noise in every run.
    let mut state = 20_261_125_u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    // Kept open, since some noise is a request that waits for others.
    let mut held = Vec::new();
    for round in 0..200_usize {
        let mut payload: Vec<u8> = (0..round % 97 + 1).map(|_| byte()).collect();
        // Most carry a real API key and version, so that bodies are reached.
        if round % 4 != 0 && payload.len() > 8 {
            payload[0] = 0;
            payload[1] %= 76;
            payload[2] = 0;
            payload[3] %= 14;
        }
        let mut connection = Connection::open(broker.address())?;
        // The broker may close before everything is written.
        let _ = connection.write_frame(&payload);
        held.push(connection);
    }
    serves(&broker)
}

#[test]
fn unknown_version_of_api_versions_is_answered_in_version_0() -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    let payload = [0, 18, 0, 99, 0, 0, 0, 7, 0, 1, b'x', 0];
    connection.write_frame(&payload)?;
    let mut answer = connection.read_frame()?.context("an answer")?;
    assert_eq!(answer.split_to(4).as_ref(), [0, 0, 0, 7], "correlation id");
    let body = ApiVersionsResponse::decode(&mut answer, 0)?;
    assert_eq!(body.error_code, UNSUPPORTED_VERSION);
    assert!(answer.is_empty(), "nothing left over");
    let own = body.api_keys.iter().find(|api| api.api_key == 18);
    let own = own.context("the versions of ApiVersions itself")?;
    assert!(own.min_version == 0 && own.max_version >= 3);
    // The same connection is then asked in a version that both know.
    assert_eq!(connection.call(3, &api_versions())?.error_code, 0);
    Ok(())
}

fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("conformance"))
        .with_client_software_version(StrBytes::from_static_str("1"))
}

#[test]
fn every_version_of_api_versions_is_answered() -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    for version in 0..=4 {
        let answer = connection.call(version, &api_versions())?;
        assert_eq!(answer.error_code, 0, "version {version}");
        assert!(answer.api_keys.len() > 30, "version {version}");
    }
    Ok(())
}

#[test]
fn pipelined_requests_are_answered_in_order() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let mut sent = Vec::new();
    for round in 0..50 {
        if round % 2 == 0 {
            let request = partition.produce_request(1, 0, batch(&[b"v"])?);
            sent.push((true, partition.connection.send(PRODUCE, &request)?));
        } else {
            let request = MetadataRequest::default().with_topics(Some(vec![]));
            sent.push((false, partition.connection.send(9, &request)?));
        }
    }
    for (is_produce, id) in sent {
        if is_produce {
            partition
                .connection
                .receive::<ProduceRequest>(PRODUCE, id)?;
        } else {
            partition.connection.receive::<MetadataRequest>(9, id)?;
        }
    }
    partition.await_end(25)
}

#[test]
fn request_in_many_small_pieces_is_answered() -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    let bytes = frame(&request_payload(1, 3, &api_versions())?);
    for byte in bytes {
        connection.write(&[byte])?;
    }
    connection.receive::<ApiVersionsRequest>(3, 1)?;
    Ok(())
}

#[test]
fn bytes_behind_a_body_are_ignored() -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    // Metadata version 13 for all topics, with three bytes too many, as librdkafka 2.16 sends it.
    let mut payload = vec![0, 3, 0, 13, 0, 0, 0, 3, 0, 7];
    payload.extend_from_slice(b"rdkafka");
    payload.extend_from_slice(&[0, 0, 0, 0, 0, 1, 0, 0]);
    connection.write_frame(&payload)?;
    let answer = connection.receive::<MetadataRequest>(13, 3)?;
    assert_eq!(answer.error_code, 0);
    assert_eq!(answer.brokers.len(), 1);
    // The frame after it is where its length says.
    assert_eq!(connection.call(3, &api_versions())?.error_code, 0);
    Ok(())
}

// Produce

/// Produces bytes that must be refused with this code, and leave nothing behind.
fn check_refused(records: Vec<u8>, code: i16) -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    assert_eq!(partition.produce(records)?.error_code, code);
    assert_eq!(partition.end()?, 0, "nothing was appended");
    assert_eq!(partition.produce(batch(&[b"good"])?)?.error_code, 0);
    Ok(())
}

#[test]
fn corrupt_batch_is_refused() -> Result<()> {
    let mut records = batch(&[b"value"])?;
    let last = records.len() - 1;
    records[last] ^= 1;
    check_refused(records, CORRUPT_MESSAGE)
}

#[test]
fn too_large_batch_is_refused() -> Result<()> {
    check_refused(batch(&[&vec![b'L'; 1_048_588]])?, MESSAGE_TOO_LARGE)
}

#[test]
fn largest_batch_is_taken() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let records = batch(&[&vec![b'L'; 1_048_588 - 72]])?;
    assert_eq!(records.len(), 1_048_588);
    assert_eq!(partition.produce(records)?.error_code, 0);
    Ok(())
}

#[test]
fn old_magic_is_refused() -> Result<()> {
    let mut records = batch(&[b"value"])?;
    records[16] = 1;
    check_refused(records, INVALID_RECORD)
}

#[test]
fn two_batches_at_once_are_refused() -> Result<()> {
    let mut records = batch(&[b"one"])?;
    records.extend(batch(&[b"two"])?);
    check_refused(records, INVALID_RECORD)
}

#[test]
fn keyless_record_in_a_compacted_topic_is_refused() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[("cleanup.policy", "compact")])?;
    let answer = partition.produce(batch(&[b"v", b"w"])?)?;
    assert_eq!(answer.error_code, INVALID_RECORD);
    let indexes: Vec<i32> = answer
        .record_errors
        .iter()
        .map(|row| row.batch_index)
        .collect();
    assert_eq!(indexes, [0, 1], "each record has its error");
    assert_eq!(partition.end()?, 0);
    Ok(())
}

#[test]
fn unknown_partition_is_refused() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let request = partition.produce_request(1, 4711, batch(&[b"v"])?);
    let answer = partition.connection.call(PRODUCE, &request)?;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 3);
    Ok(())
}

#[test]
fn unknown_acks_are_refused() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let request = partition.produce_request(2, 0, batch(&[b"v"])?);
    let answer = partition.connection.call(PRODUCE, &request)?;
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, INVALID_REQUIRED_ACKS);
    Ok(())
}

#[test]
fn produce_without_acks_has_no_answer() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let request = partition.produce_request(0, 0, batch(&[b"v"])?);
    partition.connection.send(PRODUCE, &request)?;
    // The next answer is the one to the next request.
    partition.await_end(1)
}

#[test]
fn refused_produce_without_acks_closes_the_connection() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let mut records = batch(&[b"value"])?;
    let last = records.len() - 1;
    records[last] ^= 1;
    let request = partition.produce_request(0, 0, records);
    partition.connection.send(PRODUCE, &request)?;
    assert_eq!(partition.connection.read_frame()?, None);
    serves(&broker)
}

#[test]
fn duplicate_is_answered_with_its_offset() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let id = partition.producer_id()?;
    let make = |sequence| sequenced(&[b"v", b"w"], id, ProducerEpoch(0), Sequence(sequence));
    for round in 0..6 {
        let answer = partition.produce(make(round * 2)?)?;
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (0, i64::from(round) * 2)
        );
    }
    for round in 1..6 {
        let answer = partition.produce(make(round * 2)?)?;
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (0, i64::from(round) * 2)
        );
    }
    assert_eq!(partition.end()?, 12, "nothing was appended twice");
    // Older than the window of five batches: Kafka calls it out of order, not a duplicate.
    let answer = partition.produce(make(0)?)?;
    assert_eq!(answer.error_code, OUT_OF_ORDER_SEQUENCE_NUMBER);
    Ok(())
}

#[test]
fn gap_in_sequence_is_refused() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let id = partition.producer_id()?;
    let make = |epoch, sequence| sequenced(&[b"v"], id, ProducerEpoch(epoch), Sequence(sequence));
    assert_eq!(partition.produce(make(0, 0)?)?.error_code, 0);
    let code = partition.produce(make(0, 2)?)?.error_code;
    assert_eq!(code, OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(partition.produce(make(1, 0)?)?.error_code, 0, "a new epoch");
    let code = partition.produce(make(0, 1)?)?.error_code;
    assert_eq!(code, INVALID_PRODUCER_EPOCH, "an old epoch");
    let code = partition.produce(make(2, 7)?)?.error_code;
    assert_eq!(
        code, OUT_OF_ORDER_SEQUENCE_NUMBER,
        "a new epoch starts at 0"
    );
    Ok(())
}

#[test]
fn sequence_goes_around() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    // An unknown producer may start anywhere, as after its state expired.
    let id = ProducerId(partition.producer_id()?.0 + 1_000_000);
    let make = |sequence| sequenced(&[b"v", b"w"], id, ProducerEpoch(0), Sequence(sequence));
    assert_eq!(partition.produce(make(i32::MAX - 1)?)?.error_code, 0);
    assert_eq!(
        partition.produce(make(0)?)?.error_code,
        0,
        "after the largest comes 0"
    );
    Ok(())
}

// Fetch

#[test]
fn empty_fetch_has_empty_records() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let answer = partition.fetch_one(Fetch::at(0))?;
    assert_eq!(answer.error_code, 0);
    assert_eq!(answer.records.context("records are not null")?.len(), 0);
    assert_eq!((answer.high_watermark, answer.log_start_offset), (0, 0));
    Ok(())
}

#[test]
fn fetch_from_within_a_batch_gives_the_whole_batch() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    for _ in 0..3 {
        partition.produce(batch(&[b"a", b"b", b"c"])?)?;
    }
    for offset in 0..9 {
        let records = partition
            .fetch_one(Fetch::at(offset))?
            .records
            .unwrap_or_default();
        let found = partition::batches(&records)?;
        assert_eq!(found.first(), Some(&(offset / 3 * 3, offset / 3 * 3 + 2)));
        assert_eq!(found.last(), Some(&(6, 8)));
    }
    Ok(())
}

#[test]
fn first_batch_comes_whole_however_small_the_limit() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    partition.produce(batch(&[&[b'x'; 5000]])?)?;
    partition.produce(batch(&[&[b'y'; 5000]])?)?;
    let fetch = Fetch {
        partition_max_bytes: 1,
        ..Fetch::at(0)
    };
    let records = partition.fetch_one(fetch)?.records.unwrap_or_default();
    assert_eq!(partition::batches(&records)?, [(0, 0)]);
    Ok(())
}

#[test]
fn every_byte_budget_reads_every_segment() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[("segment.bytes", "1048576")])?;
    let value = vec![b'x'; 100_000];
    for _ in 0..110 {
        assert_eq!(partition.produce(batch(&[&value])?)?.error_code, 0);
    }
    for budget in [
        1, 100_071, 100_072, 100_073, 150_000, 1_048_576, 3_000_000, 20_000_000,
    ] {
        let mut next = 0;
        while next < 110 {
            let fetch = Fetch {
                partition_max_bytes: budget,
                ..Fetch::at(next)
            };
            let records = partition.fetch_one(fetch)?.records.unwrap_or_default();
            let found = partition::batches(&records)?;
            assert!(!found.is_empty(), "budget {budget} at {next}: nothing");
            for (first, last) in found {
                assert_eq!(first, next, "budget {budget}: a batch was skipped");
                next = last + 1;
            }
        }
    }
    Ok(())
}

#[test]
fn fetch_outside_the_log_is_out_of_range() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    partition.produce(batch(&[b"v"])?)?;
    for offset in [-5, 2, i64::MAX] {
        let answer = partition.fetch_one(Fetch::at(offset))?;
        assert_eq!(answer.error_code, 1, "offset {offset}");
    }
    assert_eq!(partition.fetch_one(Fetch::at(1))?.error_code, 0, "the end");
    Ok(())
}

#[test]
fn leader_epoch_is_checked() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    for (leader_epoch, code) in [(0, 0), (4711, 75)] {
        let fetch = Fetch {
            leader_epoch,
            ..Fetch::at(0)
        };
        let answer = partition.fetch_one(fetch)?;
        assert_eq!(answer.error_code, code, "epoch {leader_epoch}");
    }
    Ok(())
}

#[test]
fn waiting_fetch_is_woken_by_a_produce() -> Result<()> {
    let broker = Broker::any()?;
    let mut reader = Partition::create(&broker, &[])?;
    let mut writer = reader.reconnect(&broker)?;
    // Longer than the connection waits for an answer: only the record can end it in time.
    let request = reader.fetch_request(Fetch {
        max_wait_ms: 60_000,
        ..Fetch::at(0)
    });
    let id = reader.connection.send(FETCH, &request)?;
    writer.produce(batch(&[b"v"])?)?;
    let answer = reader.connection.receive::<FetchRequest>(FETCH, id)?;
    let records = partition::only(answer)?.records.unwrap_or_default();
    assert_eq!(partition::batches(&records)?, [(0, 0)]);
    Ok(())
}

#[test]
fn fetch_session_tells_only_what_changed() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    partition.produce(batch(&[b"v"])?)?;
    let full = partition.fetch(Fetch {
        session: (0, 0),
        ..Fetch::at(0)
    })?;
    assert_eq!((full.error_code, full.responses.len()), (0, 1));
    assert!(full.session_id > 0);
    let session = full.session_id;
    let read = partition.fetch(Fetch {
        session: (session, 1),
        ..Fetch::at(1)
    })?;
    assert_eq!((read.error_code, read.session_id), (0, session));
    let mut nothing = partition.fetch_request(Fetch {
        session: (session, 2),
        ..Fetch::at(1)
    });
    nothing.topics = Vec::<FetchTopic>::new();
    let idle = partition.connection.call(FETCH, &nothing)?;
    assert_eq!((idle.error_code, idle.responses.len()), (0, 0), "no news");
    partition.produce(batch(&[b"w"])?)?;
    nothing.session_epoch = 3;
    let news = partition.connection.call(FETCH, &nothing)?;
    let records = partition::only(news)?.records.unwrap_or_default();
    assert_eq!(partition::batches(&records)?, [(1, 1)]);
    nothing.session_epoch = 9;
    let wrong = partition.connection.call(FETCH, &nothing)?;
    assert_eq!(wrong.error_code, 71, "INVALID_FETCH_SESSION_EPOCH");
    nothing.session_id = session.wrapping_add(1);
    let unknown = partition.connection.call(FETCH, &nothing)?;
    assert_eq!(unknown.error_code, 70, "FETCH_SESSION_ID_NOT_FOUND");
    Ok(())
}

// Metadata and groups

#[test]
fn metadata_does_not_make_topics_unless_told() -> Result<()> {
    let broker = Broker::any()?;
    let mut connection = Connection::open(broker.address())?;
    let name = StrBytes::from_string(format!("absent-{}", partition::uuid_text()?));
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(name)));
    let mut request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    for _ in 0..2 {
        let answer = connection.call(9, &request)?;
        assert_eq!(answer.topics[0].error_code, 3);
    }
    request.allow_auto_topic_creation = true;
    connection.call(9, &request)?;
    request.allow_auto_topic_creation = false;
    for _ in 0..10_000 {
        if connection.call(9, &request)?.topics[0].error_code == 0 {
            return Ok(());
        }
    }
    anyhow::bail!("the topic was not made")
}

/// A connection to the coordinator of a new group, once it answers.
fn coordinator(broker: &Broker) -> Result<(Connection, GroupId)> {
    let mut connection = Connection::open(broker.address())?;
    let name = StrBytes::from_string(format!("group-{}", partition::uuid_text()?));
    let request = FindCoordinatorRequest::default().with_key(name.clone());
    for _ in 0..10_000 {
        if connection.call(2, &request)?.error_code == 0 {
            return Ok((connection, GroupId(name)));
        }
    }
    anyhow::bail!("no coordinator")
}

#[test]
fn joining_without_an_id_gives_one() -> Result<()> {
    let broker = Broker::any()?;
    let (mut connection, group) = coordinator(&broker)?;
    let protocol =
        kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"));
    let mut request = JoinGroupRequest::default()
        .with_group_id(group)
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    let mut answer = connection.call(5, &request)?;
    while matches!(answer.error_code, 14..=16) {
        answer = connection.call(5, &request)?;
    }
    assert_eq!(answer.error_code, 79, "MEMBER_ID_REQUIRED");
    request.member_id = answer.member_id.clone();
    let joined = connection.call(5, &request)?;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.leader, answer.member_id);
    request.session_timeout_ms = 1;
    assert_eq!(
        connection.call(5, &request)?.error_code,
        26,
        "INVALID_SESSION_TIMEOUT"
    );
    request.group_id = GroupId::default();
    assert_eq!(
        connection.call(5, &request)?.error_code,
        24,
        "INVALID_GROUP_ID"
    );
    Ok(())
}

#[test]
fn strangers_are_refused_by_a_group() -> Result<()> {
    let broker = Broker::any()?;
    let (mut connection, group) = coordinator(&broker)?;
    let mut partition = Partition::create(&broker, &[])?;
    partition.produce(batch(&[b"v"])?)?;
    let request = HeartbeatRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(1)
        .with_member_id(StrBytes::from_static_str("nobody"));
    let mut code = connection.call(3, &request)?.error_code;
    while matches!(code, 14..=16) {
        code = connection.call(3, &request)?.error_code;
    }
    assert_eq!(code, 25, "UNKNOWN_MEMBER_ID");
    let topic = StrBytes::from_string(partition.topic().to_owned());
    let row =
        kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition::default()
            .with_committed_offset(1);
    let rows = kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(TopicName(topic.clone()))
        .with_partitions(vec![row]);
    let mut commit = OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(1)
        .with_member_id(StrBytes::from_static_str("nobody"))
        .with_topics(vec![rows]);
    let answer = connection.call(7, &commit)?;
    // A group that nobody made has no generations.
    assert_eq!(
        answer.topics[0].partitions[0].error_code, 22,
        "ILLEGAL_GENERATION"
    );
    commit.generation_id_or_member_epoch = -1;
    commit.member_id = StrBytes::default();
    let answer = connection.call(7, &commit)?;
    assert_eq!(
        answer.topics[0].partitions[0].error_code, 0,
        "a simple consumer"
    );
    let asked = kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic::default()
        .with_name(TopicName(topic))
        .with_partition_indexes(vec![0, 7]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group)
        .with_topics(Some(vec![asked]));
    let found = connection.call(6, &request)?;
    let offsets: Vec<i64> = found.topics[0]
        .partitions
        .iter()
        .map(|row| row.committed_offset)
        .collect();
    assert_eq!(offsets, [1, -1], "every partition that was asked for");
    Ok(())
}

#[test]
fn memory_stays_bounded_under_large_claims() -> Result<()> {
    let broker = Broker::any()?;
    if !broker.is_own() {
        // Apache Kafka runs out of memory here and does not come back.
        return Ok(());
    }
    // Each connection claims the largest frame and sends a little of it.
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut connection = Connection::open(broker.address())?;
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&104_857_600_i32.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 9]);
        connection.write(&bytes)?;
        held.push(connection);
    }
    serves(&broker)?;
    let resident = resident_bytes(broker.pid()?)?;
    assert!(resident < 512 << 20, "{resident} bytes are resident");
    Ok(())
}

fn resident_bytes(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("no VmRSS")?.parse::<u64>()? * 1024)
}
