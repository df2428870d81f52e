//! What a leader decides: the high watermark, and who is in sync.

use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, Timestamp};

use super::divergence::{EpochEnd, find_divergence};
use super::isr::{AlterOutcome, AlterPartition, Committed, Isr};
use super::partition::{Partition, Role};

/// A fetch of a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerFetch {
    /// The broker that follows.
    pub replica: BrokerId,
    /// Its registration (KIP-903). [`BrokerEpoch::NONE`] never joins the ISR.
    pub broker_epoch: BrokerEpoch,
    /// The leader epoch that it knows; -1 where it tells none.
    pub current_leader_epoch: LeaderEpoch,
    /// End of its log.
    pub offset: Offset,
    /// Epoch of its last record; -1 where it tells none.
    pub last_fetched_epoch: LeaderEpoch,
    /// What the leader's log says of `last_fetched_epoch`.
    pub epoch_end: Option<EpochEnd>,
    /// Start of its log.
    pub log_start: Offset,
    /// The offset up to which its log is synced.
    pub flushed: Offset,
}

/// What follows from the fetch of a follower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The logs part here: the follower gets this and no records.
    pub diverging: Option<EpochEnd>,
    /// The high watermark, where it moved.
    pub high_watermark: Option<Offset>,
    /// A change of the ISR to ask the controller for.
    pub alter: Option<AlterPartition>,
}

/// What follows from the passing of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// The high watermark, where it moved.
    pub high_watermark: Option<Offset>,
    /// A change of the ISR to ask the controller for.
    pub alter: Option<AlterPartition>,
}

impl Partition {
    /// Moves the high watermark to what every replica has that counts: this one, those of the
    /// maximal ISR, and those that will soon join it. Nothing moves while too few are in sync
    /// (KIP-966). The new high watermark, where it moved.
    pub(super) fn advance(&mut self) -> Option<Offset> {
        if !self.is_leader() || !self.has_isr_quorum() {
            return None;
        }
        let mut reached = self.counted();
        for (id, follower) in &self.followers {
            let counts = self.isr.is_maximal(*id)
                || (follower.is_eligible()
                    && follower.is_caught_up(
                        self.positions.log_end,
                        self.now,
                        self.settings.replica_lag_time_max_ms,
                    ));
            if counts {
                // Before its first fetch nothing is known of a follower, so nothing moves.
                reached = reached.min(follower.counted(self.settings.durability)?);
            }
        }
        let before = self.positions.high_watermark;
        if reached <= before {
            return None;
        }
        assert!(
            reached <= self.positions.log_end,
            "high watermark {reached}, log end {}",
            self.positions.log_end
        );
        self.positions.high_watermark = reached;
        Some(reached)
    }

    /// True where the high watermark has reached the start of this leadership. Before, it may be
    /// older than the one of the former leader, and must not be told to a client that asks for the
    /// latest offset.
    #[must_use]
    pub fn is_high_watermark_current(&self) -> bool {
        matches!(self.role, Role::Leader { epoch_start } if epoch_start <= self.positions.high_watermark)
    }

    /// Where the epoch of this leadership starts; none where this broker does not lead.
    #[must_use]
    pub fn leader_epoch_start(&self) -> Option<Offset> {
        match self.role {
            Role::Leader { epoch_start } => Some(epoch_start),
            Role::None | Role::Follower => None,
        }
    }

    /// First offset that all replicas have which may be in sync: what DeleteRecords waits for.
    #[must_use]
    pub fn low_watermark(&self) -> Offset {
        let followers = self.followers.values();
        followers
            .filter(|follower| follower.broker.is_eligible)
            .map(|follower| {
                follower
                    .fetched
                    .map_or(Offset::NONE, |fetched| fetched.log_start)
            })
            .fold(self.positions.log_start, Offset::min)
    }

    /// Whether a batch that ends before `needs` is acknowledged to `acks=all`.
    ///
    /// # Errors
    /// [`ErrorCode::NotLeaderOrFollower`] where this broker does not lead any more, and
    /// [`ErrorCode::NotEnoughReplicasAfterAppend`] where the batch is stored on fewer replicas than
    /// it needs.
    pub fn check_acks(&self, needs: Offset) -> Result<bool, ErrorCode> {
        if !self.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if self.positions.high_watermark < needs {
            return Ok(false);
        }
        if self.isr.maximal_count() < self.isr_min() {
            return Err(ErrorCode::NotEnoughReplicasAfterAppend);
        }
        Ok(true)
    }

