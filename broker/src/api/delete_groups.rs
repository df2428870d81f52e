//! DeleteGroups (42): removes groups without members, with their offsets.

use std::sync::Arc;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use milena_protocol::ErrorCode;
use tracing::info;

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct DeleteGroups;

impl Api for DeleteGroups {
    type Request = DeleteGroupsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: DeleteGroupsRequest,
    ) -> DeleteGroupsResponse {
        let groups: Vec<String> = request
            .groups_names
            .iter()
            .map(|group| group.to_string())
            .collect();
        let deleted = broker.groups().delete(&groups).await;
        let results = deleted.into_iter().map(|(group, error)| {
            if error == ErrorCode::None {
                info!(group, peer = %context.peer.address, "group is deleted");
            }
            DeletableGroupResult::default()
                .with_group_id(text(group).into())
                .with_error_code(error.code())
        });
        DeleteGroupsResponse::default().with_results(results.collect())
    }

    fn throttle(response: &mut DeleteGroupsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
