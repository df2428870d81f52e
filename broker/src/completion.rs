//! One request that waits for several partitions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use milena_protocol::{ErrorCode, Offset, Timestamp};
use tokio::sync::Notify;

/// What became of the records for one partition.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    /// The error, or none.
    pub(crate) error: ErrorCode,
    /// Offset of the first record, or -1.
    pub(crate) base_offset: Offset,
    /// Time of the append where the topic has `LogAppendTime`, or -1.
    pub(crate) append_time: Timestamp,
    /// Start of the log, or -1.
    pub(crate) log_start: Offset,
    /// What to tell the user about the error.
    pub(crate) message: Option<String>,
    /// Records that are wrong: index in the batch and reason.
    pub(crate) record_errors: Vec<(i32, String)>,
}

impl Appended {
    /// A refusal.
    pub(crate) fn refused(error: ErrorCode, message: Option<String>) -> Self {
        Self {
            error,
            base_offset: Offset::NONE,
            append_time: Timestamp::NONE,
            log_start: Offset::NONE,
            message,
            record_errors: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Slot {
    outcome: Option<Appended>,
    is_final: bool,
}

/// Collects the outcome of an append to several partitions and wakes its owner once, when the last
/// one is known. A slot is the index of a partition in its request.
#[derive(Debug)]
pub(crate) struct Completion {
    remaining: AtomicUsize,
    slots: Mutex<Vec<Slot>>,
    owner: Arc<Notify>,
}

impl Completion {
    /// Waits for `slots` outcomes; `owner` gets one permit when all are known.
    pub(crate) fn new(slots: usize, owner: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            remaining: AtomicUsize::new(slots),
            slots: Mutex::new(vec![Slot::default(); slots]),
            owner,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an outcome that is not final yet: the append stands, its durability is awaited.
    pub(crate) fn note(&self, slot: usize, outcome: Appended) {
        if let Some(entry) = self.lock().get_mut(slot) {
            entry.outcome = Some(outcome);
        }
    }

    /// Makes the noted outcome of one slot final.
    pub(crate) fn settle(&self, slot: usize) {
        if let Some(entry) = self.lock().get_mut(slot) {
            entry.is_final = true;
        }
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.owner.notify_one();
        }
    }

    /// Notes a final outcome.
    pub(crate) fn finish(&self, slot: usize, outcome: Appended) {
        self.note(slot, outcome);
        self.settle(slot);
    }

    /// Replaces a noted outcome by an error and makes it final.
    pub(crate) fn fail(&self, slot: usize, error: ErrorCode) {
        self.finish(slot, Appended::refused(error, None));
    }

    /// True once every outcome is final.
    pub(crate) fn is_done(&self) -> bool {
        self.remaining.load(Ordering::Acquire) == 0
    }

    /// The outcomes, by slot. What is not final yet is `REQUEST_TIMED_OUT`.
    pub(crate) fn take(&self) -> Vec<Appended> {
        let mut slots = self.lock();
        slots
            .iter_mut()
            .map(|slot| match slot.outcome.take() {
                Some(outcome) if slot.is_final => outcome,
                _ => Appended::refused(
                    ErrorCode::RequestTimedOut,
                    Some("the records were not durable within the request's timeout".to_owned()),
                ),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(base_offset: i64) -> Appended {
        Appended {
            base_offset: Offset(base_offset),
            ..Appended::refused(ErrorCode::None, None)
        }
    }

    #[tokio::test]
    async fn the_owner_wakes_when_the_last_slot_is_final() {
        let owner = Arc::new(Notify::new());
        let completion = Completion::new(2, Arc::clone(&owner));
        completion.note(0, stored(7));
        completion.fail(1, ErrorCode::KafkaStorageError);
        assert!(!completion.is_done());
        completion.settle(0);
        owner.notified().await;
        let outcomes = completion.take();
        assert_eq!(outcomes[0].base_offset, Offset(7));
        assert_eq!(outcomes[1].error, ErrorCode::KafkaStorageError);
    }

    #[test]
    fn what_is_not_final_has_timed_out() {
        let completion = Completion::new(2, Arc::new(Notify::new()));
        completion.note(0, stored(7));
        completion.finish(1, stored(8));
        let errors: Vec<_> = completion
            .take()
            .iter()
            .map(|outcome| outcome.error)
            .collect();
        assert_eq!(errors, [ErrorCode::RequestTimedOut, ErrorCode::None]);
    }
}
