//! The coordinator of the groups of one partition of `__consumer_offsets`.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::stored::group::Record;
use milena_protocol::{ErrorCode, Offset, ProducerId, Timestamp};

use super::classic::{Assignment, Group, Replacement, State};
use super::config::Config;
use super::durable::Durable;
use super::event::{Decision, Effect, Event, Token, Waiter};
use super::request::{FetchOffsets, Producer, Request};
use super::response::{Joined, Response, Synced};
use super::timer::{Timer, Timers};

/// Whether the coordinator serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The partition is being read.
    Loading,
    /// It serves.
    Active,
    /// The partition has moved elsewhere.
    Resigned,
}

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
}

#[derive(Debug)]
struct InFlight {
    records: Vec<Record>,
    producer: ProducerId,
    then: Then,
}

/// The coordinator; the module doc says how it is used.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) durable: Durable,
    /// Every group of `durable`, and those that have members but are not stored yet.
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) timers: Timers,
    in_flight: BTreeMap<Token, InFlight>,
    /// Fetches that wait for the append of this token.
    waiting_fetches: BTreeMap<Token, Vec<(Waiter, FetchOffsets)>>,
    next_token: u64,
    /// Instant of the step that runs.
    pub(super) now: Timestamp,
    /// Effects of the step that runs.
    effects: Vec<Effect>,
}

