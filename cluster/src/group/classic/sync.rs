//! The second half of a rebalance: SyncGroup and Heartbeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::ErrorCode;
use milena_protocol::stored::group::Record;

use super::group::Group;
use super::state::State;
use crate::group::append::Then;
use crate::group::coordinator::Coordinator;
use crate::group::event::Waiter;
use crate::group::request::{MemberRef, Sync};
use crate::group::response::{Response, Synced};
use crate::group::timer::Timer;

/// The assignment of a generation, while it is being stored.
#[derive(Clone, Debug)]
pub(in crate::group) struct Assignment {
    group: Arc<str>,
    generation: i32,
    by_member: BTreeMap<String, Bytes>,
}

impl Coordinator {
    pub(in crate::group) fn sync(&mut self, waiter: Waiter, sync: Sync) {
        let found = self.classic_entry(&sync.member.group);
        let (id, error) = match found {
            Some((id, group)) if group.state() != State::Empty => {
                (id.clone(), sync_error(group, &sync))
            }
            _ => return self.reply(waiter, refused(ErrorCode::UnknownMemberId)),
        };
        if error != ErrorCode::None {
            return self.reply(waiter, refused(error));
        }
        let group = self.group_mut(&id);
        group.pending_syncs.remove(sync.member.member_id.as_str());
        if group.pending_syncs.is_empty() {
            self.timers.cancel(&Timer::Sync(id.clone()));
        }
        let group = self.group_mut(&id);
        if group.state() == State::Stable {
            let synced = synced(group, &sync.member.member_id);
            return self.reply(waiter, Response::Sync(synced));
        }
        let before = group
            .member_mut(&sync.member.member_id)
            .and_then(|member| member.sync_waiter.replace(waiter));
        let is_assigning = group.is_assigning;
        if let Some(before) = before {
            self.reply(before, refused(ErrorCode::RebalanceInProgress));
        }
        if !is_assigning && self.group_mut(&id).is_leader(&sync.member.member_id) {
            self.store_assignment(&id, sync.assignments);
        }
    }

    /// Stores what the leader has assigned. Of what it sends again while that is under way nothing
    /// is taken: one generation has one assignment.
    fn store_assignment(&mut self, id: &Arc<str>, assignments: Vec<(String, Bytes)>) {
        let group = self.group_mut(id);
        let mut by_member: BTreeMap<String, Bytes> = assignments.into_iter().collect();
        by_member.retain(|member_id, _| group.has_member(member_id));
        group.is_assigning = true;
        let assignment = Assignment {
            group: id.clone(),
            generation: group.generation,
            by_member,
        };
        let record = self.group_record(id, Some(&assignment.by_member));
        self.append(vec![record], None, Then::Assign(assignment));
    }

    /// The assignment is stored: all who wait get theirs.
    pub(in crate::group) fn assign(&mut self, assignment: Assignment) {
        let Some(group) = self.assignable(&assignment) else {
            return;
        };
        let Assignment {
            group: id,
            mut by_member,
            ..
        } = assignment;
        for member_id in group.member_ids() {
            let assigned = by_member.remove(&*member_id).unwrap_or_default();
            if let Some(member) = group.member_mut(&member_id) {
                member.assignment = assigned;
            }
        }
        self.answer_syncs(&id, ErrorCode::None);
        let now = self.now;
        self.group_mut(&id).transition_to(State::Stable, now);
    }

    /// The assignment cannot be stored: all have to join again.
    pub(in crate::group) fn assignment_refused(
        &mut self,
        assignment: &Assignment,
        error: ErrorCode,
    ) {
        if self.assignable(assignment).is_some() {
            self.reset_assignments(&assignment.group, error);
            self.rebalance_or_complete(&assignment.group);
        }
    }

    /// The group, where it still waits for this assignment.
    fn assignable(&mut self, assignment: &Assignment) -> Option<&mut Group> {
        let group = self.classic_mut(&assignment.group)?;
        let is_waiting = group.state() == State::CompletingRebalance
            && group.generation == assignment.generation;
        is_waiting.then_some(group)
    }

