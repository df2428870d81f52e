//! ConsumerGroupHeartbeat (68): a member of the consumer protocol joins, stays, leaves, and hears
//! what it is to read (KIP-848).

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use milena_cluster::group::{ConsumerHeartbeat, ConsumerHeartbeatResult, Request, Response};
use milena_protocol::{ErrorCode, PartitionIndex, TopicId};
use uuid::Uuid;

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

/// First version in which members make their ids themselves (KIP-1082).
const MEMBER_ID_FROM: i16 = 1;

pub(crate) struct ConsumerGroupHeartbeat;

impl Api for ConsumerGroupHeartbeat {
    type Request = ConsumerGroupHeartbeatRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        if !broker.serves_consumer_groups() {
            return ConsumerGroupHeartbeatResponse::default()
                .with_error_code(ErrorCode::UnsupportedVersion.code());
        }
        let group = request.group_id.to_string();
        let heartbeat = heartbeat(request, context);
        broker.groups().note_heartbeat();
        let response = broker
            .groups()
            .request(&group, Request::ConsumerHeartbeat(heartbeat));
        match response.await {
            Response::ConsumerHeartbeat(result) => respond(result),
            other => unreachable!("a heartbeat is answered with {other:?}"),
        }
    }

    fn throttle(response: &mut ConsumerGroupHeartbeatResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn heartbeat(request: ConsumerGroupHeartbeatRequest, context: &Context) -> ConsumerHeartbeat {
    let names = |topics: Vec<_>| topics.into_iter().map(|name: StrName| name.to_string());
    let owned = |topics: Vec<OwnedTopic>| {
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(PartitionIndex);
            (TopicId(topic.topic_id), partitions.collect())
        });
        topics.collect()
    };
    ConsumerHeartbeat {
        group: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        member_epoch: request.member_epoch,
        group_instance_id: request.instance_id.map(|id| id.to_string()),
        rack_id: request.rack_id.map(|id| id.to_string()),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        subscribed_topic_names: request
            .subscribed_topic_names
            .map(|topics| names(topics).collect()),
        subscribed_topic_regex: request.subscribed_topic_regex.map(|text| text.to_string()),
        server_assignor: request.server_assignor.map(|name| name.to_string()),
        owned_partitions: request.topic_partitions.map(owned),
        client_id: context.client_id.as_deref().unwrap_or_default().to_owned(),
        // As Java prints an address without a name; tools show it.
        client_host: format!("/{}", context.peer.address.ip()),
        new_member_uuid: Uuid::new_v4(),
        makes_member_id: context.version >= MEMBER_ID_FROM,
    }
}

type StrName = kafka_protocol::messages::TopicName;
type OwnedTopic = kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;

fn respond(result: ConsumerHeartbeatResult) -> ConsumerGroupHeartbeatResponse {
    let assignment = result.assignment.map(|assignment| {
        let topics = assignment.into_iter().map(|(topic, partitions)| {
            TopicPartitions::default()
                .with_topic_id(topic.0)
                .with_partitions(partitions.into_iter().map(|index| index.0).collect())
        });
        Assignment::default().with_topic_partitions(topics.collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(result.error.code())
        .with_error_message(result.error_message.map(text))
        .with_member_id(result.member_id.map(text))
        .with_member_epoch(result.member_epoch)
        .with_heartbeat_interval_ms(result.heartbeat_interval_ms)
        .with_assignment(assignment)
}
