//! Who waits for the answer of a coordinator.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

/// The requests that a coordinator has not answered. One that is answered while it is stepped needs
/// no channel.
#[derive(Debug)]
pub(crate) struct Waiters<R> {
    waiting: BTreeMap<u64, oneshot::Sender<R>>,
    count: u64,
    /// The request that is being stepped, and its answer if it has one.
    current: Option<(u64, Option<R>)>,
}

impl<R> Default for Waiters<R> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            count: 0,
            current: None,
        }
    }
}

impl<R> Waiters<R> {
    /// A new request, which is stepped now. [`Waiters::end_step`] goes with it.
    pub(crate) fn begin_step(&mut self) -> u64 {
        self.count += 1;
        self.current = Some((self.count, None));
        self.count
    }

    /// The request was stepped.
    ///
    /// # Errors
    /// Where its answer comes, since it has none yet.
    pub(crate) fn end_step(&mut self) -> Result<R, oneshot::Receiver<R>> {
        let (waiter, answer) = self.current.take().expect("a step has begun");
        answer.ok_or_else(|| {
            let (sender, receiver) = oneshot::channel();
            self.waiting.insert(waiter, sender);
            receiver
        })
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, waiter: u64, response: R) {
        if let Some((current, answer @ None)) = &mut self.current
            && *current == waiter
        {
            *answer = Some(response);
        } else if let Some(sender) = self.waiting.remove(&waiter) {
            // The client may be gone.
            drop(sender.send(response));
        }
    }

    /// Forgets a request whose client is gone.
    pub(crate) fn forget(&mut self, waiter: u64) {
        self.waiting.remove(&waiter);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_at_once_or_later() {
        let mut waiters = Waiters::default();
        let first = waiters.begin_step();
        waiters.answer(first, "now");
        assert_eq!(waiters.end_step().unwrap(), "now");
        let second = waiters.begin_step();
        let mut later = waiters.end_step().unwrap_err();
        // Another one is stepped when the answer comes.
        let third = waiters.begin_step();
        waiters.answer(second, "later");
        assert_eq!(later.try_recv(), Ok("later"));
        let mut never = waiters.end_step().unwrap_err();
        waiters.forget(third);
        waiters.answer(third, "too late");
        assert!(never.try_recv().is_err());
    }
}
