//! One coordinator with its partition, its waiting requests and its task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use milena_cluster::transaction::{
    Coordinator, Effect, Event, Markers, Request, Response, State, Waiter,
};
use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, Timestamp, TopicPartition};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::appends::Appends;
use super::markers::Writing;
use super::settings::Settings;
use super::{load, markers};
use crate::broker::Broker;
use crate::coordinator::{Coordinates, Schedule, SteadyClock, Waiters, read};
use crate::metrics::TransactionCounts;
use crate::partition::Partition;

/// Markers that are appended under the lock: what one transaction is the faster for.
const MARKERS_AT_ONCE_MAX: usize = 64;

/// What the lock protects. It is taken before the lock of a partition.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) core: Coordinator,
    pub(super) clock: SteadyClock,
    waiters: Waiters<Response>,
    pub(super) appends: Appends,
    /// A level of `transaction.version` that came during the load.
    version: Option<i16>,
    is_loaded: bool,
    has_resigned: bool,
    /// Its records cannot be loaded, for a reason that was logged.
    is_broken: bool,
    schedule: Schedule,
}

/// The coordinator of one partition.
#[derive(Debug)]
pub(super) struct Shard {
    /// The broker owns the shards.
    broker: Weak<Broker>,
    pub(super) partition: Arc<Partition>,
    pub(super) settings: Settings,
    /// Wakes the task: an append has ended, or a timer ends before the task would look.
    pub(super) wake: Arc<Notify>,
    inner: Mutex<Inner>,
}

impl Coordinates for Shard {
    fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    fn resign(&self) {
        let mut inner = self.lock();
        if !inner.has_resigned {
            self.resign_locked(&mut inner);
        }
        self.wake.notify_one();
    }
}

impl Shard {
    /// A shard that refuses requests until it is loaded.
    pub(super) fn new(
        broker: Weak<Broker>,
        partition: Arc<Partition>,
        settings: Settings,
    ) -> Arc<Self> {
        let inner = Inner {
            core: load::empty(&partition, &settings),
            clock: SteadyClock::new(),
            waiters: Waiters::default(),
            appends: Appends::default(),
            version: None,
            is_loaded: false,
            has_resigned: false,
            is_broken: false,
            schedule: Schedule::new(),
        };
        Arc::new(Self {
            broker,
            partition,
            settings,
            wake: Arc::new(Notify::new()),
            inner: Mutex::new(inner),
        })
    }

