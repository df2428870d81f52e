//! Topics: what is refused and how, as Apache Kafka 4.3.1 does.

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
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, DescribeTopicPartitionsRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest, MetadataRequest, MetadataResponse,
};
use uuid::Uuid;

use crate::client::{Client, Server, text, topic};

/// All operations on a topic, as a bit field.
const ALL_ON_TOPIC: i32 = 3576;
/// No bit field was asked for.
const NOT_ASKED: i32 = i32::MIN;

fn new(name: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(partitions)
        .with_replication_factor(factor)
}

fn with(key: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(text(key))
        .with_value(value.map(text));
    new("set", 1, 1).with_configs(vec![config])
}

fn assigned(partitions: i32, factor: i16, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter().map(|&(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index)
            .with_broker_ids(ids(brokers))
    });
    new("assigned", partitions, factor).with_assignments(assignments.collect())
}

fn ids(brokers: &[i32]) -> Vec<BrokerId> {
    brokers.iter().copied().map(BrokerId).collect()
}

#[test]
fn topics_that_cannot_be_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2), ("with.dot", 1)]);
    let long = "n".repeat(250);
    let cases = [
        (36, new("known", 2, 1)),
        (37, new("a", 0, 1)),
        (37, new("a", -2, 1)),
        (38, new("a", 1, 0)),
        (38, new("a", 1, -2)),
        (38, new("a", 1, 2)),
        (17, new("a b", 1, 1)),
        (17, new("", 1, 1)),
        (17, new(".", 1, 1)),
        (17, new("..", 1, 1)),
        (17, new(&long, 1, 1)),
        (17, new("with_dot", 1, 1)),
        (40, with("nonsense", Some("1"))),
        (40, with("retention.ms", None)),
        (40, with("retention.ms", Some("abc"))),
        (40, with("segment.bytes", Some("1"))),
        (40, with("compression.type", Some("abc"))),
        (40, with("cleanup.policy", Some("abc"))),
        (40, with("preallocate", Some("maybe"))),
        (40, with("min.cleanable.dirty.ratio", Some("2"))),
        (42, assigned(2, 1, &[(0, &[1])])),
        (42, assigned(-1, 1, &[(0, &[1])])),
        (39, assigned(-1, -1, &[(0, &[1]), (2, &[1])])),
        (39, assigned(-1, -1, &[(1, &[1])])),
        (39, assigned(-1, -1, &[(0, &[1, 1])])),
        (39, assigned(-1, -1, &[(0, &[9])])),
        (39, assigned(-1, -1, &[(0, &[])])),
        (39, assigned(-1, -1, &[(0, &[1]), (1, &[1, 9])])),
    ];
    for (code, topic) in cases {
        for validate_only in [true, false] {
            let request = CreateTopicsRequest::default()
                .with_topics(vec![topic.clone()])
                .with_validate_only(validate_only);
            let created = client.call(7, &request).topics.remove(0);
            assert_eq!(created.error_code, code, "{topic:?}");
            assert!(
                created
                    .error_message
                    .is_some_and(|message| !message.is_empty())
            );
            assert_eq!(
                (created.num_partitions, created.replication_factor),
                (-1, -1)
            );
            assert!(created.topic_id.is_nil());
        }
    }
}

#[test]
fn a_trial_shows_the_topic_that_would_be_made() {
    let server = Server::start(&[("num.partitions", "3")]);
    let mut client = server.client();
    let request = CreateTopicsRequest::default()
        .with_topics(vec![new("trial", -1, -1)])
        .with_validate_only(true);
    let created = client.call(7, &request).topics.remove(0);
    assert_eq!((created.error_code, created.error_message), (0, None));
    assert_eq!((created.num_partitions, created.replication_factor), (3, 1));
    assert!(!created.topic_id.is_nil());
    assert!(created.configs.is_some_and(|configs| configs.len() > 30));
    assert!(client.topic_id("trial").is_nil());
}

