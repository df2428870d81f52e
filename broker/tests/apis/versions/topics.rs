//! APIs of topics and their partitions.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, DescribeTopicPartitionsRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest, MetadataRequest,
};
use uuid::Uuid;

use super::World;
use crate::client::{text, topic};

/// Metadata of all topics.
pub(super) fn all_topics() -> MetadataRequest {
    MetadataRequest::default().with_topics(None)
}

pub(super) fn metadata(world: &mut World, version: i16) {
    let by_name = |name| MetadataRequestTopic::default().with_name(Some(topic(name)));
    let by_id = |id| {
        MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(id)
    };
    let mut lists = vec![
        Some(vec![
            by_name("known"),
            by_name("absent"),
            by_name("not valid"),
            by_name(""),
        ]),
        Some(Vec::new()),
    ];
    if version >= 1 {
        lists.push(None);
    }
    if version >= 12 {
        lists.push(Some(vec![by_id(world.known), by_id(Uuid::from_u128(77))]));
    }
    for topics in lists {
        let mut request = MetadataRequest::default().with_topics(topics);
        if version >= 4 {
            request.allow_auto_topic_creation = false;
        }
        if version >= 8 {
            request.include_topic_authorized_operations = true;
            request.include_cluster_authorized_operations = version <= 10;
        }
        let response = world.client.call(version, &request);
        assert_eq!(response.brokers.len(), 1);
    }
}

pub(super) fn create_topics(world: &mut World, version: i16) {
    let new = |name: &str| {
        CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(1)
            .with_replication_factor(1)
    };
    let setting = |name, value: Option<&str>| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(value.map(text))
    };
    let assignment = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
    for validate_only in [true, false] {
        let topics = vec![
            new(&format!("new-{version}"))
                .with_configs(vec![setting("retention.ms", Some("5000"))]),
            new("known"),
            new("not valid"),
            new("bad").with_replication_factor(5),
            new("bad-config").with_configs(vec![setting("nonsense", Some("1"))]),
            new("null-config").with_configs(vec![setting("retention.ms", None)]),
            new(&format!("assigned-{version}"))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_assignments(vec![assignment.clone()]),
        ];
        let request = CreateTopicsRequest::default()
            .with_topics(topics)
            .with_timeout_ms(5_000)
            .with_validate_only(validate_only);
        let response = world.client.call(version, &request);
        let failed: Vec<_> = response
            .topics
            .iter()
            .filter(|topic| topic.error_code != 0)
            .map(|topic| topic.name.to_string())
            .collect();
        assert_eq!(
            failed,
            ["known", "not valid", "bad", "bad-config", "null-config"],
            "{version}"
        );
    }
}

pub(super) fn delete_topics(world: &mut World, version: i16) {
    let names = [format!("new-{}", version + 1), "absent".to_owned()];
    let request = DeleteTopicsRequest::default().with_timeout_ms(5_000);
    let request = if version < 6 {
        request.with_topic_names(names.iter().map(|name| topic(name)).collect())
    } else {
        let by_name = |name: &String| DeleteTopicState::default().with_name(Some(topic(name)));
        let unknown = DeleteTopicState::default().with_topic_id(Uuid::from_u128(77));
        request.with_topics(names.iter().map(by_name).chain([unknown]).collect())
    };
    let response = world.client.call(version, &request);
    let codes: Vec<_> = response
        .responses
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes[..2], [0, 3], "{version}");
}

pub(super) fn create_partitions(world: &mut World, version: i16) {
    let name = format!("grows-{version}");
    world.client.create(&[(&name, 1)]);
    let more = |name: &str, count| {
        CreatePartitionsTopic::default()
            .with_name(topic(name))
            .with_count(count)
            .with_assignments(None)
    };
    let assigned = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(9)]);
    let topics = vec![
        more(&name, 3),
        more("known", 1),
        more("absent", 2),
        more(&format!("new-{}", version + 2), 2).with_assignments(Some(vec![assigned])),
    ];
    let request = CreatePartitionsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(5_000);
    let response = world.client.call(version, &request);
    let codes: Vec<_> = response
        .results
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes[..3], [0, 37, 3], "{version}");
}

pub(super) fn elect_leaders(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        TopicPartitions::default()
            .with_topic(topic(name))
            .with_partitions(vec![0, 7])
    });
    for topics in [None, Some(topics.to_vec())] {
        for kind in [0, 1, 5] {
            let request = ElectLeadersRequest::default()
                .with_topic_partitions(topics.clone())
                .with_timeout_ms(5_000);
            let request = if version < 1 {
                request
            } else {
                request.with_election_type(kind)
            };
            world.client.call(version, &request);
        }
    }
}

pub(super) fn alter_partition_reassignments(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        let targets = [Some(vec![BrokerId(1)]), Some(vec![BrokerId(9)]), None];
        let partitions = targets.into_iter().zip([0, 1, 7]).map(|(replicas, index)| {
            ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(replicas)
        });
        ReassignableTopic::default()
            .with_name(topic(name))
            .with_partitions(partitions.collect())
    });
    let request = AlterPartitionReassignmentsRequest::default().with_topics(topics.into());
    let request = if version < 1 {
        request
    } else {
        request.with_allow_replication_factor_change(false)
    };
    world.client.call(version, &request);
}

pub(super) fn list_partition_reassignments(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        ListPartitionReassignmentsTopics::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0, 7])
    });
    for topics in [None, Some(topics.to_vec())] {
        let request = ListPartitionReassignmentsRequest::default().with_topics(topics);
        assert_eq!(world.client.call(version, &request).error_code, 0);
    }
}

pub(super) fn describe_topic_partitions(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| TopicRequest::default().with_name(topic(name)));
    let cursor = Cursor::default()
        .with_topic_name(topic("known"))
        .with_partition_index(1);
    for cursor in [None, Some(cursor)] {
        for limit in [1, 2_000] {
            let request = DescribeTopicPartitionsRequest::default()
                .with_topics(topics.to_vec())
                .with_response_partition_limit(limit)
                .with_cursor(cursor.clone());
            world.client.call(version, &request);
        }
    }
}
