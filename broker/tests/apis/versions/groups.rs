//! APIs of groups.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::TopicId;
use milena_protocol::wire::Writer;
use uuid::Uuid;

use super::World;
use crate::client::{Client, decode, text, topic};

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// Asks until the coordinators of all groups are there; the first question makes their topic.
pub(crate) fn await_coordinator(client: &mut Client) {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
    while client.call(6, &request).coordinators[0].error_code != 0 {}
    while client.call(5, &ListGroupsRequest::default()).error_code != 0 {}
}

/// Joins a group that has no member, as its leader; gives the member id.
fn join(world: &mut World, version: i16, name: &str) -> StrBytes {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"topics"));
    let request = JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(30_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let request = if version < 1 {
        request
    } else {
        request.with_rebalance_timeout_ms(30_000)
    };
    let request = if version < 8 {
        request
    } else {
        request.with_reason(Some(text("test")))
    };
    let mut joined = world.client.call(version, &request);
    if version >= 4 {
        assert_eq!(joined.error_code, 79, "{version}: a member id is required");
        let named = request.with_member_id(joined.member_id.clone());
        joined = world.client.call(version, &named);
    }
    assert_eq!(
        (joined.error_code, joined.generation_id),
        (0, 1),
        "{version}"
    );
    assert_eq!(joined.leader, joined.member_id);
    joined.member_id
}

/// Takes the assignment in generation 1.
fn sync(world: &mut World, version: i16, name: &str, member: &StrBytes) {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"partitions"));
    let request = SyncGroupRequest::default()
        .with_group_id(group(name))
        .with_generation_id(1)
        .with_member_id(member.clone())
        .with_assignments(vec![assignment]);
    let request = if version < 5 {
        request
    } else {
        request
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
    };
    let synced = world.client.call(version, &request);
    assert_eq!(
        (synced.error_code, &synced.assignment[..]),
        (0, &b"partitions"[..]),
        "{version}"
    );
}

pub(super) fn join_group(world: &mut World, version: i16) {
    join(world, version, &format!("join-{version}"));
    let refused = JoinGroupRequest::default()
        .with_group_id(group("join-refused"))
        .with_session_timeout_ms(1)
        .with_protocol_type(text("consumer"));
    assert_eq!(world.client.call(version, &refused).error_code, 26);
}

pub(super) fn sync_group(world: &mut World, version: i16) {
    let name = format!("sync-{version}");
    let member = join(world, 9, &name);
    sync(world, version, &name, &member);
    let refused = SyncGroupRequest::default()
        .with_group_id(group(&name))
        .with_member_id(text("m"));
    let refused = if version < 5 {
        refused
    } else {
        refused
            .with_protocol_type(Some(text("x")))
            .with_protocol_name(Some(text("x")))
    };
    assert_ne!(world.client.call(version, &refused).error_code, 0);
}

pub(super) fn heartbeat(world: &mut World, version: i16) {
    let name = format!("heartbeat-{version}");
    let member = join(world, 9, &name);
    sync(world, 5, &name, &member);
    for (generation, code) in [(1, 0), (9, 22)] {
        let request = HeartbeatRequest::default()
            .with_group_id(group(&name))
            .with_generation_id(generation)
            .with_member_id(member.clone());
        assert_eq!(world.client.call(version, &request).error_code, code);
    }
    let unknown = HeartbeatRequest::default().with_group_id(group("absent"));
    assert_eq!(world.client.call(version, &unknown).error_code, 25);
}

pub(super) fn leave_group(world: &mut World, version: i16) {
    let name = format!("leave-{version}");
    let member = join(world, 9, &name);
    let request = LeaveGroupRequest::default().with_group_id(group(&name));
    if version < 3 {
        for (member, code) in [(member, 0), (text("absent"), 25)] {
            let request = request.clone().with_member_id(member);
            assert_eq!(world.client.call(version, &request).error_code, code);
        }
        return;
    }
    let members = [member, text("absent")].map(|member| {
        let identity = MemberIdentity::default().with_member_id(member);
        if version < 5 {
            identity
        } else {
            identity.with_reason(Some(text("test")))
        }
    });
    let left = world
        .client
        .call(version, &request.with_members(members.into()));
    let codes: Vec<_> = left
        .members
        .iter()
        .map(|member| member.error_code)
        .collect();
    assert_eq!((left.error_code, codes), (0, vec![0, 25]));
}

