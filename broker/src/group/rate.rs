//! How many heartbeats of consumer groups there are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use milena_cluster::group::Event;

use super::Groups;
use crate::broker::Broker;
use crate::clock;

/// Pause between two counts of heartbeats.
const RATE_PAUSE: Duration = Duration::from_secs(1);

impl Groups {
    /// Notes that a member of a consumer group asks.
    pub(crate) fn note_heartbeat(&self) {
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the shards about once a second how many heartbeats there are, from which they choose
    /// how often they want them. Ends when the broker stops.
    pub(crate) async fn follow_heartbeats(broker: Arc<Broker>) {
        let stopping = broker.stopping();
        let groups = broker.groups();
        let mut before = groups.heartbeats.load(Ordering::Relaxed);
        let mut last = 0;
        let mut at = clock::instant();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(RATE_PAUSE) => {}
            }
            let now = groups.heartbeats.load(Ordering::Relaxed);
            let elapsed_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
            let rate = now.wrapping_sub(before).saturating_mul(1000) / elapsed_ms.max(1);
            (before, at) = (now, clock::instant());
            let per_second = u32::try_from(rate).unwrap_or(u32::MAX);
            // A broker without members leaves its shards alone.
            if per_second > 0 || last > 0 {
                for shard in groups.shards.all() {
                    shard.feed(Event::HeartbeatRate { per_second });
                }
            }
            last = per_second;
        }
    }
}
