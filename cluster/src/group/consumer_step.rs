//! How the coordinator runs groups of the consumer protocol.

use std::collections::VecDeque;
use std::sync::Arc;

use milena_protocol::stored::group::{ConsumerRecord, Record};
use milena_protocol::wire::STRING_BYTES_MAX;
use milena_protocol::{ErrorCode, Timestamp};

use super::append::Then;
use super::classic::{self, State};
use super::consumer::{
    self, Becomes, ConsumerHeartbeat, ConsumerHeartbeatResult, Context, MemberTimer, Queued,
    Refusal, TimerChange, Turn, validate_heartbeat,
};
use super::coordinator::Coordinator;
use super::entry::Entry;
use super::event::{Effect, ExpiredMember, Token, Waiter};
use super::request::Request;
use super::response::Response;
use super::timer::Timer;

/// What follows the append of a turn.
#[derive(Clone, Debug)]
pub(super) struct AfterTurn {
    group: Arc<str>,
    pub(super) replies: Vec<(Waiter, Response)>,
    becomes: Becomes,
    /// Who is removed by that.
    expired: Vec<ExpiredMember>,
}

impl Coordinator {
    /// The group of the consumer protocol that has to answer a request; none where another one
    /// has.
    pub(super) fn consumer_group_of(&self, request: &Request) -> Option<Arc<str>> {
        let id = match request {
            Request::ConsumerHeartbeat(heartbeat) => &heartbeat.group,
            Request::Join(join) => &join.group,
            Request::Sync(sync) => &sync.member.group,
            Request::Heartbeat(member) => &member.group,
            Request::Leave(leave) => &leave.group,
            _ => return None,
        };
        let (id, entry) = self.groups.get_key_value(id.as_str())?;
        entry.consumer().map(|_| id.clone())
    }

    /// The answer to a request that makes no sense whatever its group is.
    pub(super) fn nonsense(&self, request: &Request) -> Option<Response> {
        let heartbeat = match request {
            Request::ConsumerHeartbeat(heartbeat) => heartbeat,
            Request::Join(join)
                if !can_be_stored(&join.texts())
                    || !can_be_stored(&[&join.effective_member_id()]) =>
            {
                return Some(request.clone().refused(ErrorCode::InvalidRequest));
            }
            _ => return None,
        };
        if !can_be_stored(&heartbeat.texts()) || !can_be_stored(&[&heartbeat.effective_member_id()])
        {
            let refused = ConsumerHeartbeatResult::refused(
                ErrorCode::InvalidRequest,
                Some(format!("a string is longer than {STRING_BYTES_MAX} bytes")),
            );
            return Some(Response::ConsumerHeartbeat(refused));
        }
        let valid = validate_heartbeat(heartbeat, &self.config.consumer.assignors);
        let Refusal { error, message } = valid.err()?;
        let refused = ConsumerHeartbeatResult::refused(error, Some(message));
        Some(Response::ConsumerHeartbeat(refused))
    }

    /// A heartbeat of a group that is not one of the consumer protocol yet.
    pub(super) fn consumer_heartbeat(&mut self, waiter: Waiter, request: &ConsumerHeartbeat) {
        let refuse =
            |error, message: String| ConsumerHeartbeatResult::refused(error, Some(message));
        let id = request.group.as_str();
        let entry = self.groups.get(id);
        let result = match entry {
            None if request.member_epoch != 0 => Err(refuse(
                ErrorCode::GroupIdNotFound,
                format!("there is no consumer group {id}"),
            )),
            Some(entry) if entry.is_dead() => Err(refuse(
                ErrorCode::CoordinatorNotAvailable,
                format!("group {id} is being deleted"),
            )),
            Some(_) if request.member_epoch != 0 => Err(refuse(
                ErrorCode::GroupIdNotFound,
                format!("group {id} is not of the consumer protocol"),
            )),
            _ => {
                let before = entry.and_then(Entry::classic);
                consumer::Group::begin(id, &self.context(id), before, (waiter, request))
                    .map_err(|Refusal { error, message }| refuse(error, message))
            }
        };
        match result {
            Err(refused) => self.reply(waiter, Response::ConsumerHeartbeat(refused)),
            Ok((group, turn)) => {
                let id = self.dismiss_classic(id);
                self.groups
                    .insert(id.clone(), Entry::Consumer(Box::new(group)));
                self.carry_out_turn(&id, turn);
            }
        }
    }

