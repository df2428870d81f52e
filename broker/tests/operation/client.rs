//! A broker on directories that outlive it, and a client that sends one request after the other.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, FetchRequest, FetchResponse, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use milena_broker::{Embedded, Health, Mode, Options};
use milena_log::storage::Storage;
use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression, Records};
use milena_protocol::{Offset, Timestamp};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A broker with several log directories; it can be stopped and started again.
pub(crate) struct Server {
    runtime: Runtime,
    broker: Option<Embedded>,
    dir: TempDir,
    values: BTreeMap<String, String>,
    storage: Option<Arc<dyn Storage>>,
}

impl Server {
    /// Starts a broker with `dirs` log directories and these values beside those of the development
    /// mode.
    pub(crate) fn start(dirs: usize, values: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare(dirs, values);
        server.run();
        server
    }

    fn prepare(dirs: usize, values: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log_dirs: Vec<_> = (0..dirs)
            .map(|at| dir.path().join(at.to_string()).display().to_string())
            .collect();
        let own = [
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("log.dirs", &log_dirs.join(",")),
        ];
        let all = own.iter().chain(values);
        let values = all
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Self {
            runtime: Runtime::new().unwrap(),
            broker: None,
            dir,
            values,
            storage: None,
        }
    }

    /// The same on a file system of the test, which is given the directory of all log directories.
    pub(crate) fn start_on(
        dirs: usize,
        values: &[(&str, &str)],
        storage: impl FnOnce(&Path) -> Arc<dyn Storage>,
    ) -> Self {
        let mut server = Self::prepare(dirs, values);
        server.storage = Some(storage(server.dir.path()));
        server.run();
        server
    }

    /// What the broker says of its state.
    pub(crate) fn health(&self) -> Health {
        self.broker.as_ref().unwrap().health()
    }

    fn run(&mut self) {
        let (mut options, _) = Options::from_values(self.values.clone(), Mode::Dev).unwrap();
        if let Some(storage) = &self.storage {
            options = options.with_storage(Arc::clone(storage));
        }
        self.broker = Some(self.runtime.block_on(Embedded::start(options)).unwrap());
    }

    /// The log directory of this number.
    pub(crate) fn log_dir(&self, at: usize) -> PathBuf {
        self.dir.path().join(at.to_string())
    }

    /// Stops the broker.
    pub(crate) fn stop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.stop());
        }
    }

    /// Stops the broker and starts it again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.as_ref().unwrap().address()
    }

    /// A new connection of the client `id`.
    pub(crate) fn client(&self, id: &str) -> Client {
        Client::connect(self.address(), id)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    id: String,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, id: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream,
            id: id.to_owned(),
            correlation_id: 0,
        }
    }

    /// The same connection, to be written to while this one is read.
    pub(crate) fn another_end(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
            id: self.id.clone(),
            correlation_id: self.correlation_id,
        }
    }

    /// Sends a request and decodes the response; none where the broker has closed the connection.
    pub(crate) fn try_call<Q: Request>(
        &mut self,
        version: i16,
        request: &Q,
    ) -> Option<Q::Response> {
        self.send(version, request)?;
        let correlation_id = self.correlation_id;
        self.receive::<Q>(version, correlation_id)
    }

    /// Sends a request without waiting for its response. Returns its correlation id; none where the
    /// broker has closed the connection.
    pub(crate) fn send<Q: Request>(&mut self, version: i16, request: &Q) -> Option<i32> {
        self.correlation_id += 1;
        let mut out = BytesMut::from(&[0; 4][..]);
        RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(text(&self.id)))
            .encode(&mut out, Q::header_version(version))
            .unwrap();
        request.encode(&mut out, version).unwrap();
        let length = u32::try_from(out.len() - 4).unwrap();
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&out).ok()?;
        Some(self.correlation_id)
    }

    /// Decodes the next response; none where the broker has closed the connection.
    pub(crate) fn receive<Q: Request>(
        &mut self,
        version: i16,
        correlation_id: i32,
    ) -> Option<Q::Response> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        let header =
            ResponseHeader::decode(&mut frame, Q::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, correlation_id);
        let response = Q::Response::decode(&mut frame, version).unwrap();
        assert!(!frame.has_remaining());
        Some(response)
    }

    /// Sends a request and decodes the response.
    pub(crate) fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        self.try_call(version, request)
            .expect("the broker closed the connection")
    }

    /// Asks for a topic.
    pub(crate) fn create(
        &mut self,
        version: i16,
        name: &str,
        partitions: i32,
    ) -> CreateTopicsResponse {
        let new = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        self.call(
            version,
            &CreateTopicsRequest::default().with_topics(vec![new]),
        )
    }

    /// Makes a topic.
    pub(crate) fn make(&mut self, name: &str, partitions: i32) {
        let created = self.create(7, name, partitions);
        assert_eq!(created.topics[0].error_code, 0, "{created:?}");
    }

    /// Sends one batch.
    pub(crate) fn produce(&mut self, name: &str, partition: i32, value: &str) -> ProduceResponse {
        self.call(9, &produce_request(name, partition, value))
    }

    /// Appends a record; returns what the partition answers.
    pub(crate) fn append(
        &mut self,
        name: &str,
        partition: i32,
        value: &str,
    ) -> PartitionProduceResponse {
        self.produce(name, partition, value).responses[0].partition_responses[0].clone()
    }

    /// Fetches from one partition.
    pub(crate) fn fetch(
        &mut self,
        name: &str,
        partition: i32,
        offset: i64,
        bytes_max: i32,
    ) -> FetchResponse {
        let wanted = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(bytes_max);
        let topic = FetchTopic::default()
            .with_topic(topic(name))
            .with_partitions(vec![wanted]);
        let request = FetchRequest::default()
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(bytes_max)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        self.call(12, &request)
    }

    /// Reads all values of a partition.
    pub(crate) fn values(&mut self, name: &str, partition: i32) -> Vec<String> {
        let (mut values, mut offset) = (Vec::new(), 0);
        loop {
            let fetched = self.fetch(name, partition, offset, 1 << 20);
            let read = &fetched.responses[0].partitions[0];
            assert_eq!(read.error_code, 0, "{name}-{partition} at {offset}");
            let Some(mut records) = read.records.clone().filter(|records| !records.is_empty())
            else {
                return values;
            };
            while let Ok((header, batch)) = BatchHeader::parse_whole(&records) {
                let batch = Records::open(&header, batch, 0).unwrap();
                values.extend(batch.iter().map(|record| {
                    String::from_utf8(record.unwrap().value.unwrap_or_default().to_vec()).unwrap()
                }));
                offset = header.next_offset().0;
                records.advance(header.size_bytes);
            }
        }
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A request that appends one record.
pub(crate) fn produce_request(name: &str, partition: i32, value: &str) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch(value).into()));
    let topic = TopicProduceData::default()
        .with_name(topic(name))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// A batch with one record.
pub(crate) fn batch(value: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder
        .append(
            Timestamp(1_700_000_000_000),
            None,
            Some(value.as_bytes()),
            [],
        )
        .unwrap();
    builder.finish(Offset(0))
}
