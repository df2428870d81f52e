//! Groups of the consumer protocol (KIP-848), as clients see them.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    CreatePartitionsRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId,
    IncrementalAlterConfigsRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest,
};
use uuid::Uuid;

use crate::client::{Client, Server, text, topic};
use crate::versions::await_coordinator;

const UNKNOWN_MEMBER_ID: i16 = 25;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_CONFIG: i16 = 40;
const NON_EMPTY_GROUP: i16 = 68;
const GROUP_ID_NOT_FOUND: i16 = 69;
const GROUP_SUBSCRIBED_TO_TOPIC: i16 = 86;
const FENCED_MEMBER_EPOCH: i16 = 110;
const UNRELEASED_INSTANCE_ID: i16 = 111;
const STALE_MEMBER_EPOCH: i16 = 113;
const INVALID_REGULAR_EXPRESSION: i16 = 128;
/// Resource type of a broker.
const BROKER: i8 = 4;
/// Resource type of a group.
const GROUP: i8 = 32;
/// Heartbeats after which a group must have settled.
const HEARTBEATS_MAX: usize = 10_000;

type Owned = BTreeMap<Uuid, BTreeSet<i32>>;

/// A member that does as it is told at once.
struct Member {
    group: String,
    id: String,
    epoch: i32,
    instance: Option<String>,
    topics: Option<Vec<String>>,
    regex: Option<String>,
    owned: Owned,
    interval_ms: i32,
}

impl Member {
    fn new(group: &str, topics: &[&str]) -> Self {
        Self {
            group: group.to_owned(),
            id: Uuid::new_v4().to_string(),
            epoch: 0,
            instance: None,
            topics: Some(topics.iter().map(|name| (*name).to_owned()).collect()),
            regex: None,
            owned: Owned::new(),
            interval_ms: 0,
        }
    }

    fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let owned = self.owned.iter().map(|(id, partitions)| {
            TopicPartitions::default()
                .with_topic_id(*id)
                .with_partitions(partitions.iter().copied().collect())
        });
        let topics = self.topics.as_ref().map(|topics| {
            let names = topics.iter().map(|name| topic(name));
            names.collect()
        });
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_member_id(text(&self.id))
            .with_member_epoch(self.epoch)
            .with_instance_id(self.instance.as_deref().map(text))
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(topics)
            .with_subscribed_topic_regex(self.regex.as_deref().map(text))
            .with_topic_partitions(Some(owned.collect()))
    }

    fn try_heartbeat(&mut self, client: &mut Client) -> ConsumerGroupHeartbeatResponse {
        let response = client.call(1, &self.request());
        if response.error_code == 0 {
            self.epoch = response.member_epoch;
            self.interval_ms = response.heartbeat_interval_ms;
        }
        if let Some(assignment) = &response.assignment {
            self.owned = assignment
                .topic_partitions
                .iter()
                .map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect()))
                .collect();
        }
        response
    }

    fn heartbeat(&mut self, client: &mut Client) {
        let response = self.try_heartbeat(client);
        assert_eq!(response.error_code, 0, "{response:?}");
    }

    fn count(&self) -> usize {
        self.owned.values().map(BTreeSet::len).sum()
    }

    fn leave(&mut self, client: &mut Client, epoch: i32) {
        self.epoch = epoch;
        self.owned.clear();
        let response = client.call(1, &self.request());
        assert_eq!((response.error_code, response.member_epoch), (0, epoch));
    }
}

/// Lets all members heartbeat until they have so many partitions each, all in one epoch.
fn settle(client: &mut Client, members: &mut [Member], counts: &[usize]) {
    for _ in 0..HEARTBEATS_MAX {
        for member in &mut *members {
            member.heartbeat(client);
        }
        let mut found: Vec<usize> = members.iter().map(Member::count).collect();
        found.sort_unstable();
        let epochs: BTreeSet<i32> = members.iter().map(|member| member.epoch).collect();
        if found == counts && epochs.len() == 1 {
            let all: usize = counts.iter().sum();
            let parts = members.iter().flat_map(|member| &member.owned);
            let distinct: BTreeSet<(Uuid, i32)> = parts
                .flat_map(|(id, indexes)| indexes.iter().map(|index| (*id, *index)))
                .collect();
            assert_eq!(distinct.len(), all, "a partition has two owners");
            return;
        }
    }
    let found: Vec<usize> = members.iter().map(Member::count).collect();
    panic!("not settled: {found:?} instead of {counts:?}");
}

