//! What a coordinator does when a timer has ended.

use std::collections::VecDeque;
use std::sync::Arc;

use milena_protocol::ErrorCode;

use super::append::{InFlight, record};
use super::coordinator::{Coordinator, Waiting};
use super::decide::abort;
use super::timer::Timer;
use super::transition::Transaction;

/// Expired ids that are removed by one append.
const EXPIRED_MAX: usize = 500;

impl Coordinator {
    pub(super) fn tick(&mut self) {
        while let Some(timer) = self.timers.take_ended(self.now) {
            match timer {
                Timer::Abort(id) => self.abort_late(&id),
                Timer::Retry(id) => self.retry(&id),
                Timer::Waiting(id) => self.end_waiting(&id),
                Timer::Expiration => self.remove_expired(),
            }
        }
    }

    /// Aborts the transaction of an id whose timeout has ended.
    fn abort_late(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get(id) else {
            return;
        };
        let Some(transaction) = entry.transaction.as_ref() else {
            return;
        };
        let is_late = transaction.deadline().is_some_and(|end| end <= self.now);
        if entry.in_flight.is_some() || !is_late {
            // Whatever is under way decides on the timer anew.
            return;
        }
        match abort(&self.circumstances(Some(transaction)), transaction) {
            Some(aborted) => self.store(id, vec![aborted], Vec::new()),
            None => {
                if self.ids_wanted == 0 {
                    self.want_id();
                }
                let again = self.now.plus_ms(self.config.retry_ms);
                self.timers.set(Timer::Abort(Arc::clone(id)), Some(again));
            }
        }
    }

    /// Tries again what failed.
    fn retry(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get(id) else {
            return;
        };
        if entry.in_flight.is_some() {
            return;
        }
        let Some(transaction) = &entry.transaction else {
            return;
        };
        if transaction.is_deciding() {
            self.write_markers(id);
        } else if transaction.deadline().is_some_and(|end| end <= self.now) {
            self.abort_late(id);
        }
    }

    fn end_waiting(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let now = self.now;
        let (late, rest) = std::mem::take(&mut entry.waiting)
            .into_iter()
            .partition(|waiting| waiting.until <= now);
        entry.waiting = rest;
        let late: VecDeque<Waiting> = late;
        for waiting in late {
            let response = waiting.request.refused(ErrorCode::ConcurrentTransactions);
            self.reply(waiting.waiter, response);
        }
        self.serve_waiting(id);
    }

    /// Removes ids that are expired, a bounded number at once.
    fn remove_expired(&mut self) {
        let has_expired = |of: &Transaction| of.has_expired(self.now, self.config.expiration_ms);
        let expired: Vec<Arc<str>> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.in_flight.is_none() && entry.waiting.is_empty())
            .filter(|(_, entry)| entry.transaction.as_ref().is_some_and(has_expired))
            .map(|(id, _)| Arc::clone(id))
            .take(EXPIRED_MAX)
            .collect();
        let until_next_ms = if expired.len() < EXPIRED_MAX {
            self.config.expiration_interval_ms
        } else {
            self.config.retry_ms
        };
        self.schedule_expiration(until_next_ms);
        if expired.is_empty() {
            return;
        }
        let in_flight = InFlight {
            states: expired.iter().map(|id| (Arc::clone(id), None)).collect(),
            replies: Vec::new(),
        };
        self.append(
            expired.iter().map(|id| record(id, None)).collect(),
            in_flight,
        );
    }

    pub(super) fn schedule_expiration(&mut self, until_next_ms: i64) {
        let next = self.now.plus_ms(until_next_ms.max(1));
        self.timers.set(Timer::Expiration, Some(next));
    }
}
