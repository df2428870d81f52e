//! DescribeGroups (15): state and members of groups of the classic protocol.

use std::sync::Arc;

use kafka_protocol::messages::describe_groups_response::{
    DescribedGroup as WireGroup, DescribedGroupMember,
};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use milena_cluster::group::DescribedGroup;
use milena_protocol::ErrorCode;

use super::answer::text;
use super::{Api, Context, authorized};
use crate::broker::Broker;

/// First version that says GROUP_ID_NOT_FOUND of a group that does not exist (KIP-1043); before, it
/// is a dead group without error.
const NOT_FOUND_FROM: i16 = 6;

pub(crate) struct DescribeGroups;

impl Api for DescribeGroups {
    type Request = DescribeGroupsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let groups: Vec<String> = request
            .groups
            .iter()
            .map(|group| group.to_string())
            .collect();
        let with_operations = request.include_authorized_operations;
        let described = broker.groups().describe(&groups);
        let groups = described
            .into_iter()
            .map(|group| respond(group, context.version, with_operations));
        DescribeGroupsResponse::default().with_groups(groups.collect())
    }

    fn throttle(response: &mut DescribeGroupsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(group: DescribedGroup, version: i16, with_operations: bool) -> WireGroup {
    let (mut error, mut message) = (group.error, group.error_message);
    if version < NOT_FOUND_FROM {
        message = None;
        if error == ErrorCode::GroupIdNotFound {
            error = ErrorCode::None;
        }
    }
    let members = group.members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    let described = WireGroup::default()
        .with_error_code(error.code())
        .with_error_message(message.map(text))
        .with_group_id(text(group.group).into())
        .with_group_state(text(group.state))
        .with_protocol_type(text(group.protocol_type))
        .with_protocol_data(text(group.protocol))
        .with_members(members.collect());
    if with_operations && error == ErrorCode::None {
        return described.with_authorized_operations(authorized::GROUP);
    }
    described
}
