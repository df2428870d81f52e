//! One partition of a topic, driven by requests made by hand.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest,
    ProduceRequest, ProducerId as WireProducerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression};
use milena_protocol::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

use crate::broker::Broker;
use crate::wire::Connection;

/// Version of Produce that is sent: topics have names.
pub const PRODUCE: i16 = 9;
/// Version of Fetch that is sent: topics have names.
pub const FETCH: i16 = 12;

/// A new topic with one partition, and a connection to its broker.
#[derive(Debug)]
pub struct Partition {
    /// The connection.
    pub connection: Connection,
    topic: StrBytes,
}

/// What a fetch asks for.
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    /// Offset to start at.
    pub offset: i64,
    /// How long to wait for data, in ms.
    pub max_wait_ms: i32,
    /// Limit for the partition, in bytes.
    pub partition_max_bytes: i32,
    /// What is known as the leader epoch; -1 for nothing.
    pub leader_epoch: i32,
    /// Id and epoch of the fetch session; (0, -1) for none.
    pub session: (i32, i32),
}

impl Fetch {
    /// From this offset, without waiting, with a mebibyte.
    #[must_use]
    pub const fn at(offset: i64) -> Self {
        Self {
            offset,
            max_wait_ms: 0,
            partition_max_bytes: 1 << 20,
            leader_epoch: -1,
            session: (0, -1),
        }
    }
}

impl Partition {
    /// Makes a topic with these configurations and waits until its partition serves.
    ///
    /// # Errors
    /// The broker does not do it.
    pub fn create(broker: &Broker, configs: &[(&str, &str)]) -> Result<Self> {
        let mut connection = Connection::open(broker.address())?;
        let name = format!("wire-{}", uuid_text()?);
        let topic = StrBytes::from_string(name);
        let configs = configs
            .iter()
            .map(|&(key, value)| {
                CreatableTopicConfig::default()
                    .with_name(StrBytes::from_string(key.to_owned()))
                    .with_value(Some(StrBytes::from_string(value.to_owned())))
            })
            .collect();
        let new = CreatableTopic::default()
            .with_name(TopicName(topic.clone()))
            .with_num_partitions(1)
            .with_replication_factor(1)
            .with_configs(configs);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![new])
            .with_timeout_ms(30_000);
        let made = connection.call(5, &request)?;
        let code = made.topics.first().context("no topic")?.error_code;
        ensure!(code == 0, "creation failed with {code}");
        let mut partition = Self { connection, topic };
        // Metadata may come before the log; a client tries again on these errors.
        for _ in 0..10_000 {
            let code = partition.list_offsets(-1)?.0;
            if code == 0 {
                return Ok(partition);
            }
            ensure!(matches!(code, 3 | 5 | 6), "the partition answers {code}");
        }
        anyhow::bail!("the partition does not serve")
    }

    /// Partition 0 of a topic that is there.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn existing(address: SocketAddr, topic: &str) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(address)?,
            topic: StrBytes::from_string(topic.to_owned()),
        })
    }

    /// The same partition over another connection.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn reconnect(&self, broker: &Broker) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(broker.address())?,
            topic: self.topic.clone(),
        })
    }

    /// Name of the topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// A Produce request with these records for this partition.
    #[must_use]
    pub fn produce_request(&self, acks: i16, index: i32, records: Vec<u8>) -> ProduceRequest {
        let partition = PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(records.into()));
        let topic = TopicProduceData::default()
            .with_name(TopicName(self.topic.clone()))
            .with_partition_data(vec![partition]);
        ProduceRequest::default()
            .with_acks(acks)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic])
    }

    /// Produces these bytes with acks=all.
    ///
    /// # Errors
    /// There is no answer.
    pub fn produce(&mut self, records: Vec<u8>) -> Result<PartitionProduceResponse> {
        let request = self.produce_request(-1, 0, records);
        let answer = self.connection.call(PRODUCE, &request)?;
        let mut topic = answer.responses.into_iter().next().context("no topic")?;
        topic.partition_responses.pop().context("no partition")
    }

    /// The request of a fetch of this partition alone.
    #[must_use]
    pub fn fetch_request(&self, fetch: Fetch) -> FetchRequest {
        let partition = FetchPartition::default()
            .with_partition(0)
            .with_fetch_offset(fetch.offset)
            .with_current_leader_epoch(fetch.leader_epoch)
            .with_partition_max_bytes(fetch.partition_max_bytes);
        let topic = FetchTopic::default()
            .with_topic(TopicName(self.topic.clone()))
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(fetch.max_wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(50 << 20)
            .with_session_id(fetch.session.0)
            .with_session_epoch(fetch.session.1)
            .with_topics(vec![topic])
    }

    /// Fetches.
    ///
    /// # Errors
    /// There is no answer.
    pub fn fetch(&mut self, fetch: Fetch) -> Result<FetchResponse> {
        let request = self.fetch_request(fetch);
        self.connection.call(FETCH, &request)
    }

    /// Fetches, and takes the answer for the partition.
    ///
    /// # Errors
    /// There is no answer, or none for the partition.
    pub fn fetch_one(&mut self, fetch: Fetch) -> Result<PartitionData> {
        only(self.fetch(fetch)?)
    }

    /// Asks for the offset at a timestamp (-1 end, -2 start): error code and offset.
    ///
    /// # Errors
    /// There is no answer.
    pub fn list_offsets(&mut self, timestamp: i64) -> Result<(i16, i64)> {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(0)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName(self.topic.clone()))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let answer = self.connection.call(6, &request)?;
        let topic = answer.topics.first().context("no topic")?;
        let partition = topic.partitions.first().context("no partition")?;
        Ok((partition.error_code, partition.offset))
    }

    /// End of the log.
    ///
    /// # Errors
    /// There is no answer, or an error.
    pub fn end(&mut self) -> Result<i64> {
        let (code, offset) = self.list_offsets(-1)?;
        ensure!(code == 0, "error {code}");
        Ok(offset)
    }

    /// Asks until the log ends here: without acks=all a record may be acknowledged before it is
    /// visible.
    ///
    /// # Errors
    /// There is no answer, an error, another end beyond this one, or it does not come.
    pub fn await_end(&mut self, end: i64) -> Result<()> {
        for _ in 0..10_000 {
            let found = self.end()?;
            if found == end {
                return Ok(());
            }
            ensure!(found < end, "the log ends at {found}, beyond {end}");
        }
        anyhow::bail!("the log does not reach {end}")
    }

    /// A new producer id with epoch 0.
    ///
    /// # Errors
    /// There is no answer, or an error.
    pub fn producer_id(&mut self) -> Result<ProducerId> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(WireProducerId(-1))
            .with_producer_epoch(-1);
        // A broker may need a moment to get its first block of ids.
        for _ in 0..10_000 {
            let answer = self.connection.call(4, &request)?;
            if answer.error_code == 0 {
                return Ok(ProducerId(answer.producer_id.0));
            }
            let code = answer.error_code;
            ensure!(matches!(code, 14..=16), "no producer id: {code}");
        }
        anyhow::bail!("no producer id")
    }
}

