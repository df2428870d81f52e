//! Transactions that begin, end, time out and hang.

use bytes::BytesMut;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::ProducerState;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{
    DescribeProducersRequest, ListTransactionsRequest, ProduceRequest, ProduceResponse, ProducerId,
    WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use super::{Transactor, aborted, await_stable, last_stable, until};
use crate::client::{Client, Server, decode, text, topic};

#[test]
fn only_what_is_committed_is_stable() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 2)]);
    let mut producer = Transactor::init(&mut client, "x");
    let first = producer.epoch;
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    assert_eq!(producer.produce(&mut client, "t", "b"), (0, 1));
    assert_eq!(last_stable(&mut client, "t", 0), 0);
    assert_eq!(producer.state(&mut client), "Ongoing");
    assert_eq!(producer.end(&mut client, true), 0);
    assert_eq!(producer.epoch, first + 1);
    await_stable(&mut client, "t", 3);
    // The next one begins while the markers of the one before may still be written.
    for round in 0..20 {
        let (code, offset) = producer.produce(&mut client, "t", "c");
        assert_eq!((code, offset), (0, 3 + 2 * round));
        assert_eq!(producer.end(&mut client, round % 2 == 0), 0);
    }
    await_stable(&mut client, "t", 43);
    let aborted = aborted(&mut client, "t");
    assert_eq!(aborted.len(), 10);
    assert_eq!(aborted[0], (producer.id, 5));
    until("the last one is complete", || {
        producer.state(&mut client) == "CompleteAbort"
    });
}

#[test]
fn a_repeated_end_is_answered_again() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init(&mut client, "x");
    producer.produce(&mut client, "t", "a");
    let request = producer.end_request(true);
    let (first, again) = (client.call(5, &request), client.call(5, &request));
    assert_eq!(first, again);
    let other = producer.end_request(false);
    assert_ne!(client.call(5, &other).error_code, 0);
}

#[test]
fn batches_that_are_sent_together_keep_their_order() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 2)]);
    let mut producer = Transactor::init(&mut client, "x");
    for _ in 0..3 {
        let mut sent = Vec::new();
        for _ in 0..5 {
            let request = producer.request("t", &[(0, "v")]);
            sent.push(client.send_request(12, &request));
        }
        let mut offsets = Vec::new();
        for id in sent {
            let header = ProduceResponse::header_version(12);
            let (correlation_id, body) = client.receive(header).unwrap();
            assert_eq!(correlation_id, id);
            let response: ProduceResponse = decode(12, body);
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, 0);
            offsets.push(partition.base_offset);
        }
        assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert_eq!(producer.end(&mut client, true), 0);
    }
}

#[test]
fn one_refused_partition_takes_no_other_along() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 2)]);
    let mut producer = Transactor::init(&mut client, "x");
    let mut own = |index| {
        producer.sequence = 0;
        producer.request("t", &[(index, "v")]).topic_data[0].partition_data[0].clone()
    };
    // The middle one does not exist.
    let partitions = vec![own(1), own(7), own(0)];
    let request = super::produce("x", "t", partitions);
    let response = client.call(12, &request);
    let codes: Vec<_> = response.responses[0]
        .partition_responses
        .iter()
        .map(|partition| (partition.index, partition.error_code))
        .collect();
    assert_eq!(codes, [(1, 0), (7, 3), (0, 0)]);
    assert_eq!(producer.end(&mut client, true), 0);
    await_stable(&mut client, "t", 2);
    until("the other one too", || {
        last_stable(&mut client, "t", 1) == 2
    });
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init_with(&mut client, "x", 200);
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    assert_eq!(last_stable(&mut client, "t", 0), 0);
    await_stable(&mut client, "t", 2);
    assert_eq!(aborted(&mut client, "t"), [(producer.id, 0)]);
    assert_eq!(producer.end(&mut client, true), super::PRODUCER_FENCED);
    let late = producer.produce(&mut client, "t", "b");
    assert_eq!(late.0, super::INVALID_PRODUCER_EPOCH);
    until("it is complete", || {
        producer.state(&mut client) == "CompleteAbort"
    });
    let metrics = server.metrics();
    for line in [
        "transaction_count{state=\"CompleteAbort\"} 1\n",
        "transaction_oldest_seconds 0\n",
        "transaction_partition_count{state=\"active\"} 50\n",
        "transaction_timeouts_total 1\n",
    ] {
        assert!(metrics.contains(&format!("milena_broker_{line}")), "{line}");
    }
}

