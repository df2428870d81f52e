//! Where the metadata log lies, who takes part, and its limits.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use milena_log::storage::{DiskStorage, Storage};
use milena_protocol::Timestamp;

use super::raft_network::{Router, Transport};
use super::{Replica, ReplicaKey};

/// Folder below the log directory that holds the metadata log.
pub(crate) const FOLDER: &str = "__milena_metadata";

/// What a metadata log is opened with.
pub(crate) struct Options {
    /// The log directory; the files lie in [`FOLDER`] below it.
    pub directory: PathBuf,
    /// Id of the cluster; a directory of another cluster is refused.
    pub cluster_id: String,
    /// This replica; a directory of another replica is refused.
    pub local: ReplicaKey,
    /// The voters of a new cluster, `local` among them. An existing log knows its own.
    pub voters: BTreeMap<ReplicaKey, Replica>,
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// Reaches the other voters.
    pub transport: Arc<dyn Transport>,
    /// Wall-clock time, for [`status`](super::status).
    pub now: fn() -> Timestamp,
    /// Sizes and times.
    pub limits: Limits,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("directory", &self.directory)
            .field("cluster_id", &self.cluster_id)
            .field("local", &self.local)
            .field("voters", &self.voters)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// A log with one voter, which needs no transport, on the file system.
    pub(crate) fn single(
        directory: PathBuf,
        cluster_id: String,
        local: ReplicaKey,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            directory,
            cluster_id,
            local,
            voters: BTreeMap::from([(local, Replica::default())]),
            storage: Arc::new(DiskStorage::new()),
            transport: Arc::new(Router::default()),
            now,
            limits: Limits::default(),
        }
    }
}

/// Sizes and times of a metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How often the leader shows that it is alive. At least 1 ms, below `election_timeout_min`.
    pub heartbeat: Duration,
    /// A voter that heard nothing from a leader for a random time from here ...
    pub election_timeout_min: Duration,
    /// ... to here, exclusive, stands for election.
    pub election_timeout_max: Duration,
    /// How long sending a snapshot to another voter may take.
    pub snapshot_timeout: Duration,
    /// How long a log with one voter may take from its start to being current.
    pub start_timeout: Duration,
    /// Bytes of one encoded entry.
    pub entry_bytes_max: usize,
    /// Proposals under way at once; more wait.
    pub proposals_in_flight_max: usize,
    /// A snapshot is written after so many entries ...
    pub snapshot_entries: u64,
    /// ... or so many bytes of them, whichever is first.
    pub snapshot_bytes: u64,
    /// Entries kept in the log after a snapshot, for voters that are a little behind.
    pub entries_kept: u64,
    /// A file of the log is closed when it is longer.
    pub segment_bytes_max: u64,
    /// Bytes of the newest entries kept in memory.
    pub cache_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            election_timeout_min: Duration::from_millis(1000),
            election_timeout_max: Duration::from_millis(2000),
            snapshot_timeout: Duration::from_secs(60),
            start_timeout: Duration::from_secs(60),
            entry_bytes_max: 32 << 20,
            proposals_in_flight_max: 1024,
            snapshot_entries: 100_000,
            snapshot_bytes: 20 << 20,
            entries_kept: 100_000,
            segment_bytes_max: 16 << 20,
            cache_bytes_max: 4 << 20,
        }
    }
}
