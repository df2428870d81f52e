//! The graceful end: everything durable, every log closed, a clean marker in each directory.

use std::collections::BTreeSet;

use milena_log::directory;
use milena_protocol::BrokerEpoch;
use tracing::{info, warn};
use uuid::Uuid;

use super::Replicas;

impl Replicas {
    /// Ends all work on the logs. A directory gets its clean marker only if every one of its logs
    /// was closed without error. Syncs: call it off the runtime, when nothing appends any more.
    pub(crate) fn shut_down(&self, broker_epoch: BrokerEpoch) {
        for directory in self.directories.iter() {
            directory.syncer().stop();
        }
        let mut unclean: BTreeSet<Uuid> = BTreeSet::new();
        for partition in self.all() {
            let directory = partition.directory();
            if directory.is_failed() {
                continue;
            }
            if let Err(error) = partition.shut_down() {
                warn!(partition = %partition.topic_partition(), %error, "log was not closed");
                unclean.insert(directory.id());
            }
        }
        if self.checkpoint().is_err() {
            warn!("checkpoints were not written");
        }
        for directory in self.directories.iter() {
            if directory.is_failed() || unclean.contains(&directory.id()) {
                continue;
            }
            let path = directory.path();
            match directory::put_clean_marker(&**directory.storage(), path, broker_epoch) {
                Ok(()) => info!(path = %path.display(), "log directory is clean"),
                Err(error) => warn!(path = %path.display(), %error, "clean marker was not written"),
            }
        }
    }
}