/// What DescribeProducers says of the only producer of partition 0.
fn described(client: &mut Client, name: &str) -> ProducerState {
    let asked = TopicRequest::default()
        .with_name(topic(name))
        .with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked]);
    let response = client.call(0, &request);
    response.topics[0].partitions[0].active_producers[0].clone()
}

/// Sends WriteTxnMarkers; gives the code for partition 0. Version 2 names the version of the
/// transaction.
fn write_marker(client: &mut Client, version: i16, marker: WritableTxnMarker) -> i16 {
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let mut body = BytesMut::new();
    request.encode(&mut body, 1).unwrap();
    if version == 2 {
        // Behind the coordinator epoch of the only marker: its version, no tags, no tags.
        body.truncate(body.len() - 2);
        body.extend_from_slice(&[1, 0, 0]);
    }
    let body = client.exchange(27, version, &body).unwrap();
    let response: kafka_protocol::messages::WriteTxnMarkersResponse = decode(1, body);
    response.markers[0].topics[0].partitions[0].error_code
}

#[test]
fn a_hanging_transaction_is_aborted_by_an_administrator() {
    let server = Server::start(&[("transaction.partition.verification.enable", "false")]);
    for version in [1, 2] {
        let mut client = server.client();
        let name = format!("t{version}");
        client.create(&[(&name, 1)]);
        let mut producer = Transactor::init(&mut client, &name);
        // Without verification an old client begins a transaction that nobody knows of.
        assert_eq!(producer.produce_as(&mut client, 11, &name, "a"), (0, 0));
        assert_eq!(producer.state(&mut client), "Empty");
        let found = described(&mut client, &name);
        assert_eq!(found.current_txn_start_offset, 0);
        assert_eq!(found.producer_id.0, producer.id);
        let marker = |epoch: i16, coordinator_epoch| {
            let of = WritableTxnMarkerTopic::default()
                .with_name(topic(&name))
                .with_partition_indexes(vec![0]);
            WritableTxnMarker::default()
                .with_producer_id(ProducerId(producer.id))
                .with_producer_epoch(epoch)
                .with_coordinator_epoch(coordinator_epoch)
                .with_topics(vec![of])
        };
        let old = marker(producer.epoch - 1, 0);
        assert_eq!(write_marker(&mut client, version, old), 47);
        let own = marker(producer.epoch, found.coordinator_epoch);
        assert_eq!(write_marker(&mut client, version, own), 0);
        assert_eq!(last_stable(&mut client, &name, 0), 2);
        assert_eq!(described(&mut client, &name).current_txn_start_offset, -1);
    }
}

#[test]
fn transactions_are_listed_by_what_is_asked() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut open = Transactor::init(&mut client, "open-1");
    Transactor::init(&mut client, "idle-1");
    open.produce(&mut client, "t", "a");
    let mut list = |request: ListTransactionsRequest| {
        let response = client.call(2, &request);
        let mut names: Vec<String> = response
            .transaction_states
            .iter()
            .map(|state| state.transactional_id.to_string())
            .collect();
        names.sort();
        (response.error_code, names, response.unknown_state_filters)
    };
    let asked = ListTransactionsRequest::default;
    assert_eq!(list(asked()).1, ["idle-1", "open-1"]);
    let states = asked().with_state_filters(vec![text("Ongoing"), text("Odd")]);
    assert_eq!(list(states), (0, vec!["open-1".into()], vec![text("Odd")]));
    let odd = asked().with_state_filters(vec![text("Odd")]);
    assert_eq!(list(odd).1, [""; 0]);
    let ids = asked().with_producer_id_filters(vec![ProducerId(open.id)]);
    assert_eq!(list(ids).1, ["open-1"]);
    let long = asked().with_duration_filter(3_600_000);
    assert!(!list(long).1.contains(&"open-1".to_owned()));
    let pattern = |of: &str| asked().with_transactional_id_pattern(Some(text(of)));
    assert_eq!(list(pattern("open-.*")).1, ["open-1"]);
    assert_eq!(list(pattern("open")).1, [""; 0]);
    assert_eq!(list(pattern("op(en")).0, 128);
    assert_eq!(list(pattern("op)|(en")).0, 128);
}