/// Partitions of the topic `known` and of one that is not.
fn commits(world: &World, version: i16) -> Vec<OffsetCommitRequestTopic> {
    let topics = [("known", world.known), ("absent", Uuid::from_u128(77))];
    topics
        .map(|(name, id)| {
            let partitions = [0, 1].map(|index| {
                let partition = OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(2)
                    .with_committed_metadata(Some(text("note")));
                if version < 6 {
                    partition
                } else {
                    partition.with_committed_leader_epoch(0)
                }
            });
            OffsetCommitRequestTopic::default()
                .with_name(topic(name))
                .with_topic_id(id)
                .with_partitions(partitions.into())
        })
        .into()
}

fn commit(world: &mut World, version: i16, name: &str) -> OffsetCommitResponse {
    let topics = commits(world, version);
    let request = OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics);
    if version >= 10 {
        let body = world
            .client
            .exchange(8, version, &commit_by_id(&request))
            .expect("a response");
        return decode(10, body);
    }
    let mut request = request;
    for topic in &mut request.topics {
        topic.topic_id = Uuid::nil();
    }
    world.client.call(version, &request)
}

/// The body of version 10, which names topics by id.
fn commit_by_id(request: &OffsetCommitRequest) -> BytesMut {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    writer.put_compact_string(&request.group_id).unwrap();
    writer.put_i32(request.generation_id_or_member_epoch);
    writer.put_compact_string(&request.member_id).unwrap();
    writer.put_compact_nullable_string(None).unwrap();
    writer.put_compact_len(request.topics.len()).unwrap();
    for topic in &request.topics {
        writer.put_uuid(TopicId(topic.topic_id).0);
        writer.put_compact_len(topic.partitions.len()).unwrap();
        for partition in &topic.partitions {
            writer.put_i32(partition.partition_index);
            writer.put_i64(partition.committed_offset);
            writer.put_i32(partition.committed_leader_epoch);
            writer
                .put_compact_nullable_string(partition.committed_metadata.as_deref())
                .unwrap();
            writer.put_no_tagged_fields();
        }
        writer.put_no_tagged_fields();
    }
    writer.put_no_tagged_fields();
    out
}

pub(super) fn offset_commit(world: &mut World, version: i16) {
    let response = commit(world, version, &format!("commit-{version}"));
    let codes: Vec<_> = response
        .topics
        .iter()
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|partition| partition.error_code)
        })
        .collect();
    let unknown = if version < 10 { 3 } else { 100 };
    assert_eq!(codes, [0, 0, unknown, unknown], "{version}");
}

pub(super) fn offset_fetch(world: &mut World, version: i16) {
    let name = format!("fetch-{version}");
    commit(world, 9, &name);
    let names = ["known", "absent"];
    if version < 8 {
        let topics = names.map(|name| {
            OffsetFetchRequestTopic::default()
                .with_name(topic(name))
                .with_partition_indexes(vec![0, 7])
        });
        let mut lists = vec![Some(topics.to_vec()), Some(Vec::new())];
        lists.extend((version >= 2).then_some(None));
        for topics in lists {
            let request = OffsetFetchRequest::default()
                .with_group_id(group(&name))
                .with_topics(topics.clone());
            let fetched = world
                .client
                .call(version, &request.with_require_stable(version >= 7));
            if topics.is_none_or(|topics| !topics.is_empty()) {
                assert_eq!(
                    fetched.topics[0].partitions[0].committed_offset, 2,
                    "{version}"
                );
            }
        }
        return;
    }
    if version >= 10 {
        return fetch_by_id(world, version, &name);
    }
    let topics = names.map(|name| {
        OffsetFetchRequestTopics::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0, 7])
    });
    let groups = [&name, "absent"].map(|name| {
        OffsetFetchRequestGroup::default()
            .with_group_id(group(name))
            .with_topics(Some(topics.to_vec()))
    });
    let all = OffsetFetchRequestGroup::default()
        .with_group_id(group(&name))
        .with_topics(None);
    for groups in [groups.to_vec(), vec![all]] {
        let request = OffsetFetchRequest::default()
            .with_groups(groups)
            .with_require_stable(true);
        let fetched = world.client.call(version, &request);
        assert_eq!(
            fetched.groups[0].topics[0].partitions[0].committed_offset,
            2
        );
    }
}

