//! FindCoordinator (10): which broker keeps a group or a transactional id (KIP-699 for several keys).

use std::sync::Arc;

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, FindCoordinatorRequest, FindCoordinatorResponse,
};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::ErrorCode;
use milena_protocol::stored::group::partition_for;

use super::{Api, Context};
use crate::api::metadata::listener_name;
use crate::broker::Broker;
use crate::topics::{CONSUMER_OFFSETS, TRANSACTION_STATE};

/// First version with several keys.
const BATCH_FROM: i16 = 4;
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) struct FindCoordinator;

/// Where a coordinator is.
struct Found {
    id: i32,
    host: String,
    port: i32,
}

impl Api for FindCoordinator {
    type Request = FindCoordinatorRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: FindCoordinatorRequest,
    ) -> FindCoordinatorResponse {
        let listener = listener_name(broker, context);
        if context.version < BATCH_FROM {
            let found = find(broker, listener, request.key_type, &request.key).await;
            let Coordinator {
                node_id,
                host,
                port,
                error_code,
                error_message,
                ..
            } = respond(StrBytes::default(), found);
            return FindCoordinatorResponse::default()
                .with_node_id(node_id)
                .with_host(host)
                .with_port(port)
                .with_error_code(error_code)
                .with_error_message(error_message);
        }
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys {
            let found = find(broker, listener, request.key_type, &key).await;
            coordinators.push(respond(key, found));
        }
        FindCoordinatorResponse::default().with_coordinators(coordinators)
    }

    fn throttle(response: &mut FindCoordinatorResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(key: StrBytes, found: Result<Found, (ErrorCode, String)>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key);
    match found {
        Ok(found) => coordinator
            .with_node_id(WireBrokerId(found.id))
            .with_host(StrBytes::from_string(found.host))
            .with_port(found.port)
            .with_error_message(Some(StrBytes::from_static_str("NONE"))),
        Err((error, message)) => coordinator
            .with_node_id(WireBrokerId(-1))
            .with_port(-1)
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(message))),
    }
}

async fn find(
    broker: &Arc<Broker>,
    listener: &str,
    key_type: i8,
    key: &str,
) -> Result<Found, (ErrorCode, String)> {
    let unavailable = |message: &str| (ErrorCode::CoordinatorNotAvailable, message.to_owned());
    let name = match key_type {
        GROUP => CONSUMER_OFFSETS,
        TRANSACTION => TRANSACTION_STATE,
        _ => {
            let message = format!("coordinators of type {key_type} are not served");
            return Err((ErrorCode::InvalidRequest, message));
        }
    };
    if broker.image().topic(name).is_none() {
        broker.create_topic(name).await.map_err(|error| {
            let reason = error
                .message
                .unwrap_or_else(|| error.code.name().to_owned());
            tracing::warn!(reason, "the topic {name} could not be made");
            (ErrorCode::CoordinatorNotAvailable, reason)
        })?;
    }
    let image = broker.image();
    let topic = image
        .topic(name)
        .ok_or_else(|| unavailable("the topic of the coordinators is missing"))?;
    let index = partition_for(key, topic.partition_count());
    let leader = topic
        .partition(index)
        .and_then(|partition| partition.leader);
    let leader = leader.and_then(|leader| image.broker(leader));
    let endpoint = leader.and_then(|leader| Some((leader.id, leader.endpoint(listener)?)));
    let (id, endpoint) =
        endpoint.ok_or_else(|| unavailable("the partition of the coordinator has no leader"))?;
    Ok(Found {
        id: id.0,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
    })
}
