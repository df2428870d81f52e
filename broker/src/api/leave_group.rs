//! LeaveGroup (13): members leave a group; administrators may name them by instance id (KIP-345).

use std::sync::Arc;

use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use milena_cluster::group::{Leave, LeavingMember, Left, Request, Response};
use milena_protocol::ErrorCode;

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

/// First version with several members.
const MEMBERS_FROM: i16 = 3;

pub(crate) struct LeaveGroup;

impl Api for LeaveGroup {
    type Request = LeaveGroupRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: LeaveGroupRequest,
    ) -> LeaveGroupResponse {
        let group = request.group_id.to_string();
        let members = if context.version < MEMBERS_FROM {
            let member_id = request.member_id.to_string();
            vec![LeavingMember {
                member_id,
                group_instance_id: None,
            }]
        } else {
            let leaving = request.members.into_iter().map(|member| LeavingMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.map(|id| id.to_string()),
            });
            leaving.collect()
        };
        let leave = Leave {
            group: group.clone(),
            members,
        };
        match broker.groups().request(&group, Request::Leave(leave)).await {
            Response::Leave(left) => respond(left, context.version),
            other => unreachable!("a leave is answered with {other:?}"),
        }
    }

    fn throttle(response: &mut LeaveGroupResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(left: Left, version: i16) -> LeaveGroupResponse {
    if version < MEMBERS_FROM {
        let of_member = left
            .members
            .first()
            .map_or(ErrorCode::None, |(_, error)| *error);
        let error = if left.error == ErrorCode::None {
            of_member
        } else {
            left.error
        };
        return LeaveGroupResponse::default().with_error_code(error.code());
    }
    let members = left.members.into_iter().map(|(member, error)| {
        MemberResponse::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_error_code(error.code())
    });
    LeaveGroupResponse::default()
        .with_error_code(left.error.code())
        .with_members(members.collect())
}
