//! DescribeTransactions and ListTransactions.

use milena_protocol::{ErrorCode, Timestamp};

use super::coordinator::Coordinator;
use super::response::{Described, Filter, Listed};

impl Coordinator {
    /// What is known of a transactional id.
    ///
    /// # Errors
    /// `TRANSACTIONAL_ID_NOT_FOUND`; `INVALID_REQUEST` for an empty id; what every request gets while
    /// the coordinator does not serve.
    pub fn describe(&self, transactional_id: &str) -> Result<Described, ErrorCode> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let transaction = self
            .transaction(transactional_id)
            .ok_or(ErrorCode::TransactionalIdNotFound)?;
        let metadata = &transaction.metadata;
        Ok(Described {
            state: metadata.state,
            timeout_ms: metadata.timeout_ms,
            start: metadata.start,
            producer: transaction.producer(),
            partitions: metadata.partitions.clone(),
        })
    }

    /// The transactional ids that a filter lets through, in order.
    ///
    /// # Errors
    /// What every request gets while the coordinator does not serve.
    pub fn list(&self, filter: &Filter, now: Timestamp) -> Result<Vec<Listed>, ErrorCode> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let listed = self.transactions().filter(|(_, transaction)| {
            let metadata = &transaction.metadata;
            let states = &filter.states;
            let ids = &filter.producer_ids;
            let has_lasted = |duration_ms| now.ms_since(metadata.start) > duration_ms;
            (states.is_empty() || states.contains(&metadata.state))
                && (ids.is_empty() || ids.contains(&metadata.producer_id))
                && filter.duration_ms.is_none_or(has_lasted)
        });
        Ok(listed
            .map(|(id, transaction)| Listed {
                transactional_id: id.to_owned(),
                producer_id: transaction.metadata.producer_id,
                state: transaction.state(),
            })
            .collect())
    }
}
