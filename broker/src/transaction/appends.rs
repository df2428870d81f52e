//! What a shard appends, in the order of its tokens.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use milena_cluster::transaction::{Effect, Event, Token};
use milena_log::validate::ValidBatch;
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, Offset};
use tokio::time::Instant;
use tracing::warn;

use super::shard::{Inner, Shard};
use crate::completion::Completion;
use crate::coordinator::read;
use crate::partition::Append;

/// A batch whose end is not known yet.
#[derive(Debug)]
struct InFlight {
    token: Token,
    completion: Arc<Completion>,
    /// When those who wait for it are told; none once they were.
    deadline: Option<Instant>,
}

/// The appends of one shard, in the order of the log: at most one for each transactional id.
#[derive(Debug, Default)]
pub(super) struct Appends {
    in_flight: VecDeque<InFlight>,
}

impl Appends {
    /// Forgets everything; what was written stays in the log.
    pub(super) fn clear(&mut self) {
        self.in_flight.clear();
    }

    /// When the next one who waits is to be told that it takes too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.in_flight.iter().find_map(|append| append.deadline)
    }

    /// Appends for which the time is over at `now`; each is given once.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<Token> {
        let mut late = Vec::new();
        // All wait equally long, so that the deadlines ascend.
        for append in &mut self.in_flight {
            match append.deadline {
                None => {}
                Some(deadline) if deadline <= now => {
                    append.deadline = None;
                    late.push(append.token);
                }
                Some(_) => break,
            }
        }
        late
    }
}

impl Shard {
    /// Appends records as one batch, under the lock, so that the order of the log is that of the
    /// tokens.
    ///
    /// # Errors
    /// Why the records cannot be stored; then none is.
    pub(super) fn append(
        &self,
        inner: &mut Inner,
        token: Token,
        records: &[Record],
    ) -> Result<(), ErrorCode> {
        let now = inner.clock.now();
        let version = inner.core.record_version();
        let mut builder = BatchBuilder::new(Compression::None, None);
        for record in records {
            let (key, value) = record
                .encode(version)
                .map_err(|_| ErrorCode::MessageTooLarge)?;
            builder
                .append(now, Some(&key), value.as_deref(), [])
                .map_err(|_| ErrorCode::RecordListTooLarge)?;
        }
        let bytes = BytesMut::from(builder.finish(Offset(0)).as_slice());
        let batch = ValidBatch::of_broker(bytes).map_err(|invalid| invalid.code)?;
        let deadline = Instant::now() + self.settings.append_timeout;
        let completion = Completion::new(1, Arc::clone(&self.wake));
        inner.appends.in_flight.push_back(InFlight {
            token,
            completion: Arc::clone(&completion),
            deadline: Some(deadline),
        });
        self.wake_by(inner, deadline);
        self.partition.append(Append {
            records: batch,
            all: true,
            completion,
            slot: 0,
        });
        Ok(())
    }

    /// Tells the coordinator of the first append in flight if that has ended. False where it has
    /// not.
    pub(super) fn feed_ended(&self, inner: &mut Inner, effects: &mut Vec<Effect>) -> bool {
        let is_done = |append: &mut InFlight| append.completion.is_done();
        let Some(append) = inner.appends.in_flight.pop_front_if(is_done) else {
            return false;
        };
        let Some(outcome) = append.completion.take().into_iter().next() else {
            return true;
        };
        if read::is_uncertain(&self.partition, &outcome) {
            // The records may be in the log: only a new load tells.
            warn!(partition = %self.partition.topic_partition(), code = outcome.error.name(),
                "append of the transaction coordinator failed; it resigns");
            self.resign_locked(inner);
            return false;
        }
        let result = match outcome.error {
            ErrorCode::None => Ok(outcome.base_offset),
            error => Err(error),
        };
        let now = inner.clock.now();
        let token = append.token;
        inner
            .core
            .step(now, Event::Appended { token, result }, effects);
        true
    }
}
