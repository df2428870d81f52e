//! Appends of a coordinator: what they are for, and what follows when they have come to their end.

use std::sync::Arc;

use milena_protocol::stored::group::{ConsumerRecord, Record};
use milena_protocol::{ErrorCode, Offset, ProducerId};

use super::classic::{Assignment, Replacement};
use super::consumer_step::AfterTurn;
use super::coordinator::Coordinator;
use super::entry::Entry;
use super::event::{Decision, Effect, Token, Waiter};
use super::request::{FetchOffsets, Producer, Request};
use super::response::Response;

/// What follows an append.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// The answer to a request.
    Reply(Waiter, Response),
    /// A group was made.
    NewGroup(Arc<str>),
    /// The members get their assignments.
    Assign(Assignment),
    /// A static member has come back with a new id.
    Replace(Replacement),
    /// Requests of a group of the consumer protocol are answered.
    Turn(Box<AfterTurn>),
}

/// An append that is under way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Shared with whoever appends them.
    pub(super) records: Arc<Vec<Record>>,
    producer: ProducerId,
    pub(super) then: Then,
}

impl Coordinator {
    pub(super) fn appended(&mut self, token: Token, result: Result<Offset, ErrorCode>) {
        // A coordinator that has resigned knows its appends no more.
        let Some(in_flight) = self.in_flight.remove(&token) else {
            return;
        };
        let waiting = Self::groups_of_append(&in_flight.records, &in_flight.then);
        self.busy.forget(&in_flight.records);
        let is_refused = result.is_err();
        match result {
            Ok(first) => {
                let records = Arc::try_unwrap(in_flight.records);
                let records = records.unwrap_or_else(|shared| shared.to_vec());
                for (index, record) in (0_i64..).zip(records) {
                    self.apply(first.plus(index), in_flight.producer, record);
                }
                self.committed(in_flight.then);
            }
            Err(code) => {
                for record in in_flight.records.iter() {
                    if let Record::Group {
                        group,
                        metadata: None,
                    } = record
                        && let Some(group) = self.classic_mut(group)
                    {
                        group.revive();
                    }
                }
                self.refused(in_flight.then, append_error(code));
            }
        }
        self.settle(token, is_refused, waiting);
        for (waiter, fetch) in self.waiting_fetches.remove(&token).into_iter().flatten() {
            let fetched = self.fetch_offsets(&fetch);
            self.reply(waiter, Response::FetchOffsets(fetched));
        }
    }

    pub(super) fn timed_out(&mut self, token: Token) {
        let Some(in_flight) = self.in_flight.get_mut(&token) else {
            return;
        };
        let error = append_error(ErrorCode::RequestTimedOut);
        let groups = Self::groups_of_append(&in_flight.records, &in_flight.then);
        match std::mem::replace(&mut in_flight.then, Then::Nothing) {
            // Its members need not know.
            Then::NewGroup(group) => in_flight.then = Then::NewGroup(group),
            Then::Turn(mut after) => {
                let replies = std::mem::take(&mut after.replies);
                in_flight.then = Then::Turn(after);
                for (waiter, response) in replies {
                    self.reply(waiter, response.failed(error));
                }
            }
            then => self.refused(then, error),
        }
        for group in groups {
            self.refuse_until_settled(&group, error);
        }
        for (waiter, fetch) in self.waiting_fetches.remove(&token).into_iter().flatten() {
            // Consumers before 3.9 give up at COORDINATOR_NOT_AVAILABLE.
            let response = Request::FetchOffsets(fetch).refused(ErrorCode::NotCoordinator);
            self.reply(waiter, response);
        }
    }

    fn committed(&mut self, then: Then) {
        match then {
            Then::Nothing | Then::NewGroup(_) => {}
            Then::Reply(waiter, response) => self.reply(waiter, response),
            Then::Assign(assignment) => self.assign(assignment),
            Then::Replace(replacement) => self.replaced(&replacement),
            Then::Turn(after) => self.turn_committed(*after),
        }
    }

