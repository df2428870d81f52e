//! The state of one replica of a partition, and what every role shares.

use std::collections::BTreeMap;

use milena_protocol::config::Durability;
use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, Timestamp};

use super::assignment::{Assignment, Positions, Replica, Settings, Stale, Transition};
use super::follower::Follower;
use super::isr::Isr;

/// What this broker is for the partition.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Nothing has been assigned yet.
    None,
    /// Leads; the offset is the log end when the leader epoch began.
    Leader { epoch_start: Offset },
    /// Follows.
    Follower,
}

/// One replica of a partition: the copy that this broker has.
#[derive(Clone, Debug)]
pub struct Partition {
    pub(super) own: BrokerId,
    pub(super) settings: Settings,
    pub(super) positions: Positions,
    pub(super) role: Role,
    pub(super) leader: BrokerId,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: i32,
    /// Our own registration, as the metadata knows it.
    pub(super) own_epoch: BrokerEpoch,
    pub(super) replica_count: usize,
    pub(super) isr: Isr,
    /// The other replicas; empty where this one does not lead.
    pub(super) followers: BTreeMap<BrokerId, Follower>,
    /// The latest instant that was seen.
    pub(super) now: Timestamp,
}

impl Partition {
    /// The copy of broker `own`, whose log stands at `positions`. It has no role yet.
    ///
    /// # Panics
    /// The positions are not in order: the log is wrong about itself.
    #[must_use]
    pub fn new(own: BrokerId, settings: Settings, positions: Positions) -> Self {
        let partition = Self {
            own,
            settings,
            positions,
            role: Role::None,
            leader: BrokerId::NONE,
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: -1,
            own_epoch: BrokerEpoch::NONE,
            replica_count: 0,
            isr: Isr::default(),
            followers: BTreeMap::new(),
            now: Timestamp(0),
        };
        partition.check_invariants();
        partition
    }

    /// Takes over the leadership, or a newer state of the one it has.
    ///
    /// # Errors
    /// [`Stale`] where a newer state is known.
    ///
    /// # Panics
    /// The assignment names another leader, or its leader epoch breaks the order of epochs: the
    /// metadata is wrong about itself.
    pub fn become_leader(
        &mut self,
        assignment: &Assignment,
        now: Timestamp,
    ) -> Result<Transition, Stale> {
        assert!(
            assignment.leader == self.own,
            "broker {} leads, not {}",
            self.own,
            assignment.leader
        );
        // States in between were not seen: a replica may have been removed and added again.
        let has_gap = self.partition_epoch.saturating_add(1) < assignment.partition_epoch;
        let is_new_epoch = self.accept(assignment)?;
        self.now = self.now.max(now);
        let was_leader = self.is_leader();
        if is_new_epoch || !was_leader {
            self.role = Role::Leader {
                epoch_start: self.positions.log_end,
            };
            // What followers told a former leadership does not count: their logs may since have
            // been truncated.
            self.followers.clear();
        }
        let others = assignment.replicas.iter();
        let others: Vec<&Replica> = others.filter(|replica| replica.id != self.own).collect();
        self.followers
            .retain(|id, _| others.iter().any(|replica| replica.id == *id));
        for replica in others {
            let is_in_sync = self.isr.committed().contains(&replica.id);
            let now = self.now;
            let follower = self
                .followers
                .entry(replica.id)
                .or_insert_with(|| Follower::new(*replica, is_in_sync, now));
            follower.broker = *replica;
            if has_gap && !is_in_sync {
                follower.fetched = None;
            }
        }
        let high_watermark = self.advance();
        self.check_invariants();
        Ok(Transition {
            is_new_epoch,
            epoch_start: (is_new_epoch || !was_leader)
                .then_some((self.leader_epoch, self.positions.log_end)),
            high_watermark,
        })
    }

    /// Follows the leader of `assignment`, or nobody where it has none. Where the leader epoch is
    /// new, a fetch that is on its way counts no longer.
    ///
    /// # Errors
    /// [`Stale`] where a newer state is known.
    ///
    /// # Panics
    /// The assignment names this broker as leader, or its leader epoch breaks the order of epochs.
    pub fn become_follower(&mut self, assignment: &Assignment) -> Result<Transition, Stale> {
        assert!(
            assignment.leader != self.own,
            "broker {} leads and cannot follow",
            self.own
        );
        let is_new_epoch = self.accept(assignment)?;
        self.role = Role::Follower;
        self.followers.clear();
        self.check_invariants();
        Ok(Transition {
            is_new_epoch,
            epoch_start: None,
            high_watermark: None,
        })
    }

    /// Takes over what every role has. True where the leader epoch is new.
    fn accept(&mut self, assignment: &Assignment) -> Result<bool, Stale> {
        if assignment.partition_epoch < self.partition_epoch {
            return Err(Stale {
                received: assignment.partition_epoch,
                known: self.partition_epoch,
            });
        }
        assert!(
            self.leader_epoch <= assignment.leader_epoch,
            "leader epoch {} follows {}",
            assignment.leader_epoch,
            self.leader_epoch
        );
        let is_new_epoch = self.leader_epoch < assignment.leader_epoch;
        if is_new_epoch {
            assert!(
                self.partition_epoch < assignment.partition_epoch,
                "leader epoch {} came with the old partition epoch {}",
                assignment.leader_epoch,
                self.partition_epoch
            );
        }
        // The same state again must not end a change that is pending.
        if is_new_epoch || self.partition_epoch < assignment.partition_epoch {
            self.isr = Isr::new(assignment.isr.clone());
        }
        self.leader = assignment.leader;
        self.leader_epoch = assignment.leader_epoch;
        self.partition_epoch = assignment.partition_epoch;
        self.replica_count = assignment.replicas.len();
        self.own_epoch = assignment
            .replicas
            .iter()
            .find(|replica| replica.id == self.own)
            .map_or(BrokerEpoch::NONE, |replica| replica.broker_epoch);
        Ok(is_new_epoch)
    }