/// Version 10 names topics by id.
fn fetch_by_id(world: &mut World, version: i16, name: &str) {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    writer.put_compact_len(1).unwrap();
    writer.put_compact_string(name).unwrap();
    writer.put_compact_nullable_string(None).unwrap();
    writer.put_i32(-1);
    writer.put_compact_len(2).unwrap();
    for id in [world.known, Uuid::from_u128(77)] {
        writer.put_uuid(id);
        writer.put_compact_len(1).unwrap();
        writer.put_i32(0);
        writer.put_no_tagged_fields();
    }
    writer.put_no_tagged_fields();
    writer.put_bool(true);
    writer.put_no_tagged_fields();
    let body = world.client.exchange(9, version, &out).expect("a response");
    let fetched: OffsetFetchResponse = decode(10, body);
    let found: Vec<_> = fetched.groups[0]
        .topics
        .iter()
        .map(|topic| {
            (
                topic.partitions[0].error_code,
                topic.partitions[0].committed_offset,
            )
        })
        .collect();
    assert_eq!(found, [(0, 2), (100, -1)]);
}

pub(super) fn find_coordinator(world: &mut World, version: i16) {
    for (kind, key) in [
        (0, "group"),
        (0, ""),
        (1, "transactional"),
        (2, "g:t:0"),
        (9, "x"),
    ] {
        let request = FindCoordinatorRequest::default();
        let request = if version < 1 {
            request
        } else {
            request.with_key_type(kind)
        };
        if version < 4 {
            let found = world.client.call(version, &request.with_key(text(key)));
            assert_eq!(found.error_code == 0, version < 1 || kind <= 1, "{kind}");
        } else {
            let request = request.with_coordinator_keys(vec![text(key), text("second")]);
            let found = world.client.call(version, &request);
            assert_eq!(found.coordinators.len(), 2, "{version} {kind}");
        }
    }
}

pub(super) fn describe_groups(world: &mut World, version: i16) {
    let name = format!("describe-{version}");
    let member = join(world, 9, &name);
    sync(world, 5, &name, &member);
    let request = DescribeGroupsRequest::default()
        .with_groups(vec![group(&name), group("absent"), group("")])
        .with_include_authorized_operations(version >= 3);
    let described = world.client.call(version, &request);
    assert_eq!(described.groups.len(), 3);
    assert_eq!(described.groups[0].group_state, text("Stable"));
}

pub(super) fn list_groups(world: &mut World, version: i16) {
    let name = format!("list-{version}");
    join(world, 9, &name);
    let request = ListGroupsRequest::default();
    let request = if version < 4 {
        request
    } else {
        request.with_states_filter(vec![text("CompletingRebalance"), text("nonsense")])
    };
    let request = if version < 5 {
        request
    } else {
        request.with_types_filter(vec![text("classic")])
    };
    let listed = world.client.call(version, &request);
    assert!(
        listed.groups.iter().any(|group| *group.group_id == *name),
        "{version} {listed:?}"
    );
}

pub(super) fn delete_groups(world: &mut World, version: i16) {
    let name = format!("delete-{version}");
    commit(world, 9, &name);
    let request = DeleteGroupsRequest::default().with_groups_names(vec![
        group(&name),
        group("absent"),
        group(""),
    ]);
    let deleted = world.client.call(version, &request);
    let codes: Vec<_> = deleted
        .results
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes, [0, 69, 69]);
}

pub(super) fn offset_delete(world: &mut World, version: i16) {
    let name = format!("offset-delete-{version}");
    commit(world, 9, &name);
    let topics = ["known", "absent"].map(|name| {
        let partitions =
            [0, 7].map(|index| OffsetDeleteRequestPartition::default().with_partition_index(index));
        OffsetDeleteRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(partitions.into())
    });
    for name in [name.as_str(), "absent"] {
        let request = OffsetDeleteRequest::default()
            .with_group_id(group(name))
            .with_topics(topics.to_vec());
        let deleted = world.client.call(version, &request);
        assert_eq!(deleted.error_code, if name == "absent" { 69 } else { 0 });
    }
}
