//! The shell of the controller: evaluates a request on the newest image, has the records committed,
//! and answers once this broker has taken them over.
//!
//! Evaluations are taken in turn, so that on one node no proposal is ever outdated. Where another
//! controller was faster the entry is not applied, and the request is evaluated again.

use std::sync::{Arc, Mutex, PoisonError};

use milena_cluster::metadata::{self, ConfigTables, Image, Operation};
use milena_protocol::{ErrorCode, Offset};
use tokio::sync::watch;

use crate::clock;
use crate::features;
use crate::metadata::{Entry, MetadataLog, ProposeError, Published, RaftMetadataLog};
use crate::options::Options;

/// Evaluations of one request before it is given up.
const ATTEMPTS_MAX: usize = 16;

/// Evaluates and commits.
pub(crate) struct Controller {
    log: Arc<RaftMetadataLog<Image>>,
    machine: Mutex<metadata::Controller>,
    turn: tokio::sync::Mutex<()>,
    /// Offset up to which this broker has taken the metadata over, inclusive.
    taken_over: watch::Sender<Offset>,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").finish_non_exhaustive()
    }
}

impl Controller {
    /// Stands before an opened metadata log.
    pub(crate) fn new(log: Arc<RaftMetadataLog<Image>>, options: &Options) -> Self {
        let rules = Arc::new(ConfigTables::new(options.values.clone()));
        let machine = metadata::Controller::new(controller_config(options), rules);
        Self {
            log,
            machine: Mutex::new(machine),
            turn: tokio::sync::Mutex::new(()),
            taken_over: watch::Sender::new(Offset::NONE),
        }
    }

    /// The metadata log.
    pub(crate) fn log(&self) -> &Arc<RaftMetadataLog<Image>> {
        &self.log
    }

    /// The newest committed image.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.log.snapshot().state
    }

    /// The newest committed image and where it stands.
    pub(crate) fn log_snapshot(&self) -> Published<Image> {
        self.log.snapshot()
    }

    /// Follows the committed images.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Published<Image>> {
        self.log.subscribe()
    }

    /// This broker has taken over everything up to `offset`.
    pub(crate) fn note_taken_over(&self, offset: Offset) {
        self.taken_over.send_if_modified(|present| {
            let moves = *present < offset;
            if moves {
                *present = offset;
            }
            moves
        });
    }

    /// Changes the machine's soft state.
    pub(crate) fn with_machine<R>(&self, f: impl FnOnce(&mut metadata::Controller) -> R) -> R {
        f(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Evaluates `request`, commits its records and waits until this broker has taken them over.
    ///
    /// # Errors
    /// Those of [`Controller::commit`].
    pub(crate) async fn run<Q: Operation>(
        &self,
        request: &Q,
    ) -> Result<Q::Response, metadata::Error> {
        let (response, offset) = self.commit(request).await?;
        if let Some(offset) = offset {
            self.wait_taken_over(offset).await;
        }
        Ok(response)
    }

    /// Evaluates `request` and commits its records. Returns the answer and the offset of the
    /// records, none where nothing had to change.
    ///
    /// # Errors
    /// What the controller decides; `NOT_CONTROLLER`, `REQUEST_TIMED_OUT` and `KAFKA_STORAGE_ERROR`
    /// where the records could not be committed.
    pub(crate) async fn commit<Q: Operation>(
        &self,
        request: &Q,
    ) -> Result<(Q::Response, Option<Offset>), metadata::Error> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let now = clock::now();
            let image = self.log.snapshot().state;
            let decision = self.with_machine(|machine| machine.decide(&image, now, request))?;
            if decision.records.is_empty() {
                return Ok((decision.response, None));
            }
            let entry = Entry {
                base_digest: image.digest().0,
                records: decision.records,
                timestamp: now,
            };
            let proposed = self.log.propose(entry).await.map_err(refused)?;
            if proposed.applied {
                return Ok((decision.response, Some(proposed.offset)));
            }
        }
        Err(metadata::Error::new(
            ErrorCode::RequestTimedOut,
            "the metadata changed too often to decide",
        ))
    }

    /// Waits until this broker has taken over the metadata up to `offset`.
    async fn wait_taken_over(&self, offset: Offset) {
        let mut taken_over = self.taken_over.subscribe();
        // The sender lives as long as this.
        drop(taken_over.wait_for(|present| *present >= offset).await);
    }
}

fn refused(reason: ProposeError) -> metadata::Error {
    let code = match &reason {
        ProposeError::NotController { .. } | ProposeError::Stopping => ErrorCode::NotController,
        ProposeError::Unknown { .. } => ErrorCode::RequestTimedOut,
        ProposeError::TooLarge { .. } => ErrorCode::InvalidRequest,
        ProposeError::Storage(_) => ErrorCode::KafkaStorageError,
    };
    metadata::Error::new(code, reason.to_string())
}

/// Settings of the controller on this node.
fn controller_config(options: &Options) -> metadata::Config {
    let values = &options.values;
    let supported = features::SUPPORTED.iter();
    metadata::Config {
        node_id: options.id,
        controllers: vec![options.id],
        num_partitions: values.int("num.partitions").max(1),
        default_replication_factor: i16::try_from(values.int("default.replication.factor"))
            .unwrap_or(1)
            .max(1),
        min_insync_replicas: values.int("min.insync.replicas").max(1),
        unclean_leader_election_enable: values.boolean("unclean.leader.election.enable"),
        broker_session_timeout_ms: values.long("broker.session.timeout.ms"),
        supported_features: supported
            .map(|feature| (feature.name.to_owned(), (feature.min, feature.max)))
            .collect(),
    }
}
