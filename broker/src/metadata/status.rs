//! What DescribeQuorum reports.

use milena_protocol::{BrokerId, LeaderEpoch, Offset, Timestamp};
use uuid::Uuid;

use super::Listener;

/// State of the metadata log as one replica sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The active controller, where one is known.
    pub leader: Option<BrokerId>,
    /// Its epoch; 0 before the first election.
    pub epoch: LeaderEpoch,
    /// End, exclusive, of what a majority has.
    pub high_watermark: Offset,
    /// Replicas that vote, by key.
    pub voters: Vec<ReplicaStatus>,
    /// Replicas that only follow, by key.
    pub observers: Vec<ReplicaStatus>,
}

/// One replica of the metadata log. Only the leader knows the positions of others; elsewhere they
/// are -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplicaStatus {
    /// Its node.
    pub broker_id: BrokerId,
    /// Its directory.
    pub directory_id: Uuid,
    /// End, exclusive, of its copy.
    pub log_end: Offset,
    /// When the leader last heard from it.
    pub last_fetch: Timestamp,
    /// When it last had all that the leader had, as seen by calls of `status`.
    pub last_caught_up: Timestamp,
    /// Its addresses.
    pub listeners: Vec<Listener>,
}
