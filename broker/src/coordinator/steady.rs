//! A wall clock that never goes back and never stands still.

use std::time::Instant;

use milena_protocol::Timestamp;

use crate::clock;

/// Follows the wall clock forward; where that is set back, it goes on by itself. A coordinator's
/// timers and the timestamps that it stores come from it, so that neither a clock that is set nor
/// one that jumps can hold up a rebalance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SteadyClock {
    last: Timestamp,
    at: Instant,
}

impl SteadyClock {
    pub(crate) fn new() -> Self {
        Self {
            last: clock::now(),
            at: clock::instant(),
        }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.advance(clock::now(), clock::instant())
    }

    fn advance(&mut self, wall: Timestamp, at: Instant) -> Timestamp {
        let elapsed = at.saturating_duration_since(self.at).as_millis();
        let steady = self
            .last
            .plus_ms(i64::try_from(elapsed).unwrap_or(i64::MAX));
        // Parts of a millisecond are not lost while the clock goes on by itself.
        if wall > steady {
            (self.last, self.at) = (wall, at);
            return wall;
        }
        steady
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_follows_forward_and_goes_on_when_the_wall_clock_is_set_back() {
        let at = clock::instant();
        let mut clock = SteadyClock {
            last: Timestamp(1_000),
            at,
        };
        let mut after = |wall, ms| {
            clock
                .advance(Timestamp(wall), at + Duration::from_millis(ms))
                .0
        };
        assert_eq!(after(1_010, 10), 1_010);
        assert_eq!(after(5_000, 20), 5_000);
        assert_eq!(after(100, 30), 5_010);
        assert_eq!(after(110, 45), 5_025);
        assert_eq!(after(6_000, 50), 6_000);
    }
}
