//! The cluster and its features, as Apache Kafka 4.3.1 answers.

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, DescribeQuorumRequest, FindCoordinatorRequest,
    UpdateFeaturesRequest,
};

use crate::client::{Server, text, topic};

#[test]
fn software_needs_a_plain_name() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let cases = [
        ("a", "1.0-x", 0),
        ("", "1", 42),
        ("a b", "1", 42),
        ("a", "", 42),
        ("-a", "1", 42),
        ("a.", "1", 42),
    ];
    for (name, version, code) in cases {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text(name))
            .with_client_software_version(text(version));
        let response = client.call(3, &request);
        assert_eq!(response.error_code, code, "{name} {version}");
        assert_eq!(response.api_keys.is_empty(), code != 0);
    }
}

#[test]
fn features_from_level_0_are_hidden_from_older_clients() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for version in [3, 4] {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("a"))
            .with_client_software_version(text("1"));
        let response = client.call(version, &request);
        let lowest = response
            .supported_features
            .iter()
            .map(|it| it.min_version)
            .min();
        assert_eq!(lowest, Some(if version < 4 { 7 } else { 0 }));
        let level = response
            .finalized_features
            .iter()
            .find(|feature| *feature.name == *"metadata.version")
            .map(|feature| (feature.min_version_level, feature.max_version_level));
        assert_eq!(level, Some((30, 30)));
    }
}

/// Names of features, levels and kinds of upgrade.
type Updates = &'static [(&'static str, i16, i8)];

#[test]
fn features_are_not_raised_beyond_what_is_served() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let cases: [(Updates, i16); 11] = [
        (&[("metadata.version", 30, 1)], 0),
        (&[("eligible.leader.replicas.version", 1, 1)], 0),
        (&[("nonsense", 1, 1)], 95),
        (&[("metadata.version", 99, 1)], 95),
        (&[("metadata.version", 20, 1)], 95),
        (&[("metadata.version", 20, 3)], 95),
        (&[("metadata.version", 0, 3)], 95),
        (&[("metadata.version", -1, 1)], 95),
        (&[("metadata.version", 30, 9)], 95),
        (&[("metadata.version", 30, 0)], 95),
        (&[("metadata.version", 30, 1), ("nonsense", 1, 1)], 95),
    ];
    for (updates, code) in cases {
        for version in [1, 2] {
            let keys = updates.iter().map(|&(name, level, kind)| {
                FeatureUpdateKey::default()
                    .with_feature(text(name))
                    .with_max_version_level(level)
                    .with_upgrade_type(kind)
            });
            let request = UpdateFeaturesRequest::default()
                .with_feature_updates(keys.collect())
                .with_validate_only(true);
            let response = client.call(version, &request);
            assert_eq!(response.error_code, code, "{updates:?}");
            assert_eq!(response.error_message.is_some(), code != 0);
            // A single error stands for all, so that there are results with success only.
            let expected = if version < 2 && code == 0 {
                updates.len()
            } else {
                0
            };
            assert_eq!(response.results.len(), expected);
        }
    }
}

#[test]
fn a_broker_describes_brokers() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (endpoint_type, code) in [(1, 0), (2, 114), (0, 115), (9, 115)] {
        for operations in [true, false] {
            let request = DescribeClusterRequest::default()
                .with_endpoint_type(endpoint_type)
                .with_include_cluster_authorized_operations(operations);
            let response = client.call(2, &request);
            assert_eq!(response.error_code, code);
            assert_eq!(response.error_message.is_some(), code != 0);
            let (brokers, controller) = if code == 0 { (1, 1) } else { (0, -1) };
            assert_eq!(
                (response.brokers.len(), response.controller_id.0),
                (brokers, controller)
            );
            let expected = if operations && code == 0 {
                8096
            } else {
                i32::MIN
            };
            assert_eq!(response.cluster_authorized_operations, expected);
        }
    }
}

#[test]
fn only_the_metadata_has_a_quorum() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (name, index, code) in [
        ("__cluster_metadata", 0, 0),
        ("__cluster_metadata", 1, 3),
        ("a", 0, 3),
    ] {
        let partition = PartitionData::default().with_partition_index(index);
        let asked = TopicData::default()
            .with_topic_name(topic(name))
            .with_partitions(vec![partition]);
        let response = client.call(
            2,
            &DescribeQuorumRequest::default().with_topics(vec![asked]),
        );
        let found = &response.topics[0].partitions[0];
        assert_eq!(found.error_code, code);
        let voters: Vec<_> = found
            .current_voters
            .iter()
            .map(|it| it.replica_id.0)
            .collect();
        assert_eq!(voters, if code == 0 { vec![1] } else { vec![] });
        assert_eq!(
            found
                .error_message
                .as_ref()
                .is_some_and(|text| !text.is_empty()),
            code != 0
        );
    }
}

#[test]
fn only_groups_have_a_coordinator_yet() {
    let server = Server::start(&[]);
    let mut client = server.client();
    crate::versions::await_coordinator(&mut client);
    for (kind, key, code) in [
        (0, "g", 0),
        (0, "", 0),
        (9, "x", 42),
        (-1, "x", 42),
        (2, "x", 42),
    ] {
        let request = FindCoordinatorRequest::default()
            .with_key_type(kind)
            .with_coordinator_keys(vec![text(key), text(key)]);
        let found = client.call(6, &request);
        for coordinator in &found.coordinators {
            assert_eq!(coordinator.error_code, code, "{kind} {key}");
            assert_eq!(coordinator.node_id.0, if code == 0 { 1 } else { -1 });
        }
    }
}