#[test]
fn a_topic_that_comes_twice_in_a_request_is_not_made() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let topics = vec![new("twice", 1, 1), new("once", 1, 1), new("twice", 2, 1)];
    let created = client.call(7, &CreateTopicsRequest::default().with_topics(topics));
    let mut codes: Vec<_> = created
        .topics
        .iter()
        .map(|topic| (topic.name.to_string(), topic.error_code))
        .collect();
    codes.sort();
    assert_eq!(codes, [("once".to_owned(), 0), ("twice".to_owned(), 42)]);
    assert!(client.topic_id("twice").is_nil());
}

#[test]
fn partitions_that_cannot_be_added_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    let more = |name: &str, count, assignments: Option<&[&[i32]]>| {
        let assignments = assignments.map(|assignments| {
            let brokers = assignments.iter().map(|brokers| ids(brokers));
            brokers
                .map(|brokers| CreatePartitionsAssignment::default().with_broker_ids(brokers))
                .collect()
        });
        CreatePartitionsTopic::default()
            .with_name(topic(name))
            .with_count(count)
            .with_assignments(assignments)
    };
    let cases = [
        (37, more("known", 2, None)),
        (37, more("known", 1, None)),
        (37, more("known", 0, None)),
        (37, more("known", -1, None)),
        (3, more("absent", 2, None)),
        (3, more("not valid", 2, None)),
        (39, more("known", 4, Some(&[&[1]]))),
        (39, more("known", 3, Some(&[&[1], &[1]]))),
        (39, more("known", 3, Some(&[]))),
        (39, more("known", 3, Some(&[&[]]))),
        (39, more("known", 3, Some(&[&[9]]))),
        (39, more("known", 3, Some(&[&[1, 1]]))),
        (0, more("known", 3, Some(&[&[1]]))),
    ];
    for (code, topic) in cases {
        for validate_only in [true, false] {
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![topic.clone()])
                .with_validate_only(validate_only);
            let result = client.call(3, &request).results.remove(0);
            assert_eq!(result.error_code, code, "{topic:?}");
            assert_eq!(result.error_message.is_some(), code != 0);
        }
    }
}

fn named(name: &str) -> DeleteTopicState {
    DeleteTopicState::default().with_name(Some(topic(name)))
}

fn by_id(id: Uuid) -> DeleteTopicState {
    DeleteTopicState::default()
        .with_name(None)
        .with_topic_id(id)
}

/// Deletes; gives name, whether the id is nil, and error code of each answer, sorted.
fn delete(client: &mut Client, topics: Vec<DeleteTopicState>) -> Vec<(Option<String>, bool, i16)> {
    let deleted = client.call(6, &DeleteTopicsRequest::default().with_topics(topics));
    let mut results: Vec<_> = deleted
        .responses
        .iter()
        .map(|result| {
            let name = result.name.as_ref().map(|name| name.to_string());
            (name, result.topic_id.is_nil(), result.error_code)
        })
        .collect();
    results.sort();
    results
}

#[test]
fn topics_are_deleted_by_name_or_id_but_not_by_both() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("a", 1), ("b", 1), ("c", 1)]);
    let (b, c) = (client.topic_id("b"), client.topic_id("c"));
    let some = |name: &str| Some(name.to_owned());

    assert_eq!(
        delete(&mut client, vec![by_id(Uuid::nil())]),
        [(None, true, 42)]
    );
    let both = vec![named("c").with_topic_id(c)];
    assert_eq!(delete(&mut client, both), [(some("c"), false, 42)]);
    assert_eq!(
        delete(&mut client, vec![named("c"), named("c")]),
        [(some("c"), true, 42)]
    );
    assert_eq!(
        delete(&mut client, vec![by_id(c), by_id(c)]),
        [(None, false, 42)]
    );
    assert_eq!(client.topic_id("c"), c);

    let all = vec![
        named("a"),
        by_id(b),
        named("absent"),
        by_id(Uuid::from_u128(9)),
    ];
    let expected = [
        (None, false, 100),
        (some("a"), false, 0),
        (some("absent"), true, 3),
        (some("b"), false, 0),
    ];
    assert_eq!(delete(&mut client, all), expected);
    assert!(client.topic_id("a").is_nil() && client.topic_id("b").is_nil());
}

