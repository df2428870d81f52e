//! JoinGroup (11): a member joins a group of the classic protocol, or joins again in a rebalance.

use std::sync::Arc;

use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::group::{Join, Joined, Protocol, Request, Response};
use uuid::Uuid;

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

/// First version with a rebalance timeout of its own.
const REBALANCE_TIMEOUT_FROM: i16 = 1;
/// First version in which a new member has to come back with its id (KIP-394).
const KNOWN_MEMBER_ID_FROM: i16 = 4;
/// First version in which the name of the protocol may be null.
const NULL_PROTOCOL_FROM: i16 = 7;
/// First version that can tell the leader not to assign (KIP-814).
const SKIP_ASSIGNMENT_FROM: i16 = 9;

pub(crate) struct JoinGroup;

impl Api for JoinGroup {
    type Request = JoinGroupRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: JoinGroupRequest,
    ) -> JoinGroupResponse {
        let version = context.version;
        let group = request.group_id.to_string();
        let protocols = request.protocols.into_iter().map(|protocol| Protocol {
            name: protocol.name.to_string(),
            metadata: protocol.metadata,
        });
        let join = Join {
            group: group.clone(),
            member_id: request.member_id.to_string(),
            group_instance_id: request.group_instance_id.map(|id| id.to_string()),
            client_id: context.client_id.as_deref().unwrap_or_default().to_owned(),
            // As Java prints an address without a name; tools show it.
            client_host: format!("/{}", context.peer.address.ip()),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: if version < REBALANCE_TIMEOUT_FROM {
                request.session_timeout_ms
            } else {
                request.rebalance_timeout_ms
            },
            protocol_type: request.protocol_type.to_string(),
            protocols: protocols.collect(),
            new_member_uuid: Uuid::new_v4(),
            requires_known_member_id: version >= KNOWN_MEMBER_ID_FROM,
            supports_skip_assignment: version >= SKIP_ASSIGNMENT_FROM,
        };
        match broker.groups().request(&group, Request::Join(join)).await {
            Response::Join(joined) => respond(joined, version),
            other => unreachable!("a join is answered with {other:?}"),
        }
    }

    fn throttle(response: &mut JoinGroupResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(joined: Joined, version: i16) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_metadata(member.metadata)
    });
    let mut protocol_name = joined.protocol_name.map(text);
    if version < NULL_PROTOCOL_FROM {
        protocol_name.get_or_insert_with(StrBytes::default);
    }
    JoinGroupResponse::default()
        .with_error_code(joined.error.code())
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.map(text))
        .with_protocol_name(protocol_name)
        .with_leader(text(joined.leader))
        .with_skip_assignment(joined.skip_assignment && version >= SKIP_ASSIGNMENT_FROM)
        .with_member_id(text(joined.member_id))
        .with_members(members.collect())
}
