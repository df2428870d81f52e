//! Lines of the log that come from outside: what administrators have changed, and what would come
//! too often if each were told.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::api::Context;

/// Time between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);
/// Names in one line.
const NAMES_MAX: usize = 10;

/// Lets one line of a kind through in a while, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Restraint {
    told: Option<Instant>,
    untold: u64,
}

impl Restraint {
    /// How many were not told since the last one, where one may be told now; none where this one is
    /// counted.
    pub(crate) fn may_tell(&mut self, now: Instant) -> Option<u64> {
        let is_early = self
            .told
            .is_some_and(|told| now.duration_since(told) < PAUSE);
        if is_early {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// Says what a client has changed: one line for a request, and none where nothing is changed.
pub(crate) fn changed<N: AsRef<str>>(
    context: &Context,
    what: &str,
    names: impl IntoIterator<Item = N>,
) {
    let mut names = names.into_iter();
    let mut listed = String::new();
    for name in names.by_ref().take(NAMES_MAX) {
        if !listed.is_empty() {
            listed.push_str(", ");
        }
        listed.push_str(name.as_ref());
    }
    if listed.is_empty() {
        return;
    }
    let others = names.count();
    let client_id = context.client_id.as_deref();
    info!(names = listed, others, peer = %context.peer.address, client_id, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_told() {
        let mut restraint = Restraint::default();
        let start = Instant::now();
        let told: Vec<_> = [0, 1, 9_999, 10_000, 10_001, 30_000]
            .map(|ms| restraint.may_tell(start + Duration::from_millis(ms)))
            .into();
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
