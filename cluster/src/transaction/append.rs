//! Appends of a coordinator, and what follows from their ends.

use std::sync::Arc;

use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, Offset, ProducerId};

use super::coordinator::Coordinator;
use super::decide::Verdict;
use super::event::{Effect, Token, Waiter};
use super::response::Response;
use super::timer::Timer;
use super::transition::Transaction;

/// States of one id in an append, at most about so many.
const STATES_MAX: usize = 16;

/// An append under way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The last state of every id in it; none where the id is removed.
    pub(super) states: Vec<(Arc<str>, Option<Transaction>)>,
    /// Who is answered, and how where all goes well.
    pub(super) replies: Vec<(Waiter, Response)>,
}

impl Coordinator {
    /// Appends states of an id, which has no append under way, as one batch; then what waits for the
    /// id and can be decided on the last of them. Nobody is answered before all is committed.
    pub(super) fn store(
        &mut self,
        id: &Arc<str>,
        mut states: Vec<Transaction>,
        mut replies: Vec<(Waiter, Response)>,
    ) {
        while states.len() < STATES_MAX {
            let Some(waiting) = self.entries.get(id).and_then(|of| of.waiting.front()) else {
                break;
            };
            let (more, response) = match self.decide(states.last(), &waiting.request) {
                Verdict::Store(more, response) => (more, response),
                Verdict::Reply(response) => (Vec::new(), response),
                Verdict::StoreAndWait(_) | Verdict::Wait | Verdict::NeedsProducerId => break,
            };
            replies.push((waiting.waiter, response));
            states.extend(more);
            if let Some(entry) = self.entries.get_mut(id) {
                entry.waiting.pop_front();
            }
        }
        let is_used = |spare: ProducerId| {
            states.iter().any(|state| {
                let metadata = &state.metadata;
                metadata.producer_id == spare || metadata.next_producer_id == spare
            })
        };
        if self.spare_ids.front().copied().is_some_and(is_used) {
            self.spare_ids.pop_front();
        }
        let records = states.iter().map(|state| record(id, Some(state))).collect();
        let last = states.pop();
        assert!(last.is_some(), "an append without records");
        let in_flight = InFlight {
            states: vec![(Arc::clone(id), last)],
            replies,
        };
        self.append(records, in_flight);
    }

    pub(super) fn append(&mut self, records: Vec<Record>, in_flight: InFlight) {
        let token = Token(self.next_token);
        self.next_token += 1;
        for (id, _) in &in_flight.states {
            let entry = self.entries.entry(Arc::clone(id)).or_default();
            assert!(entry.in_flight.is_none(), "two appends of {id}");
            entry.in_flight = Some(token);
        }
        self.in_flight.insert(token, in_flight);
        self.effects.push(Effect::Append { token, records });
    }

    pub(super) fn appended(&mut self, token: Token, result: Result<Offset, ErrorCode>) {
        // A coordinator that has resigned knows its appends no more.
        let Some(InFlight { states, replies }) = self.in_flight.remove(&token) else {
            return;
        };
        let error = result.err().map(append_error);
        for (waiter, response) in replies {
            let response = match error {
                Some(error) => response.failed(error),
                None => response,
            };
            self.reply(waiter, response);
        }
        for (id, state) in states {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            entry.in_flight = None;
            if let Some(error) = error {
                self.refused(&id, error);
            } else {
                entry.transaction = state;
                self.enter_state(&id);
            }
            self.serve_waiting(&id);
        }
    }

    /// An append of an id was refused.
    fn refused(&mut self, id: &Arc<str>, error: ErrorCode) {
        // What the coordinator wanted for itself it wants again.
        let again = self.now.plus_ms(self.config.retry_ms);
        self.timers.set(Timer::Retry(Arc::clone(id)), Some(again));
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        // To decide on what waits would end in the same way.
        for waiting in std::mem::take(&mut entry.waiting) {
            self.reply(waiting.waiter, waiting.request.refused(error));
        }
    }

    pub(super) fn timed_out(&mut self, token: Token) {
        let Some(in_flight) = self.in_flight.get_mut(&token) else {
            return;
        };
        let error = append_error(ErrorCode::RequestTimedOut);
        for (waiter, response) in std::mem::take(&mut in_flight.replies) {
            self.reply(waiter, response.failed(error));
        }
    }
}

pub(super) fn record(id: &Arc<str>, state: Option<&Transaction>) -> Record {
    Record::Transaction {
        transactional_id: id.to_string(),
        metadata: state.map(|state| state.metadata.clone()),
    }
}

/// What clients are told where an append was refused.
fn append_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => ErrorCode::UnknownServerError,
        code => code,
    }
}
