//! Until when the task of a coordinator sleeps.

use std::time::Duration;

use milena_protocol::Timestamp;
use tokio::time::Instant;

/// Longest sleep of the task; nothing depends on it.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// What the task waits for. Whoever steps the coordinator wakes it where something is due before.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The first timer of the coordinator, by its clock.
    sleeps_until: Option<Timestamp>,
    /// When it wakes at the latest.
    wakes_at: Instant,
    /// True where something was appended since the task has looked.
    has_appended: bool,
}

impl Schedule {
    /// The task has not looked yet.
    pub(crate) fn new() -> Self {
        Self {
            sleeps_until: None,
            wakes_at: Instant::now(),
            has_appended: false,
        }
    }

    /// For how long there is nothing to do: until the first timer of the coordinator, whose clock
    /// says `now`, and until the first append is late.
    pub(crate) fn sleep(
        &mut self,
        now: Timestamp,
        timer: Option<Timestamp>,
        late: Option<Instant>,
        append_timeout: Duration,
    ) -> Duration {
        self.sleeps_until = timer;
        let until_timer = timer.map_or(SLEEP_MAX, |deadline| {
            Duration::from_millis(u64::try_from(deadline.ms_since(now)).unwrap_or(0))
        });
        // Where appends come they come again: without this every one would wake the task, only to
        // let it know of a timeout.
        let idle = if std::mem::take(&mut self.has_appended) {
            append_timeout
        } else {
            SLEEP_MAX
        };
        let at = Instant::now();
        let until_late = late.map_or(idle, |late| late.saturating_duration_since(at).min(idle));
        let sleep = until_timer.min(until_late).min(SLEEP_MAX);
        self.wakes_at = at + sleep;
        sleep
    }

    /// True where a timer of the coordinator ends before the task looks for it.
    pub(crate) fn is_late_for(&self, timer: Option<Timestamp>) -> bool {
        match (timer, self.sleeps_until) {
            (Some(timer), Some(until)) => timer < until,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Something was appended, or is to be done, by `deadline`. True where the task has to be woken
    /// for it.
    pub(crate) fn wake_by(&mut self, deadline: Instant) -> bool {
        self.has_appended = true;
        let is_earlier = deadline < self.wakes_at;
        if is_earlier {
            self.wakes_at = deadline;
        }
        is_earlier
    }
}