fn start(values: &[(&str, &str)]) -> (Server, Client) {
    let server = Server::start(values);
    let mut client = server.client();
    client.create(&[("orders", 6), ("other", 2)]);
    await_coordinator(&mut client);
    (server, client)
}

fn describe(client: &mut Client, version: i16, group: &str) -> DescribedGroup {
    let request = ConsumerGroupDescribeRequest::default()
        .with_group_ids(vec![GroupId(text(group))])
        .with_include_authorized_operations(true);
    client.call(version, &request).groups.remove(0)
}

#[test]
fn members_share_the_partitions_and_give_them_back() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut members = vec![Member::new("shared", &["orders"])];
    settle(client, &mut members, &[6]);
    members.push(Member::new("shared", &["orders"]));
    members.push(Member::new("shared", &["orders", "other"]));
    settle(client, &mut members, &[2, 3, 3]);
    let mut last = members.pop().expect("three members");
    last.leave(client, -1);
    settle(client, &mut members, &[3, 3]);
    let gone = last.try_heartbeat(client);
    assert_eq!(gone.error_code, UNKNOWN_MEMBER_ID);
    members[0].epoch = 99;
    let fenced = members[0].try_heartbeat(client);
    assert_eq!(fenced.error_code, FENCED_MEMBER_EPOCH);
}

#[test]
fn a_topic_that_grows_is_assigned() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut members = vec![Member::new("growing", &["orders", "later"])];
    settle(client, &mut members, &[6]);
    let grown = CreatePartitionsTopic::default()
        .with_name(topic("orders"))
        .with_count(8)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![grown])
        .with_timeout_ms(10_000);
    assert_eq!(client.call(3, &request).results[0].error_code, 0);
    settle(client, &mut members, &[8]);
    client.create(&[("later", 3)]);
    settle(client, &mut members, &[11]);
}

#[test]
fn patterns_follow_the_topics() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut member = Member::new("pattern", &[]);
    (member.topics, member.regex) = (None, Some("o.*e?rs?".to_owned()));
    let mut members = vec![member];
    settle(client, &mut members, &[8]);
    client.create(&[("older", 1), ("unlike", 1)]);
    settle(client, &mut members, &[9]);
    let mut wrong = Member::new("pattern", &[]);
    (wrong.topics, wrong.regex) = (None, Some("(".to_owned()));
    let refused = wrong.try_heartbeat(client);
    assert_eq!(refused.error_code, INVALID_REGULAR_EXPRESSION);
    assert!(refused.error_message.is_some());
}

#[test]
fn a_static_member_comes_back_to_its_partitions() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let named = || {
        let mut member = Member::new("static", &["orders"]);
        member.instance = Some("instance".to_owned());
        member
    };
    let mut members = vec![named(), Member::new("static", &["orders"])];
    settle(client, &mut members, &[3, 3]);
    let had = members[0].owned.clone();
    let epoch = members[0].epoch;
    let mut second = named();
    assert_eq!(
        second.try_heartbeat(client).error_code,
        UNRELEASED_INSTANCE_ID
    );
    members[0].leave(client, -2);
    second.heartbeat(client);
    members[0] = second;
    settle(client, &mut members, &[3, 3]);
    assert_eq!((&members[0].owned, members[0].epoch), (&had, epoch));
}

#[test]
fn the_broker_names_members_of_version_0() {
    let (_server, mut client) = start(&[]);
    let mut member = Member::new("named", &["orders"]);
    member.id = String::new();
    let response = client.call(0, &member.request());
    let id = response.member_id.expect("an id");
    assert!(Uuid::parse_str(&id).is_ok(), "{id}");
    let refused = member.try_heartbeat(&mut client);
    assert_eq!(refused.error_code, 42);
}

