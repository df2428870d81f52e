//! What is answered to producers that do something wrong.

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, ApiVersionsRequest, InitProducerIdRequest, ProducerId,
};

use super::{
    INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, INVALID_TXN_STATE,
    OUT_OF_ORDER_SEQUENCE_NUMBER, PRODUCER_FENCED, TRANSACTION_ABORTABLE, Transactor, await_stable,
    await_transactions, transactional_id,
};
use crate::client::{Client, Server, append, text, topic};
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{Offset, ProducerEpoch, Sequence};

fn add(client: &mut Client, version: i16, of: &Transactor, indexes: &[i32]) -> Vec<(i32, i16)> {
    let asked = AddPartitionsToTxnTopic::default()
        .with_name(topic("t"))
        .with_partitions(indexes.to_vec());
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id(&of.name))
        .with_v3_and_below_producer_id(ProducerId(of.id))
        .with_v3_and_below_producer_epoch(of.epoch)
        .with_v3_and_below_topics(vec![asked]);
    let response = client.call(version, &request);
    response.results_by_topic_v3_and_below[0]
        .results_by_partition
        .iter()
        .map(|of| (of.partition_index, of.partition_error_code))
        .collect()
}

#[test]
fn a_zombie_is_fenced_in_the_words_of_its_version() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut zombie = Transactor::init(&mut client, "x");
    assert_eq!(zombie.produce(&mut client, "t", "a"), (0, 0));
    // The newer one aborts what the older one has begun.
    let mut newer = Transactor::init(&mut client, "x");
    assert_eq!(newer.id, zombie.id);
    assert!(newer.epoch > zombie.epoch);
    await_stable(&mut client, "t", 2);
    let late = zombie.produce(&mut client, "t", "b");
    assert_eq!(late.0, INVALID_PRODUCER_EPOCH);
    let end = zombie.end_request(true);
    assert_eq!(client.call(1, &end).error_code, INVALID_PRODUCER_EPOCH);
    for version in 2..=5 {
        let code = client.call(version, &end).error_code;
        assert_eq!(code, PRODUCER_FENCED, "{version}");
    }
    for (version, code) in [(1, INVALID_PRODUCER_EPOCH), (2, PRODUCER_FENCED)] {
        assert_eq!(add(&mut client, version, &zombie, &[0]), [(0, code)]);
    }
    let again = InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id("x")))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(zombie.id))
        .with_producer_epoch(zombie.epoch);
    for (version, code) in [(3, INVALID_PRODUCER_EPOCH), (4, PRODUCER_FENCED)] {
        assert_eq!(client.call(version, &again).error_code, code);
    }
    assert_eq!(newer.produce(&mut client, "t", "c"), (0, 2));
    assert_eq!(newer.end(&mut client, true), 0);
    await_stable(&mut client, "t", 4);
}

#[test]
fn an_unknown_producer_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let known = Transactor::init(&mut client, "x");
    let mut stranger = known.clone();
    stranger.id += 1_000;
    assert_eq!(
        stranger.produce(&mut client, "t", "a").0,
        INVALID_PRODUCER_ID_MAPPING
    );
    assert_eq!(stranger.end(&mut client, true), INVALID_PRODUCER_ID_MAPPING);
    let mut unnamed = known.clone();
    unnamed.name = "other".to_owned();
    assert_eq!(
        unnamed.produce(&mut client, "t", "a").0,
        INVALID_PRODUCER_ID_MAPPING
    );
    assert_eq!(unnamed.end(&mut client, true), INVALID_PRODUCER_ID_MAPPING);
    // An epoch that nobody has given.
    let mut early = known.clone();
    early.epoch += 1;
    assert_eq!(
        early.produce(&mut client, "t", "a").0,
        INVALID_PRODUCER_EPOCH
    );
    assert_eq!(early.end(&mut client, true), PRODUCER_FENCED);
}

#[test]
fn a_partition_that_was_not_added_is_refused_in_the_words_of_the_version() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 2)]);
    let mut producer = Transactor::init(&mut client, "x");
    assert_eq!(add(&mut client, 3, &producer, &[1]), [(1, 0)]);
    for (version, code) in [(10, INVALID_TXN_STATE), (11, TRANSACTION_ABORTABLE)] {
        producer.sequence = 0;
        let refused = producer.produce_as(&mut client, version, "t", "a");
        assert_eq!(refused.0, code, "{version}");
    }
    assert_eq!(add(&mut client, 3, &producer, &[0]), [(0, 0)]);
    producer.sequence = 0;
    assert_eq!(producer.produce_as(&mut client, 11, "t", "a"), (0, 0));
    // Without the name of the transaction: TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
    let mut unnamed = producer.request("t", &[(0, "b")]);
    unnamed.transactional_id = None;
    let response = client.call(11, &unnamed);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 53);
    let end = producer.end_request(true);
    assert_eq!(client.call(4, &end).error_code, 0);
    await_stable(&mut client, "t", 2);
}

