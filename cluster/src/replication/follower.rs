//! What a leader knows of one follower.

use milena_protocol::config::Durability;
use milena_protocol::{BrokerEpoch, Offset, Timestamp};

use super::assignment::Replica;
use super::leading::FollowerFetch;

/// What a leader knows of one follower (Kafka class `Replica`).
#[derive(Clone, Debug)]
pub(super) struct Follower {
    /// The broker's registration and whether it may join the ISR, as the metadata knows them.
    pub(super) broker: Replica,
    /// What the follower told in its last fetch of this leader epoch; none before the first.
    pub(super) fetched: Option<Progress>,
    /// When the follower last had everything that the leader had; far in the past where it never
    /// had.
    last_caught_up: Timestamp,
}

/// End of a follower's log, as it told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) log_end: Offset,
    pub(super) flushed: Offset,
    pub(super) log_start: Offset,
    pub(super) broker_epoch: BrokerEpoch,
    at: Timestamp,
    /// End of the leader's log when the fetch came.
    leader_end: Offset,
}

impl Follower {
    /// A follower that has not fetched yet. One of the ISR gets the full time to show itself.
    pub(super) fn new(broker: Replica, is_in_sync: bool, now: Timestamp) -> Self {
        Self {
            broker,
            fetched: None,
            last_caught_up: if is_in_sync {
                now
            } else {
                Timestamp(i64::MIN / 2)
            },
        }
    }

    /// Notes a fetch. The follower was caught up now if it asks for what does not exist yet, or
    /// when it fetched before, if it now asks for what did not exist then.
    pub(super) fn on_fetch(&mut self, fetch: &FollowerFetch, leader_end: Offset, now: Timestamp) {
        if fetch.offset >= leader_end {
            self.last_caught_up = self.last_caught_up.max(now);
        } else if let Some(before) = self.fetched
            && fetch.offset >= before.leader_end
        {
            self.last_caught_up = self.last_caught_up.max(before.at);
        }
        self.fetched = Some(Progress {
            log_end: fetch.offset,
            flushed: fetch.flushed.min(fetch.offset),
            log_start: fetch.log_start,
            broker_epoch: fetch.broker_epoch,
            at: now,
            leader_end: self
                .fetched
                .map_or(leader_end, |before| before.leader_end.max(leader_end)),
        });
    }

    /// True where the follower has everything, or had within `lag_max_ms`.
    pub(super) fn is_caught_up(&self, leader_end: Offset, now: Timestamp, lag_max_ms: i64) -> bool {
        self.fetched
            .is_some_and(|fetched| fetched.log_end >= leader_end)
            || now.ms_since(self.last_caught_up) <= lag_max_ms
    }

    /// The offset up to which the follower counts; none before its first fetch.
    pub(super) fn counted(&self, durability: Durability) -> Option<Offset> {
        self.fetched.map(|fetched| match durability {
            Durability::Persisted => fetched.flushed,
            Durability::Replicated => fetched.log_end,
        })
    }

    /// True where the broker that fetched is the one that the metadata knows, and it may join.
    pub(super) fn is_eligible(&self) -> bool {
        self.broker.is_eligible
            && self
                .fetched
                .is_some_and(|fetched| fetched.broker_epoch == self.broker.broker_epoch)
    }
}
