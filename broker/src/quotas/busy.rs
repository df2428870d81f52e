//! How long a request is worked on, without the time in which it waits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock;

/// Runs a future and measures how long it runs; the time between its turns does not count.
pub(crate) struct Busy<F> {
    future: F,
    busy: Duration,
}

impl<F: Future + Unpin> Busy<F> {
    /// Measures `future`.
    pub(crate) fn new(future: F) -> Self {
        Self {
            future,
            busy: Duration::ZERO,
        }
    }
}

impl<F: Future + Unpin> Future for Busy<F> {
    type Output = (F::Output, Duration);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let started = clock::instant();
        let polled = Pin::new(&mut self.future).poll(context);
        self.busy += started.elapsed();
        polled.map(|output| (output, self.busy))
    }
}
