//! Group commit: one thread per log directory makes appended records durable.
//!
//! A partition with unsynced records stands in the queue once. The thread takes the whole queue,
//! syncs one partition after the other (several at once where there are many) and publishes each as
//! soon as it is done; what is appended
//! meanwhile is covered by the next round. So every producer waits for at most the round under way
//! and its own, however many there are.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Partition;

/// Partitions of a round from which on several threads sync them.
const WIDE_ROUND: usize = 16;
/// Threads of such a round: file systems make the syncs of several files durable with one write.
const ROUND_THREADS: usize = 8;

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
            self.sync_all(&round);
        }
    }

    fn sync_all(&self, round: &VecDeque<Arc<Partition>>) {
        let next = AtomicUsize::new(0);
        let sync_some = || {
            while let Some(partition) = round.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.lock().stops {
                    return;
                }
                // Without this thread nothing would become durable any more, and nobody would be
                // told. What the panic left behind is unknown, as after a failed sync.
                let synced = catch_unwind(AssertUnwindSafe(|| partition.sync()));
                if synced.is_err() {
                    partition.directory().fail_because(&"a sync panicked");
                }
            }
        };
        if round.len() < WIDE_ROUND {
            return sync_some();
        }
        std::thread::scope(|scope| {
            for _ in 0..ROUND_THREADS {
                scope.spawn(sync_some);
            }
        });
    }
}