#[test]
fn partitions_that_do_not_exist_are_not_added() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 2)]);
    let producer = Transactor::init(&mut client, "x");
    // UNKNOWN_TOPIC_OR_PARTITION, and OPERATION_NOT_ATTEMPTED for those that do.
    let added = add(&mut client, 3, &producer, &[0, 9]);
    assert_eq!(added, [(0, 55), (9, 3)]);
    // Those of the broker's own topics are not for clients: TOPIC_AUTHORIZATION_FAILED.
    let own = AddPartitionsToTxnTopic::default()
        .with_name(topic("__transaction_state"))
        .with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id("x"))
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![own.clone()]);
    let response = client.call(3, &request);
    let refused = &response.results_by_topic_v3_and_below[0].results_by_partition[0];
    assert_eq!(refused.partition_error_code, 29);
    // Nor are they for brokers, but for those of groups: INVALID_TOPIC_EXCEPTION.
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(transactional_id("x"))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_topics(vec![own]);
    let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
    let response = client.call(4, &request);
    let topics = &response.results_by_transaction[0].topic_results;
    assert_eq!(topics[0].results_by_partition[0].partition_error_code, 17);
    assert_eq!(producer.state(&mut client), "Empty");
}

#[test]
fn sequences_begin_at_zero_and_have_no_gaps() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init(&mut client, "x");
    producer.sequence = 5;
    assert_eq!(
        producer.produce(&mut client, "t", "a").0,
        OUT_OF_ORDER_SEQUENCE_NUMBER
    );
    producer.sequence = 0;
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    producer.sequence = 2;
    assert_eq!(
        producer.produce(&mut client, "t", "c").0,
        OUT_OF_ORDER_SEQUENCE_NUMBER
    );
    producer.sequence = 0;
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    assert_eq!(producer.produce(&mut client, "t", "b"), (0, 1));
}

#[test]
fn a_batch_outside_of_the_open_transaction_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("t", 1)]);
    let mut producer = Transactor::init(&mut client, "x");
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    let mut builder = BatchBuilder::new(Compression::None, None);
    append(&mut builder, 1_000, &["b"]);
    builder.set_producer(
        milena_protocol::ProducerId(producer.id),
        ProducerEpoch(producer.epoch),
        Sequence(1),
    );
    let refused = client.produce("t", builder.finish(Offset(0)));
    assert_eq!(refused.0, INVALID_TXN_STATE);
}

#[test]
fn timeouts_have_bounds() {
    let server = Server::start(&[("transaction.max.timeout.ms", "5000")]);
    let mut client = server.client();
    Transactor::init_with(&mut client, "x", 5_000);
    for timeout_ms in [-1, 0, 5_001] {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional_id("x")))
            .with_transaction_timeout_ms(timeout_ms);
        assert_eq!(client.call(5, &request).error_code, 50, "{timeout_ms}");
    }
}

/// The body of InitProducerId of version 6.
fn two_phase(name: &str, commits_in_two: bool, keeps: bool) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len() + 1).unwrap()];
    body.extend(name.as_bytes());
    body.extend(60_000_i32.to_be_bytes());
    body.extend((-1_i64).to_be_bytes());
    body.extend((-1_i16).to_be_bytes());
    body.extend([u8::from(commits_in_two), u8::from(keeps), 0]);
    body
}

fn last_version(client: &mut Client) -> i16 {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let response = client.call(4, &request);
    let mut keys = response.api_keys.iter();
    keys.find(|api| api.api_key == 22).unwrap().max_version
}

#[test]
fn two_phase_commits_are_served_where_that_is_wanted() {
    let both = [
        ("unstable.api.versions.enable", "true"),
        ("transaction.two.phase.commit.enable", "true"),
    ];
    for some in [&both[..0], &both[..1], &both[1..]] {
        let server = Server::start(some);
        let mut client = server.client();
        assert_eq!(last_version(&mut client), 5);
        let body = two_phase("x", false, false);
        assert!(
            client.exchange(22, 6, &body).is_none(),
            "the connection ends"
        );
    }
    let server = Server::start(&both);
    let mut client = server.client();
    assert_eq!(last_version(&mut client), 6);
    client.create(&[("t", 1)]);
    await_transactions(&mut client, "x");
    let mut init = |keeps| {
        client
            .exchange(22, 6, &two_phase("x", true, keeps))
            .unwrap()
    };
    let answer = init(false);
    // Throttle time, error, producer id, epoch, nothing that goes on, no tags.
    assert_eq!(answer.len(), 4 + 2 + 8 + 2 + 8 + 2 + 1);
    assert_eq!(answer[4..6], [0, 0]);
    assert_eq!(
        answer[16..],
        [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0]
    );
    // UNSUPPORTED_VERSION, as Kafka 4.3 has it.
    assert_eq!(init(true)[4..6], [0, 35]);
    let id = i64::from_be_bytes(answer[6..14].try_into().unwrap());
    let mut producer = Transactor {
        name: "x".to_owned(),
        id,
        epoch: i16::from_be_bytes(answer[14..16].try_into().unwrap()),
        sequence: 0,
    };
    assert_eq!(producer.produce(&mut client, "t", "a"), (0, 0));
    assert_eq!(producer.end(&mut client, true), 0);
    await_stable(&mut client, "t", 2);
}
