//! DeleteGroups (42): removes groups without members, with their offsets.

use std::sync::Arc;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use milena_protocol::ErrorCode;

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;
use crate::told;

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
        let gone = deleted
            .iter()
            .filter(|(_, error)| *error == ErrorCode::None);
        told::changed(context, "groups are deleted", gone.map(|(group, _)| group));
        let results = deleted.into_iter().map(|(group, error)| {
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
