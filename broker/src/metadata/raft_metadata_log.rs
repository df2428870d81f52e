//! The metadata log by openraft: opening it, proposing, reporting, stopping.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use milena_protocol::{BrokerId, LeaderEpoch, Timestamp};
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, InitializeError, RaftError};
use openraft::{Instant as _, Raft, RaftMetrics};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info};

use super::options::FOLDER;
use super::proposal::{Entry, Leadership, MetadataLog, Pending, ProposeError, Proposed, Published};
use super::raft_config::{Proposal, TypeConfig, end_of, epoch_of, offset_of, settings};
use super::raft_log::{self, RaftLog};
use super::raft_network::{Handler, Network, Request, Response, Transport, Unanswered};
use super::raft_snapshot::Snapshots;
use super::raft_state_machine::{StateMachine, Surroundings, encode_records};
use super::{Options, Replayed, ReplicaKey, ReplicaStatus, Status};

/// Why a metadata log could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Its storage.
    #[error(transparent)]
    Storage(#[from] raft_log::Error),
    /// The times or voters that were given contradict each other.
    #[error("metadata log: {0}")]
    Options(String),
    /// It was opened, but does not run.
    #[error("start the metadata log: {0}")]
    Start(String),
}

type Node<S> = Raft<TypeConfig, StateMachine<S>>;

/// A [`MetadataLog`] whose voters agree by openraft.
pub(crate) struct RaftMetadataLog<S: Replayed> {
    raft: Node<S>,
    log: RaftLog,
    published: watch::Receiver<Published<S>>,
    leadership: watch::Receiver<Leadership>,
    failure: watch::Receiver<Option<String>>,
    permits: Semaphore,
    entry_bytes_max: usize,
    local: ReplicaKey,
    transport: Arc<dyn Transport>,
    now: fn() -> Timestamp,
    /// When each replica was last seen with all that the leader has.
    caught_up: Mutex<BTreeMap<ReplicaKey, Timestamp>>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl<S: Replayed> fmt::Debug for RaftMetadataLog<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftMetadataLog")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// What opening the files gives.
struct Opened {
    log: RaftLog,
    snapshots: Snapshots,
}

impl<S: Replayed> RaftMetadataLog<S> {
    /// Opens the log below `options.directory`, or makes one whose state is `initial`, which must
    /// be the same at all voters. With one voter it is the controller and has applied everything
    /// when this returns; else it takes part from now on.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) async fn open(options: Options, initial: S) -> Result<Arc<Self>, OpenError> {
        if !options.voters.contains_key(&options.local) {
            let reason = format!("{} is not among the voters", options.local);
            return Err(OpenError::Options(reason));
        }
        let config = settings(&options.cluster_id, &options.limits).map_err(OpenError::Options)?;
        let tracker = TaskTracker::new();
        let (failure_sender, failure) = watch::channel(None);
        let opened = open_files(&options, &tracker, failure_sender.clone()).await?;
        let (publisher, published) = watch::channel(Published {
            state: Arc::new(initial.clone()),
            offset: milena_protocol::Offset::NONE,
        });
        let snapshot_due = Arc::new(Notify::new());
        let around = Surroundings {
            snapshots: Arc::new(opened.snapshots),
            tracker: tracker.clone(),
            publisher,
            snapshot_due: Arc::clone(&snapshot_due),
            snapshot_bytes: options.limits.snapshot_bytes,
        };
        let raft = Raft::new(
            options.local,
            Arc::new(config),
            Network {
                transport: Arc::clone(&options.transport),
            },
            opened.log.clone(),
            StateMachine::new(initial, around),
        )
        .await
        .map_err(|error| OpenError::Start(error.to_string()))?;
        let (leadership_sender, leadership) = watch::channel(NOBODY);
        let cancel = CancellationToken::new();
        tracker.spawn(observe(
            raft.clone(),
            cancel.clone(),
            snapshot_due,
            leadership_sender,
            failure_sender,
        ));
        options
            .transport
            .serve(options.local, Arc::new(Answering(raft.clone())));
        let metadata_log = Arc::new(Self {
            raft,
            log: opened.log,
            published,
            leadership,
            failure,
            permits: Semaphore::new(options.limits.proposals_in_flight_max),
            entry_bytes_max: options.limits.entry_bytes_max,
            local: options.local,
            transport: Arc::clone(&options.transport),
            now: options.now,
            caught_up: Mutex::new(BTreeMap::new()),
            tracker,
            cancel,
        });
        metadata_log.start(&options).await?;
        Ok(metadata_log)
    }

