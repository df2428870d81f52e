//! A broker on a directory of its own, and a client that sends one request after the other with the
//! codecs of the crate `kafka-protocol`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, MetadataRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use milena_broker::{Embedded, Mode, Options};
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{Offset, Timestamp};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// A running broker; stopped when it is dropped.
pub(crate) struct Server {
    runtime: Runtime,
    broker: Option<Embedded>,
    values: BTreeMap<String, String>,
    _dir: TempDir,
}

impl Server {
    /// Starts a broker with these values beside those of the development mode.
    pub(crate) fn start(values: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log_dirs = dir.path().join("data").display().to_string();
        let own = [
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("log.dirs", &log_dirs),
        ];
        let values: BTreeMap<_, _> = own
            .iter()
            .chain(values)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let (options, _) = Options::from_values(values.clone(), Mode::Dev).unwrap();
        let runtime = Runtime::new().unwrap();
        let broker = Some(runtime.block_on(Embedded::start(options)).unwrap());
        Self {
            runtime,
            broker,
            values,
            _dir: dir,
        }
    }

    /// Stops the broker and starts another one on its directory.
    pub(crate) fn restart(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.stop());
        }
        let (options, _) = Options::from_values(self.values.clone(), Mode::Dev).unwrap();
        self.broker = Some(self.runtime.block_on(Embedded::start(options)).unwrap());
    }

    /// All metrics as text.
    pub(crate) fn metrics(&self) -> String {
        self.broker.as_ref().unwrap().metrics_text()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.broker.as_ref().unwrap().address())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.stop());
        }
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
    /// Name that it gives itself.
    pub(crate) client_id: &'static str,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            correlation_id: 0,
            client_id: "test",
        }
    }

    /// Sends header and body; returns the correlation id.
    pub(crate) fn send(&mut self, key: i16, version: i16, header_version: i16, body: &[u8]) -> i32 {
        self.correlation_id += 1;
        let mut out = BytesMut::from(&[0; 4][..]);
        RequestHeader::default()
            .with_request_api_key(key)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(text(self.client_id)))
            .encode(&mut out, header_version)
            .unwrap();
        out.extend_from_slice(body);
        let length = u32::try_from(out.len() - 4).unwrap();
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&out).unwrap();
        self.correlation_id
    }

    /// Sends a request.
    pub(crate) fn send_request<Q: Request>(&mut self, version: i16, request: &Q) -> i32 {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        self.send(Q::KEY, version, Q::header_version(version), &body)
    }

    /// The next response: its correlation id and its body. None where the broker closes.
    pub(crate) fn receive(&mut self, header_version: i16) -> Option<(i32, Bytes)> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if is_closed(error.kind()) => return None,
            Err(error) => panic!("no response: {error}"),
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, header_version).unwrap();
        Some((header.correlation_id, frame))
    }

    /// The body of the response to a request whose bytes are given; none where the broker closes.
    pub(crate) fn exchange(&mut self, key: i16, version: i16, body: &[u8]) -> Option<Bytes> {
        let header = |version: Option<i16>| version.unwrap_or(1);
        let request = header(milena_protocol::api::request_header_version(key, version));
        let response = milena_protocol::api::response_header_version(key, version).unwrap_or(0);
        let sent = self.send(key, version, request, body);
        let (correlation_id, body) = self.receive(response)?;
        assert_eq!(correlation_id, sent, "api key {key} version {version}");
        Some(body)
    }

    /// Sends a request and decodes the response, to the last byte.
    pub(crate) fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        self.call_as(version, version, request)
    }

    /// The same with the codecs of another version, which has the same shape.
    pub(crate) fn call_as<Q: Request>(
        &mut self,
        version: i16,
        shape: i16,
        request: &Q,
    ) -> Q::Response {
        let name = std::any::type_name::<Q>();
        let mut body = BytesMut::new();
        request
            .encode(&mut body, shape)
            .unwrap_or_else(|error| panic!("{name} {version}: {error}"));
        let body = self.exchange(Q::KEY, version, &body);
        let body = body.unwrap_or_else(|| panic!("{name} {version}: the broker closed"));
        decode::<Q::Response>(shape, body)
    }

    /// Makes topics, named with their numbers of partitions.
    pub(crate) fn create(&mut self, topics: &[(&str, i32)]) {
        for &(name, partitions) in topics {
            self.create_with(name, partitions, &[]);
        }
    }

    /// Makes a topic with these settings.
    pub(crate) fn create_with(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        });
        let new = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let created = self.call(7, &CreateTopicsRequest::default().with_topics(vec![new]));
        assert_eq!(created.topics[0].error_code, 0, "{created:?}");
    }

    /// The id of a topic.
    pub(crate) fn topic_id(&mut self, name: &str) -> Uuid {
        let asked = MetadataRequestTopic::default().with_name(Some(topic(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        self.call(13, &request).topics[0].topic_id
    }

    /// Appends records to partition 0; returns error code and base offset.
    pub(crate) fn produce(&mut self, name: &str, records: Vec<u8>) -> (i16, i64) {
        let partition = PartitionProduceData::default().with_records(Some(records.into()));
        let data = TopicProduceData::default()
            .with_name(topic(name))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![data]);
        let response = self.call(9, &request);
        let response = &response.responses[0].partition_responses[0];
        (response.error_code, response.base_offset)
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

/// Decodes a body to its last byte.
pub(crate) fn decode<M: Decodable + HeaderVersion>(version: i16, mut body: Bytes) -> M {
    let name = std::any::type_name::<M>();
    let message =
        M::decode(&mut body, version).unwrap_or_else(|error| panic!("{name} {version}: {error}"));
    assert!(
        !body.has_remaining(),
        "{name} {version}: {} bytes are left",
        body.remaining()
    );
    message
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A batch of records with ascending timestamps from `timestamp` on.
pub(crate) fn batch(timestamp: i64, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    append(&mut builder, timestamp, values);
    builder.finish(Offset(0))
}

/// Appends records with ascending timestamps.
pub(crate) fn append(builder: &mut BatchBuilder, timestamp: i64, values: &[&str]) {
    for (at, value) in (timestamp..).zip(values) {
        builder
            .append(Timestamp(at), Some(b"key"), Some(value.as_bytes()), [])
            .unwrap();
    }
}
