//! Transactions as clients see them (KIP-98, KIP-360, KIP-447, KIP-664, KIP-890).

mod codes;
mod offsets;
mod open;
mod restart;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, DescribeTransactionsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListOffsetsRequest, ProduceRequest, ProducerId, TransactionalId,
};
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{Offset, ProducerEpoch, Sequence};

use crate::client::{Client, append, text, topic};

pub(crate) const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
pub(crate) const INVALID_PRODUCER_EPOCH: i16 = 47;
pub(crate) const INVALID_TXN_STATE: i16 = 48;
pub(crate) const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
pub(crate) const PRODUCER_FENCED: i16 = 90;
pub(crate) const TRANSACTION_ABORTABLE: i16 = 120;
/// Questions after which something must have come about.
const ASKED_MAX: usize = 20_000;

pub(crate) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// A producer of version 2 of the protocol.
#[derive(Clone, Debug)]
pub(crate) struct Transactor {
    pub(crate) name: String,
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

impl Transactor {
    /// Finds the coordinator, and gets an id from it.
    pub(crate) fn init(client: &mut Client, name: &str) -> Self {
        Self::init_with(client, name, 60_000)
    }

    pub(crate) fn init_with(client: &mut Client, name: &str, timeout_ms: i32) -> Self {
        await_transactions(client, name);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional_id(name)))
            .with_transaction_timeout_ms(timeout_ms);
        let response = client.call(5, &request);
        assert_eq!(response.error_code, 0, "{response:?}");
        Self {
            name: name.to_owned(),
            id: response.producer_id.0,
            epoch: response.producer_epoch,
            sequence: 0,
        }
    }

    /// The next batch of one record.
    pub(crate) fn batch(&mut self, value: &str) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None, None);
        append(&mut builder, 1_000, &[value]);
        builder.set_producer(
            milena_protocol::ProducerId(self.id),
            ProducerEpoch(self.epoch),
            Sequence(self.sequence),
        );
        builder.set_transactional();
        self.sequence += 1;
        builder.finish(Offset(0))
    }

    pub(crate) fn request(&mut self, name: &str, values: &[(i32, &str)]) -> ProduceRequest {
        let partitions = values.iter().map(|&(index, value)| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(self.batch(value).into()))
        });
        let partitions = partitions.collect();
        produce(&self.name, name, partitions)
    }

    /// Appends a record to partition 0; returns error code and offset.
    pub(crate) fn produce(&mut self, client: &mut Client, name: &str, value: &str) -> (i16, i64) {
        self.produce_as(client, 12, name, value)
    }

    pub(crate) fn produce_as(
        &mut self,
        client: &mut Client,
        version: i16,
        name: &str,
        value: &str,
    ) -> (i16, i64) {
        let request = self.request(name, &[(0, value)]);
        let response = client.call(version, &request);
        let response = &response.responses[0].partition_responses[0];
        (response.error_code, response.base_offset)
    }

    /// Ends the transaction and takes over the next epoch.
    pub(crate) fn end(&mut self, client: &mut Client, commits: bool) -> i16 {
        let response = client.call(5, &self.end_request(commits));
        if response.error_code == 0 {
            self.id = response.producer_id.0;
            self.epoch = response.producer_epoch;
            self.sequence = 0;
        }
        response.error_code
    }

    pub(crate) fn end_request(&self, commits: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(transactional_id(&self.name))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commits)
    }

    /// State of the transactional id.
    pub(crate) fn state(&self, client: &mut Client) -> String {
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![transactional_id(&self.name)]);
        let response = client.call(0, &request);
        response.transaction_states[0].transaction_state.to_string()
    }
}

pub(crate) fn produce(
    transactional: &str,
    name: &str,
    partitions: Vec<PartitionProduceData>,
) -> ProduceRequest {
    let data = TopicProduceData::default()
        .with_name(topic(name))
        .with_partition_data(partitions);
    ProduceRequest::default()
        .with_transactional_id(Some(transactional_id(transactional)))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data])
}

/// Finds the coordinator of an id, and waits until it is loaded.
pub(crate) fn await_transactions(client: &mut Client, name: &str) {
    let request = FindCoordinatorRequest::default()
        .with_key_type(1)
        .with_coordinator_keys(vec![text(name)]);
    while client.call(6, &request).coordinators[0].error_code != 0 {}
    let request =
        DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id(name)]);
    // TRANSACTIONAL_ID_NOT_FOUND, or known.
    let is_loaded = |error| error == 0 || error == 105;
    until("the coordinator is loaded", || {
        is_loaded(client.call(0, &request).transaction_states[0].error_code)
    });
}

/// Asks until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!((0..ASKED_MAX).any(|_| is_so()), "{what}");
}

/// The last stable offset of partition 0, or of another one.
pub(crate) fn last_stable(client: &mut Client, name: &str, index: i32) -> i64 {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(-1);
    let asked = ListOffsetsTopic::default()
        .with_name(topic(name))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(1)
        .with_topics(vec![asked]);
    let response = client.call(7, &request);
    response.topics[0].partitions[0].offset
}

pub(crate) fn await_stable(client: &mut Client, name: &str, offset: i64) {
    until("the last stable offset moves", || {
        last_stable(client, name, 0) == offset
    });
}

/// The aborted transactions of partition 0: producer id and first offset.
pub(crate) fn aborted(client: &mut Client, name: &str) -> Vec<(i64, i64)> {
    let partition = FetchPartition::default()
        .with_partition_max_bytes(1 << 20)
        .with_fetch_offset(0);
    let asked = FetchTopic::default()
        .with_topic(topic(name))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![asked]);
    let response = client.call(12, &request);
    let partition = &response.responses[0].partitions[0];
    let aborted = partition.aborted_transactions.iter().flatten();
    aborted
        .map(|of| (of.producer_id.0, of.first_offset))
        .collect()
}
