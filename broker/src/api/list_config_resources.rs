//! ListConfigResources (74): which resources have configurations (KIP-714, KIP-1142).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::metadata::{Image, ResourceKind};
use milena_protocol::ErrorCode;

use super::{Api, Context};
use crate::broker::Broker;

/// First version that names the kinds; before, only client metrics are listed.
const KINDS_FROM: i16 = 1;
/// Every kind, in the order of the answer where none is named.
const KINDS: [ResourceKind; 5] = [
    ResourceKind::Topic,
    ResourceKind::Broker,
    ResourceKind::BrokerLogger,
    ResourceKind::ClientMetrics,
    ResourceKind::Group,
];

pub(crate) struct ListConfigResources;

impl Api for ListConfigResources {
    type Request = ListConfigResourcesRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: ListConfigResourcesRequest,
    ) -> ListConfigResourcesResponse {
        let asked: Option<Vec<_>> = if context.version < KINDS_FROM {
            Some(vec![ResourceKind::ClientMetrics])
        } else if request.resource_types.is_empty() {
            Some(KINDS.to_vec())
        } else {
            request
                .resource_types
                .iter()
                .map(|&code| ResourceKind::from_code(code))
                .collect()
        };
        let Some(kinds) = asked else {
            return ListConfigResourcesResponse::default()
                .with_error_code(ErrorCode::UnsupportedVersion.code());
        };
        let image = broker.image();
        let mut listed = Vec::new();
        for kind in kinds {
            if !listed.contains(&kind) {
                listed.push(kind);
            }
        }
        let resources = listed.into_iter().flat_map(|kind| {
            names(&image, kind).into_iter().map(move |name| {
                ConfigResource::default()
                    .with_resource_name(StrBytes::from_string(name))
                    .with_resource_type(kind.code())
            })
        });
        ListConfigResourcesResponse::default().with_config_resources(resources.collect())
    }

    fn throttle(response: &mut ListConfigResourcesResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// Topics and brokers always have configurations; other resources where something was set.
fn names(image: &Image, kind: ResourceKind) -> BTreeSet<String> {
    match kind {
        ResourceKind::Topic => image.topics().map(|topic| topic.name.to_string()).collect(),
        ResourceKind::Broker | ResourceKind::BrokerLogger => image
            .brokers()
            .map(|broker| broker.id.to_string())
            .collect(),
        ResourceKind::ClientMetrics | ResourceKind::Group => image
            .config_resources()
            .filter(|resource| resource.kind == kind)
            .map(|resource| resource.name.to_string())
            .collect(),
    }
}
