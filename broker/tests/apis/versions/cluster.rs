//! APIs of the cluster.

use bytes::{Buf, BytesMut};
use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterReplicaLogDirsRequest, ApiVersionsRequest, BrokerId, DescribeClusterRequest,
    DescribeLogDirsRequest, DescribeQuorumRequest, UnregisterBrokerRequest, UpdateFeaturesRequest,
};
use kafka_protocol::protocol::Encodable;
use milena_protocol::wire::Reader;

use super::World;
use crate::client::{text, topic};

pub(super) fn api_versions(world: &mut World, version: i16) {
    let named = |name: &str| {
        let request = ApiVersionsRequest::default();
        if version < 3 {
            return request;
        }
        request
            .with_client_software_name(text(name))
            .with_client_software_version(text("1.0"))
    };
    let response = world.client.call(version, &named("test"));
    assert_eq!(response.error_code, 0);
    assert!(response.api_keys.iter().is_sorted_by_key(|api| api.api_key));
    if version >= 3 {
        assert_eq!(
            world.client.call(version, &named("not valid!")).error_code,
            42
        );
    }
}

pub(super) fn alter_replica_log_dirs(world: &mut World, version: i16) {
    let own = world.client.call(4, &DescribeLogDirsRequest::default());
    let own = own.results[0].log_dir.clone();
    for (path, name, code) in [
        (own.clone(), "known", 0),
        (own, "absent", 3),
        (text("/absent"), "known", 57),
    ] {
        let moved = AlterReplicaLogDirTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![0]);
        let directory = AlterReplicaLogDir::default()
            .with_path(path)
            .with_topics(vec![moved]);
        let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![directory]);
        let response = world.client.call(version, &request);
        assert_eq!(response.results[0].partitions[0].error_code, code, "{name}");
    }
}

pub(super) fn describe_log_dirs(world: &mut World, version: i16) {
    let asked = DescribableLogDirTopic::default()
        .with_topic(topic("known"))
        .with_partitions(vec![0, 7]);
    for topics in [None, Some(vec![asked]), Some(Vec::new())] {
        let request = DescribeLogDirsRequest::default().with_topics(topics);
        if version < 5 {
            assert_eq!(world.client.call(version, &request).results.len(), 1);
            continue;
        }
        let mut body = BytesMut::new();
        request.encode(&mut body, 4).unwrap();
        let body = world
            .client
            .exchange(35, version, &body)
            .expect("a response");
        read_log_dirs(&body);
    }
}

/// Version 5 says of every directory whether it is cordoned (KIP-1066).
fn read_log_dirs(body: &[u8]) {
    let mut reader = Reader::new(body);
    assert_eq!((reader.i32().unwrap(), reader.i16().unwrap()), (0, 0));
    assert_eq!(reader.compact_array_len(1).unwrap(), 1);
    assert_eq!(reader.i16().unwrap(), 0);
    assert!(!reader.compact_string().unwrap().is_empty());
    for _ in 0..reader.compact_array_len(1).unwrap() {
        assert!(!reader.compact_string().unwrap().is_empty());
        for _ in 0..reader.compact_array_len(1).unwrap() {
            let mut partition = reader.take(4 + 8 + 8 + 1).unwrap();
            assert!(partition.get_i32() >= 0 && partition.get_i64() >= 0);
            reader.skip_tagged_fields().unwrap();
        }
        reader.skip_tagged_fields().unwrap();
    }
    assert!(reader.i64().unwrap() > 0 && reader.i64().unwrap() > 0);
    assert!(!reader.bool().unwrap());
    reader.skip_tagged_fields().unwrap();
    reader.skip_tagged_fields().unwrap();
    reader.end().unwrap();
}

pub(super) fn describe_quorum(world: &mut World, version: i16) {
    for (name, index, code) in [
        ("__cluster_metadata", 0, 0),
        ("__cluster_metadata", 1, 3),
        ("known", 0, 3),
    ] {
        let partition = PartitionData::default().with_partition_index(index);
        let asked = TopicData::default()
            .with_topic_name(topic(name))
            .with_partitions(vec![partition]);
        let request = DescribeQuorumRequest::default().with_topics(vec![asked]);
        let response = world.client.call(version, &request);
        assert_eq!(response.error_code, 0);
        assert_eq!(response.topics[0].partitions[0].error_code, code);
    }
}

pub(super) fn update_features(world: &mut World, version: i16) {
    let update = |name: &str, level| {
        FeatureUpdateKey::default()
            .with_feature(text(name))
            .with_max_version_level(level)
    };
    for updates in [
        vec![],
        vec![update("nonsense", 1)],
        vec![update("metadata.version", 99)],
    ] {
        let request = UpdateFeaturesRequest::default()
            .with_timeout_ms(5_000)
            .with_feature_updates(updates)
            .with_validate_only(version >= 1);
        world.client.call(version, &request);
    }
}

pub(super) fn describe_cluster(world: &mut World, version: i16) {
    for endpoint_type in [1, 2, 9] {
        let request =
            DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
        let request = if version < 1 {
            request
        } else {
            request.with_endpoint_type(endpoint_type)
        };
        let request = if version < 2 {
            request
        } else {
            request.with_include_fenced_brokers(true)
        };
        let response = world.client.call(version, &request);
        if version < 1 || endpoint_type == 1 {
            assert_eq!((response.error_code, response.brokers.len()), (0, 1));
        } else {
            assert_ne!(response.error_code, 0);
        }
    }
}

pub(super) fn unregister_broker(world: &mut World, version: i16) {
    for id in [9, -1] {
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
        assert_ne!(world.client.call(version, &request).error_code, 0);
    }
}
