//! What a partition is told: by its metadata, its log and its configuration.

use milena_protocol::config::Durability;
use milena_protocol::{BrokerEpoch, BrokerId, LeaderEpoch, Offset};

/// Positions of a log. `log_start <= high_watermark <= log_end` and `flushed <= log_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// First offset of the log.
    pub log_start: Offset,
    /// The offset after the last record that is committed.
    pub high_watermark: Offset,
    /// The offset after the last record that is synced to disk.
    pub flushed: Offset,
    /// The offset after the last record.
    pub log_end: Offset,
}

/// Configuration of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `durability`: whether a record counts when it is flushed or when it is appended.
    pub durability: Durability,
    /// `min.insync.replicas`; more than the partition has replicas counts as all of them.
    pub min_insync_replicas: i32,
    /// `replica.lag.time.max.ms`: a follower that was not caught up for longer leaves the ISR.
    pub replica_lag_time_max_ms: i64,
}

/// One replica of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The broker that has it.
    pub id: BrokerId,
    /// The broker's registration as the metadata knows it (KIP-903).
    pub broker_epoch: BrokerEpoch,
    /// True where the broker may join the ISR: it is neither fenced nor shutting down.
    pub is_eligible: bool,
}

/// The state of a partition in the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The leader; [`BrokerId::NONE`] where there is none.
    pub leader: BrokerId,
    /// Number of the leadership; grows with each change of the leader.
    pub leader_epoch: LeaderEpoch,
    /// Number of the state; grows with each change of this value (KIP-497).
    pub partition_epoch: i32,
    /// The replicas, the preferred leader first.
    pub replicas: Vec<Replica>,
    /// The in-sync replicas that the controller has committed.
    pub isr: Vec<BrokerId>,
}

/// The metadata is older than what the partition knows; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("partition epoch {received} is older than {known}")]
pub struct Stale {
    /// Partition epoch of the refused state.
    pub received: i32,
    /// Partition epoch that is known.
    pub known: i32,
}

impl Stale {
    /// True where a repetition may succeed; never.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        false
    }
}

/// What follows from a new state of the metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transition {
    /// True where the leader epoch is new.
    pub is_new_epoch: bool,
    /// A new leader epoch and where it starts: to be kept in the log's epoch cache, and on disk,
    /// even before a record has that epoch (KAFKA-7415).
    pub epoch_start: Option<(LeaderEpoch, Offset)>,
    /// The high watermark, where it moved.
    pub high_watermark: Option<Offset>,
}
