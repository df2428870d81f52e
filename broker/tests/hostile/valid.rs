//! Requests that mean something: about a topic with records and a group with a member.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions as OwnedPartitions;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, FetchRequest, GroupId,
    HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest,
    ListOffsetsRequest, OffsetCommitRequest, ProduceRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};
use milena_protocol::api;
use milena_protocol::batch::Compression;

use crate::batch::{TOPIC, built};

const GROUP: GroupId = GroupId(StrBytes::from_static_str("group"));

const fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// The request as `body::parts` takes it.
fn seed<Q: Request>(version: i16, request: &Q) -> Vec<u8> {
    let row = api::APIS.iter().position(|api| api.key == Q::KEY).unwrap();
    let mut body = BytesMut::new();
    request.encode(&mut body, version).unwrap();
    let head = [u8::try_from(row).unwrap(), u8::try_from(version).unwrap()];
    [&head[..], &body].concat()
}

/// Requests about records.
fn of_records() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for codec in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let records = Bytes::from(built(codec, 50));
        let partition = PartitionProduceData::default().with_records(Some(records));
        let topic = TopicProduceData::default()
            .with_name(TOPIC)
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_acks(1)
            .with_timeout_ms(1000)
            .with_topic_data(vec![topic]);
        seeds.extend([7, 9, 12].map(|version| seed(version, &request)));
    }
    let partition = FetchPartition::default().with_partition_max_bytes(1000);
    let topic = FetchTopic::default()
        .with_topic(TOPIC)
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_bytes(10_000)
        .with_topics(vec![topic]);
    seeds.extend([4, 7, 11, 12].map(|version| seed(version, &request)));
    let partition = ListOffsetsPartition::default().with_timestamp(5);
    let topic = ListOffsetsTopic::default()
        .with_name(TOPIC)
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    seeds.extend([2, 7, 10].map(|version| seed(version, &request)));
    let partition = DeleteRecordsPartition::default().with_offset(1);
    let topic = DeleteRecordsTopic::default()
        .with_name(TOPIC)
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_timeout_ms(1000)
        .with_topics(vec![topic]);
    seeds.push(seed(2, &request));
    seeds.push(seed(4, &InitProducerIdRequest::default()));
    seeds
}

/// Requests of members.
fn of_groups() -> Vec<Vec<u8>> {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(
            b"\0\0\0\0\0\x01\0\x07hostile\xff\xff\xff\xff",
        ));
    let join = JoinGroupRequest::default()
        .with_group_id(GROUP)
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_group_instance_id(Some(text("instance")))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text("instance"))
        .with_assignment(Bytes::from_static(b"assignment"));
    let sync = SyncGroupRequest::default()
        .with_group_id(GROUP)
        .with_generation_id(1)
        .with_assignments(vec![assignment]);
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(GROUP)
        .with_generation_id(1);
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(2)
        .with_committed_metadata(Some(text("metadata")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TOPIC)
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(GROUP)
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let mut seeds = vec![
        seed(5, &join),
        seed(9, &join),
        seed(5, &sync),
        seed(4, &heartbeat),
    ];
    seeds.extend([7, 8, 9].map(|version| seed(version, &commit)));
    seeds.extend(of_consumers());
    seeds
}

/// Requests of members of the consumer protocol: one that joins, one that has something, and one
/// that leaves, of groups that are there and of the one of the classic members.
fn of_consumers() -> Vec<Vec<u8>> {
    let join = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("hostile-consumers")))
        .with_member_id(text("member"))
        .with_instance_id(Some(text("instance")))
        .with_rack_id(Some(text("rack")))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![TOPIC]))
        .with_server_assignor(Some(text("range")))
        .with_topic_partitions(Some(Vec::new()));
    let pattern = join
        .clone()
        .with_member_id(text("other"))
        .with_instance_id(None)
        .with_subscribed_topic_regex(Some(text("h(o|x)s[a-z]{1,9}e$")));
    let owned = OwnedPartitions::default()
        .with_topic_id(uuid::Uuid::from_u128(7))
        .with_partitions(vec![0, 1, -1]);
    let stays = join
        .clone()
        .with_member_epoch(1)
        .with_topic_partitions(Some(vec![owned]));
    let leaves = join.clone().with_member_epoch(-2);
    let classic = join.clone().with_group_id(GROUP);
    let describe =
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![join.group_id.clone()]);
    let mut seeds: Vec<_> = [&join, &stays, &leaves, &classic]
        .map(|request| seed(0, request))
        .into();
    seeds.extend([&join, &pattern, &stays].map(|request| seed(1, request)));
    seeds.push(seed(1, &describe));
    seeds
}

/// Requests of administrators.
fn of_administrators() -> Vec<Vec<u8>> {
    let topic = CreatableTopic::default()
        .with_name(kafka_protocol::messages::TopicName(text("another")))
        .with_num_partitions(3)
        .with_replication_factor(1);
    let create = CreateTopicsRequest::default()
        .with_timeout_ms(1000)
        .with_topics(vec![topic]);
    let topic = CreatePartitionsTopic::default()
        .with_name(TOPIC)
        .with_count(2);
    let grow = CreatePartitionsRequest::default()
        .with_timeout_ms(1000)
        .with_topics(vec![topic]);
    let config = AlterableConfig::default()
        .with_name(text("max.message.bytes"))
        .with_value(Some(text("100000")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(TOPIC.0)
        .with_configs(vec![config]);
    let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let entity = EntityData::default()
        .with_entity_type(text("client-id"))
        .with_entity_name(Some(text("nobody")));
    let op = OpData::default()
        .with_key(text("producer_byte_rate"))
        .with_value(1e6);
    let entry = EntryData::default()
        .with_entity(vec![entity])
        .with_ops(vec![op]);
    let quotas = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    vec![
        seed(5, &create),
        seed(7, &create),
        seed(3, &grow),
        seed(1, &alter),
        seed(1, &quotas),
    ]
}

/// All of them.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [of_records(), of_groups(), of_administrators()].concat()
}
