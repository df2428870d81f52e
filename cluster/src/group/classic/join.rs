//! Joining and leaving: JoinGroup, LeaveGroup, sessions, and the first half of a rebalance.

use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::stored::group::Record;

use super::group::Group;
use super::member::Member;
use super::state::State;
use crate::group::append::Then;
use crate::group::coordinator::Coordinator;
use crate::group::entry::Entry;
use crate::group::event::{Effect, ExpiredMember, Token, Waiter};
use crate::group::request::{Join, Leave, LeavingMember, Protocol};
use crate::group::response::{Joined, Left, Response, Synced};
use crate::group::timer::Timer;

/// Shortest wait in milliseconds for members of whom none has joined again: a rebalance timeout of
/// 0 must not keep the coordinator busy.
const REJOIN_WAIT_MS_MIN: i64 = 100;

/// A static member that came back to a stable group, while that is being stored.
#[derive(Clone, Debug)]
pub(in crate::group) struct Replacement {
    group: Arc<str>,
    instance: String,
    old_id: Arc<str>,
    new_id: Arc<str>,
    /// What the member was before, for the case that it cannot be stored.
    old_protocols: Vec<Protocol>,
    old_timeouts_ms: (i32, i32),
    old_leader: String,
    waiter: Waiter,
    supports_skip_assignment: bool,
}

impl Coordinator {
    pub(in crate::group) fn join(&mut self, waiter: Waiter, join: Join) {
        let name = join.group.as_str();
        let Some((id, group)) = self.classic_entry(name) else {
            return self.join_new_group(waiter, join);
        };
        let id = id.clone();
        if !group.has_room_for(&join.member_id, self.config.max_size) {
            self.drop_member(&id, &join.member_id, ErrorCode::UnknownMemberId);
            return self.refuse_join(waiter, "", ErrorCode::GroupMaxSizeReached);
        }
        // The empty id of a new member is answered as it came.
        let error = if group.state() == State::Dead {
            ErrorCode::CoordinatorNotAvailable
        } else if !group.supports(&join.protocol_type, &join.protocols) {
            ErrorCode::InconsistentGroupProtocol
        } else {
            ErrorCode::None
        };
        if error != ErrorCode::None {
            return self.refuse_join(waiter, &join.member_id, error);
        }
        if join.member_id.is_empty() {
            self.join_new_member(waiter, join, &id);
        } else {
            self.join_known_member(waiter, join, &id);
        }
    }

    /// A group is made by its first new member. It is stored at once, so that another coordinator
    /// knows it.
    fn join_new_group(&mut self, waiter: Waiter, join: Join) {
        if !join.member_id.is_empty() {
            return self.refuse_join(waiter, &join.member_id, ErrorCode::UnknownMemberId);
        }
        let group = Group::new(self.now);
        if !group.supports(&join.protocol_type, &join.protocols) {
            return self.refuse_join(waiter, "", ErrorCode::InconsistentGroupProtocol);
        }
        let id: Arc<str> = Arc::from(join.group.as_str());
        let record = Record::Group {
            group: join.group.clone(),
            metadata: Some(group.metadata(None)),
        };
        self.groups
            .insert(id.clone(), Entry::Classic(Box::new(group)));
        self.join_new_member(waiter, join, &id);
        self.append(vec![record], None, Then::NewGroup(id));
    }

    fn join_new_member(&mut self, waiter: Waiter, join: Join, id: &Arc<str>) {
        let new_id: Arc<str> = Arc::from(join.effective_member_id());
        let group = self.group_mut(id);
        if let Some(instance) = &join.group_instance_id {
            match group.static_member_id(instance) {
                Some(old_id) => self.replace_static_member(waiter, join, id, &old_id, &new_id),
                None => self.add_member(waiter, &join, id, new_id),
            }
        } else if join.requires_known_member_id {
            group.pending_joins.insert(new_id.clone());
            self.set_session(id, &new_id, i64::from(join.session_timeout_ms));
            self.refuse_join(waiter, &new_id, ErrorCode::MemberIdRequired);
        } else {
            self.add_member(waiter, &join, id, new_id);
        }
    }

