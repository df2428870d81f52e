//! Telling of members that went without a word: nobody else does.

use std::time::Duration;

use milena_cluster::group::ExpiredMember;
use tokio::time::Instant;
use tracing::{debug, info};

/// Time between two lines of a coordinator: where a network fails, all members go at once.
const PAUSE: Duration = Duration::from_secs(10);

/// What a coordinator has said of expired members.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    told: Option<Instant>,
    /// Members since then, of which only the metrics tell.
    untold: u64,
}

impl Expiry {
    /// Tells of a member, or counts it where one was told of a moment ago. Details of all come with
    /// the level debug.
    pub(super) fn tell(&mut self, member: &ExpiredMember, now: Instant) {
        let ExpiredMember {
            group,
            member_id,
            group_instance_id,
            client_id,
            timeout,
        } = member;
        if self
            .told
            .is_some_and(|told| now.duration_since(told) < PAUSE)
        {
            self.untold += 1;
            debug!(
                group,
                member_id,
                group_instance_id,
                client_id,
                timeout,
                "member is removed from its group, its time has ended"
            );
            return;
        }
        self.told = Some(now);
        let others = std::mem::take(&mut self.untold);
        info!(
            group,
            member_id,
            group_instance_id,
            client_id,
            timeout,
            others,
            "member is removed from its group, its time has ended"
        );
    }
}
