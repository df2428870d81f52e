//! Records and offsets: what is refused and how, as Apache Kafka 4.3.1 does.

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, DescribeProducersRequest, InitProducerIdRequest,
    ListOffsetsRequest, OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, TransactionalId,
};
use milena_protocol::batch::{BatchBuilder, Compression, seal};
use milena_protocol::{Offset, ProducerEpoch, Sequence, Timestamp};
use uuid::Uuid;

use crate::client::{Client, Server, append, batch, text, topic};

fn produce(acks: i16, data: TopicProduceData, records: Option<Vec<u8>>) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_records(records.map(Bytes::from));
    let data = data.with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(acks)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data])
}

fn named(name: &str) -> TopicProduceData {
    TopicProduceData::default().with_name(topic(name))
}

fn send(client: &mut Client, name: &str, records: Option<Vec<u8>>) -> PartitionProduceResponse {
    let mut response = client.call(12, &produce(-1, named(name), records));
    response.responses.remove(0).partition_responses.remove(0)
}

/// A batch with one byte changed; its checksum fits where `sealed`.
fn changed(at: usize, byte: u8, sealed: bool) -> Vec<u8> {
    let mut batch = batch(1_000, &["a", "b"]);
    batch[at] = byte;
    if sealed {
        seal(&mut batch);
    }
    batch
}

/// A message of format 1, as clients before 0.11 wrote.
fn old_message() -> Vec<u8> {
    let mut body = vec![1, 0];
    body.extend(5_i64.to_be_bytes());
    body.extend((-1_i32).to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.push(b'v');
    let mut out = 0_i64.to_be_bytes().to_vec();
    out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend(0_u32.to_be_bytes());
    out.extend(body);
    out
}

fn control() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_control();
    builder
        .append(Timestamp(1), Some(&[0, 0, 0, 1]), Some(&[0; 6]), [])
        .unwrap();
    builder.finish(Offset(0))
}

#[test]
fn records_that_cannot_be_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create_with("small", 1, &[("max.message.bytes", "2000")]);
    client.create_with("compacted", 1, &[("cleanup.policy", "compact")]);
    let close = [("message.timestamp.after.max.ms", "1000")];
    client.create_with("close", 1, &close);
    let two = [batch(1_000, &["a"]), batch(1_000, &["b"])].concat();
    let cut = batch(1_000, &["a"])[..50].to_vec();
    let empty = BatchBuilder::new(Compression::None, None).finish(Offset(0));
    let mut no_key = BatchBuilder::new(Compression::None, None);
    no_key.append(Timestamp(1), None, Some(b"v"), []).unwrap();
    let cases = [
        (2, "small", Some(changed(70, 0xff, false))),
        (87, "small", Some(changed(16, 1, false))),
        (2, "small", Some(changed(16, 9, false))),
        (87, "small", Some(changed(60, 5, true))),
        (87, "small", Some(changed(26, 5, true))),
        (87, "small", Some(changed(7, 7, false))),
        (2, "small", Some(changed(11, 0, false))),
        (87, "small", Some(old_message())),
        (87, "small", Some(control())),
        (87, "small", Some(empty)),
        (87, "small", Some(two)),
        (87, "small", Some(cut)),
        (87, "small", Some(Vec::new())),
        (87, "small", None),
        (10, "small", Some(batch(1_000, &[&"x".repeat(3_000)]))),
        (87, "compacted", Some(no_key.finish(Offset(0)))),
        (32, "close", Some(batch(i64::MAX / 2, &["a"]))),
        (3, "absent", Some(batch(1_000, &["a"]))),
        (3, "not valid", Some(batch(1_000, &["a"]))),
        (3, "__cluster_metadata", Some(batch(1_000, &["a"]))),
    ];
    for (number, (code, name, records)) in cases.into_iter().enumerate() {
        let response = send(&mut client, name, records);
        assert_eq!(
            (response.error_code, response.base_offset),
            (code, -1),
            "case {number}"
        );
    }
    let good = send(&mut client, "small", Some(batch(1_000, &["a", "b"])));
    assert_eq!(
        (good.error_code, good.base_offset, good.log_append_time_ms),
        (0, 0, -1)
    );
    assert_eq!((good.log_start_offset, good.error_message), (0, None));
}

#[test]
fn each_record_that_is_wrong_is_named() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create_with("compacted", 1, &[("cleanup.policy", "compact")]);
    let mut builder = BatchBuilder::new(Compression::None, None);
    append(&mut builder, 1, &["good"]);
    builder.append(Timestamp(2), None, Some(b"v"), []).unwrap();
    let response = send(&mut client, "compacted", Some(builder.finish(Offset(0))));
    assert_eq!(response.error_code, 87);
    let indexes: Vec<_> = response
        .record_errors
        .iter()
        .map(|error| error.batch_index)
        .collect();
    assert_eq!(indexes, [1]);
    assert!(response.error_message.is_some());
}