fn ask(client: &mut Client, version: i16, topics: Vec<MetadataRequestTopic>) -> MetadataResponse {
    let mut request = MetadataRequest::default().with_topics(Some(topics));
    if version >= 4 {
        request.allow_auto_topic_creation = false;
    }
    if version >= 8 {
        request.include_topic_authorized_operations = true;
    }
    client.call(version, &request)
}

fn asked(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic(name)))
}

#[test]
fn metadata_answers_each_topic_once() {
    let server = Server::start(&[("auto.create.topics.enable", "false")]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    let names = ["known", "absent", "known", "not valid", "", "absent"];
    for version in [0, 4, 9, 13] {
        let response = ask(&mut client, version, names.map(asked).into());
        let answers: Vec<_> = response
            .topics
            .iter()
            .map(|topic| (topic.name.as_ref().unwrap().to_string(), topic.error_code))
            .collect();
        let expected = [("known", 0), ("absent", 3), ("not valid", 17), ("", 17)];
        let expected = expected.map(|(name, code)| (name.to_owned(), code));
        assert_eq!(answers, expected, "{version}");
        let operations = if version < 8 { NOT_ASKED } else { ALL_ON_TOPIC };
        for topic in response.topics {
            assert_eq!(topic.topic_authorized_operations, operations, "{version}");
        }
    }
}

#[test]
fn metadata_takes_ids_from_version_12_on() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    let id = client.topic_id("known");
    let by_id = |id| {
        MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(id)
    };

    let response = ask(&mut client, 12, vec![by_id(id), by_id(Uuid::from_u128(7))]);
    let codes: Vec<_> = response
        .topics
        .iter()
        .map(|topic| topic.error_code)
        .collect();
    assert_eq!(codes, [0, 100]);
    assert_eq!(response.topics[1].name, None);

    let response = ask(&mut client, 10, vec![by_id(id)]);
    assert_eq!(
        (response.topics[0].error_code, response.brokers.len()),
        (42, 0)
    );
    let response = ask(&mut client, 10, vec![asked("known").with_topic_id(id)]);
    assert_eq!(response.topics[0].error_code, 42);
}

#[test]
fn a_topic_is_made_on_first_use_where_both_sides_allow_it() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (version, allows, code) in [(12, false, 3), (12, true, 0), (3, true, 0)] {
        let name = format!("first-{version}-{allows}");
        let mut request = MetadataRequest::default().with_topics(Some(vec![asked(&name)]));
        request.allow_auto_topic_creation = allows;
        assert_eq!(
            client.call(version, &request).topics[0].error_code,
            code,
            "{name}"
        );
    }
}

#[test]
fn pages_of_partitions_go_on_where_the_cursor_says() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("a", 3), ("b", 2)]);
    let mut page = |limit, cursor: Option<(&str, i32)>| {
        let cursor = cursor.map(|(name, index)| {
            Cursor::default()
                .with_topic_name(topic(name))
                .with_partition_index(index)
        });
        let topics = ["a", "b", "c"].map(|name| TopicRequest::default().with_name(topic(name)));
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(topics.into())
            .with_response_partition_limit(limit)
            .with_cursor(cursor);
        let response = client.call(0, &request);
        for topic in &response.topics {
            let operations = if topic.error_code == 42 {
                NOT_ASKED
            } else {
                ALL_ON_TOPIC
            };
            assert_eq!(topic.topic_authorized_operations, operations);
        }
        let topics = response.topics.iter().map(|topic| {
            let indexes = topic
                .partitions
                .iter()
                .map(|partition| partition.partition_index);
            (
                topic.name.as_ref().unwrap().to_string(),
                topic.error_code,
                indexes.collect::<Vec<_>>(),
            )
        });
        let next = response.next_cursor.as_ref();
        (
            topics.collect::<Vec<_>>(),
            next.map(|next| (next.topic_name.to_string(), next.partition_index)),
        )
    };
    let row = |name: &str, code, indexes: &[i32]| (name.to_owned(), code, indexes.to_vec());
    let refused = vec![row("a", 42, &[]), row("b", 42, &[]), row("c", 42, &[])];

    let all = vec![
        row("a", 0, &[0, 1, 2]),
        row("b", 0, &[0, 1]),
        row("c", 3, &[]),
    ];
    assert_eq!(page(100, None), (all, None));
    assert_eq!(
        page(2, None),
        (vec![row("a", 0, &[0, 1])], Some(("a".to_owned(), 2)))
    );
    let rest = vec![row("a", 0, &[2]), row("b", 0, &[0])];
    assert_eq!(page(2, Some(("a", 2))), (rest, Some(("b".to_owned(), 1))));
    assert_eq!(page(100, Some(("a", -1))), (refused.clone(), None));
    assert_eq!(page(100, Some(("aa", 0))), (refused, None));
}