    /// Takes a group of the classic protocol out, because it is one of the consumer protocol now:
    /// who waits has to join that.
    fn dismiss_classic(&mut self, id: &str) -> Arc<str> {
        self.answer_waiting_members(id, ErrorCode::RebalanceInProgress);
        match self.groups.get_key_value(id) {
            Some((id, _)) => {
                let id = id.clone();
                self.remove_group(&id);
                id
            }
            None => Arc::from(id),
        }
    }

    pub(super) fn context(&self, id: &str) -> Context<'_> {
        Context {
            now: self.now,
            topics: &self.topics,
            config: &self.config.consumer,
            group: self.group_configs.get(id).copied().unwrap_or_default(),
            classic_size_max: self.config.max_size,
            load: self.load,
        }
    }

    /// Gives a group a request.
    pub(super) fn enqueue(&mut self, id: &Arc<str>, waiter: Waiter, request: Request) {
        if let Request::ConsumerHeartbeat(heartbeat) = &request {
            self.renew_on_arrival(id, heartbeat);
        }
        let group = self.groups.get(id).and_then(Entry::consumer);
        if let Some(error) = group.and_then(|group| group.refuses) {
            return self.reply(waiter, request.refused(error));
        }
        self.wait_for_turn(id, Queued::Request(waiter, request));
    }

    /// A member is alive when its heartbeat comes, however long that has to wait for its turn.
    fn renew_on_arrival(&mut self, id: &Arc<str>, heartbeat: &ConsumerHeartbeat) {
        let group = self.groups.get(id).and_then(Entry::consumer);
        let known = group.and_then(|group| {
            let members = group.live.members();
            let (member_id, member) = members.get_key_value(heartbeat.member_id.as_str())?;
            let is_its = !member.uses_classic_protocol()
                && !heartbeat.is_leave()
                && (heartbeat.member_epoch == member.epoch || heartbeat.member_epoch == 0);
            is_its.then(|| member_id.clone())
        });
        if let Some(member_id) = known {
            let timeout_ms = i64::from(self.context(id).session_timeout_ms());
            self.set_session(id, &member_id, timeout_ms);
        }
    }

    /// A timer of a member of a group of the consumer protocol has ended.
    pub(super) fn member_timer_ended(
        &mut self,
        id: &Arc<str>,
        timer: MemberTimer,
        member: Arc<str>,
    ) {
        self.wait_for_turn(id, Queued::Ended(timer, member));
    }

    fn wait_for_turn(&mut self, id: &Arc<str>, queued: Queued) {
        if let Some(group) = self.groups.get_mut(id).and_then(Entry::consumer_mut) {
            group.queue.push_back(queued);
            self.take_turns(id);
        }
    }

    /// Lets a group take what waits, until it waits for an append itself.
    fn take_turns(&mut self, id: &Arc<str>) {
        loop {
            let context = Context {
                now: self.now,
                topics: &self.topics,
                config: &self.config.consumer,
                group: self.group_configs.get(&**id).copied().unwrap_or_default(),
                classic_size_max: self.config.max_size,
                load: self.load,
            };
            let group = self.groups.get_mut(id).and_then(Entry::consumer_mut);
            let Some(group) = group.filter(|it| it.in_flight.is_none() && !it.queue.is_empty())
            else {
                return;
            };
            let turn = group.turn(id, &context, &self.timers);
            self.carry_out_turn(id, turn);
        }
    }

    fn carry_out_turn(&mut self, id: &Arc<str>, turn: Turn) {
        for (timer, member, change) in turn.timers {
            let timer = timer.of(id, &member);
            match change {
                TimerChange::Set(ms) => self.timers.set(timer, self.now.plus_ms(ms)),
                TimerChange::SetIfAbsent(_) if self.timers.is_set(&timer) => {}
                TimerChange::SetIfAbsent(ms) => self.timers.set(timer, self.now.plus_ms(ms)),
                TimerChange::Cancel => self.timers.cancel(&timer),
            }
        }
        if turn.records.is_empty() {
            for (waiter, response) in turn.replies {
                self.reply(waiter, response);
            }
            return;
        }
        let after = AfterTurn {
            group: id.clone(),
            replies: turn.replies,
            becomes: turn.becomes,
            expired: turn.expired,
        };
        let token = self.append(turn.records, None, Then::Turn(Box::new(after)));
        if let Some(group) = self.groups.get_mut(id).and_then(Entry::consumer_mut) {
            group.in_flight = Some(token);
        }
    }

    /// The records of a turn are committed.
    pub(super) fn turn_committed(&mut self, after: AfterTurn) {
        let expired = after.expired.into_iter().map(Effect::Expired);
        self.effects.extend(expired);
        for (waiter, response) in after.replies {
            self.reply(waiter, response);
        }
        if let Becomes::Classic {
            group,
            is_rebalancing,
        } = after.becomes
        {
            self.become_classic(&after.group, *group, is_rebalancing);
        }
    }

    /// The records of a turn are not stored, and the group is what it was.
    pub(super) fn turn_refused(&mut self, after: AfterTurn, error: ErrorCode) {
        for (waiter, response) in after.replies {
            self.reply(waiter, response.failed(error));
        }
    }

    fn become_classic(&mut self, id: &Arc<str>, group: classic::Group, is_rebalancing: bool) {
        let queue = self.take_queue(id);
        self.remove_group(id);
        self.adopt_classic(id, group);
        if is_rebalancing {
            self.prepare_rebalance(id);
        }
        self.dispatch(id, queue);
    }

    /// Puts a stable group of the classic protocol in; the sessions of its members begin.
    fn adopt_classic(&mut self, id: &Arc<str>, group: classic::Group) {
        let sessions: Vec<(Arc<str>, i64)> = group
            .members()
            .iter()
            .map(|(member_id, member)| (member_id.clone(), i64::from(member.session_timeout_ms)))
            .collect();
        self.groups
            .insert(id.clone(), Entry::Classic(Box::new(group)));
        for (member_id, timeout_ms) in sessions {
            self.set_session(id, &member_id, timeout_ms);
        }
    }

    fn take_queue(&mut self, id: &str) -> VecDeque<Queued> {
        let group = self.groups.get_mut(id).and_then(Entry::consumer_mut);
        group
            .map(|group| std::mem::take(&mut group.queue))
            .unwrap_or_default()
    }

    /// Gives what has waited to whatever the group is now. Timers of members start anew there.
    fn dispatch(&mut self, id: &Arc<str>, queue: VecDeque<Queued>) {
        for queued in queue {
            match queued {
                Queued::Request(waiter, request) => self.request(waiter, request),
                Queued::Ended(MemberTimer::Session, member) => {
                    if !self
                        .timers
                        .is_set(&Timer::Session(id.clone(), member.clone()))
                    {
                        self.session_timer_ended(id, &member);
                    }
                }
                Queued::Ended(..) => {}
            }
        }
    }

    /// The groups whose requests have waited for an append.
    pub(super) fn settle(&mut self, token: Token, is_refused: bool, groups: Vec<Arc<str>>) {
        for id in groups {
            let Some(group) = self.groups.get_mut(&id).and_then(Entry::consumer_mut) else {
                continue;
            };
            if group.in_flight != Some(token) {
                continue;
            }
            group.in_flight = None;
            group.refuses = None;
            match self.durable.consumer_groups().get(&*id) {
                Some(state) => {
                    if is_refused {
                        group.live = state.clone();
                        group.topics_version = None;
                        self.keep_sessions(&id);
                        self.start_rebalance_timers(&id);
                    }
                    self.take_turns(&id);
                }
                None => {
                    let queue = self.take_queue(&id);
                    self.remove_group(&id);
                    self.restore(&id);
                    self.dispatch(&id, queue);
                }
            }
        }
    }

    /// Members that are there again because their removal was refused have a session again.
    fn keep_sessions(&mut self, id: &Arc<str>) {
        let Some(group) = self.groups.get(id).and_then(Entry::consumer) else {
            return;
        };
        let default_ms = self.context(id).session_timeout_ms();
        let mut missing = Vec::new();
        for (member_id, member) in group.live.members() {
            let timer = Timer::Session(id.clone(), member_id.clone());
            if !self.timers.is_set(&timer) {
                missing.push((timer, session_timeout_ms(member, default_ms)));
            }
        }
        for (timer, timeout_ms) in missing {
            self.timers
                .set(timer, self.now.plus_ms(i64::from(timeout_ms)));
        }
    }

    /// Makes a group of what is committed of it; nothing where that is nothing.
    pub(super) fn restore(&mut self, id: &Arc<str>) {
        if self.groups.contains_key(id) {
            return;
        }
        if let Some(state) = self.durable.consumer_groups().get(&**id) {
            let group = consumer::Group::new(state.clone());
            self.groups
                .insert(id.clone(), Entry::Consumer(Box::new(group)));
            self.keep_sessions(id);
            self.start_rebalance_timers(id);
        } else if let Some(metadata) = self.durable.groups().get(&**id) {
            let group = classic::Group::loaded(metadata);
            self.adopt_classic(id, group);
        } else if self.durable.knows(id) {
            let group = classic::Group::new(Timestamp::NONE);
            self.adopt_classic(id, group);
        }
    }

    /// A member that is to give partitions up and has no time for that, because it was loaded or is
    /// there again, has all of it.
    fn start_rebalance_timers(&mut self, id: &Arc<str>) {
        let Some(group) = self.groups.get(id).and_then(Entry::consumer) else {
            return;
        };
        for (member_id, member) in group.live.members() {
            let timer = Timer::MemberRebalance(id.clone(), member_id.clone());
            if member.owes_partitions()
                && !member.uses_classic_protocol()
                && !self.timers.is_set(&timer)
            {
                let timeout_ms = i64::from(member.metadata.rebalance_timeout_ms);
                self.timers.set(timer, self.now.plus_ms(timeout_ms));
            }
        }
    }

    /// The append of a group takes too long: whoever waits for it is told, and whoever comes before
    /// it has ended too, so that their number has a bound.
    pub(super) fn refuse_until_settled(&mut self, id: &Arc<str>, error: ErrorCode) {
        let Some(group) = self.groups.get_mut(id).and_then(Entry::consumer_mut) else {
            return;
        };
        group.refuses = Some(error);
        let (requests, timers) = std::mem::take(&mut group.queue)
            .into_iter()
            .partition(|queued| matches!(queued, Queued::Request(..)));
        group.queue = timers;
        let requests: VecDeque<Queued> = requests;
        for queued in requests {
            if let Queued::Request(waiter, request) = queued {
                self.reply(waiter, request.refused(error));
            }
        }
    }

    /// Everybody who waits in a queue is answered with an error.
    pub(super) fn refuse_queue(&mut self, id: &str, error: ErrorCode) {
        for queued in self.take_queue(id) {
            if let Queued::Request(waiter, request) = queued {
                self.reply(waiter, request.refused(error));
            }
        }
    }

    /// The groups of the consumer protocol that wait for an append with these records.
    pub(super) fn groups_of_append(records: &[Record], then: &Then) -> Vec<Arc<str>> {
        if let Then::Turn(after) = then {
            return vec![after.group.clone()];
        }
        let removed = records.iter().filter_map(|record| match record {
            Record::Consumer {
                group,
                record: ConsumerRecord::Metadata(None),
            } => Some(Arc::from(group.as_str())),
            _ => None,
        });
        removed.collect()
    }

    pub(super) fn session_timer_ended(&mut self, id: &Arc<str>, member: &Arc<str>) {
        match self.groups.get(id) {
            Some(Entry::Consumer(_)) => {
                self.member_timer_ended(id, MemberTimer::Session, member.clone());
            }
            Some(Entry::Classic(group)) if group.state() != State::Dead => {
                self.session_ended(id, member);
            }
            _ => {}
        }
    }
}

fn session_timeout_ms(member: &consumer::Member, default_ms: i32) -> i32 {
    let classic = member.metadata.classic.as_ref();
    classic.map_or(default_ms, |classic| classic.session_timeout_ms)
}

/// True where every text fits into a stored string. Requests of flexible versions may have longer
/// ones, and one record that cannot be written would take others with it.
fn can_be_stored(texts: &[&str]) -> bool {
    texts.iter().all(|text| text.len() <= STRING_BYTES_MAX)
}
