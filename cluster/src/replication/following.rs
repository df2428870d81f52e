//! What a follower decides: what to ask its leader, and what to do with the answer.

use milena_protocol::{BrokerId, ErrorCode, LeaderEpoch, Offset};

use super::divergence::{EpochEnd, truncation_offset};
use super::partition::{Partition, Role};

/// What a follower asks its leader for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPosition {
    /// The leader epoch that the follower knows.
    pub current_leader_epoch: LeaderEpoch,
    /// End of its log.
    pub offset: Offset,
    /// Epoch of its last record; -1 where it has none.
    pub last_fetched_epoch: LeaderEpoch,
    /// Start of its log.
    pub log_start: Offset,
    /// The offset up to which its log is synced.
    pub flushed: Offset,
}

/// What a leader answered to a [`FetchPosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderAnswer {
    /// What was asked.
    pub asked: FetchPosition,
    /// The error.
    pub error: ErrorCode,
    /// The logs part here.
    pub diverging: Option<EpochEnd>,
    /// What our own log says of the diverging epoch.
    pub own_epoch_end: Option<EpochEnd>,
    /// Largest leader epoch in the headers of the batches that came; -1 without batches.
    pub batches_leader_epoch: LeaderEpoch,
}

/// What a follower does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Append what came (maybe nothing), then call [`Partition::on_replicated`].
    Append,
    /// Truncate the log to this end, call [`Partition::on_truncated`], and fetch again.
    Truncate(Offset),
    /// Ask the leader where its log starts and ends, and start over there if ours is outside.
    FindStart,
    /// Wait for newer metadata.
    WaitForMetadata,
    /// Fetch again after a pause.
    Retry,
    /// The answer is for an older state of this partition: drop it and fetch again.
    Drop,
}

impl Partition {
    /// What to ask the leader for; none where this broker does not follow or there is no leader. `latest_epoch` is the
    /// epoch of the last record of the log, not the one of the last answer: an empty answer changes
    /// nothing (KAFKA-15510).
    #[must_use]
    pub fn fetch_position(&self, latest_epoch: LeaderEpoch) -> Option<FetchPosition> {
        let follows = matches!(self.role, Role::Follower) && self.leader != BrokerId::NONE;
        follows.then_some(FetchPosition {
            current_leader_epoch: self.leader_epoch,
            offset: self.positions.log_end,
            last_fetched_epoch: latest_epoch,
            log_start: self.positions.log_start,
            flushed: self.positions.flushed,
        })
    }

    /// What to do with the leader's answer.
    #[must_use]
    pub fn on_leader_answer(&self, answer: &LeaderAnswer) -> Next {
        let asked = &answer.asked;
        let is_same = matches!(self.role, Role::Follower)
            && asked.current_leader_epoch == self.leader_epoch
            && asked.offset == self.positions.log_end;
        // The role, the epoch or the log changed between the request and its answer (KAFKA-18723).
        if !is_same {
            return Next::Drop;
        }
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => return Next::FindStart,
            ErrorCode::FencedLeaderEpoch => return Next::WaitForMetadata,
            // The leader's metadata is older than ours, or a passing fault.
            _ => return Next::Retry,
        }
        if let Some(diverging) = answer.diverging {
            return Next::Truncate(truncation_offset(
                diverging,
                answer.own_epoch_end,
                self.positions.log_end,
            ));
        }
        if asked.current_leader_epoch < answer.batches_leader_epoch {
            // The records are of a leadership that we have not heard of.
            return Next::Drop;
        }
        Next::Append
    }

    /// Records of the leader were appended up to `log_end`, and the leader's high watermark is
    /// `leader_high_watermark`. Our own, where it moved. It never moves back here: what was once
    /// committed stays so, also where a new leader has yet to find out.
    ///
    /// # Panics
    /// The log end went back, or this broker does not follow.
    pub fn on_replicated(
        &mut self,
        log_end: Offset,
        leader_high_watermark: Offset,
    ) -> Option<Offset> {
        assert!(
            matches!(self.role, Role::Follower),
            "only a follower replicates"
        );
        assert!(
            self.positions.log_end <= log_end,
            "append moved the log end from {} to {log_end}",
            self.positions.log_end
        );
        self.positions.log_end = log_end;
        let reached = leader_high_watermark.min(log_end);
        let before = self.positions.high_watermark;
        self.positions.high_watermark = before.max(reached);
        self.check_invariants();
        (before < self.positions.high_watermark).then_some(self.positions.high_watermark)
    }

    /// The log was truncated and ends at `log_end`. The high watermark, where it moved back: records
    /// that were committed are lost only where the leader was elected uncleanly.
    ///
    /// # Panics
    /// This broker leads: a leader never truncates.
    pub fn on_truncated(&mut self, log_end: Offset) -> Option<Offset> {
        assert!(!self.is_leader(), "a leader never truncates its log");
        let positions = &mut self.positions;
        positions.log_end = positions.log_end.min(log_end);
        positions.flushed = positions.flushed.min(log_end);
        let before = positions.high_watermark;
        positions.high_watermark = before.min(log_end);
        positions.log_start = positions.log_start.min(log_end);
        let moved = (positions.high_watermark < before).then_some(positions.high_watermark);
        self.check_invariants();
        moved
    }

    /// The log was emptied and starts over at `start`, after the leader's log no longer had our end.
    ///
    /// # Panics
    /// This broker leads.
    pub fn on_started_over(&mut self, start: Offset) -> Option<Offset> {
        assert!(!self.is_leader(), "a leader never empties its log");
        let before = self.positions.high_watermark;
        self.positions.log_start = start;
        self.positions.high_watermark = start;
        self.positions.flushed = start;
        self.positions.log_end = start;
        self.check_invariants();
        (before != start).then_some(start)
    }
}