    /// Notes the fetch of a follower.
    ///
    /// # Errors
    /// [`ErrorCode::NotLeaderOrFollower`] where this broker does not lead, or the follower has a
    /// newer registration; [`ErrorCode::FencedLeaderEpoch`] and [`ErrorCode::UnknownLeaderEpoch`]
    /// for its leader epoch, the latter also where the metadata does not name it as a replica;
    /// [`ErrorCode::OffsetOutOfRange`] for an offset that the leader does not have.
    pub fn on_follower_fetch(
        &mut self,
        fetch: &FollowerFetch,
        now: Timestamp,
    ) -> Result<Fetched, ErrorCode> {
        if !self.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        self.check_leader_epoch(fetch.current_leader_epoch)?;
        self.now = self.now.max(now);
        let (now, log_end) = (self.now, self.positions.log_end);
        let Some(follower) = self.followers.get_mut(&fetch.replica) else {
            return Err(if fetch.current_leader_epoch < LeaderEpoch(0) {
                ErrorCode::NotLeaderOrFollower
            } else {
                ErrorCode::UnknownLeaderEpoch
            });
        };
        let is_replaced = follower
            .fetched
            .is_some_and(|fetched| fetch.broker_epoch < fetched.broker_epoch);
        if is_replaced {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let diverging = find_divergence(
            fetch.offset,
            fetch.last_fetched_epoch,
            fetch.epoch_end,
            self.positions.log_start,
        )?;
        if diverging.is_some() {
            return Ok(Fetched {
                diverging,
                ..Fetched::default()
            });
        }
        if fetch.offset < self.positions.log_start || log_end < fetch.offset {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        follower.on_fetch(fetch, log_end, now);
        let high_watermark = self.advance();
        let alter = self.expand(fetch.replica);
        self.check_invariants();
        Ok(Fetched {
            diverging: None,
            high_watermark,
            alter,
        })
    }

    /// Looks for in-sync replicas that lag, and asks to remove them. To be called about twice per
    /// `replica.lag.time.max.ms`.
    pub fn check_lag(&mut self, now: Timestamp) -> Lag {
        self.now = self.now.max(now);
        if !self.is_leader() {
            return Lag::default();
        }
        // Time alone may end the wait for a replica that was about to join.
        let high_watermark = self.advance();
        let alter = self.shrink();
        self.check_invariants();
        Lag {
            high_watermark,
            alter,
        }
    }

    /// Asks for `replica` to join the ISR if it may: it has the committed records and those of the
    /// former leaderships, fetched in this one, and the metadata knows it as alive.
    fn expand(&mut self, replica: BrokerId) -> Option<AlterPartition> {
        let epoch_start = self.leader_epoch_start()?;
        let follower = self.followers.get(&replica)?;
        let fetched = follower.fetched?;
        let joins = !self.isr.is_pending()
            && !self.isr.committed().contains(&replica)
            && follower.is_eligible()
            && self.positions.high_watermark <= fetched.log_end
            && epoch_start <= fetched.log_end;
        if !joins {
            return None;
        }
        let mut wanted = self.isr.committed().to_vec();
        wanted.push(replica);
        Some(self.ask(wanted, Some(replica)))
    }

    fn shrink(&mut self) -> Option<AlterPartition> {
        if self.isr.is_pending() {
            return None;
        }
        let lags = |id: &BrokerId| {
            self.followers.get(id).is_some_and(|follower| {
                !follower.is_caught_up(
                    self.positions.log_end,
                    self.now,
                    self.settings.replica_lag_time_max_ms,
                )
            })
        };
        let committed = self.isr.committed();
        let wanted: Vec<BrokerId> = committed.iter().copied().filter(|id| !lags(id)).collect();
        (wanted.len() < committed.len()).then(|| self.ask(wanted, None))
    }

    fn ask(&mut self, mut wanted: Vec<BrokerId>, joins: Option<BrokerId>) -> AlterPartition {
        wanted.sort_unstable();
        let isr = wanted.into_iter().map(|id| (id, self.epoch_of(id)));
        let asked = AlterPartition {
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            isr: isr.collect(),
        };
        self.isr.ask(asked.clone(), joins);
        asked
    }

    /// The registration of a replica that the leader has seen.
    fn epoch_of(&self, id: BrokerId) -> BrokerEpoch {
        if id == self.own {
            return self.own_epoch;
        }
        self.followers
            .get(&id)
            .map_or(BrokerEpoch::NONE, |follower| {
                follower
                    .fetched
                    .map_or(follower.broker.broker_epoch, |fetched| fetched.broker_epoch)
            })
    }

    /// The controller has answered to `asked`.
    pub fn on_alter_result(
        &mut self,
        asked: &AlterPartition,
        result: Result<Committed, ErrorCode>,
    ) -> AlterOutcome {
        // An answer to a former leadership, or to a change that newer metadata has decided.
        if !self.is_leader() || self.isr.asked() != Some(asked) {
            return AlterOutcome::Ignored;
        }
        let outcome = match result {
            Ok(committed) => self.on_committed(committed),
            Err(ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica) => {
                self.isr.roll_back();
                AlterOutcome::RolledBack {
                    high_watermark: self.advance(),
                }
            }
            Err(
                ErrorCode::UnknownTopicOrPartition
                | ErrorCode::UnknownTopicId
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::InvalidUpdateVersion
                | ErrorCode::InvalidRequest
                | ErrorCode::NewLeaderElected,
            ) => AlterOutcome::Waits,
            Err(_) => AlterOutcome::Retry(asked.clone()),
        };
        self.check_invariants();
        outcome
    }

    fn on_committed(&mut self, committed: Committed) -> AlterOutcome {
        let is_known = committed.leader_epoch == self.leader_epoch
            && self.partition_epoch <= committed.partition_epoch;
        if !is_known {
            return AlterOutcome::Ignored;
        }
        self.partition_epoch = committed.partition_epoch;
        self.isr = Isr::new(committed.isr);
        AlterOutcome::Applied {
            high_watermark: self.advance(),
        }
    }
}
