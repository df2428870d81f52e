//! ListTransactions (66): the transactional ids of this broker (KIP-664, KIP-994, KIP-1152).

use std::sync::Arc;

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::transaction::{Filter, Listed, State};
use milena_protocol::{ErrorCode, ProducerId as Id};
use regex::{Regex, RegexBuilder};

use super::{Api, Context};
use crate::broker::Broker;

/// Most memory of an expression.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

pub(crate) struct ListTransactions;

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: ListTransactionsRequest,
    ) -> ListTransactionsResponse {
        let known = |name: &StrBytes| State::from_name(name);
        let unknown = request
            .state_filters
            .iter()
            .filter(|name| known(name).is_none())
            .cloned();
        let response =
            ListTransactionsResponse::default().with_unknown_state_filters(unknown.collect());
        match list(broker, &request) {
            Ok(listed) => response.with_transaction_states(listed.into_iter().map(row).collect()),
            Err(error) => response.with_error_code(error.code()),
        }
    }

    fn throttle(response: &mut ListTransactionsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn list(broker: &Broker, request: &ListTransactionsRequest) -> Result<Vec<Listed>, ErrorCode> {
    let pattern = request.transactional_id_pattern.as_deref().unwrap_or("");
    let expression = match pattern.is_empty() {
        true => None,
        false => Some(whole(pattern).map_err(|_| ErrorCode::InvalidRegularExpression)?),
    };
    let states = request.state_filters.iter();
    let states: Vec<State> = states.filter_map(|name| State::from_name(name)).collect();
    // Names that mean nothing let nothing through; an empty list would let through all.
    if states.is_empty() && !request.state_filters.is_empty() {
        return Ok(Vec::new());
    }
    let ids = request.producer_id_filters.iter();
    let filter = Filter {
        states,
        producer_ids: ids.map(|id| Id(id.0)).collect(),
        duration_ms: (request.duration_filter >= 0).then_some(request.duration_filter),
    };
    let mut listed = broker.transactions().list(&filter)?;
    if let Some(expression) = expression {
        listed.retain(|listed| expression.is_match(&listed.transactional_id));
    }
    Ok(listed)
}

/// An expression that has to match the whole of an id.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // As it is first: a parenthesis too many must not become right by what is put around it.
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(EXPRESSION_BYTES_MAX)
            .build()
    };
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

fn row(listed: Listed) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(
            listed.transactional_id,
        )))
        .with_producer_id(ProducerId(listed.producer_id.0))
        .with_transaction_state(StrBytes::from_static_str(listed.state.name()))
}