#[test]
fn reassignments_that_cannot_be_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    let cases: [(&str, i32, Option<&[i32]>, i16); 9] = [
        ("known", 0, Some(&[1]), 0),
        ("known", 0, None, 85),
        ("known", 0, Some(&[]), 39),
        ("known", 0, Some(&[9]), 39),
        ("known", 0, Some(&[1, 1]), 39),
        ("known", 0, Some(&[1, 9]), 39),
        ("known", 0, Some(&[-1]), 39),
        ("known", 7, Some(&[1]), 3),
        ("absent", 0, None, 3),
    ];
    for (name, index, replicas, code) in cases {
        for version in [0, 1] {
            let partition = ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(replicas.map(ids));
            let moved = ReassignableTopic::default()
                .with_name(topic(name))
                .with_partitions(vec![partition]);
            let mut request =
                AlterPartitionReassignmentsRequest::default().with_topics(vec![moved]);
            request.allow_replication_factor_change = version < 1;
            let response = client.call(version, &request);
            assert_eq!((response.error_code, response.error_message), (0, None));
            assert_eq!(response.allow_replication_factor_change, version < 1);
            let result = &response.responses[0].partitions[0];
            assert_eq!(
                (result.partition_index, result.error_code),
                (index, code),
                "{replicas:?}"
            );
            assert_eq!(result.error_message.is_some(), code != 0);
        }
    }
    let ongoing = client.call(
        0,
        &ListPartitionReassignmentsRequest::default().with_topics(None),
    );
    assert_eq!((ongoing.error_code, ongoing.error_message), (0, None));
    assert!(ongoing.topics.is_empty());
}

#[test]
fn elections_are_answered_in_the_order_of_the_request() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 2)]);
    let topics = [("known", vec![1, 0, 7]), ("absent", vec![0])].map(|(name, partitions)| {
        TopicPartitions::default()
            .with_topic(topic(name))
            .with_partitions(partitions)
    });
    for kind in [0, 1] {
        let request = ElectLeadersRequest::default()
            .with_election_type(kind)
            .with_topic_partitions(Some(topics.to_vec()));
        let response = client.call(2, &request);
        let results: Vec<_> = response
            .replica_election_results
            .iter()
            .flat_map(|topic| {
                let results = topic.partition_result.iter();
                results.map(|it| (topic.topic.to_string(), it.partition_id, it.error_code))
            })
            .collect();
        let expected = [
            ("known", 1, 84),
            ("known", 0, 84),
            ("known", 7, 3),
            ("absent", 0, 3),
        ];
        assert_eq!(
            results,
            expected.map(|(name, index, code)| (name.to_owned(), index, code))
        );
    }
    let unknown = ElectLeadersRequest::default()
        .with_election_type(5)
        .with_topic_partitions(Some(topics.to_vec()));
    assert_eq!(client.call(2, &unknown).error_code, 42);
}