#[test]
fn a_batch_of_several_producers_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 2)]);
    let mut one = Transactor::init(&mut client, "x");
    let mut other = Transactor::init(&mut client, "y");
    let mut request: ProduceRequest = one.request("t", &[(0, "a")]);
    let mut foreign = other.request("t", &[(1, "b")]);
    let partition = foreign.topic_data[0].partition_data.remove(0);
    request.topic_data[0].partition_data.push(partition);
    let response = client.call(12, &request);
    let mut codes = response.responses[0].partition_responses.iter();
    assert!(codes.all(|of| of.error_code == super::INVALID_PRODUCER_ID_MAPPING));
}

/// A marker that replay would pass over, or that ends nobody's transaction, is in no log.
#[test]
fn markers_without_a_producer_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init(&mut client, "x");
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    let marker = |id, epoch, name: &str| {
        let of = WritableTxnMarkerTopic::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0]);
        WritableTxnMarker::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_topics(vec![of])
    };
    for version in [1, 2] {
        let unknown = super::INVALID_PRODUCER_ID_MAPPING;
        let fenced = super::INVALID_PRODUCER_EPOCH;
        for (id, epoch, code) in [
            (-1, 0, unknown),
            (producer.id, -1, fenced),
            (-7, -7, unknown),
        ] {
            let marker = marker(id, epoch, "t");
            assert_eq!(write_marker(&mut client, version, marker), code);
        }
        let own = marker(producer.id, producer.epoch, "__transaction_state");
        assert_eq!(write_marker(&mut client, version, own), 17);
    }
    assert_eq!(producer.produce(&mut client, "t", "b"), (0, 1));
    assert_eq!(producer.end(&mut client, true), 0);
    await_stable(&mut client, "t", 3);
}

#[test]
fn a_transaction_of_many_partitions_ends_in_all_of_them() {
    // A hundred syncs take their time.
    let server = Server::start(&[("log.durability", "replicated")]);
    let mut client = server.client();
    // More than are marked under the lock of the coordinator.
    let indexes = 0..100;
    client.create(&[("t", 100)]);
    let mut producer = Transactor::init(&mut client, "x");
    for (round, commits) in [(0, true), (1, false)] {
        let mut request = producer.request("t", &[]);
        for index in indexes.clone() {
            producer.sequence = 0;
            let of_one = producer.request("t", &[(index, "a")]);
            let partitions = of_one.topic_data[0].partition_data.clone();
            request.topic_data[0].partition_data.extend(partitions);
        }
        let response = client.call(12, &request);
        for of in &response.responses[0].partition_responses {
            assert_eq!((of.error_code, of.base_offset), (0, 2 * round));
        }
        assert_eq!(producer.end(&mut client, commits), 0);
        for index in indexes.clone() {
            until("the last stable offset moves", || {
                last_stable(&mut client, "t", index) == 2 * round + 2
            });
        }
    }
    assert_eq!(aborted(&mut client, "t"), [(producer.id, 2)]);
}

/// A transactional batch in a request that names no transaction.
#[test]
fn a_transaction_without_a_name_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init(&mut client, "x");
    let mut request = producer.request("t", &[(0, "a")]);
    request.transactional_id = None;
    for version in [3, 9, 11, 12] {
        let response = client.call(version, &request);
        let code = response.responses[0].partition_responses[0].error_code;
        assert_eq!(code, 53, "{version}");
    }
    assert_eq!(last_stable(&mut client, "t", 0), 0);
}