    /// Who leads, as it changes.
    #[cfg(test)]
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Makes the first membership where there is none; a sole voter is elected at once.
    async fn start(&self, options: &Options) -> Result<(), OpenError> {
        let failed = |error: String| OpenError::Start(error);
        let initialized = self.raft.is_initialized().await;
        if !initialized.map_err(|error| failed(error.to_string()))? {
            match self.raft.initialize(options.voters.clone()).await {
                Ok(()) => {}
                // Another voter was faster and has sent entries already.
                Err(RaftError::APIError(InitializeError::NotAllowed(_)))
                    if options.voters.len() > 1 => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        if !self.is_sole_voter().await {
            return Ok(());
        }
        // There is nobody whose heartbeat could be waited for.
        let elected = self.raft.trigger().elect(false).await;
        elected.map_err(|error| failed(error.to_string()))?;
        let mut leadership = self.leadership.clone();
        let mut failure = self.failure.clone();
        let current = async {
            tokio::select! {
                biased;
                reason = failure.wait_for(Option::is_some) => {
                    let reason = reason.ok().and_then(|reason| reason.clone());
                    Err(failed(reason.unwrap_or_default()))
                }
                _ = leadership.wait_for(|leadership| leadership.is_controller) => Ok(()),
            }
        };
        let timeout = options.limits.start_timeout;
        match tokio::time::timeout(timeout, current).await {
            Ok(result) => result,
            Err(_) => Err(failed(format!("no controller within {timeout:?}"))),
        }
    }

    async fn is_sole_voter(&self) -> bool {
        // The metrics may not show a membership that was just made.
        let local = self.local;
        let voters = self.raft.with_raft_state(move |state| {
            let membership = state.membership_state.effective().membership();
            membership.voter_ids().eq([local])
        });
        voters.await.unwrap_or(false)
    }

    async fn write(&self, entry: Entry<S::Record>) -> Result<Proposed, ProposeError> {
        let records = encode_records::<S>(&entry.records)
            .map_err(|error| ProposeError::Storage(error.to_string()))?;
        if records.len() > self.entry_bytes_max {
            return Err(ProposeError::TooLarge {
                size_bytes: records.len(),
                limit_bytes: self.entry_bytes_max,
            });
        }
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(ProposeError::Stopping);
        };
        let proposal = Proposal {
            base_digest: entry.base_digest,
            timestamp: entry.timestamp,
            records,
        };
        match self.raft.client_write(proposal).await {
            Ok(response) => Ok(Proposed {
                offset: offset_of(response.log_id.index),
                epoch: epoch_of(response.log_id.leader_id.term),
                applied: response.data.applied,
            }),
            Err(RaftError::Fatal(Fatal::Stopped)) => Err(self.stopped()),
            Err(RaftError::Fatal(error)) => Err(ProposeError::Storage(error.to_string())),
            Err(RaftError::APIError(error)) => Err(refusal(error)),
        }
    }

    /// Why the log does not run: it failed, or it was stopped.
    fn stopped(&self) -> ProposeError {
        match self.failure.borrow().as_ref() {
            Some(reason) => ProposeError::Storage(reason.clone()),
            None => ProposeError::Stopping,
        }
    }

    async fn shut_down(&self) {
        self.transport.withdraw(self.local);
        self.permits.close();
        self.cancel.cancel();
        if let Err(error) = self.raft.shutdown().await {
            error!(%error, "the metadata log did not stop in order");
        }
        self.log.close().await;
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn replica_status(
        &self,
        metrics: &RaftMetrics<TypeConfig>,
        key: ReplicaKey,
        now: Timestamp,
    ) -> ReplicaStatus {
        let leads = metrics.state.is_leader();
        let end = end_of(metrics.last_log_index);
        let (log_end, last_fetch) = if key == self.local {
            (end, if leads { now } else { Timestamp::NONE })
        } else {
            let matched = metrics.replication.as_ref().and_then(|all| all.get(&key));
            let heard = metrics.heartbeat.as_ref().and_then(|all| all.get(&key));
            let heard = heard.and_then(Option::as_ref).map(|at| at.elapsed());
            (
                matched.map_or(milena_protocol::Offset::NONE, |matched| {
                    end_of(matched.map(|log_id| log_id.index))
                }),
                heard.map_or(Timestamp::NONE, |elapsed| {
                    let ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
                    now.plus_ms(-ms)
                }),
            )
        };
        let mut caught_up = self
            .caught_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if leads && log_end == end {
            caught_up.insert(key, last_fetch);
        }
        let replica = metrics.membership_config.membership().get_node(&key);
        ReplicaStatus {
            broker_id: key.broker_id,
            directory_id: key.directory_id,
            log_end,
            last_fetch,
            last_caught_up: caught_up.get(&key).copied().unwrap_or(Timestamp::NONE),
            listeners: replica
                .map(|node| node.listeners.clone())
                .unwrap_or_default(),
        }
    }
}

impl<S: Replayed> MetadataLog<S> for RaftMetadataLog<S> {
    fn propose(&self, entry: Entry<S::Record>) -> Pending<'_, Result<Proposed, ProposeError>> {
        Box::pin(self.write(entry))
    }

    fn subscribe(&self) -> watch::Receiver<Published<S>> {
        self.published.clone()
    }

    fn snapshot(&self) -> Published<S> {
        self.published.borrow().clone()
    }

    fn status(&self) -> Status {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let now = (self.now)();
        let membership = metrics.membership_config.membership();
        Status {
            leader: metrics.current_leader.map(|leader| leader.broker_id),
            epoch: epoch_of(metrics.current_term),
            high_watermark: end_of(metrics.local_committed.map(|log_id| log_id.index)),
            voters: membership
                .voter_ids()
                .map(|key| self.replica_status(&metrics, key, now))
                .collect(),
            observers: membership
                .learner_ids()
                .map(|key| self.replica_status(&metrics, key, now))
                .collect(),
        }
    }

    fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.clone()
    }

