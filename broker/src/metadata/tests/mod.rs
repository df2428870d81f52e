//! Tests of the metadata log as its users see it.

mod cluster;
mod crash;
mod single;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use milena_log::storage::Storage;
use milena_protocol::{BrokerId, Timestamp};
use uuid::Uuid;

use super::proposal::Proposed;
use super::raft_network::Transport;
use super::{
    Entry, Limits, Listener, MetadataLog, Options, ProposeError, RaftMetadataLog, Replica,
    ReplicaKey,
};
pub(super) use words::Words;

const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

type Log = RaftMetadataLog<Words>;

/// The replica of a node. Also what openraft's own tests make replicas with.
impl From<u64> for ReplicaKey {
    fn from(id: u64) -> Self {
        Self {
            broker_id: BrokerId(i32::try_from(id).unwrap()),
            directory_id: Uuid::from_u128(u128::from(id) + 1000),
        }
    }
}

fn clock() -> Timestamp {
    Timestamp(1_700_000_000_000)
}

/// Options of a sole voter.
fn of(cluster_id: &str, id: u64, storage: &Arc<dyn Storage>) -> Options {
    let directory = PathBuf::from("/data");
    let mut options = Options::single(directory, cluster_id.to_owned(), id.into(), clock);
    options.storage = Arc::clone(storage);
    options
}

fn single(storage: &Arc<dyn Storage>) -> Options {
    of(CLUSTER, 1, storage)
}

/// Options of node `id` among three.
fn of_three(id: u64, storage: &Arc<dyn Storage>, transport: Arc<dyn Transport>) -> Options {
    let voters: BTreeMap<ReplicaKey, Replica> = (1..=3)
        .map(|id| {
            let listener = Listener {
                name: "CONTROLLER".to_owned(),
                host: format!("node{id}"),
                port: 9093,
            };
            let listeners = vec![listener];
            (id.into(), Replica { listeners })
        })
        .collect();
    Options {
        local: id.into(),
        voters,
        transport,
        limits: Limits {
            heartbeat: Duration::from_millis(20),
            election_timeout_min: Duration::from_millis(100),
            election_timeout_max: Duration::from_millis(200),
            snapshot_entries: 20,
            entries_kept: 5,
            ..Limits::default()
        },
        ..single(storage)
    }
}

/// Proposes one word on the state as it is.
async fn propose(log: &Log, word: &str) -> Result<Proposed, ProposeError> {
    let base_digest = super::Replayed::digest(&*log.snapshot().state);
    let entry = Entry {
        base_digest,
        records: vec![word.to_owned()],
        timestamp: clock(),
    };
    log.propose(entry).await
}

fn words(log: &Log) -> Vec<String> {
    log.snapshot().state.words()
}
