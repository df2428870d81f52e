//! The only place of this package that looks at a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use milena_protocol::Timestamp;

/// Wall-clock time, for timestamps, retention and timeouts that survive a restart.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Monotonic time, for durations.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