    fn stop(&self) -> Pending<'_, ()> {
        Box::pin(self.shut_down())
    }
}

impl<S: Replayed> Drop for RaftMetadataLog<S> {
    fn drop(&mut self) {
        self.transport.withdraw(self.local);
        self.cancel.cancel();
        self.log.abandon();
    }
}

async fn open_files(
    options: &Options,
    tracker: &TaskTracker,
    failure: watch::Sender<Option<String>>,
) -> Result<Opened, OpenError> {
    let storage = Arc::clone(&options.storage);
    let directory = options.directory.join(FOLDER);
    let (cluster_id, local) = (options.cluster_id.clone(), options.local);
    let limits = options.limits.clone();
    let reads = tracker.clone();
    let opening = tracker.spawn_blocking(move || {
        let owner = (cluster_id.as_str(), local);
        let log = RaftLog::open(
            Arc::clone(&storage),
            directory.clone(),
            owner,
            &limits,
            reads,
            failure,
        )?;
        let snapshots = Snapshots::open(storage, directory.clone());
        let complete = snapshots.and_then(|snapshots| {
            if log.purged() > snapshots.last() {
                let reason = format!(
                    "entries up to {:?} are purged, but no snapshot has them",
                    log.purged()
                );
                return Err(raft_log::Error::Incomplete { directory, reason });
            }
            Ok(snapshots)
        });
        match complete {
            Ok(snapshots) => Ok(Opened { log, snapshots }),
            Err(error) => {
                log.abandon();
                Err(error)
            }
        }
    });
    let opened = opening
        .await
        .map_err(|error| OpenError::Start(error.to_string()))?;
    Ok(opened?)
}

