//! Offsets that are part of transactions.

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, GroupId, OffsetFetchRequest, ProducerId, TxnOffsetCommitRequest,
};

use super::{INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, Transactor, transactional_id, until};
use crate::client::{Client, Server, text, topic};
use crate::versions::await_coordinator;

const ILLEGAL_GENERATION: i16 = 22;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;

fn commit(of: &Transactor, group: &str, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset);
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id(&of.name))
        .with_group_id(GroupId(text(group)))
        .with_producer_id(ProducerId(of.id))
        .with_producer_epoch(of.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic])
}

fn call(client: &mut Client, version: i16, request: &TxnOffsetCommitRequest) -> i16 {
    let response = client.call(version, request);
    response.topics[0].partitions[0].error_code
}

/// Error code and committed offset.
fn fetch(client: &mut Client, group: &str, is_stable: bool) -> (i16, i64) {
    let asked = OffsetFetchRequestTopics::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![asked]));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![group])
        .with_require_stable(is_stable);
    let response = client.call(8, &request);
    let partition = &response.groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}

fn start() -> (Server, Client) {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    await_coordinator(&mut client);
    (server, client)
}

#[test]
fn offsets_count_when_their_transaction_is_committed() {
    let (_server, mut client) = start();
    let mut producer = Transactor::init(&mut client, "x");
    for (commits, offset, expected) in [(true, 5, 5), (false, 9, 5), (true, 11, 11)] {
        assert_eq!(call(&mut client, 5, &commit(&producer, "g", offset)), 0);
        let pending = fetch(&mut client, "g", true);
        assert_eq!(pending.0, UNSTABLE_OFFSET_COMMIT);
        assert_eq!(producer.end(&mut client, commits), 0);
        until("the offsets are stable", || {
            fetch(&mut client, "g", true).0 == 0
        });
        assert_eq!(fetch(&mut client, "g", true), (0, expected));
    }
}

#[test]
fn older_clients_add_the_group_first() {
    let (_server, mut client) = start();
    let producer = Transactor::init(&mut client, "x");
    // INVALID_GROUP_ID, whatever the producer.
    assert_eq!(call(&mut client, 3, &commit(&producer, "", 5)), 24);
    let own = commit(&producer, "g", 5);
    assert_eq!(call(&mut client, 3, &own), INVALID_TXN_STATE);
    assert_eq!(call(&mut client, 4, &own), super::TRANSACTION_ABORTABLE);
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional_id("x"))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(GroupId(text("g")));
    assert_eq!(client.call(3, &add).error_code, 0);
    for version in 0..=4 {
        assert_eq!(call(&mut client, version, &own), 0, "{version}");
    }
    let end = producer.end_request(true);
    assert_eq!(client.call(3, &end).error_code, 0);
    until("the offsets are stable", || {
        fetch(&mut client, "g", true) == (0, 5)
    });
    until("the transaction is complete", || {
        producer.state(&mut client) == "CompleteCommit"
    });
    // Nothing of a transaction that has ended is appended.
    assert_eq!(call(&mut client, 3, &own), INVALID_TXN_STATE);
    assert_eq!(fetch(&mut client, "g", true), (0, 5));
}

#[test]
fn zombies_commit_no_offsets() {
    let (_server, mut client) = start();
    let zombie = Transactor::init(&mut client, "x");
    let newer = Transactor::init(&mut client, "x");
    assert_eq!(
        call(&mut client, 5, &commit(&zombie, "g", 5)),
        INVALID_PRODUCER_EPOCH
    );
    // There is no such generation, as there is no group.
    let late = commit(&newer, "g", 5)
        .with_member_id(text("nobody"))
        .with_generation_id(3);
    assert_eq!(call(&mut client, 5, &late), ILLEGAL_GENERATION);
    let mut absent = commit(&newer, "g", 5);
    absent.topics[0].name = topic("absent");
    assert_eq!(call(&mut client, 5, &absent), 3);
}
