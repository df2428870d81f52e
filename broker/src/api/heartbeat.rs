//! Heartbeat (12): a member is alive, and hears of a rebalance.

use std::sync::Arc;

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use milena_cluster::group::{MemberRef, Request, Response};

use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct Heartbeat;

impl Api for Heartbeat {
    type Request = HeartbeatRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: HeartbeatRequest,
    ) -> HeartbeatResponse {
        let group = request.group_id.to_string();
        let member = MemberRef {
            group: group.clone(),
            generation: request.generation_id,
            member_id: request.member_id.to_string(),
            group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        };
        match broker
            .groups()
            .request(&group, Request::Heartbeat(member))
            .await
        {
            Response::Heartbeat(error) => {
                HeartbeatResponse::default().with_error_code(error.code())
            }
            other => unreachable!("a heartbeat is answered with {other:?}"),
        }
    }

    fn throttle(response: &mut HeartbeatResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
