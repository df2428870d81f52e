//! The graceful end: everything durable, every log closed, a clean marker in each directory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use milena_log::directory;
use milena_protocol::BrokerEpoch;
use tracing::{info, warn};
use uuid::Uuid;

use super::Replicas;
use crate::partition::Partition;

/// Threads that close logs. Each log takes several syncs, and those of different logs share the
/// journal's writes: one after the other, a thousand logs take the better part of a minute.
const CLOSE_THREADS: usize = 16;

/// Closes logs. Returns the directories with one that was not closed.
fn close_all(partitions: Vec<Arc<Partition>>) -> BTreeSet<Uuid> {
    let threads = CLOSE_THREADS.min(partitions.len());
    let unclean: Mutex<BTreeSet<Uuid>> = Mutex::default();
    let queue = Mutex::new(partitions);
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(partition) = next else { return };
            let directory = partition.directory();
            if directory.is_failed() {
                continue;
            }
            if let Err(error) = partition.shut_down() {
                warn!(partition = %partition.topic_partition(), %error, "log was not closed");
                unclean
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(directory.id());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    unclean.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Replicas {
    /// Ends all work on the logs. A directory gets its clean marker only if every one of its logs
    /// was closed without error. Syncs: call it off the runtime, when nothing appends any more.
    pub(crate) fn shut_down(&self, broker_epoch: BrokerEpoch) {
        for directory in self.directories.iter() {
            directory.syncer().stop();
        }
        let unclean = close_all(self.all());
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
