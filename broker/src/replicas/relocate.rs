//! Moves of replicas between log directories: what a client may ask for, and the thread that copies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_log::{Log, Partition as Place, directory};
use milena_protocol::{ErrorCode, PartitionIndex, TopicPartition};
use tracing::{info, warn};
use uuid::Uuid;

use super::Replicas;
use super::follow::NEW_LOG;
use super::future::Interrupted;
use crate::broker::Broker;
use crate::clock;
use crate::partition::{Copy, Partition, RelocateError, Relocation};
use crate::reports;

/// Longest name of a folder.
const NAME_BYTES_MAX: usize = 255;

/// A move that has begun: the replica and how far it is.
pub(crate) type Begun = (Arc<Partition>, Arc<Relocation>);

impl Replicas {
    /// Notes that a replica has to move to the directory at `path`, or to stay where that is its
    /// own. The move itself has to be spawned then, if one is returned.
    ///
    /// # Errors
    /// As Kafka: `INVALID_TOPIC_EXCEPTION` where the name is too long for the folder of a copy,
    /// `LOG_DIR_NOT_FOUND`, `KAFKA_STORAGE_ERROR`, `REPLICA_NOT_AVAILABLE`,
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub(crate) fn begin_relocation(
        &self,
        topic: &str,
        index: PartitionIndex,
        path: &str,
    ) -> Result<Option<Begun>, ErrorCode> {
        let name = TopicPartition::new(topic, index);
        if directory::future_name(&name, Uuid::nil()).len() > NAME_BYTES_MAX {
            return Err(ErrorCode::InvalidTopicException);
        }
        let target = self.directories.at(path).ok_or(ErrorCode::LogDirNotFound)?;
        if target.is_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        let partition = self.named(topic, index).map_err(|error| match error {
            ErrorCode::NotLeaderOrFollower => ErrorCode::ReplicaNotAvailable,
            error => error,
        })?;
        if let Some(error) = partition.closed() {
            return Err(error);
        }
        let present = partition.relocation();
        if present.is_some_and(|present| present.target().id() == target.id()) {
            return Ok(None);
        }
        partition.set_relocation(None);
        if partition.directory().id() == target.id() {
            return Ok(None);
        }
        // A directory that is offline may hold an older copy.
        let any_failed = self
            .directories
            .iter()
            .any(|directory| directory.is_failed());
        if any_failed || partition.with_log(|log| log.damage().is_some()) {
            return Err(ErrorCode::KafkaStorageError);
        }
        let relocation = Relocation::new(Arc::clone(target));
        partition.set_relocation(Some(Arc::clone(&relocation)));
        Ok(Some((partition, relocation)))
    }

    /// Moves a replica. Copies the whole log: call it off the runtime.
    fn relocate(
        &self,
        broker: &Broker,
        partition: &Arc<Partition>,
        relocation: &Arc<Relocation>,
    ) -> Result<(), RelocateError> {
        let name = partition.topic_partition();
        let target = relocation.target();
        let folder = target
            .path()
            .join(directory::future_name(name, Uuid::new_v4()));
        let place = Place {
            folder: folder.clone(),
            topic_partition: name.clone(),
            topic_id: partition.topic_id(),
        };
        let Some(handles) = self.handles.get(&target.id()) else {
            return Err(RelocateError::Cancelled);
        };
        let config = Arc::clone(&partition.settings().log);
        let log = Log::open(
            Arc::clone(handles),
            place,
            config,
            NEW_LOG,
            clock::now(),
            &mut |_| {},
        );
        let log = match log {
            Ok(log) => log,
            Err(error) => {
                target.fail_because(&error);
                return Err(RelocateError::Closed);
            }
        };
        let outcome = self.fill(broker, Copy::new(partition, relocation, log));
        if outcome.is_err() && !target.is_failed() {
            // What is left of a copy is of no use; a start removes it too.
            match target.storage().remove_directory(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    warn!(path = %folder.display(), %error, "copy of a log was not removed");
                }
                _ => {}
            }
        }
        outcome
    }

    fn fill(&self, broker: &Broker, mut copy: Copy<'_>) -> Result<(), RelocateError> {
        let stopping = broker.stopping();
        let mut pace = Pace::new(broker);
        let mut rounds = 0;
        // Twice, since much may come while the first end is synced.
        while rounds < 2 {
            if stopping.is_cancelled() {
                return Err(RelocateError::Stopping);
            }
            let copied = copy.step()?;
            pace.keep(copied);
            if Copy::is_near(copied) {
                copy.sync()?;
                rounds += 1;
            }
        }
        // The start of the log stands in the checkpoint of the target before the copy counts.
        self.checkpoint().map_err(|_| RelocateError::Checkpoint)?;
        copy.take_place()?;
        if self.checkpoint().is_err() {
            warn!("checkpoints of a log directory were not written");
        }
        Ok(())
    }
}