    fn join_known_member(&mut self, waiter: Waiter, join: Join, id: &Arc<str>) {
        let group = self.group_mut(id);
        let member_id: Arc<str> = Arc::from(join.member_id.as_str());
        if group.pending_joins.contains(&member_id) {
            if join.group_instance_id.is_some() {
                // Ids of static members are never pending.
                return self.refuse_join(waiter, &member_id, ErrorCode::UnknownMemberId);
            }
            return self.add_member(waiter, &join, id, member_id);
        }
        if let Err(error) = group.validate_ids(&member_id, join.group_instance_id.as_deref()) {
            return self.refuse_join(waiter, &member_id, error);
        }
        let is_same = group
            .member(&member_id)
            .is_some_and(|member| member.protocols == join.protocols);
        let is_leader = group.is_leader(&member_id);
        match group.state() {
            State::CompletingRebalance if is_same => {
                // The answer of the rebalance may have been lost.
                let joined = joined(group, &member_id);
                self.reply(waiter, Response::Join(joined));
            }
            State::Stable if is_same && !is_leader => {
                let joined = joined(group, &member_id);
                self.reply(waiter, Response::Join(joined));
            }
            // The leader of a stable group joins when what it assigns has changed.
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update_member(waiter, join, id, &member_id);
                self.rebalance_or_complete(id);
            }
            // Without members there is none to validate; for the sake of the match.
            State::Empty | State::Dead => {
                self.refuse_join(waiter, &member_id, ErrorCode::UnknownMemberId);
            }
        }
    }

    fn add_member(&mut self, waiter: Waiter, join: &Join, id: &Arc<str>, member_id: Arc<str>) {
        let timeout_ms = self.config.new_member_join_timeout_ms;
        let group = self.group_mut(id);
        if group.state() == State::PreparingRebalance && group.previous_state == State::Empty {
            group.new_member_added = true;
        }
        group.add(
            member_id.clone(),
            &join.protocol_type,
            Member::joining(join, waiter),
        );
        self.set_session(id, &member_id, timeout_ms);
        self.rebalance_or_complete(id);
    }

    /// Takes over a join of a member; who waited for an earlier one is sent on.
    fn update_member(&mut self, waiter: Waiter, join: Join, id: &Arc<str>, member_id: &Arc<str>) {
        let timeouts_ms = (join.rebalance_timeout_ms, join.session_timeout_ms);
        let group = self.group_mut(id);
        let before = group.update(member_id, join.protocols, timeouts_ms, Some(waiter));
        if let Some(before) = before {
            self.refuse_join(before, member_id, ErrorCode::RebalanceInProgress);
        }
    }

    /// A static member that has forgotten its id takes the place of the one with its instance id.
    fn replace_static_member(
        &mut self,
        waiter: Waiter,
        join: Join,
        id: &Arc<str>,
        old_id: &Arc<str>,
        new_id: &Arc<str>,
    ) {
        let supports_skip_assignment = join.supports_skip_assignment;
        let instance = join.group_instance_id.clone().unwrap_or_default();
        let group = self.group_mut(id);
        let old_leader = group.leader_name();
        let Some(old) = group.rename_static(old_id, new_id) else {
            return self.refuse_join(waiter, "", ErrorCode::UnknownMemberId);
        };
        if let Some(waiter) = old.join_waiter {
            self.refuse_join(waiter, old_id, ErrorCode::FencedInstanceId);
        }
        if let Some(waiter) = old.sync_waiter {
            let response = Synced::refused(ErrorCode::FencedInstanceId);
            self.reply(waiter, Response::Sync(response));
        }
        self.timers
            .cancel(&Timer::Session(id.clone(), old_id.clone()));
        self.set_session(id, new_id, i64::from(join.session_timeout_ms));
        self.update_member(waiter, join, id, new_id);
        let group = self.group_mut(id);
        match group.state() {
            State::Stable if group.select_protocol() == group.protocol_name => {
                let record = self.group_record(id, None);
                let replacement = Replacement {
                    group: id.clone(),
                    instance,
                    old_id: old_id.clone(),
                    new_id: new_id.clone(),
                    old_protocols: old.protocols,
                    old_timeouts_ms: (old.rebalance_timeout_ms, old.session_timeout_ms),
                    old_leader,
                    waiter,
                    supports_skip_assignment,
                };
                self.append(vec![record], None, Then::Replace(replacement));
            }
            _ => {
                self.rebalance_or_complete(id);
            }
        }
    }

    /// The new id of a static member is stored.
    pub(in crate::group) fn replaced(&mut self, replacement: &Replacement) {
        let Some(group) = self.replaceable(replacement) else {
            return;
        };
        let mut joined = joined(group, &replacement.new_id);
        if replacement.supports_skip_assignment {
            joined.skip_assignment = group.is_leader(&replacement.new_id);
        } else {
            // With the old leader's id the member does not take itself for the leader.
            joined.members = Vec::new();
            joined.leader.clone_from(&replacement.old_leader);
        }
        group.take_join_waiter(&replacement.new_id);
        self.reply(replacement.waiter, Response::Join(joined));
    }

    /// The new id of a static member cannot be stored: the old one holds.
    pub(in crate::group) fn replacement_refused(
        &mut self,
        replacement: Replacement,
        error: ErrorCode,
    ) {
        let Some(group) = self.replaceable(&replacement) else {
            return;
        };
        let Replacement {
            group: id,
            old_id,
            new_id,
            old_protocols,
            old_timeouts_ms,
            ..
        } = replacement;
        group.update(&new_id, old_protocols, old_timeouts_ms, None);
        group.rename_static(&new_id, &old_id);
        let joined = Joined {
            generation: group.generation,
            protocol_type: group.protocol_type.clone(),
            protocol_name: group.protocol_name.clone(),
            leader: replacement.old_leader,
            ..Joined::refused("", error)
        };
        self.timers.cancel(&Timer::Session(id.clone(), new_id));
        self.set_session(&id, &old_id, i64::from(old_timeouts_ms.1));
        self.reply(replacement.waiter, Response::Join(joined));
    }

    /// The group of a replacement where its member still waits for nothing else: a rebalance that
    /// has begun answers the member itself.
    fn replaceable(&mut self, replacement: &Replacement) -> Option<&mut Group> {
        let group = self.classic_mut(&replacement.group)?;
        let is_there =
            group.static_member_id(&replacement.instance).as_ref() == Some(&replacement.new_id);
        let member = group.member(&replacement.new_id)?;
        let is_waiting = member.join_waiter == Some(replacement.waiter);
        (is_there && is_waiting && group.state() == State::Stable).then_some(group)
    }

    pub(in crate::group) fn rebalance_or_complete(&mut self, id: &Arc<str>) -> Option<Token> {
        match self.group_mut(id).state() {
            State::PreparingRebalance => self.complete_join_phase(id),
            State::Dead => None,
            _ => self.prepare_rebalance(id),
        }
    }

    /// Ends the join phase where all have joined, but not during the initial delay.
    fn complete_join_phase(&mut self, id: &Arc<str>) -> Option<Token> {
        let group = self.group_mut(id);
        let is_initial = group.previous_state == State::Empty;
        if group.state() == State::PreparingRebalance && !is_initial && group.has_all_joined() {
            self.complete_join(id)
        } else {
            None
        }
    }

    /// Begins a rebalance. The token is that of an append, where the group is empty at once.
    pub(in crate::group) fn prepare_rebalance(&mut self, id: &Arc<str>) -> Option<Token> {
        if self.group_mut(id).state() == State::CompletingRebalance {
            self.reset_assignments(id, ErrorCode::RebalanceInProgress);
        }
        self.timers.cancel(&Timer::Sync(id.clone()));
        let now = self.now;
        let delay_ms = self.config.initial_rebalance_delay_ms;
        let group = self.group_mut(id);
        group.pending_syncs.clear();
        let is_initial = group.state() == State::Empty;
        group.transition_to(State::PreparingRebalance, now);
        let timeout_ms = group.rebalance_timeout_ms();
        if is_initial {
            let remaining_ms = (timeout_ms - delay_ms).max(0);
            group.initial_delay = Some((delay_ms, remaining_ms));
            self.timers
                .set(Timer::Join(id.clone()), now.plus_ms(delay_ms));
            return None;
        }
        if group.has_all_joined() {
            return self.complete_join(id);
        }
        self.timers
            .set(Timer::Join(id.clone()), now.plus_ms(timeout_ms));
        None
    }

    pub(in crate::group) fn join_time_ended(&mut self, id: &Arc<str>) {
        let now = self.now;
        let delay_ms_max = self.config.initial_rebalance_delay_ms;
        let Some(group) = self.classic_mut(id) else {
            return;
        };
        if group.state() != State::PreparingRebalance {
            return;
        }
        match group.initial_delay {
            Some((delay_ms, remaining_ms)) if group.new_member_added && remaining_ms != 0 => {
                group.new_member_added = false;
                let next_ms = delay_ms_max.min(remaining_ms);
                group.initial_delay = Some((next_ms, (remaining_ms - delay_ms).max(0)));
                self.timers
                    .set(Timer::Join(id.clone()), now.plus_ms(next_ms));
            }
            _ => {
                self.complete_join(id);
            }
        }
    }

    /// Ends the join phase: who has not joined is out, the others begin the next generation. The
    /// token is that of the append of a group that is empty now.
    fn complete_join(&mut self, id: &Arc<str>) -> Option<Token> {
        self.timers.cancel(&Timer::Join(id.clone()));
        let now = self.now;
        let group = self.group_mut(id);
        group.initial_delay = None;
        let is_out =
            |member: &Member| member.join_waiter.is_none() && member.group_instance_id.is_none();
        let out: Vec<Arc<str>> = group
            .members()
            .iter()
            .filter(|(_, member)| is_out(member))
            .map(|(member_id, _)| member_id.clone())
            .collect();
        for member_id in out {
            self.expire_member(id, &member_id, "rebalance");
        }
        let group = self.group_mut(id);
        if !group.elect_joined_leader() && !group.members().is_empty() {
            // Only static members are left, and none has come back yet.
            let wait_ms = group.rebalance_timeout_ms().max(REJOIN_WAIT_MS_MIN);
            self.timers
                .set(Timer::Join(id.clone()), now.plus_ms(wait_ms));
            return None;
        }
        group.next_generation(now);
        if group.state() == State::Empty {
            let record = self.group_record(id, None);
            return Some(self.append(vec![record], None, Then::Nothing));
        }
        let timeout_ms = group.rebalance_timeout_ms();
        for member_id in group.member_ids() {
            let group = self.group_mut(id);
            let joined = joined(group, &member_id);
            let waiter = group.take_join_waiter(&member_id);
            let mut session_ms = 0;
            if let Some(member) = group.member_mut(&member_id) {
                member.is_new = false;
                session_ms = i64::from(member.session_timeout_ms);
            }
            group.pending_syncs.insert(member_id.clone());
            if let Some(waiter) = waiter {
                self.reply(waiter, Response::Join(joined));
            }
            self.set_session(id, &member_id, session_ms);
        }
        self.timers
            .set(Timer::Sync(id.clone()), now.plus_ms(timeout_ms));
        None
    }

    pub(in crate::group) fn session_ended(&mut self, id: &Arc<str>, member_id: &Arc<str>) {
        let Some(group) = self.classic_mut(id) else {
            return;
        };
        if !group.pending_joins.remove(member_id) {
            let member = group.member(member_id);
            if member.is_none_or(Member::has_satisfied_heartbeat) {
                return;
            }
            self.expire_member(id, member_id, "session");
            let state = self.group_mut(id).state();
            if matches!(state, State::Stable | State::CompletingRebalance) {
                self.rebalance_or_complete(id);
                return;
            }
        }
        let group = self.group_mut(id);
        if group.state() == State::PreparingRebalance && group.has_all_joined() {
            self.complete_join(id);
        }
    }

    pub(in crate::group) fn leave(&mut self, waiter: Waiter, leave: Leave) {
        let Some((id, group)) = self.classic_entry(&leave.group) else {
            let left = leave.all(ErrorCode::UnknownMemberId);
            return self.reply(waiter, Response::Leave(left));
        };
        let id = id.clone();
        if group.state() == State::Dead {
            let left = Left {
                error: ErrorCode::CoordinatorNotAvailable,
                members: Vec::new(),
            };
            return self.reply(waiter, Response::Leave(left));
        }
        let mut members = Vec::with_capacity(leave.members.len());
        for member in leave.members {
            let error = self.leave_one(&id, &member);
            members.push((member, error));
        }
        let has_left = members.iter().any(|(_, error)| *error == ErrorCode::None);
        let left = Response::Leave(Left {
            error: ErrorCode::None,
            members,
        });
        let token = match self.group_mut(&id).state() {
            _ if !has_left => None,
            State::Empty | State::Dead => None,
            _ => self.rebalance_or_complete(&id),
        };
        match token {
            Some(token) => self.follow(token, Then::Reply(waiter, left)),
            None => self.reply(waiter, left),
        }
    }

    fn leave_one(&mut self, id: &Arc<str>, member: &LeavingMember) -> ErrorCode {
        let group = self.group_mut(id);
        let instance = member.group_instance_id.as_deref();
        let member_id = if member.member_id.is_empty() {
            match instance.and_then(|instance| group.static_member_id(instance)) {
                Some(member_id) => member_id,
                None => return ErrorCode::UnknownMemberId,
            }
        } else {
            let member_id = Arc::from(member.member_id.as_str());
            if !group.pending_joins.contains(&member_id)
                && let Err(error) = group.validate_ids(&member_id, instance)
            {
                return error;
            }
            member_id
        };
        self.drop_member(id, &member_id, ErrorCode::UnknownMemberId);
        ErrorCode::None
    }

    /// Removes a member that was not heard of in time.
    pub(in crate::group) fn expire_member(
        &mut self,
        id: &Arc<str>,
        member_id: &str,
        timeout: &'static str,
    ) {
        if let Some(member) = self.group_mut(id).member(member_id) {
            let expired = ExpiredMember {
                group: id.to_string(),
                member_id: member_id.to_owned(),
                group_instance_id: member.group_instance_id.clone(),
                client_id: member.client_id.clone(),
                timeout,
            };
            self.effects.push(Effect::Expired(expired));
        }
        self.drop_member(id, member_id, ErrorCode::UnknownMemberId);
    }

    /// Removes a member or a pending one with its session, and answers who waits for it.
    pub(in crate::group) fn drop_member(
        &mut self,
        id: &Arc<str>,
        member_id: &str,
        error: ErrorCode,
    ) {
        self.timers
            .cancel(&Timer::Session(id.clone(), Arc::from(member_id)));
        let Some(member) = self.group_mut(id).remove(member_id) else {
            return;
        };
        if let Some(waiter) = member.join_waiter {
            self.refuse_join(waiter, "", error);
        }
        if let Some(waiter) = member.sync_waiter {
            self.reply(waiter, Response::Sync(Synced::refused(error)));
        }
    }

    pub(in crate::group) fn set_session(
        &mut self,
        id: &Arc<str>,
        member_id: &Arc<str>,
        timeout_ms: i64,
    ) {
        let timer = Timer::Session(id.clone(), member_id.clone());
        self.timers.set(timer, self.now.plus_ms(timeout_ms));
    }

    fn refuse_join(&mut self, waiter: Waiter, member_id: &str, error: ErrorCode) {
        self.reply(waiter, Response::Join(Joined::refused(member_id, error)));
    }

    /// A group that the caller has found.
    pub(in crate::group) fn group_mut(&mut self, id: &Arc<str>) -> &mut Group {
        self.classic_mut(id).expect("the caller found the group")
    }
}

/// The answer to a member of the current generation.
fn joined(group: &Group, member_id: &Arc<str>) -> Joined {
    let is_leader = group.is_leader(member_id);
    Joined {
        error: ErrorCode::None,
        generation: group.generation,
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol_name.clone(),
        leader: group.leader_name(),
        skip_assignment: false,
        member_id: member_id.to_string(),
        members: if is_leader {
            group.joined_members()
        } else {
            Vec::new()
        },
    }
}
