//! The markers of a decided transaction, and its completion.

use std::sync::Arc;

use milena_protocol::bug::{self, Bug};
use milena_protocol::{ErrorCode, TopicPartition};

use super::coordinator::Coordinator;
use super::event::{Effect, Markers};
use super::request::Producer;
use super::timer::Timer;

/// Longest pause between two tries of markers, as a multiple of the first one.
const PAUSES_MAX: i64 = 16;
/// The same where every partition that is left has refused its marker for good: a later try helps
/// only if its log has lost the producer meanwhile.
const REFUSED_PAUSES_MAX: i64 = 512;

impl Coordinator {
    /// Has the markers written that are missing, or says that none is.
    pub(super) fn write_markers(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get(id) else {
            return;
        };
        let Some(transaction) = entry.transaction.as_ref() else {
            return;
        };
        let Some(is_commit) = transaction
            .is_commit()
            .filter(|_| transaction.is_deciding())
        else {
            return;
        };
        if entry.unmarked.is_empty() {
            return self.complete(id);
        }
        let producer = transaction.producer();
        let markers = Markers {
            transactional_id: id.to_string(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            is_commit,
            coordinator_epoch: self.epoch,
            transaction_version: transaction.metadata.client_transaction_version,
            partitions: entry.unmarked.clone(),
        };
        self.effects.push(Effect::WriteMarkers(markers));
    }

    /// Takes note of what became of markers. Those of another transaction are passed over: they are
    /// late (KAFKA-10080).
    pub(super) fn markers_written(
        &mut self,
        id: &str,
        producer: Producer,
        results: &[(TopicPartition, ErrorCode)],
    ) {
        let Some((id, entry)) = self.entries.get_key_value(id) else {
            return;
        };
        let is_its = entry
            .transaction
            .as_ref()
            .is_some_and(|of| of.is_deciding() && of.producer() == producer);
        if !is_its || entry.in_flight.is_some() {
            return;
        }
        let id = Arc::clone(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let before = entry.unmarked.len();
        let mut refused = 0;
        for (partition, error) in results {
            match error {
                ErrorCode::None | ErrorCode::UnknownTopicOrPartition => {
                    entry.unmarked.remove(partition);
                }
                ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => {
                    refused += 1;
                }
                _ => {}
            }
        }
        if entry.unmarked.is_empty() || bug::is(Bug::CompleteAfterFirst) {
            return self.complete(&id);
        }
        entry.failed_tries = match entry.unmarked.len() < before {
            true => 0,
            false => entry.failed_tries.saturating_add(1),
        };
        let pauses_max = match refused >= entry.unmarked.len() {
            true => REFUSED_PAUSES_MAX,
            false => PAUSES_MAX,
        };
        let doublings = entry.failed_tries.saturating_sub(1).min(16);
        let pauses = (1_i64 << doublings).min(pauses_max);
        let again = self
            .now
            .plus_ms(self.config.retry_ms.saturating_mul(pauses));
        self.timers.set(Timer::Retry(id), Some(again));
    }

    /// Every marker is written. What waits and follows from that is stored in the same batch.
    fn complete(&mut self, id: &Arc<str>) {
        let Some(transaction) = self.transaction(id) else {
            return;
        };
        let completed = transaction.completed(self.now);
        self.store(id, vec![completed], Vec::new());
    }
}
