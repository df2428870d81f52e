//! Every advertised version of every advertised API takes a request with content and gives a response
//! that the codecs of `kafka-protocol` read to the last byte.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use milena_protocol::api;
use uuid::Uuid;

use crate::client::{Client, Server, batch, decode, text};

mod cluster;
mod configs;
mod consumer_groups;
mod groups;
mod records;
mod topics;
mod transactions;

pub(crate) use groups::await_coordinator;

/// What the requests name.
struct World {
    client: Client,
    /// Id of the topic `known`, which has records.
    known: Uuid,
}

impl World {
    fn new(server: &Server) -> Self {
        let mut client = server.client();
        client.create(&[("known", 2)]);
        assert_eq!(
            client.produce("known", batch(1_000, &["a", "b", "c"])),
            (0, 0)
        );
        let known = client.topic_id("known");
        await_coordinator(&mut client);
        Self { client, known }
    }
}

/// What is sent in one version.
type Check = fn(&mut World, i16);

/// Every API; a new row of the broker's table needs one here.
const CHECKS: &[(i16, Check)] = &[
    (0, records::produce),
    (1, records::fetch),
    (2, records::list_offsets),
    (3, topics::metadata),
    (8, groups::offset_commit),
    (9, groups::offset_fetch),
    (10, groups::find_coordinator),
    (11, groups::join_group),
    (12, groups::heartbeat),
    (13, groups::leave_group),
    (14, groups::sync_group),
    (15, groups::describe_groups),
    (16, groups::list_groups),
    (18, cluster::api_versions),
    (19, topics::create_topics),
    (20, topics::delete_topics),
    (21, records::delete_records),
    (22, records::init_producer_id),
    (23, records::offset_for_leader_epoch),
    (24, transactions::add_partitions_to_txn),
    (25, transactions::add_offsets_to_txn),
    (26, transactions::end_txn),
    (27, transactions::write_txn_markers),
    (28, transactions::txn_offset_commit),
    (32, configs::describe_configs),
    (33, configs::alter_configs),
    (34, cluster::alter_replica_log_dirs),
    (35, cluster::describe_log_dirs),
    (37, topics::create_partitions),
    (42, groups::delete_groups),
    (43, topics::elect_leaders),
    (44, configs::incremental_alter_configs),
    (45, topics::alter_partition_reassignments),
    (46, topics::list_partition_reassignments),
    (47, groups::offset_delete),
    (48, configs::describe_client_quotas),
    (49, configs::alter_client_quotas),
    (55, cluster::describe_quorum),
    (57, cluster::update_features),
    (60, cluster::describe_cluster),
    (61, records::describe_producers),
    (64, cluster::unregister_broker),
    (65, transactions::describe_transactions),
    (66, transactions::list_transactions),
    (68, consumer_groups::heartbeat),
    (69, consumer_groups::describe),
    (74, configs::list_config_resources),
    (75, topics::describe_topic_partitions),
];

fn advertised(client: &mut Client) -> ApiVersionsResponse {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    client.call(4, &request)
}

#[test]
fn every_version_of_every_api_is_answered() {
    // Old versions of Metadata would make the topic `absent`.
    let server = Server::start(&[("auto.create.topics.enable", "false")]);
    let mut world = World::new(&server);
    let apis = advertised(&mut world.client).api_keys;
    let keys: BTreeSet<i16> = apis.iter().map(|api| api.api_key).collect();
    let checks: BTreeMap<i16, Check> = CHECKS.iter().copied().collect();
    assert_eq!(
        keys,
        checks.keys().copied().collect(),
        "advertised and checked"
    );
    for api in &apis {
        let from = api::info(api.api_key)
            .unwrap()
            .min_version
            .max(api.min_version);
        for version in from..=api.max_version {
            checks[&api.api_key](&mut world, version);
        }
    }
}

#[test]
fn the_advertised_versions_are_kafkas() {
    let server = Server::start(&[]);
    for api in advertised(&mut server.client()).api_keys {
        let row = api::info(api.api_key).unwrap();
        assert_eq!(
            (api.min_version, api.max_version),
            (row.min_advertised, row.max_version)
        );
        assert!(row.client_listener);
    }
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_the_oldest_shape() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for version in [5, 99, i16::MAX, -1] {
        let body = client
            .exchange(18, version, b"\x00\x00\x00")
            .expect("a response");
        let response: ApiVersionsResponse = decode(0, body);
        assert_eq!(response.error_code, 35);
        let ranges: Vec<_> = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.min_version, api.max_version))
            .collect();
        assert_eq!(ranges, [(18, 0, 4)]);
    }
    // The connection goes on.
    assert_eq!(advertised(&mut client).error_code, 0);
}

#[test]
fn what_is_not_served_closes_the_connection() {
    let server = Server::start(&[]);
    // Old versions of Produce, which are advertised for librdkafka's sake; versions beyond the last;
    // an API of the controller, one that is gone, and one that never was.
    let mut refused = vec![
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 14),
        (3, 14),
        (1, 3),
        (2, 0),
        (4, 0),
        (93, 0),
    ];
    refused.extend([(52, 0), (62, 0), (-1, 0), (i16::MAX, 0), (3, -1)]);
    for (key, version) in refused {
        let mut client = server.client();
        assert!(
            client.exchange(key, version, &[0; 32]).is_none(),
            "{key} {version}"
        );
    }
}

#[test]
fn a_body_that_is_cut_closes_the_connection() {
    let server = Server::start(&[]);
    for (key, version) in [(0, 9), (1, 12), (3, 9), (19, 7), (32, 4), (10, 0), (18, 3)] {
        let mut client = server.client();
        assert!(
            client.exchange(key, version, &[0xff; 3]).is_none(),
            "{key} {version}"
        );
    }
}

#[test]
fn responses_come_in_the_order_of_the_requests() {
    let server = Server::start(&[]);
    let mut world = World::new(&server);
    let client = &mut world.client;
    // A fetch that waits, records that have to be synced, and what is answered at once.
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push((client.send_request(12, &records::waiting_fetch(20)), 1));
        sent.push((client.send_request(9, &records::one_produce("known")), 1));
        sent.push((client.send_request(4, &ApiVersionsRequest::default()), 0));
        sent.push((client.send_request(12, &topics::all_topics()), 1));
        sent.push((client.send_request(9, &records::one_produce("absent")), 1));
    }
    for (correlation_id, header_version) in sent {
        let (received, _) = client.receive(header_version).expect("a response");
        assert_eq!(received, correlation_id);
    }
}