/// Keeps copying below `replica.alter.log.dirs.io.max.bytes.per.second`.
struct Pace {
    bytes_per_second: f64,
    bytes: usize,
    started: Instant,
}

impl Pace {
    fn new(broker: &Broker) -> Self {
        let rate = broker
            .values()
            .long("replica.alter.log.dirs.io.max.bytes.per.second");
        Self {
            bytes_per_second: rate.max(1) as f64,
            bytes: 0,
            started: clock::instant(),
        }
    }

    fn keep(&mut self, copied: usize) {
        self.bytes += copied;
        let due = self.bytes as f64 / self.bytes_per_second;
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        if let Some(early) = due.checked_sub(self.started.elapsed()) {
            // The thread looks again whether it has to stop.
            std::thread::park_timeout(early.min(Duration::from_secs(1)));
        }
    }
}

/// Moves a replica in the background, as soon as one of the movers is free. There are as many moves
/// as partitions at most, and as many at once as log directories.
pub(crate) fn spawn(broker: &Arc<Broker>, partition: Arc<Partition>, relocation: Arc<Relocation>) {
    let shared = Arc::clone(broker);
    broker.tracker().spawn(async move {
        let stopping = shared.stopping();
        let permit = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            permit = shared.replicas().movers.acquire() => permit,
        };
        let worker = Arc::clone(&shared);
        let outcome = shared
            .blocking(move || {
                let outcome = worker.replicas().relocate(&worker, &partition, &relocation);
                partition.end_relocation(&relocation);
                report(&partition, &relocation, &outcome);
                outcome
            })
            .await;
        drop(permit);
        if outcome.is_ok() {
            reports::assign_directories(&shared).await;
        }
    });
}

/// Begins the moves again that the end of the broker before has interrupted.
pub(crate) fn resume(broker: &Arc<Broker>, interrupted: Vec<Interrupted>) {
    for (name, target) in interrupted {
        let path = target.path().to_string_lossy();
        match broker
            .replicas()
            .begin_relocation(&name.topic, name.partition, &path)
        {
            Ok(Some((partition, relocation))) => spawn(broker, partition, relocation),
            Ok(None) => {}
            Err(error) => warn!(partition = %name, %path, ?error, "move was not resumed"),
        }
    }
}

fn report(partition: &Partition, relocation: &Relocation, outcome: &Result<(), RelocateError>) {
    let (name, target) = (partition.topic_partition(), relocation.target());
    let path = target.path().display();
    match outcome {
        Ok(()) => info!(partition = %name, %path, "replica has moved"),
        Err(RelocateError::Cancelled | RelocateError::Stopping | RelocateError::Closed) => {
            info!(partition = %name, %path, "move of a replica has ended early");
        }
        Err(RelocateError::Target(error)) => {
            warn!(partition = %name, %path, %error, "replica was not moved");
            if error.is_final() {
                target.fail_because(error);
            }
        }
        Err(RelocateError::Source(error)) => partition.directory().fail_because(error),
        Err(error) => warn!(partition = %name, %path, %error, "replica was not moved"),
    }
}
