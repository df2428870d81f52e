//! InitProducerId (22): gives an idempotent producer its id (KIP-98).

use std::sync::Arc;

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId as Id};

use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        match init(broker, &request).await {
            Ok((id, epoch)) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id.0))
                .with_producer_epoch(epoch.0),
            Err(error) => InitProducerIdResponse::default()
                .with_error_code(error.code())
                .with_producer_id(ProducerId(Id::NONE.0))
                .with_producer_epoch(ProducerEpoch::NONE.0),
        }
    }

    fn throttle(response: &mut InitProducerIdResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// A producer without transactions gets a new id each time, also where it names an old one: its
/// epoch is its own affair.
async fn init(
    broker: &Arc<Broker>,
    request: &InitProducerIdRequest,
) -> Result<(Id, ProducerEpoch), ErrorCode> {
    let names_id = request.producer_id.0 != Id::NONE.0;
    let names_epoch = request.producer_epoch != ProducerEpoch::NONE.0;
    if names_id != names_epoch {
        return Err(ErrorCode::InvalidRequest);
    }
    match &request.transactional_id {
        Some(id) if id.is_empty() => Err(ErrorCode::InvalidRequest),
        // The coordinator of transactions is not there: the client is told so, and asks again.
        Some(_) => Err(ErrorCode::CoordinatorNotAvailable),
        None => Ok((broker.next_producer_id().await?, ProducerEpoch(0))),
    }
}