    /// The registration or the state of a broker changed in the metadata. The high watermark, where
    /// it moved: it no longer waits for a broker that may not join.
    pub fn on_broker_changed(&mut self, broker: Replica) -> Option<Offset> {
        if broker.id == self.own {
            self.own_epoch = broker.broker_epoch;
            return None;
        }
        self.followers.get_mut(&broker.id)?.broker = broker;
        self.advance()
    }

    /// The log ends at `log_end` after an append. The high watermark, where it moved.
    ///
    /// # Panics
    /// The log end went back.
    pub fn on_local_append(&mut self, log_end: Offset) -> Option<Offset> {
        assert!(
            self.positions.log_end <= log_end,
            "append moved the log end from {} to {log_end}",
            self.positions.log_end
        );
        self.positions.log_end = log_end;
        self.advance()
    }

    /// The log is synced up to `flushed`. The high watermark, where it moved. An older position
    /// than the known one is ignored.
    ///
    /// # Panics
    /// More is flushed than was appended.
    pub fn on_local_flushed(&mut self, flushed: Offset) -> Option<Offset> {
        assert!(
            flushed <= self.positions.log_end,
            "{flushed} is flushed, but the log ends at {}",
            self.positions.log_end
        );
        self.positions.flushed = self.positions.flushed.max(flushed);
        self.advance()
    }

    /// The log starts at `log_start`, after records were deleted. The high watermark, where it
    /// moved: it is never before the start (KAFKA-9491).
    ///
    /// # Panics
    /// The log starts after its end.
    pub fn on_log_start(&mut self, log_start: Offset) -> Option<Offset> {
        let positions = &mut self.positions;
        assert!(
            log_start <= positions.log_end,
            "log starts at {log_start} and ends at {}",
            positions.log_end
        );
        positions.log_start = positions.log_start.max(log_start);
        // What was deleted needs no sync.
        positions.flushed = positions.flushed.max(positions.log_start);
        let before = positions.high_watermark;
        positions.high_watermark = before.max(positions.log_start);
        let moved = before < positions.high_watermark;
        let advanced = self.advance();
        advanced.or_else(|| moved.then_some(self.positions.high_watermark))
    }

    /// Replaces the configuration. The high watermark, where it moved; it never moves back.
    pub fn set_settings(&mut self, settings: Settings) -> Option<Offset> {
        self.settings = settings;
        self.advance()
    }

    /// Compares the leader epoch of a request with ours (KIP-320); -1 is not compared.
    ///
    /// # Errors
    /// [`ErrorCode::FencedLeaderEpoch`] for an older one, [`ErrorCode::UnknownLeaderEpoch`] for a
    /// newer one.
    pub fn check_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if epoch < LeaderEpoch(0) || epoch == self.leader_epoch {
            Ok(())
        } else if epoch < self.leader_epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else {
            Err(ErrorCode::UnknownLeaderEpoch)
        }
    }

    /// True where this broker leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader { .. })
    }

    /// The leader; [`BrokerId::NONE`] where there is none or none is known.
    #[must_use]
    pub fn leader(&self) -> BrokerId {
        self.leader
    }

    /// Number of the leadership.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Number of the state in the metadata.
    #[must_use]
    pub fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    /// The in-sync replicas that the controller has committed, by id.
    #[must_use]
    pub fn isr(&self) -> &[BrokerId] {
        self.isr.committed()
    }

    /// True where enough replicas are in sync for `acks=all`.
    #[must_use]
    pub fn has_isr_quorum(&self) -> bool {
        self.isr_min() <= self.isr.committed().len()
    }

    /// Positions of the log, as they were last told.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.positions
    }

    /// The offset after the last committed record.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.positions.high_watermark
    }

    /// `min.insync.replicas`, at most the number of replicas, at least 1.
    pub(super) fn isr_min(&self) -> usize {
        usize::try_from(self.settings.min_insync_replicas)
            .unwrap_or(1)
            .min(self.replica_count)
            .max(1)
    }

    /// The offset up to which our own log counts.
    pub(super) fn counted(&self) -> Offset {
        match self.settings.durability {
            Durability::Persisted => self.positions.flushed,
            Durability::Replicated => self.positions.log_end,
        }
    }

    /// What has to hold at any time. Called wherever the state changed.
    ///
    /// # Panics
    /// It does not hold.
    pub fn check_invariants(&self) {
        let Positions {
            log_start,
            high_watermark,
            flushed,
            log_end,
        } = self.positions;
        assert!(
            log_start <= high_watermark,
            "log start {log_start}, high watermark {high_watermark}"
        );
        assert!(
            high_watermark <= log_end,
            "high watermark {high_watermark}, log end {log_end}"
        );
        assert!(flushed <= log_end, "flushed {flushed}, log end {log_end}");
        self.isr.check_invariants();
        if let Role::Leader { epoch_start } = self.role {
            assert!(
                epoch_start <= log_end,
                "epoch start {epoch_start}, log end {log_end}"
            );
            assert!(
                self.leader == self.own,
                "broker {} leads for {}",
                self.own,
                self.leader
            );
        } else {
            assert!(self.followers.is_empty(), "only a leader has followers");
        }
    }
}
