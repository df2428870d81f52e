//! Every version of the APIs of transactions.

use bytes::BytesMut;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, GroupId,
    ListTransactionsRequest, ProducerId, TxnOffsetCommitRequest, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};
use kafka_protocol::protocol::Encodable;

use super::World;
use crate::client::{decode, text, topic};
use crate::transactions::{Transactor, transactional_id};

fn producer(world: &mut World, api: &str, version: i16) -> Transactor {
    Transactor::init(&mut world.client, &format!("{api}-{version}"))
}

fn known() -> Vec<AddPartitionsToTxnTopic> {
    let topic = AddPartitionsToTxnTopic::default().with_name(topic("known"));
    vec![topic.with_partitions(vec![0, 1])]
}

pub(super) fn add_partitions_to_txn(world: &mut World, version: i16) {
    let producer = producer(world, "add", version);
    let request = AddPartitionsToTxnRequest::default();
    if version < 4 {
        let request = request
            .with_v3_and_below_transactional_id(transactional_id(&producer.name))
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(known());
        let response = world.client.call(version, &request);
        let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
        assert!(results.iter().all(|of| of.partition_error_code == 0));
        return;
    }
    let transaction = |name: &str, asks: bool| {
        AddPartitionsToTxnTransaction::default()
            .with_transactional_id(transactional_id(name))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_verify_only(asks)
            .with_topics(known())
    };
    for (asks, expected) in [(true, 120), (false, 0), (true, 0)] {
        let transactions = vec![
            transaction(&producer.name, asks),
            transaction("absent", asks),
        ];
        let request = request.clone().with_transactions(transactions);
        let response = world.client.call(version, &request);
        assert_eq!(response.error_code, 0);
        let results = response.results_by_transaction.iter();
        let codes: Vec<_> = results
            .map(|of| of.topic_results[0].results_by_partition[1].partition_error_code)
            .collect();
        assert_eq!(codes, [expected, 49], "{version} {asks}");
    }
}

pub(super) fn add_offsets_to_txn(world: &mut World, version: i16) {
    let producer = producer(world, "offsets", version);
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional_id(&producer.name))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(GroupId(text("g")));
    assert_eq!(world.client.call(version, &request).error_code, 0);
}

pub(super) fn end_txn(world: &mut World, version: i16) {
    for commits in [true, false] {
        let mut producer = producer(world, "end", version);
        world
            .client
            .create(&[(&format!("end-{version}-{commits}"), 1)]);
        let name = format!("end-{version}-{commits}");
        assert_eq!(producer.produce(&mut world.client, &name, "a"), (0, 0));
        let response = world.client.call(version, &producer.end_request(commits));
        assert_eq!(response.error_code, 0, "{version}");
        let next = if version >= 5 { producer.epoch + 1 } else { -1 };
        assert_eq!(response.producer_epoch, next);
    }
}

pub(super) fn write_txn_markers(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        WritableTxnMarkerTopic::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![1])
    });
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(900 + i64::from(version)))
        .with_producer_epoch(3)
        .with_transaction_result(true)
        .with_topics(topics.into());
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let mut body = BytesMut::new();
    request.encode(&mut body, 1).unwrap();
    if version >= 2 {
        body.truncate(body.len() - 2);
        body.extend_from_slice(&[2, 0, 0]);
    }
    let body = world.client.exchange(27, version, &body).unwrap();
    let response: WriteTxnMarkersResponse = decode(1, body);
    let topics = response.markers[0].topics.iter();
    let codes: Vec<_> = topics
        .map(|of| (of.name.to_string(), of.partitions[0].error_code))
        .collect();
    assert_eq!(codes, [("absent".to_owned(), 3), ("known".to_owned(), 0)]);
}

pub(super) fn txn_offset_commit(world: &mut World, version: i16) {
    let producer = producer(world, "commit", version);
    let group = GroupId(text(&format!("g-{version}")));
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional_id(&producer.name))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(group.clone());
    assert_eq!(world.client.call(3, &add).error_code, 0);
    let topics = ["known", "absent"].map(|name| {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(1)
            .with_committed_offset(2)
            .with_committed_metadata(Some(text("m")));
        TxnOffsetCommitRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition])
    });
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id(&producer.name))
        .with_group_id(group)
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_topics(topics.into());
    let request = if version < 3 {
        request
    } else {
        request.with_generation_id(-1)
    };
    let response = world.client.call(version, &request);
    let codes: Vec<_> = response
        .topics
        .iter()
        .map(|of| of.partitions[0].error_code)
        .collect();
    assert_eq!(codes, [0, 3], "{version}");
}

pub(super) fn describe_transactions(world: &mut World, version: i16) {
    let mut producer = producer(world, "describe", version);
    world.client.create(&[("described", 1)]);
    producer.produce(&mut world.client, "described", "a");
    let ids = [producer.name.as_str(), "absent", ""].map(transactional_id);
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids.into());
    let response = world.client.call(version, &request);
    let states = response.transaction_states;
    let codes: Vec<_> = states.iter().map(|state| state.error_code).collect();
    assert_eq!(codes, [0, 105, 42]);
    assert_eq!(states[0].transaction_state, text("Ongoing"));
    assert_eq!(states[0].transaction_timeout_ms, 60_000);
    assert_eq!(states[0].producer_id.0, producer.id);
    assert_eq!(states[0].topics[0].partitions, [0]);
}

pub(super) fn list_transactions(world: &mut World, version: i16) {
    let producer = producer(world, "list", version);
    let request = ListTransactionsRequest::default()
        .with_state_filters(vec![text("Empty"), text("Odd")])
        .with_producer_id_filters(vec![ProducerId(producer.id)]);
    let request = if version < 2 {
        request
    } else {
        request.with_transactional_id_pattern(Some(text("list-.*")))
    };
    let response = world.client.call(version, &request);
    assert_eq!(response.error_code, 0);
    assert_eq!(response.unknown_state_filters, [text("Odd")]);
    assert_eq!(response.transaction_states.len(), 1);
    let found = &response.transaction_states[0];
    assert_eq!(found.transactional_id, transactional_id(&producer.name));
}
