//! ListGroups (16): the groups that this broker coordinates.

use std::sync::Arc;

use kafka_protocol::messages::list_groups_response::ListedGroup as WireGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use super::answer::text;
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct ListGroups;

impl Api for ListGroups {
    type Request = ListGroupsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: ListGroupsRequest,
    ) -> ListGroupsResponse {
        let states: Vec<String> = request
            .states_filter
            .iter()
            .map(|name| name.to_string())
            .collect();
        let types: Vec<String> = request
            .types_filter
            .iter()
            .map(|name| name.to_string())
            .collect();
        match broker.groups().list(&states, &types) {
            Ok(listed) => {
                let groups = listed.into_iter().map(|group| {
                    WireGroup::default()
                        .with_group_id(text(group.group).into())
                        .with_protocol_type(text(group.protocol_type))
                        .with_group_state(text(group.state))
                        .with_group_type(text(group.group_type))
                });
                ListGroupsResponse::default().with_groups(groups.collect())
            }
            Err(error) => ListGroupsResponse::default().with_error_code(error.code()),
        }
    }

    fn throttle(response: &mut ListGroupsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
