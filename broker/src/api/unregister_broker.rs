//! UnregisterBroker (64): removes the registration of a broker that is gone (KIP-631).

use std::sync::Arc;

use kafka_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use milena_cluster::metadata::UnregisterBroker as Operation;
use milena_protocol::BrokerId;

use super::answer::error_of;
use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct UnregisterBroker;

impl Api for UnregisterBroker {
    type Request = UnregisterBrokerRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: UnregisterBrokerRequest,
    ) -> UnregisterBrokerResponse {
        let operation = Operation {
            broker_id: BrokerId(request.broker_id.0),
        };
        let (code, message) = error_of(&broker.controller().run(&operation).await);
        UnregisterBrokerResponse::default()
            .with_error_code(code)
            .with_error_message(message)
    }

    fn throttle(response: &mut UnregisterBrokerResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
