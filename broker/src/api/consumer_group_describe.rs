//! ConsumerGroupDescribe (69): state and members of groups of the consumer protocol (KIP-848).

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, TopicName,
};
use milena_cluster::group::{DescribedConsumerGroup, DescribedConsumerMember, DescribedPartitions};
use milena_protocol::ErrorCode;

use super::answer::text;
use super::{Api, Context, authorized};
use crate::broker::Broker;

/// First version that tells the protocol of each member (KIP-1099).
const MEMBER_TYPE_FROM: i16 = 1;
/// A member of the classic protocol.
const CLASSIC: i8 = 0;
/// A member of the consumer protocol.
const CONSUMER: i8 = 1;

pub(crate) struct ConsumerGroupDescribe;

impl Api for ConsumerGroupDescribe {
    type Request = ConsumerGroupDescribeRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: ConsumerGroupDescribeRequest,
    ) -> ConsumerGroupDescribeResponse {
        let ids: Vec<String> = request.group_ids.iter().map(|id| id.to_string()).collect();
        let groups: Vec<DescribedGroup> = if broker.serves_consumer_groups() {
            let with_operations = request.include_authorized_operations;
            let described = broker.groups().describe_consumer(&ids).into_iter();
            described
                .map(|group| respond(group, context.version, with_operations))
                .collect()
        } else {
            let refused = ids.into_iter().map(|id| {
                DescribedGroup::default()
                    .with_group_id(text(id).into())
                    .with_error_code(ErrorCode::UnsupportedVersion.code())
            });
            refused.collect()
        };
        ConsumerGroupDescribeResponse::default().with_groups(groups)
    }

    fn throttle(response: &mut ConsumerGroupDescribeResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(group: DescribedConsumerGroup, version: i16, with_operations: bool) -> DescribedGroup {
    let members = group.members.into_iter();
    let described = DescribedGroup::default()
        .with_error_code(group.error.code())
        .with_error_message(group.error_message.map(text))
        .with_group_id(text(group.group).into())
        .with_group_state(text(group.state))
        .with_group_epoch(group.group_epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_assignor_name(text(group.assignor))
        .with_members(
            members
                .map(|member| respond_member(member, version))
                .collect(),
        );
    if with_operations && group.error == ErrorCode::None {
        return described.with_authorized_operations(authorized::GROUP);
    }
    described
}

fn respond_member(member: DescribedConsumerMember, version: i16) -> Member {
    let names = member.subscribed_topic_names.into_iter();
    let described = Member::default()
        .with_member_id(text(member.member_id))
        .with_instance_id(member.group_instance_id.map(text))
        .with_rack_id(member.rack_id.map(text))
        .with_member_epoch(member.member_epoch)
        .with_client_id(text(member.client_id))
        .with_client_host(text(member.client_host))
        .with_subscribed_topic_names(names.map(|name| TopicName(text(name))).collect())
        .with_subscribed_topic_regex(member.subscribed_topic_regex.map(text))
        .with_assignment(assignment(member.assignment))
        .with_target_assignment(assignment(member.target_assignment));
    if version < MEMBER_TYPE_FROM {
        return described;
    }
    described.with_member_type(if member.is_classic { CLASSIC } else { CONSUMER })
}

fn assignment(topics: Vec<DescribedPartitions>) -> Assignment {
    let topics = topics.into_iter().map(|topic| {
        TopicPartitions::default()
            .with_topic_id(topic.topic_id.0)
            .with_topic_name(TopicName(text(topic.topic_name)))
            .with_partitions(topic.partitions.into_iter().map(|index| index.0).collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