impl Coordinator {
    /// A coordinator that loads: feed the records of the partition to [`Coordinator::apply`], then
    /// call [`Coordinator::finish_loading`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Loading,
            durable: Durable::default(),
            groups: BTreeMap::new(),
            timers: Timers::default(),
            in_flight: BTreeMap::new(),
            waiting_fetches: BTreeMap::new(),
            next_token: 0,
            now: Timestamp::NONE,
            effects: Vec::new(),
        }
    }

    /// Applies a committed record at `offset` of the partition; `producer` is -1 unless its batch
    /// is part of a transaction. The caller feeds what is loaded; of its own appends the
    /// coordinator takes care.
    pub fn apply(&mut self, offset: Offset, producer: ProducerId, record: Record) {
        if self.phase == Phase::Active {
            match &record {
                Record::Offset(key, Some(_)) if !self.groups.contains_key(key.group.as_str()) => {
                    let id = Arc::from(key.group.as_str());
                    self.groups.insert(id, Group::new(Timestamp::NONE));
                }
                Record::Group {
                    group,
                    metadata: None,
                } => {
                    let is_dead = |group: &Group| group.state() == State::Dead;
                    if self.groups.get(group.as_str()).is_some_and(is_dead) {
                        self.remove_group(group);
                    }
                }
                _ => {}
            }
        }
        self.durable.apply(offset, producer, record);
    }

    /// Applies the marker that ends the transaction of a producer.
    pub fn apply_marker(&mut self, producer: ProducerId, is_commit: bool) {
        self.durable.end_transaction(producer, is_commit);
    }

    /// Begins to serve. Sessions of loaded members begin at `now`.
    ///
    /// # Panics
    /// Where it has served before.
    pub fn finish_loading(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        assert!(self.phase == Phase::Loading, "loaded in {:?}", self.phase);
        self.now = now;
        self.phase = Phase::Active;
        for (id, metadata) in self.durable.groups() {
            self.groups
                .insert(Arc::from(id.as_str()), Group::loaded(metadata));
        }
        for id in self.durable.group_ids() {
            if !self.groups.contains_key(id.as_str()) {
                self.groups
                    .insert(Arc::from(id.as_str()), Group::new(Timestamp::NONE));
            }
        }
        for (id, group) in &self.groups {
            for (member_id, member) in group.members() {
                let end = now.plus_ms(i64::from(member.session_timeout_ms));
                self.timers
                    .set(Timer::Session(id.clone(), member_id.clone()), end);
            }
        }
        let too_large = |group: &Group| group.members().len() > self.config.max_size;
        let too_large: Vec<Arc<str>> = self
            .groups
            .iter()
            .filter(|(_, group)| too_large(group))
            .map(|(id, _)| id.clone())
            .collect();
        for id in too_large {
            // The setting has shrunk; members beyond it are refused when they join again.
            self.prepare_rebalance(&id);
        }
        self.schedule_expiration();
        effects.append(&mut self.effects);
    }

    /// Stops serving: whoever waits is answered with NOT_COORDINATOR.
    pub fn resign(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Resigned;
        self.timers.clear();
        let error = ErrorCode::NotCoordinator;
        for id in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.answer_waiting_members(&id, error);
        }
        self.groups.clear();
        for (_, in_flight) in std::mem::take(&mut self.in_flight) {
            if let Then::Reply(waiter, response) = in_flight.then {
                self.reply(waiter, response.failed(error));
            }
        }
        for (waiter, fetch) in std::mem::take(&mut self.waiting_fetches)
            .into_values()
            .flatten()
        {
            self.reply(waiter, Request::FetchOffsets(fetch).refused(error));
        }
        effects.append(&mut self.effects);
    }

    /// Handles one event at `now`, which never goes back.
    pub fn step(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Request { waiter, request } => self.request(waiter, request),
            Event::Appended { token, result } => self.appended(token, result),
            Event::TimedOut { token } => self.timed_out(token),
            Event::Tick => self.tick(),
            Event::TopicsDeleted(topics) => {
                if self.phase == Phase::Active {
                    let records = self.decide_topics_deleted(&topics);
                    self.append_parts(records);
                }
            }
        }
        effects.append(&mut self.effects);
    }

    /// When [`Event::Tick`] is due; none where nothing is scheduled.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    fn request(&mut self, waiter: Waiter, request: Request) {
        if let Some(error) = self.refusal(&request) {
            return self.reply(waiter, request.refused(error));
        }
        match request {
            Request::Join(join) => self.join(waiter, join),
            Request::Sync(sync) => self.sync(waiter, sync),
            Request::Heartbeat(member) => {
                let error = self.heartbeat(&member);
                self.reply(waiter, Response::Heartbeat(error));
            }
            Request::Leave(leave) => self.leave(waiter, leave),
            Request::CommitOffsets(commit) => self.commit_offsets(waiter, commit),
            Request::FetchOffsets(fetch) => self.fetch_offsets_when_stable(waiter, fetch),
            Request::DeleteOffsets(delete) => match self.decide_delete_offsets(&delete) {
                Ok(decision) => self.carry_out(waiter, decision, None, Response::DeleteOffsets),
                Err(error) => self.reply(waiter, Request::DeleteOffsets(delete).refused(error)),
            },
            Request::DeleteGroups(groups) => {
                let decision = self.decide_delete_groups(&groups);
                self.carry_out(waiter, decision, None, Response::DeleteGroups);
            }
        }
    }

    /// The error of a request that is refused whatever the state of its group.
    fn refusal(&self, request: &Request) -> Option<ErrorCode> {
        // For old clients the other requests may have an empty group id.
        let group = match request {
            Request::Join(join) => Some(&join.group),
            Request::Sync(sync) => Some(&sync.member.group),
            Request::Heartbeat(member) => Some(&member.group),
            Request::Leave(leave) => Some(&leave.group),
            Request::DeleteOffsets(delete) => Some(&delete.group),
            _ => None,
        };
        if group.is_some_and(String::is_empty) {
            return Some(ErrorCode::InvalidGroupId);
        }
        if let Request::Join(join) = request {
            let timeouts = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
            if !timeouts.contains(&join.session_timeout_ms) {
                return Some(ErrorCode::InvalidSessionTimeout);
            }
        }
        match (self.phase, request) {
            (Phase::Active, _) => None,
            // A member must not lose its session because the coordinator reads.
            (Phase::Loading, Request::Heartbeat(_)) => Some(ErrorCode::None),
            (Phase::Loading, _) => Some(ErrorCode::CoordinatorLoadInProgress),
            (Phase::Resigned, _) => Some(ErrorCode::NotCoordinator),
        }
    }

    fn appended(&mut self, token: Token, result: Result<Offset, ErrorCode>) {
        // A coordinator that has resigned knows its appends no more.
        let Some(in_flight) = self.in_flight.remove(&token) else {
            return;
        };
        match result {
            Ok(first) => {
                for (index, record) in (0_i64..).zip(in_flight.records) {
                    self.apply(first.plus(index), in_flight.producer, record);
                }
                self.committed(in_flight.then);
            }
            Err(code) => {
                for record in &in_flight.records {
                    if let Record::Group {
                        group,
                        metadata: None,
                    } = record
                        && let Some(group) = self.groups.get_mut(group.as_str())
                    {
                        group.revive();
                    }
                }
                self.refused(in_flight.then, append_error(code));
            }
        }
        for (waiter, fetch) in self.waiting_fetches.remove(&token).into_iter().flatten() {
            let fetched = self.fetch_offsets(&fetch);
            self.reply(waiter, Response::FetchOffsets(fetched));
        }
    }

    fn timed_out(&mut self, token: Token) {
        let Some(in_flight) = self.in_flight.get_mut(&token) else {
            return;
        };
        let then = std::mem::replace(&mut in_flight.then, Then::Nothing);
        if let Then::NewGroup(group) = then {
            // Its members need not know.
            in_flight.then = Then::NewGroup(group);
        } else {
            self.refused(then, append_error(ErrorCode::RequestTimedOut));
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
        }
    }

    fn tick(&mut self) {
        while let Some(timer) = self.timers.take_ended(self.now) {
            match timer {
                Timer::Session(group, member) => self.session_ended(&group, &member),
                Timer::Join(group) => self.join_time_ended(&group),
                Timer::Sync(group) => self.sync_time_ended(&group),
                Timer::Expiration => {
                    let records = self.decide_expiration(self.now);
                    self.append_parts(records);
                    self.schedule_expiration();
                }
            }
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
        for record in &records {
            if let Record::Group {
                group,
                metadata: None,
            } = record
                && let Some(group) = self.groups.get_mut(group.as_str())
            {
                group.condemn();
            }
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        self.in_flight.insert(
            token,
            InFlight {
                records: records.clone(),
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

    pub(super) fn reply(&mut self, waiter: Waiter, response: Response) {
        self.effects.push(Effect::Reply { waiter, response });
    }

    /// Records that are being appended, in order.
    pub(super) fn records_in_flight(&self) -> impl Iterator<Item = &Record> {
        self.in_flight
            .values()
            .flat_map(|in_flight| &in_flight.records)
    }

    /// True where records of the group are being appended.
    pub(super) fn is_in_flight(&self, group: &str) -> bool {
        self.records_in_flight()
            .any(|record| record.group() == Some(group))
    }

    /// Answers a fetch, after the commits of the group that are under way where it wants that.
    fn fetch_offsets_when_stable(&mut self, waiter: Waiter, fetch: FetchOffsets) {
        let is_of_group = |record: &Record| match record {
            Record::Offset(key, _) => key.group == fetch.group,
            _ => false,
        };
        let last = self
            .in_flight
            .iter()
            .rev()
            .find(|(_, in_flight)| in_flight.records.iter().any(is_of_group));
        if let (true, Some((token, _))) = (fetch.require_stable, last) {
            let token = *token;
            self.waiting_fetches
                .entry(token)
                .or_default()
                .push((waiter, fetch));
        } else {
            let fetched = self.fetch_offsets(&fetch);
            self.reply(waiter, Response::FetchOffsets(fetched));
        }
    }

    /// Answers every member of a group that waits for the end of a rebalance.
    fn answer_waiting_members(&mut self, id: &Arc<str>, error: ErrorCode) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        for member_id in group.member_ids() {
            if let Some(waiter) = group.take_join_waiter(&member_id) {
                let response = Response::Join(Joined::refused(&*member_id, error));
                self.effects.push(Effect::Reply { waiter, response });
            }
            let member = group.member_mut(&member_id);
            if let Some(waiter) = member.and_then(|member| member.sync_waiter.take()) {
                let response = Response::Sync(Synced::refused(error));
                self.effects.push(Effect::Reply { waiter, response });
            }
        }
    }

    fn remove_group(&mut self, id: &str) {
        let Some((id, group)) = self.groups.remove_entry(id) else {
            return;
        };
        let pending = group.pending_joins.iter();
        for member_id in group.members().keys().chain(pending) {
            self.timers
                .cancel(&Timer::Session(id.clone(), member_id.clone()));
        }
        self.timers.cancel(&Timer::Join(id.clone()));
        self.timers.cancel(&Timer::Sync(id));
    }

    fn schedule_expiration(&mut self) {
        let interval_ms = self.config.offsets_retention_check_interval_ms.max(1);
        self.timers
            .set(Timer::Expiration, self.now.plus_ms(interval_ms));
    }

    /// Asserts what holds between steps.
    ///
    /// # Panics
    /// Where it does not.
    pub fn check_invariants(&self) {
        assert!(self.effects.is_empty(), "effects between steps");
        self.timers.check_invariants();
        self.durable.check_invariants();
        for (id, group) in &self.groups {
            group.check_invariants(id);
        }
        if self.phase == Phase::Active {
            for id in self.durable.group_ids() {
                assert!(self.groups.contains_key(id.as_str()), "{id} is stored only");
            }
        }
        for token in self.waiting_fetches.keys() {
            assert!(
                self.in_flight.contains_key(token),
                "a fetch waits for {token:?}"
            );
        }
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
