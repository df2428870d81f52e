//! Clients beyond their quotas are told to wait; all others are not.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, ApiVersionsRequest, CreatePartitionsRequest, DeleteTopicsRequest,
    MetadataRequest,
};
use milena_protocol::ErrorCode;

use crate::client::{Client, Server, text, topic};

const LIMITED: &str = "limited";

/// Sets a limit of a client id or an address, or takes it away.
fn limit(server: &Server, (kind, name): (&str, &str), key: &str, value: Option<f64>) {
    let entity = EntityData::default()
        .with_entity_type(text(kind))
        .with_entity_name(Some(text(name)));
    let change = OpData::default()
        .with_key(text(key))
        .with_value(value.unwrap_or_default())
        .with_remove(value.is_none());
    let entry = EntryData::default()
        .with_entity(vec![entity])
        .with_ops(vec![change]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let altered = server.client("admin").call(1, &request);
    assert_eq!(altered.entries[0].error_code, 0, "{altered:?}");
}

fn limit_client(server: &Server, key: &str, value: Option<f64>) {
    limit(server, ("client-id", LIMITED), key, value);
}

/// A connection of the limited client that no throttle has muted.
fn limited(server: &Server) -> Client {
    server.client(LIMITED)
}

#[test]
fn producer_beyond_its_rate_is_told_to_wait() {
    let server = Server::start(1, &[]);
    server.client("admin").make("t", 1);
    let value = "v".repeat(20_000);
    assert_eq!(limited(&server).produce("t", 0, &value).throttle_time_ms, 0);

    limit_client(&server, "producer_byte_rate", Some(1000.0));
    let produced = limited(&server).produce("t", 0, &value);
    assert!(produced.throttle_time_ms > 0, "{produced:?}");
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    assert_eq!(
        server
            .client("other")
            .produce("t", 0, &value)
            .throttle_time_ms,
        0
    );

    limit_client(&server, "producer_byte_rate", None);
    assert_eq!(limited(&server).produce("t", 0, &value).throttle_time_ms, 0);
}

#[test]
fn throttled_consumer_gets_no_records_and_they_do_not_count() {
    let server = Server::start(1, &[]);
    let mut admin = server.client("admin");
    admin.make("t", 1);
    for _ in 0..4 {
        admin.produce("t", 0, &"v".repeat(4000));
    }
    limit_client(&server, "consumer_byte_rate", Some(1000.0));
    let fetch = |offset| {
        let fetched = limited(&server).fetch("t", 0, offset, 1 << 20);
        let parts = fetched
            .responses
            .first()
            .map(|topic| topic.partitions[0].records.clone());
        let bytes = parts.flatten().map_or(0, |records| records.len());
        (bytes, fetched.throttle_time_ms)
    };
    // What fits the window is read at once, and no more than that.
    let (bytes, throttle_ms) = fetch(0);
    assert!((8000..10_000).contains(&bytes), "{bytes}");
    assert_eq!(throttle_ms, 0);
    for _ in 0..2 {
        let (bytes, throttle_ms) = fetch(2);
        assert_eq!(bytes, 0);
        // The same each time: what was not sent is not counted.
        assert!((1..10_000).contains(&throttle_ms), "{throttle_ms}");
    }
    let fetched = server.client("other").fetch("t", 0, 0, 1 << 20);
    assert_eq!(fetched.throttle_time_ms, 0);
}

#[test]
fn time_of_requests_is_limited_for_every_api() {
    let server = Server::start(1, &[]);
    server.client("admin").make("t", 1);
    limit_client(&server, "request_percentage", Some(1e-9));
    let metadata = limited(&server).call(12, &MetadataRequest::default());
    assert!(metadata.throttle_time_ms > 0);
    let versions = limited(&server).call(3, &ApiVersionsRequest::default());
    assert!(versions.throttle_time_ms > 0);
    assert!(limited(&server).produce("t", 0, "v").throttle_time_ms > 0);
    assert!(limited(&server).fetch("t", 0, 0, 1000).throttle_time_ms > 0);
    assert_eq!(
        server
            .client("other")
            .call(12, &MetadataRequest::default())
            .throttle_time_ms,
        0
    );
}

#[test]
fn changes_beyond_the_mutation_rate_are_refused_or_throttled_by_version() {
    let server = Server::start(1, &[]);
    server.client("admin").make("old", 1);
    limit_client(&server, "controller_mutation_rate", Some(1.0));
    let exceeded = ErrorCode::ThrottlingQuotaExceeded.code();

    // The first change goes through, whatever its size.
    let created = limited(&server).create(7, "a", 30);
    assert_eq!(
        (created.topics[0].error_code, created.throttle_time_ms),
        (0, 0)
    );
    let created = limited(&server).create(7, "b", 1);
    assert_eq!(created.topics[0].error_code, exceeded);
    assert!(created.throttle_time_ms > 0);
    // What is wrong anyway is said first.
    let created = limited(&server).create(7, "a", 1);
    assert_eq!(
        created.topics[0].error_code,
        ErrorCode::TopicAlreadyExists.code()
    );

    let more = CreatePartitionsTopic::default()
        .with_name(topic("old"))
        .with_count(2)
        .with_assignments(None);
    let more = CreatePartitionsRequest::default().with_topics(vec![more]);
    let created = limited(&server).call(3, &more);
    assert_eq!(created.results[0].error_code, exceeded);
    assert!(created.throttle_time_ms > 0);
    let gone = DeleteTopicState::default().with_name(Some(topic("old")));
    let gone = DeleteTopicsRequest::default().with_topics(vec![gone]);
    let deleted = limited(&server).call(6, &gone);
    assert_eq!(deleted.responses[0].error_code, exceeded);
    assert!(deleted.throttle_time_ms > 0);

    // Clients that do not know the error wait afterwards.
    let created = limited(&server).create(5, "c", 1);
    assert_eq!(created.topics[0].error_code, 0);
    assert!(created.throttle_time_ms > 0);
    let created = limited(&server).call(2, &more);
    assert_eq!(created.results[0].error_code, 0);
    assert!(created.throttle_time_ms > 0);
    let gone = DeleteTopicsRequest::default().with_topic_names(vec![topic("old")]);
    let deleted = limited(&server).call(4, &gone);
    assert_eq!(deleted.responses[0].error_code, 0);
    assert!(deleted.throttle_time_ms > 0);

    let created = server.client("other").create(7, "d", 1);
    assert_eq!(
        (created.topics[0].error_code, created.throttle_time_ms),
        (0, 0)
    );
}

#[test]
fn address_that_connects_too_often_is_not_served() {
    let server = Server::start(1, &[]);
    limit(
        &server,
        ("ip", "127.0.0.1"),
        "connection_creation_rate",
        Some(1.0),
    );
    let is_served =
        |mut client: Client| client.try_call(3, &ApiVersionsRequest::default()).is_some();
    let clients: Vec<_> = (0..40).map(|_| server.client("c")).collect();
    let served = clients
        .into_iter()
        .map(is_served)
        .filter(|served| *served)
        .count();
    assert!((1..40).contains(&served), "{served}");
}
