//! Who waits for the high watermark of a partition: producers for their acknowledgement, fetches
//! for enough bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use milena_protocol::{ErrorCode, Offset};
use tokio::sync::Notify;

use crate::completion::Completion;

/// A producer that waits until the high watermark reaches `needs`.
#[derive(Debug)]
pub(crate) struct AckWaiter {
    /// The offset after the last record.
    pub(crate) needs: Offset,
    /// What to settle.
    pub(crate) completion: Arc<Completion>,
    /// Which slot of it.
    pub(crate) slot: usize,
}

/// Producers in the order of their appends.
#[derive(Debug, Default)]
pub(crate) struct AckWaiters(VecDeque<AckWaiter>);

impl AckWaiters {
    /// Adds a waiter. A duplicate may need less than those before it; it is settled with them.
    pub(crate) fn push(&mut self, waiter: AckWaiter) {
        self.0.push_back(waiter);
    }

    /// Settles those that the high watermark has reached.
    pub(crate) fn advance(&mut self, high_watermark: Offset) {
        while self
            .0
            .front()
            .is_some_and(|first| first.needs <= high_watermark)
        {
            if let Some(waiter) = self.0.pop_front() {
                waiter.completion.settle(waiter.slot);
            }
        }
        if self.0.is_empty() && self.0.capacity() > 64 {
            self.0 = VecDeque::new();
        }
    }

    /// Fails all of them.
    pub(crate) fn fail(&mut self, error: ErrorCode) {
        for waiter in self.0.drain(..) {
            waiter.completion.fail(waiter.slot, error);
        }
    }
}

/// A fetch that waits for bytes in any of its partitions.
#[derive(Debug)]
pub(crate) struct FetchWaiter {
    deficit_bytes: AtomicI64,
    ended: AtomicBool,
    wake: Notify,
}

impl FetchWaiter {
    /// Waits until `deficit_bytes` more can be read.
    pub(crate) fn new(deficit_bytes: i64) -> Arc<Self> {
        Arc::new(Self {
            deficit_bytes: AtomicI64::new(deficit_bytes.max(1)),
            ended: AtomicBool::new(false),
            wake: Notify::new(),
        })
    }

    /// `bytes` more can be read; wakes the fetch once its deficit is met.
    pub(crate) fn add(&self, bytes: i64) {
        if self.deficit_bytes.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.wake_now();
        }
    }

    /// Wakes the fetch whatever it still lacks, as when a partition goes away.
    pub(crate) fn wake_now(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The fetch waits no longer; partitions forget it at their next change.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Waits until woken.
    ///
    /// # Cancel safety
    /// Safe: a wake that came before is kept.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }
}

/// Fetches that wait at one partition.
#[derive(Debug, Default)]
pub(crate) struct FetchWaiters(Vec<Arc<FetchWaiter>>);

impl FetchWaiters {
    /// Adds a fetch, and forgets those that have ended.
    pub(crate) fn push(&mut self, waiter: Arc<FetchWaiter>) {
        self.forget_ended();
        self.0.push(waiter);
    }

    /// Tells all of them of `bytes` more.
    pub(crate) fn add(&mut self, bytes: i64) {
        if self.0.is_empty() {
            return;
        }
        for waiter in &self.0 {
            waiter.add(bytes);
        }
        self.forget_ended();
    }

    /// Wakes all of them.
    pub(crate) fn wake_all(&mut self) {
        for waiter in self.0.drain(..) {
            waiter.wake_now();
        }
    }

    fn forget_ended(&mut self) {
        self.0
            .retain(|waiter| !waiter.ended.load(Ordering::Acquire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::completion::Appended;

    #[test]
    fn acknowledgements_leave_in_order_up_to_the_high_watermark() {
        let completion = Completion::new(3, Arc::new(Notify::new()));
        let mut waiters = AckWaiters::default();
        for (slot, needs) in [5, 5, 9].into_iter().enumerate() {
            completion.note(slot, Appended::refused(ErrorCode::None, None));
            waiters.push(AckWaiter {
                needs: Offset(needs),
                completion: Arc::clone(&completion),
                slot,
            });
        }
        waiters.advance(Offset(8));
        assert!(!completion.is_done());
        waiters.fail(ErrorCode::KafkaStorageError);
        assert!(completion.is_done());
        let errors: Vec<_> = completion
            .take()
            .iter()
            .map(|outcome| outcome.error)
            .collect();
        assert_eq!(
            errors,
            [
                ErrorCode::None,
                ErrorCode::None,
                ErrorCode::KafkaStorageError
            ]
        );
    }

    #[tokio::test]
    async fn a_fetch_wakes_when_its_deficit_is_met() {
        let waiter = FetchWaiter::new(100);
        let mut waiters = FetchWaiters::default();
        waiters.push(Arc::clone(&waiter));
        waiters.add(60);
        assert!(!waiter.ended.load(Ordering::Acquire));
        waiters.add(40);
        waiter.wait().await;
        waiters.add(1);
        assert!(waiters.0.is_empty());
    }
}
