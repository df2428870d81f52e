//! Events in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Events by instant, and among those of one instant in the order in which they were put in.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    order: BinaryHeap<Reverse<(i64, u64)>>,
    events: BTreeMap<u64, E>,
    next: u64,
}

impl<E> Queue<E> {
    pub(crate) const fn new() -> Self {
        Self {
            order: BinaryHeap::new(),
            events: BTreeMap::new(),
            next: 0,
        }
    }

    /// Puts an event in at `at`, in milliseconds.
    pub(crate) fn push(&mut self, at: i64, event: E) {
        self.order.push(Reverse((at, self.next)));
        self.events.insert(self.next, event);
        self.next += 1;
    }

    /// The next event and its instant.
    pub(crate) fn pop(&mut self) -> Option<(i64, E)> {
        loop {
            let Reverse((at, number)) = self.order.pop()?;
            if let Some(event) = self.events.remove(&number) {
                return Some((at, event));
            }
        }
    }
}
