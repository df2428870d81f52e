//! How often members are asked to heartbeat.
//!
//! Kafka asks every five seconds, which is how long a rebalance takes there. Here a member hears of
//! a change after at most half a second while that is cheap, and less often the more members there
//! are and the more heartbeats the broker answers.

/// Interval in milliseconds while a group is being reconciled.
const RECONCILING_MS: u64 = 300;
/// Interval in milliseconds of a group that is stable.
const STABLE_MS: u64 = 500;
/// Members that are served at the shortest interval; a larger group makes no more heartbeats than
/// one of this size.
const MEMBERS_AT_FULL_RATE: u64 = 200;
/// Longest interval in milliseconds that is chosen: Kafka's default.
const INTERVAL_MS_MAX: u64 = 5000;
/// Heartbeats per second that a broker answers at the shortest interval.
const RATE_MAX: u32 = 4000;
/// Below this rate the interval becomes shorter again. It is less than half of [`RATE_MAX`] less a
/// step, so that the load does not swing.
const RATE_LOW: u32 = 2400;
/// A load factor of one, in its unit of percent.
const FACTOR_MIN: u32 = 100;
/// The largest load factor: from [`RECONCILING_MS`] to more than [`INTERVAL_MS_MAX`].
const FACTOR_MAX: u32 = 2000;

/// By how much intervals are lengthened because the broker is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadFactor {
    percent: u32,
}

impl Default for LoadFactor {
    fn default() -> Self {
        Self {
            percent: FACTOR_MIN,
        }
    }
}

impl LoadFactor {
    /// The factor after a second in which the broker has answered `per_second` heartbeats at this
    /// one. It grows in proportion to what is too much and falls by a tenth, so that it settles.
    #[must_use]
    pub fn after(self, per_second: u32) -> Self {
        let percent = u64::from(self.percent);
        let percent = if per_second > RATE_MAX {
            percent * u64::from(per_second) / u64::from(RATE_MAX) + 1
        } else if per_second < RATE_LOW {
            percent * 9 / 10
        } else {
            percent
        };
        let percent = u32::try_from(percent).unwrap_or(FACTOR_MAX);
        Self {
            percent: percent.clamp(FACTOR_MIN, FACTOR_MAX),
        }
    }
}

/// Milliseconds until the next heartbeat of a member: of a group with `member_count` members that
/// is being reconciled or not, with sessions of `session_timeout_ms`. At most a third of a session,
/// so that two heartbeats may be lost.
#[must_use]
pub fn heartbeat_interval_ms(
    is_reconciling: bool,
    member_count: usize,
    session_timeout_ms: i32,
    load: LoadFactor,
) -> i32 {
    let base = if is_reconciling {
        RECONCILING_MS
    } else {
        STABLE_MS
    };
    let members = u64::try_from(member_count).unwrap_or(u64::MAX);
    let for_size = base.saturating_mul(members.max(MEMBERS_AT_FULL_RATE)) / MEMBERS_AT_FULL_RATE;
    let for_load = for_size.saturating_mul(u64::from(load.percent)) / u64::from(FACTOR_MIN);
    let session = u64::try_from(session_timeout_ms).unwrap_or(0);
    let interval = for_load.min(INTERVAL_MS_MAX).min((session / 3).max(1));
    i32::try_from(interval).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_groups_heartbeat_at_the_shortest_interval() {
        let load = LoadFactor::default();
        for members in [0, 1, 100, 200] {
            assert_eq!(heartbeat_interval_ms(true, members, 45_000, load), 300);
            assert_eq!(heartbeat_interval_ms(false, members, 45_000, load), 500);
        }
        assert_eq!(heartbeat_interval_ms(false, 400, 45_000, load), 1000);
        assert_eq!(heartbeat_interval_ms(false, 1_000_000, 45_000, load), 5000);
        assert_eq!(heartbeat_interval_ms(false, 1, 600, load), 200);
        assert_eq!(heartbeat_interval_ms(false, 1, 0, load), 1);
    }

    #[test]
    fn load_settles_below_what_a_broker_answers() {
        // Members of small groups; each sends what the factor lets it.
        for members in [1_u32, 1000, 2000, 5000, 20_000, 40_000] {
            let mut load = LoadFactor::default();
            let mut rates = Vec::new();
            for _ in 0..200 {
                let interval = heartbeat_interval_ms(false, 100, 45_000, load);
                let rate = members * 1000 / u32::try_from(interval).unwrap();
                load = load.after(rate);
                rates.push(rate);
            }
            let last = &rates[100..];
            assert!(
                last.iter()
                    .all(|rate| *rate <= RATE_MAX || members * 1000 / 5000 > RATE_MAX),
                "{members}: {last:?}"
            );
            assert!(
                last.windows(2).all(|pair| pair[0] == pair[1]),
                "{members}: {last:?}"
            );
        }
    }
}
