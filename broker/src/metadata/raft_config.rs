//! The types and settings that openraft runs with.
//!
//! Leaders are numbered the standard way (`leader_id_std`): one leader per term, so that a term is
//! a controller epoch. Entries and snapshots are bytes here; only the state machine knows records.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use milena_protocol::{LeaderEpoch, Offset, Timestamp};
use openraft::{Config, SnapshotPolicy};

use super::{Limits, Replica, ReplicaKey};

openraft::declare_raft_types!(
    /// openraft's types.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Answer,
        NodeId = ReplicaKey,
        Node = Replica,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = openraft::TokioRuntime,
);

/// Position of an entry: its term and index.
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// Whom a replica follows, or wants to.
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// An entry of the log.
pub(crate) type LogEntry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// Who takes part.
pub(crate) type Membership = openraft::Membership<ReplicaKey, Replica>;
/// Who takes part, and which entry says so.
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
/// A snapshot: what it covers and its bytes.
pub(crate) type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, Bytes>;

/// An entry of records, encoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// Digest of the state that the records were evaluated on.
    pub base_digest: u128,
    /// When they were evaluated.
    pub timestamp: Timestamp,
    /// Each record with its length in front.
    pub records: Bytes,
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "records of {} bytes", self.records.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying an entry gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// False where the digest did not match and nothing was changed.
    pub applied: bool,
}

/// The offset of an entry.
pub(crate) fn offset_of(index: u64) -> Offset {
    Offset(i64::try_from(index).unwrap_or(i64::MAX))
}

/// The end, exclusive, of a log whose last entry is `index`.
pub(crate) fn end_of(index: Option<u64>) -> Offset {
    index.map_or(Offset(0), |index| offset_of(index.saturating_add(1)))
}

/// The epoch of a term. Terms beyond an int32 are refused where they are read.
pub(crate) fn epoch_of(term: u64) -> LeaderEpoch {
    LeaderEpoch(i32::try_from(term).unwrap_or(i32::MAX))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The settings of openraft.
///
/// # Errors
/// Where the times contradict each other.
pub(crate) fn settings(cluster_id: &str, limits: &Limits) -> Result<Config, String> {
    let election_max = milliseconds(limits.election_timeout_max);
    let config = Config {
        cluster_name: cluster_id.to_owned(),
        heartbeat_interval: milliseconds(limits.heartbeat),
        election_timeout_min: milliseconds(limits.election_timeout_min),
        election_timeout_max: election_max,
        install_snapshot_timeout: milliseconds(limits.snapshot_timeout),
        enable_pre_vote: Some(true),
        // A restarted leader has to be elected again: its state may be older than what it had
        // confirmed before.
        enable_leader_restore: Some(false),
        // A leader that lost its majority falls silent for as long as the others may need to elect
        // another, instead of holding them back for ever.
        quorum_loss_probe_interval: Some(election_max.saturating_mul(2)),
        allow_log_reversion: None,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(limits.snapshot_entries),
        max_in_snapshot_log_to_keep: limits.entries_kept,
        // A voter gets a snapshot only for entries that are no longer in the log.
        replication_lag_threshold: limits
            .entries_kept
            .max(limits.snapshot_entries)
            .saturating_mul(2),
        api_batch_linger_ms: 0,
        ..Config::default()
    };
    config.validate().map_err(|error| error.to_string())
}
