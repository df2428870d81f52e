//! One coordinator with its partition, its waiting requests and its task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use milena_cluster::group::{Coordinator, DeletedTopic, Effect, Event, Request, Response, Waiter};
use milena_protocol::stored::group::partition_for;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::appends::Appends;
use super::expiry;
use super::load;
use super::settings::Settings;
use super::surroundings::Surroundings;
use crate::coordinator::{Coordinates, Schedule, SteadyClock, Waiters, read};
use crate::metrics::Metrics;
use crate::partition::Partition;
use crate::told::Restraint;

/// What the lock protects. It is taken before the lock of the partition.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) core: Coordinator,
    pub(super) clock: SteadyClock,
    waiters: Waiters<Response>,
    pub(super) appends: Appends,
    /// Topics that were deleted during the load.
    deleted: Vec<DeletedTopic>,
    pub(super) is_loaded: bool,
    pub(super) has_resigned: bool,
    schedule: Schedule,
    expiry: Restraint,
}

/// Forgets a request whose client is gone: on a disk that stalls, clients come again and again.
struct Abandoned<'a> {
    shard: &'a Shard,
    /// None once it is answered.
    waiter: Option<u64>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.shard.lock().waiters.forget(waiter);
        }
    }
}

/// The coordinator of one partition.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) partition: Arc<Partition>,
    pub(super) settings: Settings,
    surroundings: Arc<RwLock<Surroundings>>,
    metrics: Arc<Metrics>,
    /// Partitions of `__consumer_offsets`.
    partition_count: i32,
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
        partition: Arc<Partition>,
        settings: Settings,
        surroundings: Arc<RwLock<Surroundings>>,
        metrics: Arc<Metrics>,
        partition_count: i32,
    ) -> Arc<Self> {
        let core = Coordinator::new(settings.config.clone());
        let inner = Inner {
            core,
            clock: SteadyClock::new(),
            waiters: Waiters::default(),
            appends: Appends::default(),
            deleted: Vec::new(),
            is_loaded: false,
            has_resigned: false,
            schedule: Schedule::new(),
            expiry: Restraint::default(),
        };
        Arc::new(Self {
            partition,
            settings,
            surroundings,
            metrics,
            partition_count,
            wake: Arc::new(Notify::new()),
            inner: Mutex::new(inner),
        })
    }

    /// Loads the shard and runs it until it resigns or the broker stops. An empty partition is
    /// loaded at once, so that the first client of a new cluster need not ask twice.
    pub(super) fn start(self: &Arc<Self>, tracker: &TaskTracker, stopping: CancellationToken) {
        // What the one before has given to be appended counts too.
        let end = self.partition.settled_end();
        if self.partition.log_start() == end {
            self.serve(load::Loaded {
                core: Coordinator::new(self.settings.config.clone()),
                end,
            });
        }
        let shard = Arc::clone(self);
        let reader = tracker.clone();
        tracker.spawn(async move {
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = shard.run(&reader) => {}
            }
            shard.resign();
        });
    }

    /// Looks at the coordinator.
    pub(super) fn with_core<R>(&self, f: impl FnOnce(&Coordinator) -> R) -> R {
        f(&self.lock().core)
    }

    /// Asks the coordinator and waits for its answer.
    ///
    /// # Cancel safety
    /// The request stands; its answer is lost.
    pub(super) async fn request(&self, request: Request) -> Response {
        let (answer, mut abandoned) = {
            let mut inner = self.lock();
            let number = inner.waiters.begin_step();
            let waiter = Waiter(number);
            self.step(&mut inner, Event::Request { waiter, request });
            let receiver = match inner.waiters.end_step() {
                Ok(response) => return response,
                Err(receiver) => receiver,
            };
            let abandoned = Abandoned {
                shard: self,
                waiter: Some(number),
            };
            (receiver, abandoned)
        };
        let response = answer
            .await
            .expect("a coordinator that has not panicked answers everybody");
        abandoned.waiter = None;
        response
    }

    /// Forgets the offsets of topics that are gone.
    pub(super) fn topics_deleted(&self, topics: &[DeletedTopic]) {
        let mut inner = self.lock();
        if inner.is_loaded {
            self.step(&mut inner, Event::TopicsDeleted(topics.to_vec()));
        } else {
            inner.deleted.extend_from_slice(topics);
        }
    }

    /// Tells the coordinator what has happened.
    pub(super) fn feed(&self, event: Event) {
        let mut inner = self.lock();
        if !inner.has_resigned {
            self.step(&mut inner, event);
        }
    }

    /// Locks. A coordinator that has panicked is not asked again: what it has stored stands, and
    /// whoever loads it next serves it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| {
            let mut inner = poisoned.into_inner();
            self.inner.clear_poison();
            self.say_broken("its coordinator panicked");
            inner.has_resigned = true;
            inner.appends.clear();
            // Their connections are closed.
            inner.waiters.clear();
            inner.core = Coordinator::new(self.settings.config.clone());
            inner.core.resign(&mut Vec::new());
            self.wake.notify_one();
            inner
        })
    }

    fn say_broken(&self, reason: &str) {
        error!(partition = %self.partition.topic_partition(), reason,
            "groups of this partition are not served until it is led anew");
    }

    /// Puts a loaded coordinator to work.
    fn serve(&self, loaded: load::Loaded) {
        let mut inner = self.lock();
        if inner.has_resigned {
            return;
        }
        inner.core = loaded.core;
        inner.is_loaded = true;
        let now = inner.clock.now();
        let mut effects = Vec::new();
        for event in self.surroundings_of_ours() {
            inner.core.step(now, event, &mut effects);
        }
        inner.core.finish_loading(now, &mut effects);
        self.carry_out(&mut inner, effects);
        let deleted = std::mem::take(&mut inner.deleted);
        if !deleted.is_empty() {
            self.step(&mut inner, Event::TopicsDeleted(deleted));
        }
    }

    fn surroundings_of_ours(&self) -> Vec<Event> {
        let index = self.partition.topic_partition().partition;
        let surroundings = self
            .surroundings
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let count = self.partition_count.max(1);
        surroundings.events(|group| partition_for(group, count) == index)
    }

    async fn run(self: &Arc<Self>, tracker: &TaskTracker) {
        if !self.lock().is_loaded {
            let shard = Arc::clone(self);
            let read =
                tracker.spawn_blocking(move || load::read(&shard.partition, &shard.settings));
            // A panic is a load that failed: the partition stays unserved.
            let loaded = match read.await {
                Ok(Some(loaded)) => loaded,
                Ok(None) => return,
                Err(_) => return self.say_broken("the records of its groups make no sense"),
            };
            let has_resigned = || self.lock().has_resigned;
            if !read::committed(&self.partition, load::WHAT, loaded.end, has_resigned).await {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| self.serve(loaded))).is_err() {
                return self.say_broken("the records of its groups make no sense");
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

    /// Feeds what has happened meanwhile. Returns for how long there is nothing to do; none when
    /// the shard has resigned.
    fn turn(&self) -> Option<Duration> {
        let mut inner = self.lock();
        self.carry_out(&mut inner, Vec::new());
        for token in inner.appends.take_late(Instant::now()) {
            self.step(&mut inner, Event::TimedOut { token });
        }
        if inner.has_resigned {
            return None;
        }
        let now = inner.clock.now();
        if inner
            .core
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.step(&mut inner, Event::Tick);
        }
        let now = inner.clock.now();
        let timer = inner.core.next_deadline();
        let late = inner.appends.next_deadline();
        let timeout = self.settings.commit_timeout;
        Some(inner.schedule.sleep(now, timer, late, timeout))
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

    fn step(&self, inner: &mut Inner, event: Event) {
        let now = inner.clock.now();
        let mut effects = Vec::new();
        inner.core.step(now, event, &mut effects);
        self.carry_out(inner, effects);
    }

    /// Does what the coordinator wants, until nothing more has ended.
    pub(super) fn carry_out(&self, inner: &mut Inner, mut effects: Vec<Effect>) {
        loop {
            self.carry_out_once(inner, &mut effects);
            self.flush_if_idle(inner);
            if !self.feed_ended(inner, &mut effects) {
                break;
            }
        }
        if inner.schedule.is_late_for(inner.core.next_deadline()) {
            self.wake.notify_one();
        }
    }

    /// Does what the coordinator wants; an append that is refused at once is fed back at once.
    fn carry_out_once(&self, inner: &mut Inner, effects: &mut Vec<Effect>) {
        while !effects.is_empty() {
            for effect in std::mem::take(effects) {
                match effect {
                    Effect::Reply { waiter, response } => inner.waiters.answer(waiter.0, response),
                    Effect::Append {
                        token,
                        records,
                        producer,
                    } => {
                        if let Err(error) = self.append(inner, token, &records, producer) {
                            let now = inner.clock.now();
                            let result = Err(error);
                            let event = Event::Appended { token, result };
                            inner.core.step(now, event, effects);
                        }
                    }
                    Effect::Expired(expired) => {
                        self.metrics.member_expired();
                        expiry::tell(&mut inner.expiry, &expired);
                    }
                }
            }
        }
    }
}
