//! One coordinator with its partition, its waiting requests and its task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_cluster::group::{
    Coordinator, DeletedTopic, Effect, Event, Producer, Request, Response, Token, Waiter,
};
use milena_protocol::stored::group::Record;
use milena_protocol::{ErrorCode, Offset, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::steady::SteadyClock;
use super::{Settings, batch, load};
use crate::completion::Completion;
use crate::partition::{Append, Partition};

/// Longest sleep of the task; nothing depends on it.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// A load that waits longer for its records to be committed is told of.
const COMMIT_WARN_AFTER: Duration = Duration::from_secs(10);

/// An append whose end is not known yet.
#[derive(Debug)]
struct InFlight {
    token: Token,
    completion: Arc<Completion>,
    /// When those who wait for it are told; none once they were.
    deadline: Option<Instant>,
}

/// What the lock protects. It is taken before the lock of the partition.
#[derive(Debug)]
struct Inner {
    core: Coordinator,
    clock: SteadyClock,
    waiters: BTreeMap<u64, oneshot::Sender<Response>>,
    waiter_count: u64,
    /// Appends in the order of the log; as many as there are requests, whose number is bounded by
    /// those who make them, and a few of the coordinator's own.
    appends: VecDeque<InFlight>,
    /// Topics that were deleted during the load.
    deleted: Vec<DeletedTopic>,
    is_loaded: bool,
    has_resigned: bool,
    /// Until when the task sleeps.
    sleeps_until: Option<Timestamp>,
}

/// The coordinator of one partition.
#[derive(Debug)]
pub(super) struct Shard {
    partition: Arc<Partition>,
    settings: Settings,
    /// Wakes the task: an append has ended, or a timer ends before the task would look.
    wake: Arc<Notify>,
    inner: Mutex<Inner>,
}

impl Shard {
    /// A shard that refuses requests until it is loaded.
    pub(super) fn new(partition: Arc<Partition>, settings: Settings) -> Arc<Self> {
        let core = Coordinator::new(settings.config.clone());
        let inner = Inner {
            core,
            clock: SteadyClock::new(),
            waiters: BTreeMap::new(),
            waiter_count: 0,
            appends: VecDeque::new(),
            deleted: Vec::new(),
            is_loaded: false,
            has_resigned: false,
            sleeps_until: None,
        };
        Arc::new(Self {
            partition,
            settings,
            wake: Arc::new(Notify::new()),
            inner: Mutex::new(inner),
        })
    }

    /// Loads the shard and runs it until it resigns or the broker stops. An empty partition is
    /// loaded at once, so that the first client of a new cluster need not ask twice.
    pub(super) fn start(self: &Arc<Self>, tracker: &TaskTracker, stopping: CancellationToken) {
        if self.partition.log_start() == self.partition.log_end() {
            self.serve(load::Loaded {
                core: Coordinator::new(self.settings.config.clone()),
                end: self.partition.log_end(),
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

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
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
        let refused = request.clone();
        let answer = {
            let mut inner = self.lock();
            let (sender, receiver) = oneshot::channel();
            inner.waiter_count += 1;
            let waiter = inner.waiter_count;
            inner.waiters.insert(waiter, sender);
            self.step(
                &mut inner,
                Event::Request {
                    waiter: Waiter(waiter),
                    request,
                },
            );
            receiver
        };
        answer
            .await
            .unwrap_or_else(|_| refused.refused(ErrorCode::NotCoordinator))
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

    /// Answers everybody with NOT_COORDINATOR from now on.
    pub(super) fn resign(&self) {
        let mut inner = self.lock();
        if !inner.has_resigned {
            self.resign_locked(&mut inner);
        }
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
        inner.core.finish_loading(now, &mut effects);
        self.carry_out(&mut inner, effects);
        let deleted = std::mem::take(&mut inner.deleted);
        if !deleted.is_empty() {
            self.step(&mut inner, Event::TopicsDeleted(deleted));
        }
    }

    async fn run(self: &Arc<Self>, tracker: &TaskTracker) {
        if !self.lock().is_loaded {
            let shard = Arc::clone(self);
            let read =
                tracker.spawn_blocking(move || load::read(&shard.partition, &shard.settings));
            // A panic of the reader is a load that failed: the partition stays unserved.
            let Ok(Some(loaded)) = read.await else { return };
            if !self.is_committed(loaded.end).await {
                return;
            }
            self.serve(loaded);
        }
        while let Some(sleep) = self.turn() {
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Waits until everything below `end` is committed: what was read must not be taken back. False
    /// where that does not come about any more.
    async fn is_committed(&self, end: Offset) -> bool {
        let mut is_told = false;
        let since = Instant::now();
        while self.partition.high_watermark() < end {
            if self.partition.closed().is_some() || self.lock().has_resigned {
                return false;
            }
            if !is_told && since.elapsed() > COMMIT_WARN_AFTER {
                is_told = true;
                warn!(partition = %self.partition.topic_partition(), end = end.0,
                    high_watermark = self.partition.high_watermark().0,
                    "groups wait for the replicas of their partition");
            }
            tokio::time::sleep(load::COMMIT_PAUSE).await;
        }
        true
    }

    /// Feeds what has happened meanwhile. Returns for how long there is nothing to do; none when
    /// the shard has resigned.
    fn turn(&self) -> Option<Duration> {
        let mut inner = self.lock();
        self.feed_ended(&mut inner);
        self.feed_timeouts(&mut inner);
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
        inner.sleeps_until = timer;
        let until_timer = timer.map_or(SLEEP_MAX, |deadline| {
            Duration::from_millis(u64::try_from(deadline.ms_since(now)).unwrap_or(0))
        });
        let next = inner.appends.iter().find_map(|append| append.deadline);
        let until_timeout = next.map_or(SLEEP_MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        Some(until_timer.min(until_timeout).min(SLEEP_MAX))
    }

    /// Feeds the appends that have ended, up to the first one that has not.
    fn feed_ended(&self, inner: &mut Inner) {
        while inner
            .appends
            .front()
            .is_some_and(|append| append.completion.is_done())
        {
            let Some(append) = inner.appends.pop_front() else {
                return;
            };
            let Some(outcome) = append.completion.take().into_iter().next() else {
                continue;
            };
            let result = match outcome.error {
                ErrorCode::None => Ok(outcome.base_offset),
                error => Err(error),
            };
            // A full disk refuses records too, until it has room again; those are in no log.
            let is_uncertain = match outcome.error {
                ErrorCode::NotLeaderOrFollower => true,
                ErrorCode::KafkaStorageError => self.partition.is_offline(),
                _ => false,
            };
            if is_uncertain {
                // The records may be in the log: only a new load tells.
                warn!(partition = %self.partition.topic_partition(), code = outcome.error.name(),
                    "append of the group coordinator failed; it resigns");
                self.resign_locked(inner);
                return;
            }
            self.step(
                inner,
                Event::Appended {
                    token: append.token,
                    result,
                },
            );
        }
    }

    fn feed_timeouts(&self, inner: &mut Inner) {
        let now = Instant::now();
        let late: Vec<Token> = inner
            .appends
            .iter_mut()
            .filter(|append| append.deadline.is_some_and(|deadline| deadline <= now))
            .map(|append| {
                append.deadline = None;
                append.token
            })
            .collect();
        for token in late {
            self.step(inner, Event::TimedOut { token });
        }
    }

    fn resign_locked(&self, inner: &mut Inner) {
        inner.has_resigned = true;
        inner.appends.clear();
        let mut effects = Vec::new();
        inner.core.resign(&mut effects);
        self.carry_out(inner, effects);
    }

    fn step(&self, inner: &mut Inner, event: Event) {
        let now = inner.clock.now();
        let mut effects = Vec::new();
        inner.core.step(now, event, &mut effects);
        self.carry_out(inner, effects);
    }

    /// Does what the coordinator wants; an append that is refused at once is fed back at once.
    fn carry_out(&self, inner: &mut Inner, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Reply { waiter, response } => {
                    if let Some(sender) = inner.waiters.remove(&waiter.0) {
                        // The client may be gone.
                        drop(sender.send(response));
                    }
                }
                Effect::Append {
                    token,
                    records,
                    producer,
                } => {
                    if let Err(error) = self.append(inner, token, &records, producer) {
                        let now = inner.clock.now();
                        let event = Event::Appended {
                            token,
                            result: Err::<Offset, _>(error),
                        };
                        let mut more = Vec::new();
                        inner.core.step(now, event, &mut more);
                        effects.extend(more);
                    }
                }
            }
        }
        let timer = inner.core.next_deadline();
        let is_earlier = match (timer, inner.sleeps_until) {
            (Some(timer), Some(until)) => timer < until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_earlier {
            self.wake.notify_one();
        }
    }

    fn append(
        &self,
        inner: &mut Inner,
        token: Token,
        records: &[Record],
        producer: Option<Producer>,
    ) -> Result<(), ErrorCode> {
        let now = inner.clock.now();
        let records = batch::build(records, producer, self.settings.compression, now)?;
        let completion = Completion::new(1, Arc::clone(&self.wake));
        inner.appends.push_back(InFlight {
            token,
            completion: Arc::clone(&completion),
            deadline: Some(Instant::now() + self.settings.commit_timeout),
        });
        // Under the lock, so that the order of the log is that of the tokens.
        self.partition.append(Append {
            records,
            all: true,
            completion,
            slot: 0,
        });
        if inner.appends.len() == 1 {
            // The task knows of no timeout yet.
            self.wake.notify_one();
        }
        Ok(())
    }
}
