//! AddPartitionsToTxn (24): partitions become part of a transaction. From version 4 on brokers send
//! it, for several transactions, and may only ask (KIP-890).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use milena_cluster::transaction::{AddPartitions, Producer, Request, Response, VerifyPartitions};
use milena_protocol::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, TopicPartition};

use super::init_producer_id::told;
use super::{Api, Context};
use crate::broker::Broker;
use crate::replicas::is_internal;
use crate::topics::TRANSACTION_STATE;

/// First version whose clients know `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;
/// First version of brokers, with several transactions.
const BATCH_FROM: i16 = 4;
/// First version in which partitions are added for transaction version 2.
const VERSION_2_FROM: i16 = 5;

type Errors = BTreeMap<TopicPartition, ErrorCode>;

pub(crate) struct AddPartitionsToTxn;

impl Api for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: AddPartitionsToTxnRequest,
    ) -> AddPartitionsToTxnResponse {
        if context.version < BATCH_FROM {
            let transaction = AddPartitionsToTxnTransaction::default()
                .with_transactional_id(request.v3_and_below_transactional_id)
                .with_producer_id(request.v3_and_below_producer_id)
                .with_producer_epoch(request.v3_and_below_producer_epoch)
                .with_topics(request.v3_and_below_topics);
            let errors = add(broker, context.version, &transaction).await;
            let results = respond(&transaction.topics, &errors);
            return AddPartitionsToTxnResponse::default()
                .with_results_by_topic_v3_and_below(results);
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in &request.transactions {
            let errors = add(broker, context.version, transaction).await;
            results.push(
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id.clone())
                    .with_topic_results(respond(&transaction.topics, &errors)),
            );
        }
        AddPartitionsToTxnResponse::default().with_results_by_transaction(results)
    }

    fn throttle(response: &mut AddPartitionsToTxnResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// Adds the partitions of one transaction, all or none.
async fn add(
    broker: &Arc<Broker>,
    version: i16,
    transaction: &AddPartitionsToTxnTransaction,
) -> Errors {
    let partitions: BTreeSet<TopicPartition> = transaction
        .topics
        .iter()
        .flat_map(|topic| {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            let indexes = topic.partitions.iter();
            indexes.map(move |&index| TopicPartition::new(Arc::clone(&name), PartitionIndex(index)))
        })
        .collect();
    let image = broker.image();
    let exists = |partition: &TopicPartition| {
        image
            .partition(&partition.topic, partition.partition)
            .is_some()
    };
    let check = |partition: &TopicPartition| {
        // Clients add the offsets of a group by AddOffsetsToTxn.
        if version < BATCH_FROM && is_internal(&partition.topic) {
            ErrorCode::TopicAuthorizationFailed
        } else if &*partition.topic == TRANSACTION_STATE {
            ErrorCode::InvalidTopicException
        } else if exists(partition) {
            ErrorCode::None
        } else {
            ErrorCode::UnknownTopicOrPartition
        }
    };
    if partitions.iter().any(|partition| check(partition).is_err()) {
        let error = |partition: &TopicPartition| match check(partition) {
            ErrorCode::None => ErrorCode::OperationNotAttempted,
            error => error,
        };
        return partitions
            .iter()
            .map(|partition| (partition.clone(), error(partition)))
            .collect();
    }
    let transactional_id = transaction.transactional_id.to_string();
    let producer = Producer {
        id: ProducerId(transaction.producer_id.0),
        epoch: ProducerEpoch(transaction.producer_epoch),
    };
    let all = partitions.clone();
    let request = if transaction.verify_only {
        Request::Verify(VerifyPartitions {
            transactional_id,
            producer,
            partitions,
        })
    } else {
        Request::Add(AddPartitions {
            transactional_id,
            producer,
            partitions,
            transaction_version: if version >= VERSION_2_FROM { 2 } else { 0 },
        })
    };
    match broker.transactions().request(request).await {
        Response::Add(error) => {
            let error = told(error, version, FENCED_FROM);
            all.into_iter()
                .map(|partition| (partition, error))
                .collect()
        }
        Response::Verify(errors) => errors,
        other => unreachable!("an addition is answered with {other:?}"),
    }
}

/// The errors in the order of the request.
fn respond(
    topics: &[AddPartitionsToTxnTopic],
    errors: &Errors,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = topics.iter().map(|topic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        let results = topic.partitions.iter().map(|&index| {
            let partition = TopicPartition::new(Arc::clone(&name), PartitionIndex(index));
            let error = errors.get(&partition).copied().unwrap_or(ErrorCode::None);
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(index)
                .with_partition_error_code(error.code())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(results.collect())
    });
    topics.collect()
}