#[test]
fn topics_of_the_broker_take_no_records_of_clients() {
    let server = Server::start(&[]);
    let mut client = server.client();
    crate::versions::await_coordinator(&mut client);
    let response = send(
        &mut client,
        "__consumer_offsets",
        Some(batch(1_000, &["a"])),
    );
    assert_eq!(response.error_code, 17);
}

#[test]
fn acknowledgements_are_none_one_or_all() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // A partition has no more in-sync replicas than replicas, and waits for no more.
    client.create_with("known", 1, &[("min.insync.replicas", "2")]);
    for (acks, code) in [(2, 21), (-2, 21), (1, 0), (-1, 0)] {
        let request = produce(acks, named("known"), Some(batch(1_000, &["a"])));
        let response = client.call(12, &request);
        assert_eq!(
            response.responses[0].partition_responses[0].error_code, code,
            "{acks}"
        );
    }
    let id = client.topic_id("known");
    for (id, code) in [(id, 0), (Uuid::from_u128(3), 100), (Uuid::nil(), 100)] {
        let data = TopicProduceData::default().with_topic_id(id);
        let response = client.call(13, &produce(1, data, Some(batch(1_000, &["a"]))));
        assert_eq!(response.responses[0].topic_id, id);
        assert_eq!(
            response.responses[0].partition_responses[0].error_code,
            code
        );
    }
}

#[test]
fn an_error_without_acknowledgement_closes_the_connection() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    client.send_request(12, &produce(0, named("known"), Some(batch(1_000, &["a"]))));
    // The next response is the one to this request.
    assert_eq!(
        send(&mut client, "known", Some(batch(1_000, &["b"]))).base_offset,
        1
    );
    client.send_request(12, &produce(0, named("absent"), Some(batch(1_000, &["a"]))));
    assert!(client.receive(1).is_none());
}

/// A step of an idempotent producer: values, epoch, sequence; then error code and base offset.
type Step = (&'static [&'static str], i16, i32, i16, i64);

#[test]
fn sequences_of_an_idempotent_producer_have_no_gap() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    let init = InitProducerIdRequest::default().with_transactional_id(None);
    let id = client.call(4, &init).producer_id.0;
    let steps: [Step; 17] = [
        (&["a", "b"], 0, 0, 0, 0),
        (&["a", "b"], 0, 0, 0, 0),
        (&["c"], 0, 5, 45, -1),
        (&["c"], 0, 2, 0, 2),
        (&["a", "b"], 0, 0, 0, 0),
        (&["x", "y", "z"], 0, 1, 45, -1),
        (&["a"], 1, 3, 45, -1),
        (&["a"], 1, 0, 0, 3),
        (&["a"], 0, 3, 47, -1),
        (&["b"], 1, 1, 0, 4),
        (&["b"], 1, 2, 0, 5),
        (&["b"], 1, 3, 0, 6),
        (&["b"], 1, 4, 0, 7),
        (&["b"], 1, 5, 0, 8),
        (&["b"], 1, 6, 0, 9),
        (&["a"], 1, 0, 45, -1),
        (&["b"], 1, 6, 0, 9),
    ];
    for (number, (values, epoch, sequence, code, offset)) in steps.into_iter().enumerate() {
        let mut builder = BatchBuilder::new(Compression::None, None);
        let id = milena_protocol::ProducerId(id);
        builder.set_producer(id, ProducerEpoch(epoch), Sequence(sequence));
        append(&mut builder, 1_000, values);
        let response = send(&mut client, "known", Some(builder.finish(Offset(0))));
        let answer = (response.error_code, response.base_offset);
        assert_eq!(answer, (code, offset), "step {number}");
    }
    let asked = TopicRequest::default()
        .with_name(topic("known"))
        .with_partition_indexes(vec![0, 7]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked]);
    let described = client.call(0, &request);
    let [known, unknown] = &described.topics[0].partitions[..] else {
        panic!("two partitions")
    };
    let producer = &known.active_producers[0];
    let state = (
        producer.producer_id.0,
        producer.producer_epoch,
        producer.last_sequence,
    );
    assert_eq!(state, (id, 1, 6));
    assert_eq!(
        (
            producer.coordinator_epoch,
            producer.current_txn_start_offset
        ),
        (-1, -1)
    );
    assert_eq!((unknown.error_code, unknown.active_producers.len()), (3, 0));
}

