//! Timers of a coordinator: which there are and when they end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::Timestamp;

/// What a timer is for. There is one of each at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The open transaction of an id has its timeout.
    Abort(Arc<str>),
    /// Markers, or the record that says that they are written, are to be tried again.
    Retry(Arc<str>),
    /// The first of the requests that wait has waited long enough.
    Waiting(Arc<str>),
    /// The next search for expired ids.
    Expiration,
}

/// Timers by their end.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    by_end: BTreeSet<(Timestamp, Timer)>,
    /// The same, by timer.
    ends: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Starts a timer anew, or cancels it.
    pub(super) fn set(&mut self, timer: Timer, end: Option<Timestamp>) {
        let before = match end {
            Some(end) => self.ends.insert(timer.clone(), end),
            None => self.ends.remove(&timer),
        };
        if before == end {
            return;
        }
        if let Some(before) = before {
            self.by_end.remove(&(before, timer.clone()));
        }
        if let Some(end) = end {
            self.by_end.insert((end, timer));
        }
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

    pub(super) fn check_invariants(&self) {
        assert_eq!(
            self.by_end.len(),
            self.ends.len(),
            "timers by end and by name"
        );
    }
}