    /// Loads the shard and runs it until it resigns or the broker stops. An empty partition is
    /// loaded at once, so that the first client of a new cluster need not ask twice.
    pub(super) fn start(self: &Arc<Self>, broker: &Arc<Broker>) {
        // What the one before has given to be appended counts too.
        let end = self.partition.settled_end();
        if self.partition.log_start() == end {
            self.serve(load::Loaded {
                core: load::empty(&self.partition, &self.settings),
                end,
            });
        }
        let shard = Arc::clone(self);
        let stopping = broker.stopping();
        let reader = broker.tracker().clone();
        broker.tracker().spawn(async move {
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = shard.run(&reader) => {}
            }
            shard.resign();
        });
    }

    /// Looks at the coordinator, and at its clock.
    pub(super) fn with_core<R>(&self, f: impl FnOnce(&Coordinator, Timestamp) -> R) -> R {
        let mut inner = self.lock();
        let now = inner.clock.now();
        f(&inner.core, now)
    }

    /// Adds this shard to what is shown of all.
    pub(super) fn count(&self, counts: &mut TransactionCounts) {
        let mut inner = self.lock();
        let now = inner.clock.now();
        let state = if inner.is_broken || inner.has_resigned {
            "failed"
        } else if inner.is_loaded {
            "active"
        } else {
            "loading"
        };
        *counts.partitions.entry(state).or_default() += 1;
        for (_, transaction) in inner.core.transactions() {
            let state = transaction.state();
            *counts.states.entry(state.name()).or_default() += 1;
            if state == State::Ongoing {
                let age = now.ms_since(transaction.metadata.start) / 1000;
                counts.oldest_seconds = counts.oldest_seconds.max(age);
            }
        }
    }

    /// Asks the coordinator and waits for its answer.
    ///
    /// # Cancel safety
    /// The request stands; its answer is lost.
    pub(super) async fn request(self: &Arc<Self>, request: Request) -> Response {
        let answer = {
            let mut inner = self.lock();
            let waiter = Waiter(inner.waiters.begin_step());
            self.step(&mut inner, Event::Request { waiter, request });
            match inner.waiters.end_step() {
                Ok(response) => return response,
                Err(receiver) => receiver,
            }
        };
        answer
            .await
            .expect("a coordinator that has not panicked answers everybody")
    }

    /// Takes over another level of the feature `transaction.version`.
    pub(super) fn set_version(self: &Arc<Self>, version: i16) {
        let mut inner = self.lock();
        if inner.is_loaded {
            self.feed_locked(&mut inner, Event::TransactionVersion(version));
        } else {
            inner.version = Some(version);
        }
    }

    /// Tells the coordinator what has happened.
    pub(super) fn feed(self: &Arc<Self>, event: Event) {
        let mut inner = self.lock();
        self.feed_locked(&mut inner, event);
    }

    fn feed_locked(self: &Arc<Self>, inner: &mut Inner, event: Event) {
        if !inner.has_resigned {
            self.step(inner, event);
        }
    }

    /// Locks. A coordinator that has panicked is not asked again: what it has stored stands, and
    /// whoever loads it next serves it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(|poisoned: PoisonError<_>| {
                let mut inner = poisoned.into_inner();
                self.inner.clear_poison();
                self.say_broken("its coordinator panicked");
                inner.has_resigned = true;
                inner.appends.clear();
                // Their connections are closed.
                inner.waiters.clear();
                inner.core = Coordinator::new(self.settings.config.clone(), 0);
                inner.core.resign(&mut Vec::new());
                self.wake.notify_one();
                inner
            })
    }

    fn say_broken(&self, reason: &str) {
        error!(partition = %self.partition.topic_partition(), reason,
            "transactions of this partition are not served until it is led anew");
    }

    /// Puts a loaded coordinator to work.
    fn serve(self: &Arc<Self>, loaded: load::Loaded) {
        let mut inner = self.lock();
        if inner.has_resigned {
            return;
        }
        inner.core = loaded.core;
        inner.is_loaded = true;
        let now = inner.clock.now();
        let mut effects = Vec::new();
        inner.core.finish_loading(now, &mut effects);
        self.carry_out(&mut inner, effects);
        if let Some(version) = inner.version.take() {
            self.step(&mut inner, Event::TransactionVersion(version));
        }
    }

    async fn run(self: &Arc<Self>, tracker: &TaskTracker) {
        if !self.lock().is_loaded {
            let shard = Arc::clone(self);
            let read =
                tracker.spawn_blocking(move || load::read(&shard.partition, &shard.settings));
            // A panic is a load that failed: the partition stays unserved.
            let loaded = match read.await {
                Ok(Some(loaded)) => loaded,
                Ok(None) => return self.stay_unserved().await,
                Err(_) => {
                    self.say_broken("its records make no sense");
                    return self.stay_unserved().await;
                }
            };
            let has_resigned = || self.lock().has_resigned;
            if !read::committed(&self.partition, load::WHAT, loaded.end, has_resigned).await {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| self.serve(loaded))).is_err() {
                self.say_broken("its records make no sense");
                return;
            }
        }
        while let Some(sleep) = self.turn() {
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Refuses requests with COORDINATOR_LOAD_IN_PROGRESS until somebody else is to serve them, as
    /// Kafka does.
    async fn stay_unserved(&self) {
        self.lock().is_broken = true;
        while !self.lock().has_resigned {
            self.wake.notified().await;
        }
    }

    /// Feeds what has happened meanwhile. Returns for how long there is nothing to do; none when
    /// the shard has resigned.
    fn turn(self: &Arc<Self>) -> Option<Duration> {
        let mut inner = self.lock();
        self.carry_out(&mut inner, Vec::new());
        for token in inner.appends.take_late(Instant::now()) {
            self.step(&mut inner, Event::TimedOut { token });
        }
        if inner.has_resigned {
            return None;
        }
        let now = inner.clock.now();
        let is_due = |deadline| deadline <= now;
        if inner.core.next_deadline().is_some_and(is_due) {
            let mut effects = Vec::new();
            inner.core.step(now, Event::Tick, &mut effects);
            self.tell_timeouts(&effects, now);
            self.carry_out(&mut inner, effects);
        }
        let now = inner.clock.now();
        let timer = inner.core.next_deadline();
        let late = inner.appends.next_deadline();
        let timeout = self.settings.append_timeout;
        Some(inner.schedule.sleep(now, timer, late, timeout))
    }

    /// Tells of the transactions that a tick aborts: nobody else has asked for that.
    fn tell_timeouts(&self, effects: &[Effect], now: Timestamp) {
        let records = effects.iter().flat_map(|effect| match effect {
            Effect::Append { records, .. } => records.as_slice(),
            _ => &[],
        });
        for record in records {
            let Record::Transaction {
                transactional_id,
                metadata: Some(metadata),
            } = record
            else {
                continue;
            };
            if metadata.state != State::PrepareAbort {
                continue;
            }
            if let Some(broker) = self.broker.upgrade() {
                broker.metrics().transaction_timed_out();
            }
            warn!(
                transactional_id,
                producer_id = metadata.producer_id.0,
                producer_epoch = metadata.producer_epoch.0,
                timeout_ms = metadata.timeout_ms,
                age_ms = now.ms_since(metadata.start),
                partitions = metadata.partitions.len(),
                "transaction is aborted, its timeout has ended"
            );
        }
    }

    /// Makes sure that the task looks at `deadline` or before.
    pub(super) fn wake_by(&self, inner: &mut Inner, deadline: Instant) {
        if inner.schedule.wake_by(deadline) {
            self.wake.notify_one();
        }
    }

    pub(super) fn resign_locked(&self, inner: &mut Inner) {
        inner.has_resigned = true;
        inner.appends.clear();
        let mut effects = Vec::new();
        inner.core.resign(&mut effects);
        for effect in effects {
            if let Effect::Reply { waiter, response } = effect {
                inner.waiters.answer(waiter.0, response);
            }
        }
        self.wake.notify_one();
    }

    fn step(self: &Arc<Self>, inner: &mut Inner, event: Event) {
        let now = inner.clock.now();
        let mut effects = Vec::new();
        inner.core.step(now, event, &mut effects);
        self.carry_out(inner, effects);
    }

    /// Does what the coordinator wants, until nothing more has ended.
    fn carry_out(self: &Arc<Self>, inner: &mut Inner, mut effects: Vec<Effect>) {
        loop {
            self.carry_out_once(inner, &mut effects);
            if !self.feed_ended(inner, &mut effects) {
                break;
            }
        }
        if inner.schedule.is_late_for(inner.core.next_deadline()) {
            self.wake.notify_one();
        }
    }

    /// Does what the coordinator wants; an append that is refused at once is fed back at once.
    fn carry_out_once(self: &Arc<Self>, inner: &mut Inner, effects: &mut Vec<Effect>) {
        while !effects.is_empty() {
            for effect in std::mem::take(effects) {
                match effect {
                    Effect::Reply { waiter, response } => inner.waiters.answer(waiter.0, response),
                    Effect::Append { token, records } => {
                        if let Err(error) = self.append(inner, token, &records) {
                            let now = inner.clock.now();
                            let result = Err(error);
                            let event = Event::Appended { token, result };
                            inner.core.step(now, event, effects);
                        }
                    }
                    Effect::NewProducerId => self.take_producer_id(),
                    Effect::WriteMarkers(markers) => self.write_markers(markers),
                }
            }
        }
    }

    /// Takes an id from the cluster, in a task of its own.
    fn take_producer_id(self: &Arc<Self>) {
        let Some(broker) = self.broker.upgrade() else {
            return;
        };
        let shard = Arc::clone(self);
        let tracker = broker.tracker().clone();
        tracker.spawn(async move {
            let id = broker.next_producer_id().await;
            shard.feed(Event::ProducerId(id));
        });
    }

    /// Appends markers, and waits for them in a task of its own. Those of large transactions are
    /// appended there too: the lock is held here, and others wait for it.
    fn write_markers(self: &Arc<Self>, markers: Markers) {
        let Some(broker) = self.broker.upgrade() else {
            return;
        };
        let begin = |broker: &Broker, markers: &Markers| {
            let partitions = markers.partitions.iter().cloned().collect();
            let marker = markers::marker(markers);
            Writing::begin(broker, marker, markers.transaction_version, partitions)
        };
        let is_small = markers.partitions.len() <= MARKERS_AT_ONCE_MAX;
        let begun = is_small.then(|| begin(&broker, &markers));
        let mut job = MarkerJob {
            shard: Arc::clone(self),
            markers: Some(markers),
        };
        let tracker = broker.tracker().clone();
        tracker.spawn(async move {
            let writing = match (begun, &job.markers) {
                (Some(begun), _) => begun,
                (None, Some(markers)) if !job.shard.lock().has_resigned => begin(&broker, markers),
                _ => return,
            };
            let results = writing.finish(&broker).await;
            job.end(|markers| {
                markers::warn_refused(&markers.transactional_id, &results);
                results
            });
        });
    }
}

/// Markers that are being written. The coordinator hears of their end in any case, or it would wait
/// for ever: where the task ends without one, nothing is known of them.
struct MarkerJob {
    shard: Arc<Shard>,
    /// None once the coordinator was told.
    markers: Option<Markers>,
}

impl MarkerJob {
    fn end(&mut self, results: impl FnOnce(&Markers) -> Vec<(TopicPartition, ErrorCode)>) {
        let Some(markers) = self.markers.take() else {
            return;
        };
        let results = results(&markers);
        self.shard.feed(Event::MarkersWritten {
            transactional_id: markers.transactional_id,
            producer_id: markers.producer_id,
            producer_epoch: markers.producer_epoch,
            results,
        });
    }
}

impl Drop for MarkerJob {
    fn drop(&mut self) {
        let unknown =
            |partition: &TopicPartition| (partition.clone(), ErrorCode::UnknownServerError);
        self.end(|markers| markers.partitions.iter().map(unknown).collect());
    }
}
