//! What the callers of a log and its writing thread have in common.
//!
//! One mutex holds the contents and the queue, so that both have the same order. It is held for a
//! few memory operations, never across a system call.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_log::storage::File;
use tokio::sync::watch;

use super::index::{Index, Place};
use super::writer::{Change, Queue, Waiter};
use crate::metadata::raft_config::LogId;

/// Contents, queue and condition of a log.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Signalled when the queue gets something.
    wake: Condvar,
    /// Why the log failed.
    failure: watch::Sender<Option<String>>,
}

pub(super) struct State {
    pub index: Index,
    queue: Queue,
    /// Files that entries can be read from.
    files: BTreeMap<u64, Arc<dyn File>>,
    /// Closing has begun; nothing more is accepted.
    is_closed: bool,
}

impl State {
    /// The file with this first frame.
    pub(super) fn file(&self, sequence: u64) -> Option<Arc<dyn File>> {
        self.files.get(&sequence).map(Arc::clone)
    }
}

impl Shared {
    pub(super) fn new(
        index: Index,
        files: BTreeMap<u64, Arc<dyn File>>,
        failure: watch::Sender<Option<String>>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                index,
                queue: Queue::default(),
                files,
                is_closed: false,
            }),
            wake: Condvar::new(),
            failure,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a failed assertion of the index; the log refuses by the
        // poisoned writer, and readers find what was there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the contents and queues the changes for the writer. `waiter` is completed when all
    /// of them, and all before them, are on disk.
    pub(super) fn submit(
        &self,
        waiter: Option<Waiter>,
        change: impl FnOnce(&mut Index, &mut Vec<Change>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(reason) = self.failure.borrow().as_ref() {
            return Err(io::Error::other(reason.clone()));
        }
        if state.is_closed {
            return Err(io::Error::other("the metadata log is closed"));
        }
        let State { index, queue, .. } = &mut *state;
        change(index, &mut queue.changes)?;
        queue.waiters.extend(waiter);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Notes a committed mark, which is written with what comes next.
    pub(super) fn committed(&self, committed: Option<LogId>) {
        let mut state = self.lock();
        state.index.summary_mut().committed = committed;
        state.queue.committed = Some(committed);
    }

    /// Accepts nothing more and lets the writer end.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.queue.is_closing = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for something to write and takes all of it.
    pub(super) fn take(&self) -> Queue {
        let state = self.wake.wait_while(self.lock(), |state| {
            state.queue.is_empty() && !state.queue.is_closing
        });
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.queue)
    }

    /// Notes where entries were written.
    pub(super) fn written(&self, places: &[(LogId, Place)]) {
        let mut state = self.lock();
        for (log_id, place) in places {
            state.index.written(*log_id, *place);
        }
        state.index.evict();
    }

    /// Adds a file that entries can be read from.
    pub(super) fn opened(&self, sequence: u64, file: Arc<dyn File>) {
        self.lock().files.insert(sequence, file);
    }

    /// Forgets a file.
    pub(super) fn closed(&self, sequence: u64) {
        self.lock().files.remove(&sequence);
    }

    /// Waits for a while; true where the log is being closed.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let state = self
            .wake
            .wait_timeout_while(self.lock(), pause, |state| !state.is_closed);
        state.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }

    /// Ends the log for good: completes the waiters with the reason, and those that still come.
    pub(super) fn fail(&self, reason: &str, waiters: Vec<Waiter>) {
        let mut state = self.lock();
        self.failure.send_replace(Some(reason.to_owned()));
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        let result = Err(reason.to_owned());
        for waiter in waiters.into_iter().chain(queue.waiters) {
            waiter.complete(&result);
        }
    }
}
