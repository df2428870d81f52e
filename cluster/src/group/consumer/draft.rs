//! A step of a group of the consumer protocol while it is being decided.

use std::sync::Arc;

use milena_protocol::stored::group::{ConsumerRecord, Record};
use milena_protocol::{ErrorCode, Timestamp};

use super::config::{ConsumerConfig, GroupConfig};
use super::interval::{LoadFactor, heartbeat_interval_ms};
use super::member::Member;
use super::state::{Phase, State};
use crate::group::event::ExpiredMember;
use crate::group::topics::TopicView;

/// What a decision depends on beside the group.
#[derive(Clone, Copy, Debug)]
pub(in crate::group) struct Context<'a> {
    pub(in crate::group) now: Timestamp,
    pub(in crate::group) topics: &'a TopicView,
    pub(in crate::group) config: &'a ConsumerConfig,
    /// Settings of this group.
    pub(in crate::group) group: GroupConfig,
    /// `group.max.size`: most members of a classic group.
    pub(in crate::group) classic_size_max: usize,
    pub(in crate::group) load: LoadFactor,
}

impl Context<'_> {
    pub(in crate::group) fn session_timeout_ms(&self) -> i32 {
        self.group
            .consumer_session_timeout_ms
            .unwrap_or(self.config.session_timeout_ms)
    }

    /// Milliseconds until the next heartbeat of a member of this group.
    pub(in crate::group) fn heartbeat_interval_ms(&self, state: &State) -> i32 {
        let explicit = self
            .group
            .consumer_heartbeat_interval_ms
            .or(self.config.heartbeat_interval_ms);
        explicit.unwrap_or_else(|| {
            heartbeat_interval_ms(
                state.phase() != Phase::Stable,
                state.members().len(),
                self.session_timeout_ms(),
                self.load,
            )
        })
    }

    /// True where a new target assignment may be computed now (KIP-1263).
    pub(in crate::group) fn may_assign(&self, state: &State) -> bool {
        let interval_ms = self
            .group
            .consumer_assignment_interval_ms
            .unwrap_or(self.config.assignment_interval_ms);
        let last = state.assignment_timestamp();
        last.0 == 0 || interval_ms == 0 || self.now.ms_since(last) >= i64::from(interval_ms)
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct Refusal {
    pub(in crate::group) error: ErrorCode,
    /// In words, for the client.
    pub(in crate::group) message: String,
}

impl Refusal {
    pub(in crate::group) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
        }
    }
}

/// A timer of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum MemberTimer {
    /// Its session.
    Session,
    /// The time to give partitions up.
    Rebalance,
    /// The time of a classic member to join again.
    Join,
    /// The time of a classic member to sync after it has joined.
    Sync,
}

impl MemberTimer {
    /// What it is, in words.
    pub(in crate::group) const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Rebalance => "rebalance",
            Self::Join => "join",
            Self::Sync => "sync",
        }
    }

    /// All of them.
    pub(in crate::group) const ALL: [Self; 4] =
        [Self::Session, Self::Rebalance, Self::Join, Self::Sync];
}

/// What is to happen to a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum TimerChange {
    /// It starts anew, with this many milliseconds.
    Set(i64),
    /// It starts unless it runs.
    SetIfAbsent(i64),
    /// It ends.
    Cancel,
}

/// A group with what was decided: every record is applied as it is added.
#[derive(Debug)]
pub(in crate::group) struct Draft<'a> {
    pub(in crate::group) id: &'a str,
    pub(in crate::group) state: &'a mut State,
    /// True where topics may have changed since the group was last compared with them.
    pub(in crate::group) is_stale: bool,
    /// Version of the topics that it was compared with; none where that is not known.
    pub(in crate::group) seen_version: Option<i64>,
    pub(in crate::group) records: Vec<Record>,
    pub(in crate::group) timers: Vec<(MemberTimer, Arc<str>, TimerChange)>,
    /// Members whose time has ended.
    pub(in crate::group) expired: Vec<ExpiredMember>,
}

impl<'a> Draft<'a> {
    /// A draft of a group that was compared with topics of the version `seen`; they are now of the
    /// version `present`.
    pub(in crate::group) fn new(
        id: &'a str,
        state: &'a mut State,
        seen: Option<i64>,
        present: i64,
    ) -> Self {
        Self {
            id,
            state,
            is_stale: seen != Some(present),
            seen_version: seen,
            records: Vec::new(),
            timers: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// Notes that the time of a member has ended, which is removed for it.
    pub(in crate::group) fn note_expired(&mut self, id: &str, timer: MemberTimer) {
        let Some(member) = self.state.member(id) else {
            return;
        };
        self.expired.push(ExpiredMember {
            group: self.id.to_owned(),
            member_id: id.to_owned(),
            group_instance_id: member.metadata.instance_id.clone(),
            client_id: member.metadata.client_id.clone(),
            timeout: timer.name(),
        });
    }

    pub(in crate::group) fn put(&mut self, record: ConsumerRecord) {
        self.state.apply(&record);
        self.records.push(Record::Consumer {
            group: self.id.to_owned(),
            record,
        });
    }

    pub(in crate::group) fn set_timer(
        &mut self,
        timer: MemberTimer,
        member: &str,
        change: TimerChange,
    ) {
        self.timers.push((timer, Arc::from(member), change));
    }

    /// Begins the session of a member anew.
    pub(in crate::group) fn renew_session(&mut self, member: &str, timeout_ms: i32) {
        let change = TimerChange::Set(i64::from(timeout_ms));
        self.set_timer(MemberTimer::Session, member, change);
    }

    /// Stores what a member has.
    pub(in crate::group) fn put_current(&mut self, id: &str, member: &Member) {
        self.put(ConsumerRecord::Current(
            id.to_owned(),
            Some(member.current()),
        ));
    }

    /// Removes a member. Of its records the assignments go first, as Kafka's replay demands.
    pub(in crate::group) fn remove_member(&mut self, id: &str) {
        self.put(ConsumerRecord::Current(id.to_owned(), None));
        self.put(ConsumerRecord::TargetMember(id.to_owned(), None));
        self.put(ConsumerRecord::Member(id.to_owned(), None));
        for timer in MemberTimer::ALL {
            self.set_timer(timer, id, TimerChange::Cancel);
        }
    }
}
