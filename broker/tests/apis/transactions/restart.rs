//! Transactions over a restart of the broker.

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{DescribeTransactionsRequest, ProduceRequest};
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::stored::transaction::{
    Record, State, TOPIC, TransactionMetadata, partition_for,
};
use milena_protocol::{
    Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicPartition,
};

use super::{
    Transactor, aborted, await_stable, await_transactions, last_stable, transactional_id, until,
};
use crate::client::{Client, Server, topic};

/// Partitions of `__transaction_state`.
const PARTITIONS: i32 = 50;

#[test]
fn an_open_transaction_goes_on() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init(&mut client, "x");
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    server.restart();
    let mut client = server.client();
    await_transactions(&mut client, "x");
    assert_eq!(producer.state(&mut client), "Ongoing");
    assert_eq!(last_stable(&mut client, "t", 0), 0);
    assert_eq!(producer.produce(&mut client, "t", "b"), (0, 1));
    assert_eq!(producer.end(&mut client, true), 0);
    await_stable(&mut client, "t", 3);
    // Ids and epochs go on as well.
    let newer = Transactor::init(&mut client, "x");
    assert_eq!(newer.id, producer.id);
    assert!(newer.epoch > producer.epoch);
}

/// Writes a record of the coordinator, as only the tools of Kafka may.
fn store(client: &mut Client, name: &str, metadata: TransactionMetadata) {
    let record = Record::Transaction {
        transactional_id: name.to_owned(),
        metadata: Some(metadata),
    };
    let (key, value) = record.encode(1).unwrap();
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder
        .append(Timestamp(1_000), Some(&key), value.as_deref(), [])
        .unwrap();
    let partition = PartitionProduceData::default()
        .with_index(partition_for(name, PARTITIONS).0)
        .with_records(Some(builder.finish(Offset(0)).into()));
    let data = TopicProduceData::default()
        .with_name(topic(TOPIC))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data]);
    client.client_id = "__admin_client";
    let response = client.call(9, &request);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    client.client_id = "test";
}

#[test]
fn what_was_decided_is_carried_out() {
    let mut server = Server::start(&[]);
    let mut producers = Vec::new();
    for (name, state) in [
        ("committed", State::PrepareCommit),
        ("aborted", State::PrepareAbort),
    ] {
        let mut client = server.client();
        client.create(&[(name, 1)]);
        let mut producer = Transactor::init(&mut client, name);
        assert_eq!(producer.produce(&mut client, name, "a"), (0, 0));
        // As if the broker had ended before the first marker was written.
        store(
            &mut client,
            name,
            TransactionMetadata {
                producer_id: ProducerId(producer.id),
                previous_producer_id: ProducerId(producer.id),
                next_producer_id: ProducerId::NONE,
                producer_epoch: ProducerEpoch(producer.epoch + 1),
                timeout_ms: 60_000,
                state,
                partitions: [TopicPartition::new(name, PartitionIndex(0))].into(),
                last_update: Timestamp(1_000),
                start: Timestamp(1_000),
                client_transaction_version: 2,
            },
        );
        producers.push(producer);
    }
    server.restart();
    let mut client = server.client();
    for producer in &mut producers {
        let name = producer.name.clone();
        await_transactions(&mut client, &name);
        await_stable(&mut client, &name, 2);
        // The end that it was asked for may be asked for again.
        let commits = name == "committed";
        assert_eq!(producer.end(&mut client, commits), 0);
        let expected = if commits { 0 } else { 1 };
        assert_eq!(aborted(&mut client, &name).len(), expected);
        assert_eq!(producer.produce(&mut client, &name, "b"), (0, 2));
    }
}

#[test]
fn records_that_make_no_sense_stay_with_their_partition() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    Transactor::init(&mut client, "x");
    let other = (0..)
        .map(|number| format!("y{number}"))
        .find(|name| partition_for(name, PARTITIONS) != partition_for("x", PARTITIONS))
        .unwrap();
    Transactor::init(&mut client, &other);
    // A value of a version that does not exist.
    let mut builder = BatchBuilder::new(Compression::None, None);
    let key = b"\x00\x00\x00\x01x";
    builder
        .append(Timestamp(1_000), Some(key), Some(b"\x00\x63odd"), [])
        .unwrap();
    let partition = PartitionProduceData::default()
        .with_index(partition_for("x", PARTITIONS).0)
        .with_records(Some(builder.finish(Offset(0)).into()));
    let data = TopicProduceData::default()
        .with_name(topic(TOPIC))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data]);
    client.client_id = "__admin_client";
    assert_eq!(
        client.call(9, &request).responses[0].partition_responses[0].error_code,
        0
    );
    server.restart();
    let mut client = server.client();
    let mut described = |name: &str| {
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![transactional_id(name)]);
        client.call(0, &request).transaction_states[0].error_code
    };
    until("the other partition is loaded", || described(&other) == 0);
    // COORDINATOR_LOAD_IN_PROGRESS, for good.
    assert_eq!(described("x"), 14);
}
