//! Record batches that are damaged or too large: the client gets Kafka's code, nothing is appended.

use std::io::Write;
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, ListOffsetsRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Request, StrBytes};
use milena_protocol::batch::{self, BatchBuilder, Compression};
use milena_protocol::{ErrorCode, Offset, Timestamp, api};

use crate::server::{Server, answer, frame, header};

pub(crate) const TOPIC: TopicName = TopicName(StrBytes::from_static_str("hostile"));

/// Sends a request and decodes its response.
fn call<Q: Request>(stream: &mut TcpStream, version: i16, request: &Q) -> Q::Response {
    let mut bytes = BytesMut::from(&header(Q::KEY, version, 3)[..]);
    request.encode(&mut bytes, version).unwrap();
    stream.write_all(&frame(&bytes)).unwrap();
    let answer = Bytes::from(answer(stream).expect("an answer"));
    let header_bytes = match api::response_header_version(Q::KEY, version) {
        Some(0) => 4,
        _ => 5,
    };
    Q::Response::decode(&mut answer.slice(header_bytes..), version).unwrap()
}

pub(crate) fn produce(stream: &mut TcpStream, records: &[u8]) -> i16 {
    let partition =
        PartitionProduceData::default().with_records(Some(Bytes::copy_from_slice(records)));
    let topic = TopicProduceData::default()
        .with_name(TOPIC)
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let response = call(stream, 9, &request);
    response.responses[0].partition_responses[0].error_code
}

fn log_end(stream: &mut TcpStream) -> i64 {
    let latest = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(TOPIC)
        .with_partitions(vec![latest]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    let response = call(stream, 7, &request);
    response.topics[0].partitions[0].offset
}

pub(crate) fn built(codec: Compression, value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec, None);
    let value = vec![b'v'; value_bytes];
    for record in 0..3 {
        builder
            .append(
                Timestamp(1_700_000_000_000 + record),
                None,
                Some(&value),
                [],
            )
            .unwrap();
    }
    builder.finish(Offset(0))
}

pub(crate) fn create_topic(stream: &mut TcpStream, name: &TopicName) {
    let topic = CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let response = call(stream, 7, &request);
    assert_eq!(response.topics[0].error_code, 0);
}

fn with_topic(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    create_topic(&mut stream, &TOPIC);
    assert_eq!(produce(&mut stream, &built(Compression::None, 20)), 0);
    assert_eq!(log_end(&mut stream), 3);
    stream
}

#[test]
fn corrupt_batches_are_refused_and_nothing_is_appended() {
    let server = Server::start();
    let mut stream = with_topic(&server);
    for codec in [Compression::None, Compression::Lz4, Compression::Gzip] {
        let whole = built(codec, 20);
        // The checksum itself and everything that it covers.
        for at in 17..whole.len() {
            let mut batch = whole.clone();
            batch[at] ^= 0x40;
            let code = produce(&mut stream, &batch);
            assert_eq!(
                code,
                ErrorCode::CorruptMessage as i16,
                "{codec:?} byte {at}"
            );
        }
    }
    assert_eq!(log_end(&mut stream), 3);
    // The same with the right checksum: whatever it is called, only whole records are appended.
    let whole = built(Compression::None, 20);
    let mut end = 3;
    for at in batch::HEADER_BYTES..whole.len() {
        let mut batch = whole.clone();
        batch[at] ^= 0x40;
        batch::seal(&mut batch);
        if produce(&mut stream, &batch) == 0 {
            end += 3;
        }
        assert_eq!(log_end(&mut stream), end, "byte {at}");
    }
    assert_eq!(produce(&mut stream, &whole), 0);
    assert_eq!(log_end(&mut stream), end + 3);
}

#[test]
fn too_large_batches_are_refused_and_nothing_is_appended() {
    let server = Server::start();
    let mut stream = with_topic(&server);
    for value_bytes in [350_000, 2 << 20] {
        let code = produce(&mut stream, &built(Compression::None, value_bytes));
        assert_eq!(code, ErrorCode::MessageTooLarge as i16);
    }
    assert_eq!(log_end(&mut stream), 3);
    assert_eq!(produce(&mut stream, &built(Compression::None, 340_000)), 0);
    assert_eq!(log_end(&mut stream), 6);
}