    fn refused(&mut self, then: Then, error: ErrorCode) {
        match then {
            Then::Nothing => {}
            Then::Reply(waiter, response) => self.reply(waiter, response.failed(error)),
            Then::NewGroup(id) => {
                if !self.durable.knows(&id) && !self.is_in_flight(&id) {
                    self.answer_waiting_members(&id, error);
                    self.remove_group(&id);
                }
            }
            Then::Assign(assignment) => self.assignment_refused(&assignment, error),
            Then::Replace(replacement) => self.replacement_refused(replacement, error),
            Then::Turn(after) => self.turn_refused(*after, error),
        }
    }

    /// Appends and answers what was decided.
    pub(super) fn carry_out<R>(
        &mut self,
        waiter: Waiter,
        decision: Decision<R>,
        producer: Option<Producer>,
        response: impl FnOnce(R) -> Response,
    ) {
        let response = response(decision.response);
        if decision.records.is_empty() {
            self.reply(waiter, response);
        } else {
            self.append(decision.records, producer, Then::Reply(waiter, response));
        }
    }

    pub(super) fn append(
        &mut self,
        records: Vec<Record>,
        producer: Option<Producer>,
        then: Then,
    ) -> Token {
        assert!(!records.is_empty(), "an append without records");
        let token = Token(self.next_token);
        self.next_token += 1;
        for record in &records {
            match record {
                Record::Group {
                    group,
                    metadata: None,
                } => {
                    if let Some(group) = self.classic_mut(group) {
                        group.condemn();
                    }
                }
                Record::Consumer {
                    group,
                    record: ConsumerRecord::Metadata(None),
                } => {
                    let group = self.groups.get_mut(group.as_str());
                    if let Some(group) = group.and_then(Entry::consumer_mut) {
                        // What is asked of it from now on waits until it is gone.
                        group.in_flight = Some(token);
                    }
                }
                _ => {}
            }
        }
        self.busy.note(token, &records);
        let records = Arc::new(records);
        self.in_flight.insert(
            token,
            InFlight {
                records: Arc::clone(&records),
                producer: producer.map_or(ProducerId::NONE, |producer| producer.id),
                then,
            },
        );
        self.effects.push(Effect::Append {
            token,
            records,
            producer,
        });
        token
    }

    /// What follows an append that was just made.
    pub(super) fn follow(&mut self, token: Token, then: Then) {
        if let Some(in_flight) = self.in_flight.get_mut(&token) {
            in_flight.then = then;
        }
    }

    /// Records that are being appended, in order.
    pub(super) fn records_in_flight(&self) -> impl Iterator<Item = &Record> {
        self.in_flight
            .values()
            .flat_map(|in_flight| in_flight.records.iter())
    }

    /// True where records of the group are being appended.
    pub(super) fn is_in_flight(&self, group: &str) -> bool {
        self.busy.is_busy(group)
    }

    /// Answers a fetch, after the commits of the group that are under way where it wants that.
    pub(super) fn fetch_offsets_when_stable(&mut self, waiter: Waiter, fetch: FetchOffsets) {
        let last = if fetch.require_stable {
            self.last_commit(&fetch.group)
        } else {
            None
        };
        if let Some(token) = last {
            self.waiting_fetches
                .entry(token)
                .or_default()
                .push((waiter, fetch));
        } else {
            let fetched = self.fetch_offsets(&fetch);
            self.reply(waiter, Response::FetchOffsets(fetched));
        }
    }

    /// The last commit of the group that is under way.
    fn last_commit(&self, group: &str) -> Option<Token> {
        let last = self.busy.last_commit(group)?;
        if self.in_flight.contains_key(&last) {
            return Some(last);
        }
        // It was refused before an earlier one had its end.
        let is_of_group = |record: &Record| match record {
            Record::Offset(key, _) => key.group == group,
            _ => false,
        };
        let mut appends = self.in_flight.iter().rev();
        let found = appends.find(|(_, in_flight)| in_flight.records.iter().any(is_of_group));
        found.map(|(token, _)| *token)
    }
}

/// What clients are told where an append was refused.
fn append_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidFetchSize => ErrorCode::UnknownServerError,
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        code => code,
    }
}
