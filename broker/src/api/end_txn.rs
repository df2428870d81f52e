//! EndTxn (26): a producer commits or aborts its transaction.

use std::sync::Arc;

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};
use milena_cluster::transaction::{EndTransaction, Producer, Request, Response};
use milena_protocol::{ProducerEpoch, ProducerId as Id};

use super::init_producer_id::told;
use super::{Api, Context};
use crate::broker::Broker;

/// First version whose clients know `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;
/// First version of transaction version 2 (KIP-890).
const VERSION_2_FROM: i16 = 5;

pub(crate) struct EndTxn;

impl Api for EndTxn {
    type Request = EndTxnRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: EndTxnRequest,
    ) -> EndTxnResponse {
        let is_version_2 = context.version >= VERSION_2_FROM;
        let request = Request::End(EndTransaction {
            transactional_id: request.transactional_id.to_string(),
            producer: Producer {
                id: Id(request.producer_id.0),
                epoch: ProducerEpoch(request.producer_epoch),
            },
            is_commit: request.committed,
            transaction_version: if is_version_2 { 2 } else { 0 },
        });
        match broker.transactions().request(request).await {
            Response::End(ended) => {
                let error = told(ended.error, context.version, FENCED_FROM);
                let response = EndTxnResponse::default().with_error_code(error.code());
                if !is_version_2 {
                    return response;
                }
                response
                    .with_producer_id(ProducerId(ended.producer.id.0))
                    .with_producer_epoch(ended.producer.epoch.0)
            }
            other => unreachable!("the end of a transaction is answered with {other:?}"),
        }
    }

    fn throttle(response: &mut EndTxnResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}
