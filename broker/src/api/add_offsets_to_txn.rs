//! AddOffsetsToTxn (25): the offsets of a group become part of a transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use milena_cluster::transaction::{AddPartitions, Producer, Request, Response};
use milena_protocol::stored::group::partition_for;
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};

use super::init_producer_id::told;
use super::{Api, Context};
use crate::broker::Broker;
use crate::topics::CONSUMER_OFFSETS;

/// First version whose clients know `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;

pub(crate) struct AddOffsetsToTxn;

impl Api for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: AddOffsetsToTxnRequest,
    ) -> AddOffsetsToTxnResponse {
        let error = match of_group(broker, &request.group_id).await {
            Ok(partition) => add(broker, &request, partition).await,
            Err(error) => error,
        };
        let error = told(error, context.version, FENCED_FROM);
        AddOffsetsToTxnResponse::default().with_error_code(error.code())
    }

    fn throttle(response: &mut AddOffsetsToTxnResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// The partition that keeps the offsets of a group. Its topic is made where nobody has asked for it
/// before: a transaction of offsets may well come first.
pub(super) async fn of_group(
    broker: &Arc<Broker>,
    group: &str,
) -> Result<TopicPartition, ErrorCode> {
    if broker.image().topic(CONSUMER_OFFSETS).is_none() {
        let created = broker.create_topic(CONSUMER_OFFSETS).await;
        created.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    }
    let image = broker.image();
    let topic = image
        .topic(CONSUMER_OFFSETS)
        .ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let index = partition_for(group, topic.partition_count());
    Ok(TopicPartition::new(Arc::from(CONSUMER_OFFSETS), index))
}

async fn add(
    broker: &Arc<Broker>,
    request: &AddOffsetsToTxnRequest,
    partition: TopicPartition,
) -> ErrorCode {
    let request = Request::Add(AddPartitions {
        transactional_id: request.transactional_id.to_string(),
        producer: Producer {
            id: ProducerId(request.producer_id.0),
            epoch: ProducerEpoch(request.producer_epoch),
        },
        partitions: BTreeSet::from([partition]),
        transaction_version: 0,
    });
    match broker.transactions().request(request).await {
        Response::Add(error) => error,
        other => unreachable!("an addition is answered with {other:?}"),
    }
}
