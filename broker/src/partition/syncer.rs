//! Group commit: one thread per log directory makes appended records durable.
//!
//! A partition with unsynced records stands in the queue once. The thread takes the whole queue,
//! syncs one partition after the other (several at once where there are many) and publishes each as
//! soon as it is done; what is appended
//! meanwhile is covered by the next round. So every producer waits for at most the round under way
//! and its own, however many there are. After a round that made several full batches durable it
//! pauses for as long as the round took, so that the next one covers more: a sync costs the processor
//! as much for one batch as for ten.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Partition;
use crate::clock;

/// Partitions of a round from which on several threads sync them.
const WIDE_ROUND: usize = 16;
/// Threads of such a round: file systems make the syncs of several files durable with one write.
const ROUND_THREADS: usize = 8;
/// Longest pause after a round.
const PAUSE_MAX: Duration = Duration::from_millis(1);
/// Size of a batch from which on it was filled by its producer, which so has more of them.
const FILLED_BATCH_BYTES: i64 = 4096;

/// Batches that were not durable when a sync began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unsynced {
    /// How many.
    pub(super) batches: usize,
    /// Their size.
    pub(super) bytes: i64,
}

impl Unsynced {
    fn plus(self, other: Self) -> Self {
        Self {
            batches: self.batches + other.batches,
            bytes: self.bytes + other.bytes,
        }
    }

    /// True where several full batches came while the round before ran: their producers send ahead
    /// of their acknowledgements, and it costs them nothing if one sync covers more. A producer that
    /// waits for each of its records is never made to wait longer.
    fn is_stream(self) -> bool {
        let batches = i64::try_from(self.batches).unwrap_or(i64::MAX);
        2 <= batches && batches.saturating_mul(FILLED_BATCH_BYTES) <= self.bytes
    }
}

#[derive(Debug, Default)]
struct Queue {
    /// Bounded by the number of partitions: each stands in it once.
    partitions: VecDeque<Arc<Partition>>,
    stops: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

/// The queue of one log directory, and its thread.
#[derive(Debug)]
pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says where it gives no thread.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("sync-{name}"))
            .spawn(move || for_thread.run())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a partition that has unsynced records. The caller sees to it that a partition is
    /// queued once.
    pub(crate) fn queue(&self, partition: Arc<Partition>) {
        let mut queue = self.shared.lock();
        queue.partitions.push_back(partition);
        drop(queue);
        self.shared.arrived.notify_one();
    }

    /// Ends the thread after the sync under way. What is queued is left to the closing of the logs,
    /// which syncs many at once.
    pub(crate) fn stop(&self) {
        self.shared.lock().stops = true;
        self.shared.arrived.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut queue = self.lock();
            while queue.partitions.is_empty() && !queue.stops {
                queue = self
                    .arrived
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if queue.stops {
                return;
            }
            let round = std::mem::take(&mut queue.partitions);
            drop(queue);
            let started = clock::instant();
            let unsynced = self.sync_all(&round);
            if unsynced.is_stream() {
                self.pause(started.elapsed().min(PAUSE_MAX));
            }
        }
    }

    /// Lets more arrive for the next round, unless the thread is to end.
    fn pause(&self, time: Duration) {
        let queue = self.lock();
        let waited = self
            .arrived
            .wait_timeout_while(queue, time, |queue| !queue.stops);
        drop(waited);
    }

    /// Syncs every partition of a round. Returns what the round had to make durable.
    fn sync_all(&self, round: &VecDeque<Arc<Partition>>) -> Unsynced {
        let next = AtomicUsize::new(0);
        let total = Mutex::new(Unsynced::default());
        let sync_some = || {
            while let Some(partition) = round.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.lock().stops {
                    return;
                }
                // Without this thread nothing would become durable any more, and nobody would be
                // told. What the panic left behind is unknown, as after a failed sync.
                let synced = catch_unwind(AssertUnwindSafe(|| partition.sync()));
                match synced {
                    Ok(unsynced) => {
                        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                        *total = total.plus(unsynced);
                    }
                    Err(_) => partition.directory().fail_because(&"a sync panicked"),
                }
            }
        };
        if round.len() < WIDE_ROUND {
            sync_some();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..ROUND_THREADS {
                    scope.spawn(sync_some);
                }
            });
        }
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_several_full_batches_are_a_stream() {
        let unsynced = |batches, bytes| Unsynced { batches, bytes };
        assert!(!Unsynced::default().is_stream());
        assert!(
            !unsynced(1, 1 << 20).is_stream(),
            "it may wait for its answer"
        );
        assert!(!unsynced(100, 100 * 170).is_stream(), "single records");
        assert!(unsynced(2, 2 * FILLED_BATCH_BYTES).is_stream());
        assert!(unsynced(1, 1 << 20).plus(unsynced(1, 0)).is_stream());
    }
}