#[test]
fn groups_are_described_and_listed() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut members = vec![Member::new("described", &["orders"])];
    settle(client, &mut members, &[6]);
    for version in 0..=1 {
        let group = describe(client, version, "described");
        assert_eq!((group.error_code, &*group.group_state), (0, "Stable"));
        assert_eq!(&*group.assignor_name, "uniform");
        assert_eq!(group.group_epoch, group.assignment_epoch);
        let member = &group.members[0];
        assert_eq!(&*member.member_id, members[0].id);
        assert_eq!(
            (&*member.client_id, &*member.client_host),
            ("test", "/127.0.0.1")
        );
        assert_eq!(member.member_type, if version == 0 { -1 } else { 1 });
        let topics = &member.assignment.topic_partitions;
        assert_eq!(
            (&**topics[0].topic_name, topics[0].partitions.len()),
            ("orders", 6)
        );
        assert_eq!(member.assignment, member.target_assignment);
        assert_eq!(
            describe(client, version, "absent").error_code,
            GROUP_ID_NOT_FOUND
        );
        assert_eq!(describe(client, version, "").error_code, 24);
    }
    let listed = |client: &mut Client, kind: &str, state: &str| {
        let request = ListGroupsRequest::default()
            .with_types_filter(vec![text(kind)])
            .with_states_filter(vec![text(state)]);
        client.call(5, &request).groups.len()
    };
    assert_eq!(listed(client, "consumer", "stable"), 1);
    assert_eq!(listed(client, "consumer", "Empty"), 0);
    assert_eq!(listed(client, "classic", "Stable"), 0);
    let all = client.call(4, &ListGroupsRequest::default()).groups;
    assert_eq!(
        (&*all[0].protocol_type, &*all[0].group_state),
        ("consumer", "Stable")
    );

    let ids = vec![GroupId(text("described"))];
    let request = DescribeGroupsRequest::default().with_groups(ids.clone());
    let described = &client.call(6, &request).groups[0];
    assert_eq!(described.error_code, GROUP_ID_NOT_FOUND);
    assert_eq!(&*client.call(5, &request).groups[0].group_state, "Dead");
    let delete = DeleteGroupsRequest::default().with_groups_names(ids);
    assert_eq!(
        client.call(2, &delete).results[0].error_code,
        NON_EMPTY_GROUP
    );
    members[0].leave(client, -1);
    assert_eq!(describe(client, 1, "described").group_state, text("Empty"));
    assert_eq!(client.call(2, &delete).results[0].error_code, 0);
    assert_eq!(
        describe(client, 1, "described").error_code,
        GROUP_ID_NOT_FOUND
    );
}

fn commit(client: &mut Client, version: i16, member: &Member) -> i16 {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(5);
    let orders = OffsetCommitRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(&member.group)))
        .with_member_id(text(&member.id))
        .with_generation_id_or_member_epoch(member.epoch)
        .with_topics(vec![orders]);
    client.call(version, &request).topics[0].partitions[0].error_code
}

/// Error of the group and the committed offset.
fn fetch(client: &mut Client, member: Option<&Member>) -> (i16, i64) {
    let orders = OffsetFetchRequestTopics::default()
        .with_name(topic("orders"))
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text("offsets")))
        .with_member_id(member.map(|member| text(&member.id)))
        .with_member_epoch(member.map_or(-1, |member| member.epoch))
        .with_topics(Some(vec![orders]));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![group])
        .with_require_stable(true);
    let fetched = client.call(9, &request).groups.remove(0);
    let offset = fetched.topics.first().map(|topic| &topic.partitions[0]);
    (
        fetched.error_code,
        offset.map_or(-1, |partition| partition.committed_offset),
    )
}

#[test]
fn offsets_are_fenced_by_member_epochs() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut members = vec![Member::new("offsets", &["orders"])];
    settle(client, &mut members, &[6]);
    let member = &mut members[0];
    assert_eq!(commit(client, 9, member), 0);
    // Before version 9 nobody can tell a member that its epoch is stale.
    assert_eq!(commit(client, 8, member), UNSUPPORTED_VERSION);
    assert_eq!(fetch(client, None), (0, 5));
    assert_eq!(fetch(client, Some(member)), (0, 5));
    member.epoch += 1;
    assert_eq!(commit(client, 9, member), STALE_MEMBER_EPOCH);
    assert_eq!(fetch(client, Some(member)), (STALE_MEMBER_EPOCH, -1));
    member.id.push('x');
    assert_eq!(commit(client, 9, member), UNKNOWN_MEMBER_ID);
    assert_eq!(fetch(client, Some(member)), (UNKNOWN_MEMBER_ID, -1));

    let topics = ["orders", "other"].map(|name| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        OffsetDeleteRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition])
    });
    let request = OffsetDeleteRequest::default()
        .with_group_id(GroupId(text("offsets")))
        .with_topics(topics.into());
    let deleted = client.call(0, &request);
    let codes = deleted
        .topics
        .iter()
        .map(|topic| topic.partitions[0].error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [GROUP_SUBSCRIBED_TO_TOPIC, 0]);
}

