//! One hosted partition: its log, its replication core, and who waits for it.
//!
//! There is no task and no channel per partition. An append is put into the inbox; whoever holds the
//! lock of the state (or gets it) empties the inbox and writes everything that waits with one call.
//! Every path that has held the lock looks into the inbox afterwards ([`Partition::with`]), so that
//! nothing is left there.
//!
//! Order of locks: `state`, then the queue of the syncer or the slots of a completion. The inbox is
//! a leaf.

mod append;
mod directory;
mod idle;
mod lookup;
mod read;
mod relocate;
mod retention;
mod role;
mod settings;
mod syncer;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod waiters;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};

use milena_cluster::replication;
use milena_log::Log;
use milena_log::error::AppendError;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};

pub(crate) use append::Append;
pub(crate) use directory::{Directories, Directory, Opened};
pub(crate) use read::{Isolation, Read, ReadRequest, collect};
pub(crate) use relocate::{COMPLETE, Copy, RelocateError, Relocation};
pub(crate) use settings::Settings;
pub(crate) use waiters::FetchWaiter;

use self::syncer::Unsynced;
use self::tail::Tail;
use self::waiters::{AckWaiters, FetchWaiters};
use crate::clock;
use crate::metrics::Metrics;

/// What the lock protects.
#[derive(Debug)]
struct State {
    log: Log,
    core: replication::Partition,
    tail: Tail,
    acks: AckWaiters,
    fetches: FetchWaiters,
    /// Ends and sizes of appended batches above the high watermark, for fetches that wait for bytes.
    above_hw: std::collections::VecDeque<(Offset, i64)>,
    /// When the last sync ended, or the log was opened.
    flushed_at: Timestamp,
    /// Records were appended or read since the last look for idle partitions.
    is_used: bool,
    /// Memory and files were let go of, and nothing has happened since.
    is_released: bool,
    /// Counts the logs that this replica has had: another one with each move.
    incarnation: u64,
    /// Set once the directory failed or the topic was deleted: every request gets this error.
    closed: Option<ErrorCode>,
}

/// Positions that are read without the lock. Each is only ever stored under the lock.
#[derive(Debug, Default)]
struct Positions {
    log_start: AtomicI64,
    last_stable: AtomicI64,
    high_watermark: AtomicI64,
    log_end: AtomicI64,
}

/// A hosted partition.
#[derive(Debug)]
pub(crate) struct Partition {
    topic_partition: TopicPartition,
    topic_id: TopicId,
    /// Changes when the replica moves to another directory.
    directory: RwLock<Arc<Directory>>,
    /// Where the replica moves to, if it does.
    relocation: Mutex<Option<Arc<Relocation>>>,
    metrics: Arc<Metrics>,
    settings: RwLock<Arc<Settings>>,
    inbox: Mutex<Vec<Append>>,
    state: Mutex<State>,
    positions: Positions,
    queued_for_sync: AtomicBool,
}

impl Partition {
    /// Takes over an opened log.
    pub(crate) fn new(
        log: Log,
        core: replication::Partition,
        directory: Arc<Directory>,
        settings: Arc<Settings>,
    ) -> Arc<Self> {
        let (topic_partition, topic_id) = (log.topic_partition().clone(), log.topic_id());
        let mut log = log;
        log.set_high_watermark(core.high_watermark());
        let state = State {
            log,
            core,
            tail: Tail::default(),
            acks: AckWaiters::default(),
            fetches: FetchWaiters::default(),
            above_hw: std::collections::VecDeque::new(),
            flushed_at: clock::now(),
            is_used: false,
            is_released: false,
            incarnation: 0,
            closed: None,
        };
        let partition = Arc::new(Self {
            topic_partition,
            topic_id,
            metrics: Arc::clone(directory.metrics()),
            directory: RwLock::new(directory),
            relocation: Mutex::default(),
            settings: RwLock::new(settings),
            inbox: Mutex::new(Vec::new()),
            state: Mutex::new(state),
            positions: Positions::default(),
            queued_for_sync: AtomicBool::new(false),
        });
        partition.with(|_| ());
        partition
    }

