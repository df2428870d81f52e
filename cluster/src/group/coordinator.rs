//! The coordinator of the groups of one partition of `__consumer_offsets`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::stored::group::Record;
use milena_protocol::{ErrorCode, Offset, ProducerId, Timestamp};

use super::append::{InFlight, Then};
use super::busy::Busy;
use super::classic::{Group, State};
use super::config::Config;
use super::consumer::{GroupConfig, LoadFactor, MemberTimer};
use super::durable::Durable;
use super::entry::Entry;
use super::event::{Effect, Event, Token, Waiter};
use super::request::{FetchOffsets, Request};
use super::response::{Joined, Response, Synced};
use super::timer::{Timer, Timers};
use super::topics::TopicView;

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

/// The coordinator; the module doc says how it is used.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) durable: Durable,
    /// Every group of `durable`, and those that have members but are not stored yet.
    pub(super) groups: BTreeMap<Arc<str>, Entry>,
    pub(super) timers: Timers,
    /// The topics of the cluster; meaningful where `has_topics`.
    pub(super) topics: TopicView,
    has_topics: bool,
    /// Settings of groups that have any.
    pub(super) group_configs: BTreeMap<String, GroupConfig>,
    pub(super) load: LoadFactor,
    pub(super) in_flight: BTreeMap<Token, InFlight>,
    /// The groups of `in_flight`.
    pub(super) busy: Busy,
    /// Fetches that wait for the append of this token.
    pub(super) waiting_fetches: BTreeMap<Token, Vec<(Waiter, FetchOffsets)>>,
    pub(super) next_token: u64,
    /// Instant of the step that runs.
    pub(super) now: Timestamp,
    /// Effects of the step that runs.
    pub(super) effects: Vec<Effect>,
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
            topics: TopicView::default(),
            has_topics: false,
            group_configs: BTreeMap::new(),
            load: LoadFactor::default(),
            in_flight: BTreeMap::new(),
            busy: Busy::default(),
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
        if self.phase != Phase::Active {
            self.durable.apply(offset, producer, record);
            return;
        }
        let is_dead = |id: &str| self.classic(id).is_some_and(|it| it.state() == State::Dead);
        let (is_deleted, id) = match &record {
            Record::Group {
                group,
                metadata: None,
            } if is_dead(group) => (true, Some(group.as_str())),
            // Its first offsets, or a group that was given up before it was committed.
            record => (
                false,
                record.group().filter(|id| !self.groups.contains_key(*id)),
            ),
        };
        let id: Option<Arc<str>> = id.map(Arc::from);
        self.durable.apply(offset, producer, record);
        if let Some(id) = id {
            if is_deleted {
                self.remove_group(&id);
            }
            self.restore(&id);
        }
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
        let ids: BTreeSet<Arc<str>> = self
            .durable
            .group_ids()
            .map(|id| Arc::from(id.as_str()))
            .collect();
        for id in &ids {
            self.restore(id);
        }
        let too_large = |group: &Group| group.members().len() > self.config.max_size;
        let too_large: Vec<Arc<str>> = self
            .groups
            .iter()
            .filter(|(_, entry)| entry.classic().is_some_and(too_large))
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
            self.refuse_queue(&id, error);
        }
        self.groups.clear();
        self.busy.clear();
        for (_, in_flight) in std::mem::take(&mut self.in_flight) {
            match in_flight.then {
                Then::Reply(waiter, response) => self.reply(waiter, response.failed(error)),
                Then::Turn(after) => self.turn_refused(*after, error),
                Then::Nothing | Then::NewGroup(_) | Then::Assign(_) | Then::Replace(_) => {}
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
            Event::TopicsChanged(topics) => {
                self.topics = topics;
                self.has_topics = true;
            }
            Event::GroupConfigChanged { group, config } => {
                if config == GroupConfig::default() {
                    self.group_configs.remove(&group);
                } else {
                    self.group_configs.insert(group, config);
                }
            }
            Event::ConsumerConfigChanged(config) => self.config.consumer = config,
            Event::HeartbeatRate { per_second } => self.load = self.load.after(per_second),
        }
        effects.append(&mut self.effects);
    }

    /// When [`Event::Tick`] is due; none where nothing is scheduled.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    pub(super) fn request(&mut self, waiter: Waiter, request: Request) {
        if let Some(nonsense) = self.nonsense(&request) {
            return self.reply(waiter, nonsense);
        }
        if let Some(error) = self.refusal(&request) {
            return self.reply(waiter, request.refused(error));
        }
        if let Some(id) = self.consumer_group_of(&request) {
            if !self.has_topics {
                let error = ErrorCode::CoordinatorLoadInProgress;
                return self.reply(waiter, request.refused(error));
            }
            return self.enqueue(&id, waiter, request);
        }
        match request {
            Request::Join(join) => self.join(waiter, join),
            Request::Sync(sync) => self.sync(waiter, sync),
            Request::Heartbeat(member) => {
                let error = self.heartbeat(&member);
                self.reply(waiter, Response::Heartbeat(error));
            }
            Request::Leave(leave) => self.leave(waiter, leave),
            Request::ConsumerHeartbeat(heartbeat) => self.consumer_heartbeat(waiter, &heartbeat),
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
            (Phase::Active, Request::ConsumerHeartbeat(_)) if !self.has_topics => {
                Some(ErrorCode::CoordinatorLoadInProgress)
            }
            (Phase::Active, _) => None,
            // A member must not lose its session because the coordinator reads.
            (Phase::Loading, Request::Heartbeat(_)) => Some(ErrorCode::None),
            (Phase::Loading, _) => Some(ErrorCode::CoordinatorLoadInProgress),
            (Phase::Resigned, _) => Some(ErrorCode::NotCoordinator),
        }
    }

    fn tick(&mut self) {
        while let Some(timer) = self.timers.take_ended(self.now) {
            match timer {
                Timer::Session(group, member) => self.session_timer_ended(&group, &member),
                Timer::MemberRebalance(group, member) => {
                    self.member_timer_ended(&group, MemberTimer::Rebalance, member);
                }
                Timer::MemberJoin(group, member) => {
                    self.member_timer_ended(&group, MemberTimer::Join, member);
                }
                Timer::MemberSync(group, member) => {
                    self.member_timer_ended(&group, MemberTimer::Sync, member);
                }
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

    pub(super) fn reply(&mut self, waiter: Waiter, response: Response) {
        self.effects.push(Effect::Reply { waiter, response });
    }

    /// Answers every member of a group that waits for the end of a rebalance.
    pub(super) fn answer_waiting_members(&mut self, id: &str, error: ErrorCode) {
        let group = self.groups.get_mut(id).and_then(Entry::classic_mut);
        let Some(group) = group else {
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

    /// Takes a group out, with the timers of its members.
    pub(super) fn remove_group(&mut self, id: &str) {
        let Some((id, entry)) = self.groups.remove_entry(id) else {
            return;
        };
        let members: Vec<Arc<str>> = match &entry {
            Entry::Classic(group) => {
                let pending = group.pending_joins.iter();
                group.members().keys().chain(pending).cloned().collect()
            }
            Entry::Consumer(group) => group.live.members().keys().cloned().collect(),
        };
        for member in members {
            for timer in MemberTimer::ALL {
                self.timers.cancel(&timer.of(&id, &member));
            }
        }
        self.timers.cancel(&Timer::Join(id.clone()));
        self.timers.cancel(&Timer::Sync(id));
    }

    /// A group of the classic protocol.
    pub(super) fn classic(&self, id: &str) -> Option<&Group> {
        self.groups.get(id).and_then(Entry::classic)
    }

    /// The same, with its id.
    pub(super) fn classic_entry(&self, id: &str) -> Option<(&Arc<str>, &Group)> {
        let (id, entry) = self.groups.get_key_value(id)?;
        Some((id, entry.classic()?))
    }

    /// A group of the classic protocol, to change it.
    pub(super) fn classic_mut(&mut self, id: &str) -> Option<&mut Group> {
        self.groups.get_mut(id).and_then(Entry::classic_mut)
    }

    fn schedule_expiration(&mut self) {
        let interval_ms = self.config.offsets_retention_check_interval_ms.max(1);
        self.timers
            .set(Timer::Expiration, self.now.plus_ms(interval_ms));
    }

    /// True where both have the same committed state, as replaying the same records gives it.
    #[must_use]
    pub fn has_same_records(&self, other: &Self) -> bool {
        self.durable == other.durable
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
            if let (Entry::Consumer(group), Phase::Active) = (group, self.phase) {
                if let Some(token) = group.in_flight {
                    let is_there = self.in_flight.contains_key(&token);
                    assert!(is_there, "{id} waits for {token:?}");
                } else {
                    let committed = self.durable.consumer_groups().get(&**id);
                    let live = &group.live;
                    assert!(
                        committed == Some(live),
                        "{id}: the live state is not committed"
                    );
                }
            }
        }
        if self.phase == Phase::Active {
            for id in self.durable.group_ids() {
                assert!(self.groups.contains_key(id.as_str()), "{id} is stored only");
            }
        }
        let mut busy = BTreeSet::new();
        for record in self.records_in_flight() {
            busy.extend(record.group());
        }
        self.busy.check_invariants(&busy);
        for token in self.waiting_fetches.keys() {
            assert!(
                self.in_flight.contains_key(token),
                "a fetch waits for {token:?}"
            );
        }
    }
}