    /// Takes the assignments back, with an error for all who wait for theirs.
    pub(in crate::group) fn reset_assignments(&mut self, id: &Arc<str>, error: ErrorCode) {
        let group = self.group_mut(id);
        for member_id in group.member_ids() {
            if let Some(member) = group.member_mut(&member_id) {
                member.assignment = Bytes::new();
            }
        }
        self.answer_syncs(id, error);
    }

    fn answer_syncs(&mut self, id: &Arc<str>, error: ErrorCode) {
        for member_id in self.group_mut(id).member_ids() {
            let group = self.group_mut(id);
            let Some(member) = group.member_mut(&member_id) else {
                continue;
            };
            let Some(waiter) = member.sync_waiter.take() else {
                continue;
            };
            let session_ms = i64::from(member.session_timeout_ms);
            let response = if error == ErrorCode::None {
                Response::Sync(synced(group, &member_id))
            } else {
                refused(error)
            };
            self.reply(waiter, response);
            self.set_session(id, &member_id, session_ms);
        }
    }

    /// Members that have not sent SyncGroup in time are out.
    pub(in crate::group) fn sync_time_ended(&mut self, id: &Arc<str>) {
        let Some(group) = self.classic_mut(id) else {
            return;
        };
        let is_waiting = matches!(group.state(), State::CompletingRebalance | State::Stable);
        if !is_waiting || group.pending_syncs.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut group.pending_syncs) {
            self.expire_member(id, &member_id, "sync");
        }
        self.prepare_rebalance(id);
    }

    pub(in crate::group) fn heartbeat(&mut self, member: &MemberRef) -> ErrorCode {
        let Some((id, group)) = self.classic_entry(&member.group) else {
            return ErrorCode::UnknownMemberId;
        };
        if group.state() == State::Dead {
            return ErrorCode::CoordinatorNotAvailable;
        }
        if let Err(error) = group.validate(member) {
            return error;
        }
        if member.generation != group.generation {
            return ErrorCode::IllegalGeneration;
        }
        let (id, state) = (id.clone(), group.state());
        self.renew_session(&id, &member.member_id);
        match state {
            State::PreparingRebalance => ErrorCode::RebalanceInProgress,
            _ => ErrorCode::None,
        }
    }

    /// Begins the session of a member anew.
    pub(in crate::group) fn renew_session(&mut self, id: &Arc<str>, member_id: &str) {
        let Some(group) = self.classic(id) else {
            return;
        };
        if let Some((member_id, member)) = group.members().get_key_value(member_id) {
            let (member_id, session_ms) = (member_id.clone(), member.session_timeout_ms);
            self.set_session(id, &member_id, i64::from(session_ms));
        }
    }

    /// The record of a group, with these assignments or those of its members.
    pub(in crate::group) fn group_record(
        &mut self,
        id: &Arc<str>,
        assignments: Option<&BTreeMap<String, Bytes>>,
    ) -> Record {
        Record::Group {
            group: id.to_string(),
            metadata: Some(self.group_mut(id).metadata(assignments)),
        }
    }
}

fn refused(error: ErrorCode) -> Response {
    Response::Sync(Synced::refused(error))
}

/// Why a member does not get its assignment; `None` where it may.
fn sync_error(group: &Group, sync: &Sync) -> ErrorCode {
    let differs = |asked: &Option<String>, known: &Option<String>| {
        asked.is_some() && known.is_some() && asked != known
    };
    if group.state() == State::Dead {
        ErrorCode::CoordinatorNotAvailable
    } else if let Err(error) = group.validate(&sync.member) {
        error
    } else if sync.member.generation != group.generation {
        ErrorCode::IllegalGeneration
    } else if differs(&sync.protocol_type, &group.protocol_type)
        || differs(&sync.protocol_name, &group.protocol_name)
    {
        ErrorCode::InconsistentGroupProtocol
    } else if group.state() == State::PreparingRebalance {
        ErrorCode::RebalanceInProgress
    } else {
        ErrorCode::None
    }
}

fn synced(group: &Group, member_id: &str) -> Synced {
    let member = group.member(member_id);
    Synced {
        error: ErrorCode::None,
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol_name.clone(),
        assignment: member
            .map(|member| member.assignment.clone())
            .unwrap_or_default(),
    }
}