#[test]
fn a_producer_id_comes_with_an_epoch_or_without_both() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (id, epoch, code) in [(-1, -1, 0), (5, 3, 0), (5, -1, 42), (-1, 3, 42)] {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch);
        let response = client.call(4, &request);
        assert_eq!(response.error_code, code, "{id} {epoch}");
        let expected = if code == 0 { 0 } else { -1 };
        assert_eq!(response.producer_epoch, expected);
        assert_eq!(response.producer_id.0 >= 0, code == 0);
    }
    let empty =
        InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text(""))));
    assert_eq!(client.call(4, &empty).error_code, 42);
}

#[test]
fn offsets_are_found_by_time_and_by_place() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    client.produce("known", batch(1_000, &["a", "b", "c"]));
    client.produce("known", batch(500, &["d", "e"]));
    client.produce("known", batch(2_000, &["f"]));
    // Partition, time, known leader epoch; then code, offset, time, leader epoch.
    let cases = [
        ((0, -1, -1), (0, 6, -1, 0)),
        ((1, -1, -1), (0, 0, -1, 0)),
        ((0, -2, -1), (0, 0, -1, 0)),
        ((0, -3, -1), (0, 5, 2_000, 0)),
        ((1, -3, -1), (0, -1, -1, -1)),
        ((0, -4, -1), (0, 0, -1, 0)),
        ((0, -5, -1), (0, -1, -1, -1)),
        ((0, -6, -1), (0, -1, -1, -1)),
        ((0, -7, -1), (35, -1, -1, -1)),
        ((0, 0, -1), (0, 0, 1_000, 0)),
        ((0, 501, -1), (0, 0, 1_000, 0)),
        ((0, 1_001, -1), (0, 1, 1_001, 0)),
        ((0, 1_003, -1), (0, 5, 2_000, 0)),
        ((0, 2_001, -1), (0, -1, -1, -1)),
        ((0, i64::MAX, -1), (0, -1, -1, -1)),
        ((1, 0, -1), (0, -1, -1, -1)),
        ((7, -1, -1), (3, -1, -1, -1)),
        ((0, -1, 0), (0, 6, -1, 0)),
        ((0, -1, 1), (75, -1, -1, -1)),
    ];
    for ((index, timestamp, epoch), expected) in cases {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_timestamp(timestamp)
            .with_current_leader_epoch(epoch);
        let asked = ListOffsetsTopic::default()
            .with_name(topic("known"))
            .with_partitions(vec![partition]);
        for isolation_level in [0, 1] {
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(isolation_level)
                .with_topics(vec![asked.clone()]);
            let response = client.call_as(11, 10, &request);
            let found = &response.topics[0].partitions[0];
            let answer = (
                found.error_code,
                found.offset,
                found.timestamp,
                found.leader_epoch,
            );
            assert_eq!(answer, expected, "{index} {timestamp} {epoch}");
        }
    }
}

#[test]
fn records_are_deleted_up_to_what_is_committed() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    client.create_with("compacted", 1, &[("cleanup.policy", "compact")]);
    for name in ["known", "compacted"] {
        client.produce(name, batch(1_000, &["a", "b", "c", "d"]));
    }
    let cases = [
        ("known", 0, 2, (0, 2)),
        ("known", 0, 1, (0, 2)),
        ("known", 0, 9, (1, -1)),
        ("known", 0, -2, (1, -1)),
        ("known", 0, -1, (0, 4)),
        ("known", 1, -1, (0, 0)),
        ("known", 7, 0, (3, -1)),
        ("absent", 0, 0, (3, -1)),
        ("compacted", 0, 1, (44, -1)),
    ];
    for (name, index, offset, expected) in cases {
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset);
        let asked = DeleteRecordsTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_timeout_ms(5_000)
            .with_topics(vec![asked]);
        let response = client.call(2, &request);
        let result = &response.topics[0].partitions[0];
        let answer = (result.error_code, result.low_watermark);
        assert_eq!(answer, expected, "{name} {index} {offset}");
    }
}

#[test]
fn ends_of_leader_epochs_are_told() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    client.produce("known", batch(1_000, &["a", "b", "c", "d"]));
    // Partition, known epoch, asked epoch; then code, epoch, end.
    let cases = [
        ((0, -1, 0), (0, 0, 4)),
        ((0, 0, 0), (0, 0, 4)),
        ((0, 1, 0), (75, -1, -1)),
        ((0, 0, 5), (0, -1, -1)),
        ((0, -1, -1), (0, -1, -1)),
        ((1, -1, 0), (0, 0, 0)),
        ((7, -1, 0), (3, -1, -1)),
    ];
    for ((index, known, asked), expected) in cases {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(known)
            .with_leader_epoch(asked);
        let of_topic = OffsetForLeaderTopic::default()
            .with_topic(topic("known"))
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![of_topic]);
        let response = client.call(4, &request);
        let found = &response.topics[0].partitions[0];
        let answer = (found.error_code, found.leader_epoch, found.end_offset);
        assert_eq!(answer, expected, "{index} {known} {asked}");
    }
}
