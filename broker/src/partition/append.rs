//! Appends that wait in the inbox, and the one write that serves them all.

use std::sync::Arc;

use milena_log::Outcome;
use milena_log::error::AppendError;
use milena_log::validate::ValidBatch;
use milena_protocol::{ErrorCode, Offset, Timestamp};

use super::waiters::AckWaiter;
use super::{Partition, State};
use crate::clock;
use crate::completion::{Appended, Completion};

/// One batch on its way into the log.
#[derive(Debug)]
pub(crate) struct Append {
    /// What to append.
    pub(crate) records: ValidBatch,
    /// True where the acknowledgement waits for the high watermark (`acks=all`).
    pub(crate) all: bool,
    /// What to tell.
    pub(crate) completion: Arc<Completion>,
    /// Which slot of it.
    pub(crate) slot: usize,
}

impl Partition {
    /// Appends a batch, now or as soon as the present holder of the lock gets to it. The outcome
    /// goes to the completion.
    pub(crate) fn append(self: &Arc<Self>, append: Append) {
        self.inbox
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(append);
        self.combine();
    }

    /// Appends everything with one write. True where a sync has to follow.
    pub(super) fn append_all(self: &Arc<Self>, state: &mut State, appends: Vec<Append>) -> bool {
        if let Some(error) = state.refusal(&self.directory()) {
            for append in appends {
                append.completion.fail(append.slot, error);
            }
            return false;
        }
        state.is_used = true;
        let settings = self.settings();
        let few = !state.core.has_isr_quorum();
        let (records, waiting): (Vec<_>, Vec<_>) = appends
            .into_iter()
            .filter_map(|append| {
                if few && append.all {
                    append
                        .completion
                        .fail(append.slot, ErrorCode::NotEnoughReplicas);
                    return None;
                }
                Some((append.records, (append.completion, append.slot, append.all)))
            })
            .unzip();
        let epoch = state.core.leader_epoch();
        let outcomes = match state.log.append(records, epoch, clock::now()) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.on_append_error(&error);
                let message = error.to_string();
                for (completion, slot, _) in waiting {
                    let refused =
                        Appended::refused(ErrorCode::KafkaStorageError, Some(message.clone()));
                    completion.finish(slot, refused);
                }
                return false;
            }
        };
        if state.log.is_failed() {
            self.directory().fail_because(&AppendError::Failed);
        }
        for (outcome, (completion, slot, all)) in outcomes.into_iter().zip(waiting) {
            self.on_outcome(state, outcome, &completion, slot, all);
        }
        if let Some(high_watermark) = state.core.on_local_append(state.log.log_end()) {
            state.advance(high_watermark);
        }
        settings.syncs_after(&state.log)
    }

    fn on_append_error(&self, error: &AppendError) {
        match error {
            AppendError::Full(_) => self.directory().note_full(),
            // Every request is told; it was said once, when the log was opened.
            AppendError::Damaged => {}
            error => self.directory().fail_because(error),
        }
    }

    /// Notes what became of one batch; the acknowledgement follows at once or with the high
    /// watermark. A duplicate waits like the batch it repeats.
    fn on_outcome(
        &self,
        state: &mut State,
        outcome: Outcome,
        completion: &Arc<Completion>,
        slot: usize,
        all: bool,
    ) {
        let log_start = state.log.log_start();
        let stored = |base_offset, append_time| Appended {
            base_offset,
            append_time,
            log_start,
            ..Appended::refused(ErrorCode::None, None)
        };
        let needs: Offset = match outcome {
            Outcome::Appended {
                base_offset,
                last_offset,
                append_time,
                bytes,
            } => {
                let next = last_offset.plus(1);
                self.metrics.appended(bytes.len());
                state
                    .above_hw
                    .push_back((next, i64::try_from(bytes.len()).unwrap_or(i64::MAX)));
                state.tail.push(base_offset, next, bytes);
                let append_time = append_time.unwrap_or(Timestamp::NONE);
                completion.note(slot, stored(base_offset, append_time));
                next
            }
            Outcome::Duplicate {
                base_offset,
                last_offset,
                append_time,
            } => {
                completion.note(slot, stored(base_offset, append_time));
                last_offset.plus(1)
            }
            Outcome::Refused(refusal) => {
                completion.finish(slot, Appended::refused(refusal.code, Some(refusal.message)));
                return;
            }
        };
        if all && needs > state.log.high_watermark() {
            state.acks.push(AckWaiter {
                needs,
                completion: Arc::clone(completion),
                slot,
            });
        } else {
            completion.settle(slot);
        }
    }
}

impl State {
    /// Why nothing can be appended now.
    fn refusal(&self, directory: &super::Directory) -> Option<ErrorCode> {
        if let Some(error) = self.closed {
            return Some(error);
        }
        if !self.core.is_leader() {
            return Some(ErrorCode::NotLeaderOrFollower);
        }
        // Between the failure of a directory and the closing of its partitions nothing is taken
        // either.
        let takes = directory.has_room() && !directory.is_failed();
        (!takes).then_some(ErrorCode::KafkaStorageError)
    }
}