/// The answer for the only partition of a fetch.
///
/// # Errors
/// There is none.
pub fn only(answer: FetchResponse) -> Result<PartitionData> {
    ensure!(
        answer.error_code == 0,
        "fetch failed with {}",
        answer.error_code
    );
    let mut topic = answer.responses.into_iter().next().context("no topic")?;
    topic.partitions.pop().context("no partition")
}

/// A batch of records without keys, of now.
///
/// # Errors
/// The batch would be too large.
pub fn batch(values: &[&[u8]]) -> Result<Vec<u8>> {
    sequenced(
        values,
        ProducerId::NONE,
        ProducerEpoch::NONE,
        Sequence::NONE,
    )
}

/// A batch of an idempotent producer.
///
/// # Errors
/// The batch would be too large.
pub fn sequenced(
    values: &[&[u8]],
    producer: ProducerId,
    epoch: ProducerEpoch,
    sequence: Sequence,
) -> Result<Vec<u8>> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(producer, epoch, sequence);
    for value in values {
        builder.append(now()?, None, Some(value), [])?;
    }
    Ok(builder.finish(Offset(0)))
}

/// Offsets of the batches in fetched bytes: first and last of each, whole batches only.
///
/// # Errors
/// A whole batch is damaged.
pub fn batches(records: &Bytes) -> Result<Vec<(i64, i64)>> {
    let mut found = Vec::new();
    let mut rest: &[u8] = records;
    while let Ok((header, _)) = BatchHeader::parse_whole(rest) {
        let (this, after) = rest.split_at(header.size_bytes);
        header.check_crc(this)?;
        found.push((header.base_offset.0, header.last_offset().0));
        rest = after;
    }
    Ok(found)
}

fn now() -> Result<Timestamp> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(Timestamp(i64::try_from(since.as_millis())?))
}

/// A random text for names.
///
/// # Errors
/// The system has no randomness.
pub fn uuid_text() -> Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid").context("make a name")?;
    Ok(text.trim().to_owned())
}