#[test]
fn offsets_of_partitions_that_do_not_exist_are_refused() {
    let (_server, mut client) = start(&[]);
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(5)
    };
    let of = |name, indexes: &[i32]| {
        OffsetCommitRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(indexes.iter().copied().map(partition).collect())
    };
    let topics = vec![
        of("nowhere", &[0]),
        of("orders", &[77, 1, -1, 0, i32::MAX]),
        of("orders", &[77]),
    ];
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("simple")))
        .with_topics(topics);
    for version in [2, 9] {
        let response = client.call(version, &request);
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let codes: Vec<(i32, i16)> = partitions
            .map(|of| (of.partition_index, of.error_code))
            .collect();
        let expected = [
            (0, 3),
            (77, 3),
            (1, 0),
            (-1, 3),
            (0, 0),
            (i32::MAX, 3),
            (77, 3),
        ];
        assert_eq!(codes, expected, "{version}");
    }
    let mut delete = |group: &str, name: &str, indexes: &[i32]| {
        let of = |&index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(index);
        let asked = OffsetDeleteRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(indexes.iter().map(of).collect());
        let request = OffsetDeleteRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(vec![asked]);
        let response = client.call(0, &request);
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let mut codes: Vec<(i32, i16)> = partitions
            .map(|of| (of.partition_index, of.error_code))
            .collect();
        codes.sort_unstable();
        (response.error_code, codes)
    };
    let deleted = delete("simple", "orders", &[1, 77, -1]);
    assert_eq!(deleted, (0, vec![(-1, 3), (1, 0), (77, 3)]));
    let nobody = delete("nobody", "nowhere", &[0]);
    assert_eq!(nobody, (GROUP_ID_NOT_FOUND, Vec::new()));
}

fn alter(client: &mut Client, group: &str, key: &str, value: &str) -> i16 {
    alter_resource(client, (GROUP, group), key, value)
}

/// Alters a key of all brokers.
fn alter_broker(client: &mut Client, key: &str, value: &str) -> i16 {
    alter_resource(client, (BROKER, ""), key, value)
}

fn alter_resource(client: &mut Client, resource: (i8, &str), key: &str, value: &str) -> i16 {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(0)
        .with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(resource.0)
        .with_resource_name(text(resource.1))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.call(1, &request).responses[0].error_code
}

#[test]
fn groups_have_settings_of_their_own() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut member = Member::new("configured", &["orders"]);
    member.heartbeat(client);
    let chosen = member.interval_ms;
    assert!((1..=5000).contains(&chosen), "{chosen}");
    let key = "consumer.heartbeat.interval.ms";
    assert_eq!(alter(client, "configured", key, "4999"), INVALID_CONFIG);
    assert_eq!(alter(client, "configured", "nonsense", "1"), INVALID_CONFIG);
    assert_eq!(alter(client, "configured", key, "7000"), 0);
    member.heartbeat(client);
    assert_eq!(member.interval_ms, 7000);
    let mut other = Member::new("other", &["orders"]);
    other.heartbeat(client);
    assert_eq!(other.interval_ms, chosen);
}

#[test]
fn a_configuration_can_leave_the_protocol_out() {
    let classic = [("group.coordinator.rebalance.protocols", "classic")];
    let (_server, mut client) = start(&classic);
    let mut member = Member::new("refused", &["orders"]);
    let refused = member.try_heartbeat(&mut client);
    assert_eq!(refused.error_code, UNSUPPORTED_VERSION);
    let described = describe(&mut client, 1, "refused");
    assert_eq!(described.error_code, UNSUPPORTED_VERSION);
}

#[test]
fn a_pause_between_assignments_can_be_set_at_run_time() {
    let (_server, mut client) = start(&[]);
    let client = &mut client;
    let mut members = vec![Member::new("paused", &["orders"])];
    settle(client, &mut members, &[6]);
    let key = "group.consumer.assignment.interval.ms";
    assert_eq!(alter_broker(client, key, "15000"), 0);
    let mut second = Member::new("paused", &["orders"]);
    for _ in 0..20 {
        members[0].heartbeat(client);
        second.heartbeat(client);
    }
    assert_eq!((members[0].count(), second.count()), (6, 0));
    assert_eq!(alter_broker(client, key, "0"), 0);
    members.push(second);
    settle(client, &mut members, &[3, 3]);
}