fn refusal(error: ClientWriteError<TypeConfig>) -> ProposeError {
    let leader = |forward: &ForwardToLeader<TypeConfig>| forward.leader_id.map(|id| id.broker_id);
    match error {
        ClientWriteError::ForwardToLeader(forward) => ProposeError::NotController {
            leader: leader(&forward),
        },
        ClientWriteError::LogEntryDiscarded(forward) => ProposeError::Unknown {
            leader: leader(&forward),
        },
        // Neither a membership nor a precondition was asked for.
        other => ProposeError::Storage(other.to_string()),
    }
}

/// Before anything is known.
const NOBODY: Leadership = Leadership {
    leader: None,
    epoch: LeaderEpoch(0),
    is_controller: false,
};

fn leadership_of(metrics: &RaftMetrics<TypeConfig>) -> Leadership {
    // An entry of its own term, at least the blank one that every leader begins with, follows all
    // entries of its predecessors.
    let applied = metrics.last_applied.map(|applied| applied.leader_id.term);
    let leads = metrics.state.is_leader() && metrics.vote.committed;
    Leadership {
        leader: metrics
            .current_leader
            .map(|leader: ReplicaKey| -> BrokerId { leader.broker_id }),
        epoch: epoch_of(metrics.current_term),
        is_controller: leads && applied == Some(metrics.current_term),
    }
}

/// Announces changes of leadership and the end of the log, and starts snapshots when they are due.
async fn observe<S: Replayed>(
    raft: Node<S>,
    cancel: CancellationToken,
    snapshot_due: Arc<Notify>,
    leadership: watch::Sender<Leadership>,
    failure: watch::Sender<Option<String>>,
) {
    let mut metrics = raft.metrics();
    let own = metrics.borrow_watched().id.broker_id;
    loop {
        let (now, running) = {
            let metrics = metrics.borrow_watched();
            (leadership_of(&metrics), metrics.running_state.clone())
        };
        if leadership.send_if_modified(|known| std::mem::replace(known, now) != now) {
            let Leadership {
                leader,
                epoch,
                is_controller,
            } = now;
            // An election passes through states that mean nothing to anybody else.
            match leader {
                Some(leader) if is_controller || leader != own => {
                    info!(%leader, %epoch, is_controller, "the metadata log is led");
                }
                _ => debug!(?leader, %epoch, is_controller, "leadership of the metadata log"),
            }
        }
        match running {
            Ok(()) | Err(Fatal::Stopped) => {}
            Err(error) => {
                let reason = error.to_string();
                error!(%reason, "the metadata log cannot go on");
                failure.send_if_modified(|known| {
                    let is_first = known.is_none();
                    known.get_or_insert(reason);
                    is_first
                });
                return;
            }
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = snapshot_due.notified() => {
                // It fails only when the log ends, which the metrics say too.
                drop(raft.trigger().snapshot().await);
            }
            changed = metrics.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Answers the other voters.
struct Answering<S: Replayed>(Node<S>);

impl<S: Replayed> Handler for Answering<S> {
    fn handle(&self, request: Request) -> Pending<'static, Result<Response, Unanswered>> {
        let raft = self.0.clone();
        Box::pin(async move {
            let answer = match request {
                Request::Append(rpc) => raft
                    .append_entries(rpc)
                    .await
                    .map(Response::Append)
                    .map_err(|error| error.to_string()),
                Request::Vote(rpc) => raft
                    .vote(rpc)
                    .await
                    .map(Response::Vote)
                    .map_err(|error| error.to_string()),
                Request::PreVote(rpc) => raft
                    .pre_vote(rpc)
                    .await
                    .map(Response::Vote)
                    .map_err(|error| error.to_string()),
                Request::Snapshot(vote, snapshot) => raft
                    .install_full_snapshot(vote, *snapshot)
                    .await
                    .map(Response::Snapshot)
                    .map_err(|error| error.to_string()),
                Request::TransferLeader(rpc) => raft
                    .handle_transfer_leader(rpc)
                    .await
                    .map(Response::TransferLeader)
                    .map_err(|error| error.to_string()),
            };
            answer.map_err(Unanswered)
        })
    }
}
