//! SyncGroup (14): the leader of a group gives its assignment, every member gets its part.

use std::sync::Arc;

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use milena_cluster::group::{MemberRef, Request, Response, Sync};

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct SyncGroup;

impl Api for SyncGroup {
    type Request = SyncGroupRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: SyncGroupRequest,
    ) -> SyncGroupResponse {
        let group = request.group_id.to_string();
        let assignments = request.assignments.into_iter();
        let sync = Sync {
            member: MemberRef {
                group: group.clone(),
                generation: request.generation_id,
                member_id: request.member_id.to_string(),
                group_instance_id: request.group_instance_id.map(|id| id.to_string()),
            },
            protocol_type: request.protocol_type.map(|name| name.to_string()),
            protocol_name: request.protocol_name.map(|name| name.to_string()),
            assignments: assignments
                .map(|assigned| (assigned.member_id.to_string(), assigned.assignment))
                .collect(),
        };
        match broker.groups().request(&group, Request::Sync(sync)).await {
            Response::Sync(synced) => SyncGroupResponse::default()
                .with_error_code(synced.error.code())
                .with_protocol_type(synced.protocol_type.map(text))
                .with_protocol_name(synced.protocol_name.map(text))
                .with_assignment(synced.assignment),
            other => unreachable!("a sync is answered with {other:?}"),
        }
    }

    fn throttle(response: &mut SyncGroupResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
