//! InitProducerId (22): an id and an epoch to produce with (KIP-98, KIP-360, KIP-890).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use kafka_protocol::protocol::{Decodable, Encodable};
use milena_cluster::transaction::{InitProducerId as Init, Producer, Request, Response};
use milena_protocol::message::init_producer_id;
use milena_protocol::wire::Writer;
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId as Id};

use super::{Api, Context, Unreadable};
use crate::broker::Broker;

/// First version whose clients know `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 4;
/// First version with the fields of a two-phase commit, which is not final.
const TWO_PHASE_FROM: i16 = 6;

pub(crate) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        match init(broker, &request).await {
            Ok(producer) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(producer.id.0))
                .with_producer_epoch(producer.epoch.0),
            Err(error) => InitProducerIdResponse::default()
                .with_error_code(told(error, context.version, FENCED_FROM).code())
                .with_producer_id(ProducerId(Id::NONE.0))
                .with_producer_epoch(ProducerEpoch::NONE.0),
        }
    }

    fn decode(version: i16, body: &mut Bytes) -> Result<InitProducerIdRequest, Unreadable> {
        let unreadable = |error: String| Unreadable::Message(error);
        if version < TWO_PHASE_FROM {
            return InitProducerIdRequest::decode(body, version)
                .map_err(|error| unreadable(error.to_string()));
        }
        init_producer_id::decode_v6(body).map_err(|error| unreadable(error.to_string()))
    }

    fn encode(
        version: i16,
        response: &InitProducerIdResponse,
        out: &mut BytesMut,
    ) -> Result<(), Unreadable> {
        if version < TWO_PHASE_FROM {
            return response
                .encode(out, version)
                .map_err(|error| Unreadable::Message(error.to_string()));
        }
        init_producer_id::encode_v6(response, &mut Writer::new(out));
        Ok(())
    }

    fn throttle(response: &mut InitProducerIdResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// Clients of versions before `from` know `INVALID_PRODUCER_EPOCH` only.
pub(super) fn told(error: ErrorCode, version: i16, from: i16) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced if version < from => ErrorCode::InvalidProducerEpoch,
        error => error,
    }
}

/// A producer without transactions gets a new id each time, also where it names an old one: its
/// epoch is its own affair.
async fn init(
    broker: &Arc<Broker>,
    request: &InitProducerIdRequest,
) -> Result<Producer, ErrorCode> {
    let named = Producer {
        id: Id(request.producer_id.0),
        epoch: ProducerEpoch(request.producer_epoch),
    };
    let names_id = named.id != Id::NONE;
    let names_epoch = named.epoch != ProducerEpoch::NONE;
    if names_id != names_epoch {
        return Err(ErrorCode::InvalidRequest);
    }
    let Some(transactional_id) = &request.transactional_id else {
        return Ok(Producer {
            id: broker.next_producer_id().await?,
            epoch: ProducerEpoch(0),
        });
    };
    let request = Request::Init(Init {
        transactional_id: transactional_id.to_string(),
        timeout_ms: request.transaction_timeout_ms,
        expected: names_id.then_some(named),
        two_phase_commit: request.enable_2_pc,
        keep_prepared: request.keep_prepared_txn,
    });
    match broker.transactions().request(request).await {
        Response::Init(answer) if answer.error == ErrorCode::None => Ok(answer.producer),
        Response::Init(answer) => Err(answer.error),
        other => unreachable!("an initialisation is answered with {other:?}"),
    }
}
