//! Timers of a coordinator: which there are and when they end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::Timestamp;

use super::consumer::MemberTimer;

/// What a timer is for. There is one of each at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The session of a member, pending or not.
    Session(Arc<str>, Arc<str>),
    /// The time to join in a rebalance, or the initial delay of one.
    Join(Arc<str>),
    /// The time to sync after a rebalance.
    Sync(Arc<str>),
    /// The time of a member of a group of the consumer protocol to give partitions up.
    MemberRebalance(Arc<str>, Arc<str>),
    /// The time of a classic member of such a group to join again.
    MemberJoin(Arc<str>, Arc<str>),
    /// The time of a classic member of such a group to sync.
    MemberSync(Arc<str>, Arc<str>),
    /// The next search for expired offsets.
    Expiration,
}

impl MemberTimer {
    /// The timer of this kind of a member.
    pub(super) fn of(self, group: &str, member: &Arc<str>) -> Timer {
        let (group, member) = (Arc::from(group), Arc::clone(member));
        match self {
            Self::Session => Timer::Session(group, member),
            Self::Rebalance => Timer::MemberRebalance(group, member),
            Self::Join => Timer::MemberJoin(group, member),
            Self::Sync => Timer::MemberSync(group, member),
        }
    }
}

/// Timers by their end.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    by_end: BTreeSet<(Timestamp, Timer)>,
    /// The same, by timer.
    ends: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Starts a timer anew.
    pub(super) fn set(&mut self, timer: Timer, end: Timestamp) {
        if let Some(old) = self.ends.insert(timer.clone(), end) {
            if old == end {
                return;
            }
            self.by_end.remove(&(old, timer.clone()));
        }
        self.by_end.insert((end, timer));
    }

    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(end) = self.ends.remove(timer) {
            self.by_end.remove(&(end, timer.clone()));
        }
    }

    pub(super) fn is_set(&self, timer: &Timer) -> bool {
        self.ends.contains_key(timer)
    }

    /// Takes a timer that has ended by `now`, the first one first.
    pub(super) fn take_ended(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_end.pop_first()?;
        self.ends.remove(&timer);
        Some(timer)
    }

    /// When the first timer ends.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.by_end.first().map(|(end, _)| *end)
    }

    pub(super) fn clear(&mut self) {
        self.by_end.clear();
        self.ends.clear();
    }

    /// Every timer that runs, with its end.
    #[cfg(test)]
    pub(super) fn all(&self) -> &BTreeMap<Timer, Timestamp> {
        &self.ends
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(
            self.by_end.len(),
            self.ends.len(),
            "timers by end and by name"
        );
    }
}
