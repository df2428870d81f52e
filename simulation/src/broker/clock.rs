//! The clocks of a broker.

use milena_protocol::Timestamp;

/// What the wall clock showed at the beginning of the world.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// A wall clock that may be set, and one that never goes back (as coordinators have it).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    now: i64,
    offset_ms: i64,
    steady: i64,
}

impl Clock {
    /// The world is at `now`.
    pub(crate) fn advance(&mut self, now: i64) {
        let elapsed = now - self.now;
        self.now = now;
        self.steady = (self.steady + elapsed).max(now + self.offset_ms);
    }

    /// The wall clock is set.
    pub(crate) fn jump(&mut self, ms: i64) {
        self.offset_ms += ms;
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp(EPOCH_MS + self.now + self.offset_ms)
    }

    pub(crate) fn steady(&self) -> Timestamp {
        Timestamp(EPOCH_MS + self.steady)
    }

    /// A new process knows nothing of what the steady clock showed.
    pub(crate) fn restart(&mut self) {
        self.steady = self.now + self.offset_ms;
    }
}
