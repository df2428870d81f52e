//! DescribeQuorum (55): the replicas of the metadata log (KIP-595, KIP-836, KIP-853).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_quorum_request::TopicData as AskedTopic;
use kafka_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeQuorumRequest, DescribeQuorumResponse,
};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::{BrokerId, ErrorCode};
use uuid::Uuid;

use super::{Api, Context};
use crate::broker::Broker;
use crate::metadata::{MetadataLog, ReplicaStatus, Status};

/// The only topic that is replicated by the quorum.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// First version that names the nodes and the directories of their replicas.
const NODES_FROM: i16 = 2;

pub(crate) struct DescribeQuorum;

impl Api for DescribeQuorum {
    type Request = DescribeQuorumRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: DescribeQuorumRequest,
    ) -> DescribeQuorumResponse {
        let status = broker.controller().log().status();
        let topics = request
            .topics
            .into_iter()
            .map(|topic| describe(context.version, topic, &status));
        let mut response = DescribeQuorumResponse::default().with_topics(topics.collect());
        if context.version >= NODES_FROM {
            response.nodes = nodes(&status);
        }
        response
    }
}

fn describe(version: i16, asked: AskedTopic, status: &Status) -> TopicData {
    let is_metadata = asked.topic_name.as_str() == METADATA_TOPIC;
    let partitions = asked.partitions.into_iter().map(|partition| {
        let data = PartitionData::default().with_partition_index(partition.partition_index);
        if !is_metadata || partition.partition_index != 0 {
            let data = data.with_error_code(ErrorCode::UnknownTopicOrPartition.code());
            if version < NODES_FROM {
                return data;
            }
            let message = StrBytes::from_static_str("only the metadata has a quorum");
            return data.with_error_message(Some(message));
        }
        data.with_leader_id(WireBrokerId(status.leader.unwrap_or(BrokerId::NONE).0))
            .with_leader_epoch(status.epoch.0)
            .with_high_watermark(status.high_watermark.0)
            .with_current_voters(
                status
                    .voters
                    .iter()
                    .map(|it| replica(version, it))
                    .collect(),
            )
            .with_observers(
                status
                    .observers
                    .iter()
                    .map(|it| replica(version, it))
                    .collect(),
            )
    });
    TopicData::default()
        .with_partitions(partitions.collect())
        .with_topic_name(asked.topic_name)
}

fn replica(version: i16, status: &ReplicaStatus) -> ReplicaState {
    let directory = if version < NODES_FROM {
        Uuid::nil()
    } else {
        status.directory_id
    };
    ReplicaState::default()
        .with_replica_id(WireBrokerId(status.broker_id.0))
        .with_replica_directory_id(directory)
        .with_log_end_offset(status.log_end.0)
        .with_last_fetch_timestamp(status.last_fetch.0)
        .with_last_caught_up_timestamp(status.last_caught_up.0)
}

fn nodes(status: &Status) -> Vec<Node> {
    let all = status.voters.iter().chain(&status.observers);
    let by_id: BTreeMap<i32, &ReplicaStatus> =
        all.map(|replica| (replica.broker_id.0, replica)).collect();
    by_id
        .into_iter()
        .map(|(id, replica)| {
            let listeners = replica.listeners.iter().map(|listener| {
                Listener::default()
                    .with_name(StrBytes::from_string(listener.name.clone()))
                    .with_host(StrBytes::from_string(listener.host.clone()))
                    .with_port(listener.port)
            });
            Node::default()
                .with_node_id(WireBrokerId(id))
                .with_listeners(listeners.collect())
        })
        .collect()
}