    /// Topic and index.
    pub(crate) fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// Id of the topic.
    pub(crate) fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Where the log lies.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(
            &self
                .directory
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The configuration in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// First offset that can be read.
    pub(crate) fn log_start(&self) -> Offset {
        Offset(self.positions.log_start.load(Ordering::Acquire))
    }

    /// The offset after the last record that is acknowledged to everybody.
    pub(crate) fn high_watermark(&self) -> Offset {
        Offset(self.positions.high_watermark.load(Ordering::Acquire))
    }

    /// The offset below which no transaction is open.
    pub(crate) fn last_stable(&self) -> Offset {
        Offset(self.positions.last_stable.load(Ordering::Acquire))
    }

    /// The offset after the last record.
    pub(crate) fn log_end(&self) -> Offset {
        Offset(self.positions.log_end.load(Ordering::Acquire))
    }

    /// The offset after the last record, with everything that was given to [`Partition::append`]
    /// before.
    pub(crate) fn settled_end(self: &Arc<Self>) -> Offset {
        loop {
            // What has left the inbox is written before the lock is given back.
            let end = self.with(|state| self.inbox_is_empty().then(|| state.log.log_end()));
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Runs `f` on the log under the lock.
    pub(crate) fn with_log<R>(self: &Arc<Self>, f: impl FnOnce(&mut Log) -> R) -> R {
        self.with(|state| f(&mut state.log))
    }

    /// Compares the leader epoch of a client with ours (KIP-320); -1 is not compared.
    pub(crate) fn check_leader_epoch(
        self: &Arc<Self>,
        epoch: LeaderEpoch,
    ) -> Result<(), ErrorCode> {
        self.look(|state| state.core.check_leader_epoch(epoch))
    }

    /// The epoch of the present leader.
    pub(crate) fn leader_epoch(self: &Arc<Self>) -> LeaderEpoch {
        self.look(|state| state.core.leader_epoch())
    }

    /// True where this broker leads the partition.
    pub(crate) fn is_leader(self: &Arc<Self>) -> bool {
        self.look(|state| state.core.is_leader())
    }

    /// Puts another configuration into force.
    pub(crate) fn configure(self: &Arc<Self>, settings: Arc<Settings>) {
        let log_config = Arc::clone(&settings.log);
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::clone(&settings);
        self.with(|state| {
            state.log.set_config(log_config);
            let advanced = state.core.set_settings(settings.replication());
            if let Some(high_watermark) = advanced {
                state.advance(high_watermark);
            }
        });
        self.queue_sync();
    }

    /// The error that every request for this partition gets, once it is closed.
    pub(crate) fn closed(self: &Arc<Self>) -> Option<ErrorCode> {
        self.look(|state| state.closed)
    }

    /// True where records that were refused may be in the log: its directory failed, or the
    /// partition was closed for another reason.
    pub(crate) fn is_offline(self: &Arc<Self>) -> bool {
        self.directory().is_failed() || self.closed().is_some()
    }

    /// Fails everybody who waits, and everything that comes, with `error`.
    pub(crate) fn close(self: &Arc<Self>, error: ErrorCode) {
        self.with(|state| {
            state.closed = Some(error);
            state.acks.fail(error);
            state.fetches.wake_all();
            state.tail.clear();
        });
    }

    /// Ends the partition: nobody waits any longer, and the log is closed with all of its records
    /// durable.
    pub(crate) fn shut_down(self: &Arc<Self>) -> Result<(), AppendError> {
        self.with(|state| {
            state.closed = Some(ErrorCode::NotLeaderOrFollower);
            state.acks.fail(ErrorCode::NotLeaderOrFollower);
            state.fetches.wake_all();
            state.log.close()
        })
    }

    /// Use [`Partition::look`] or [`Partition::with`]: nobody else serves what comes into the inbox
    /// while the lock is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves a log whose positions are those of its last complete
        // append; the assertions of the log hold at every return.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state. Who finds the lock taken leaves its append in the inbox, so it is served
    /// afterwards as after a change.
    fn look<R>(self: &Arc<Self>, f: impl FnOnce(&State) -> R) -> R {
        let result = f(&self.lock());
        self.combine();
        result
    }

    /// Runs `f` under the lock, publishes the positions, and serves what came into the inbox
    /// meanwhile.
    fn with<R>(self: &Arc<Self>, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = f(&mut state);
        self.publish(&state);
        drop(state);
        self.combine();
        result
    }

    fn publish(&self, state: &State) {
        let log = &state.log;
        self.positions
            .log_start
            .store(log.log_start().0, Ordering::Release);
        self.positions
            .last_stable
            .store(log.last_stable().0, Ordering::Release);
        self.positions
            .high_watermark
            .store(log.high_watermark().0, Ordering::Release);
        self.positions
            .log_end
            .store(log.log_end().0, Ordering::Release);
    }

    fn take_inbox(&self) -> Vec<Append> {
        std::mem::take(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn inbox_is_empty(&self) -> bool {
        self.inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Empties the inbox, unless somebody else holds the lock: they will.
    fn combine(self: &Arc<Self>) {
        while !self.inbox_is_empty() {
            let mut state = match self.state.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            let appends = self.take_inbox();
            let syncs = if appends.is_empty() {
                false
            } else {
                self.append_all(&mut state, appends)
            };
            self.publish(&state);
            drop(state);
            if syncs {
                self.queue_sync();
            }
        }
    }

    /// Sees to it that the syncer makes this partition durable.
    fn queue_sync(self: &Arc<Self>) {
        if !self.queued_for_sync.swap(true, Ordering::AcqRel) {
            self.directory().syncer().queue(Arc::clone(self));
        }
    }

    /// Makes everything durable that is appended. Called by the syncer's thread. Returns what stood
    /// above the high watermark when the sync began.
    fn sync(self: &Arc<Self>) -> Unsynced {
        // Cleared first: what is appended from here on queues the partition again.
        self.queued_for_sync.store(false, Ordering::Release);
        let begun = self.with(|state| {
            if state.closed.is_some() {
                // Nobody waits, and the folder may be gone, which must not look like a failure.
                return None;
            }
            let ticket = state.log.begin_sync()?;
            let unsynced = Unsynced {
                batches: state.above_hw.len(),
                bytes: state.above_hw.iter().map(|(_, bytes)| bytes).sum(),
            };
            Some((ticket, state.incarnation, self.directory(), unsynced))
        });
        let Some((ticket, incarnation, directory, unsynced)) = begun else {
            return Unsynced::default();
        };
        let started = clock::instant();
        let synced = ticket.sync();
        self.metrics.synced(started.elapsed());
        if let Err(error) = &synced {
            directory.fail_because(error);
        }
        let upto = ticket.upto();
        let is_behind = self.with(|state| {
            // Where the replica has moved meanwhile, the move has synced more than this.
            if state.incarnation != incarnation {
                return false;
            }
            if synced.is_err() {
                state.log.fail_sync(ticket);
                return false;
            }
            let flushed = state.log.finish_sync(ticket);
            state.flushed_at = clock::now();
            if let Some(high_watermark) = state.core.on_local_flushed(flushed) {
                state.advance(high_watermark);
            }
            let end = state.log.log_end();
            flushed < end && (flushed < upto || self.settings().syncs_after(&state.log))
        });
        if is_behind {
            // Segments were replaced meanwhile, so that the ticket does not count. Nobody may append
            // here any more and queue the partition for those who wait.
            self.queue_sync();
        }
        unsynced
    }
}

impl State {
    /// The high watermark has moved: acknowledges and wakes.
    fn advance(&mut self, high_watermark: Offset) {
        self.log.set_high_watermark(high_watermark);
        self.acks.advance(high_watermark);
        let mut bytes = 0;
        while let Some(&(_, size)) = self
            .above_hw
            .front()
            .filter(|(end, _)| *end <= high_watermark)
        {
            bytes += size;
            self.above_hw.pop_front();
        }
        if bytes > 0 {
            self.fetches.add(bytes);
        }
    }
}
