//! DescribeTransactions (65): what the coordinator knows of transactional ids (KIP-664).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::transaction::Described;

use super::{Api, Context};
use crate::broker::Broker;

pub(crate) struct DescribeTransactions;

impl Api for DescribeTransactions {
    type Request = DescribeTransactionsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DescribeTransactionsRequest,
    ) -> DescribeTransactionsResponse {
        let states = request.transactional_ids.into_iter().map(|id| {
            match broker.transactions().describe(&id) {
                Ok(described) => respond(id, &described),
                Err(error) => TransactionState::default()
                    .with_transactional_id(id)
                    .with_error_code(error.code()),
            }
        });
        DescribeTransactionsResponse::default().with_transaction_states(states.collect())
    }

    fn throttle(response: &mut DescribeTransactionsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn respond(id: TransactionalId, described: &Described) -> TransactionState {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in &described.partitions {
        let indexes = topics.entry(&partition.topic).or_default();
        indexes.push(partition.partition.0);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(partitions)
    });
    TransactionState::default()
        .with_transactional_id(id)
        .with_transaction_state(StrBytes::from_static_str(described.state.name()))
        .with_transaction_timeout_ms(described.timeout_ms)
        .with_transaction_start_time_ms(described.start.0)
        .with_producer_id(ProducerId(described.producer.id.0))
        .with_producer_epoch(described.producer.epoch.0)
        .with_topics(topics.collect())
}
