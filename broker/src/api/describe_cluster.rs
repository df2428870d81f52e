//! DescribeCluster (60): the brokers of the cluster (KIP-700, KIP-919, KIP-1073).

use std::sync::Arc;

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeClusterRequest, DescribeClusterResponse,
};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::ErrorCode;

use super::metadata::listener_name;
use super::{Api, Context, authorized};
use crate::broker::Broker;

/// The endpoints of brokers are asked for.
const BROKERS: i8 = 1;
/// The endpoints of controllers are asked for.
const CONTROLLERS: i8 = 2;

pub(crate) struct DescribeCluster;

impl Api for DescribeCluster {
    type Request = DescribeClusterRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: DescribeClusterRequest,
    ) -> DescribeClusterResponse {
        if request.endpoint_type != BROKERS {
            let (error, message) = if request.endpoint_type == CONTROLLERS {
                (
                    ErrorCode::MismatchedEndpointType,
                    "the request was sent to a broker, and controllers are asked for".to_owned(),
                )
            } else {
                (
                    ErrorCode::UnsupportedEndpointType,
                    format!("endpoint type {} is not known", request.endpoint_type),
                )
            };
            return DescribeClusterResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(message)));
        }
        let listener = listener_name(broker, context);
        let image = broker.image();
        let shown = image
            .brokers()
            .filter(|registered| !registered.fenced || request.include_fenced_brokers);
        let brokers = shown.filter_map(|registered| {
            let endpoint = registered.endpoint(listener)?;
            let rack = registered.rack.as_deref();
            Some(
                DescribeClusterBroker::default()
                    .with_broker_id(WireBrokerId(registered.id.0))
                    .with_host(StrBytes::from_string(endpoint.host.clone()))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(rack.map(|rack| StrBytes::from_string(rack.to_owned())))
                    .with_is_fenced(registered.fenced),
            )
        });
        let mut response = DescribeClusterResponse::default()
            .with_endpoint_type(BROKERS)
            .with_cluster_id(StrBytes::from_string(broker.cluster_id().to_owned()))
            .with_controller_id(WireBrokerId(broker.id().0))
            .with_brokers(brokers.collect());
        if request.include_cluster_authorized_operations {
            response.cluster_authorized_operations = authorized::CLUSTER;
        }
        response
    }

    fn throttle(response: &mut DescribeClusterResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
