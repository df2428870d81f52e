//! What a shard appends: the records of its coordinator in batches, in the order of their tokens.
//!
//! The first append is written at once. What comes while one is on its way is collected into one
//! batch, which is written when that one has ended: all of it waits for the next sync anyway, and
//! one batch costs less than many. Where syncs take long it waits a moment more, for those who were
//! answered by the one that has ended and come again: without that, two of them would take turns for
//! ever, each with syncs of its own. A batch that is full is written without waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_cluster::group::{Effect, Event, Producer, Token};
use milena_log::producer_state::VerificationGuard;
use milena_log::validate::ValidBatch;
use milena_protocol::batch::{BUILT_BYTES_MAX, BatchBuilder};
use milena_protocol::stored::group::Record;
use milena_protocol::{ErrorCode, Offset, ProducerId, Sequence};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use super::shard::{Inner, Shard};
use crate::completion::Completion;
use crate::coordinator::read;
use crate::partition::Append;

/// Bytes of records from which a batch takes no records of other requests.
const SHARED_BYTES_MAX: usize = 64 << 10;
/// How long a batch waits for more after the one before has ended, where that has taken at least as
/// long. Shorter pauses are none: timers count milliseconds.
const LINGER: Duration = Duration::from_millis(1);
/// Bytes of records of one request at most.
const BYTES_MAX: usize = 256 << 20;
/// Verified transactions whose batch has not come, at most.
const GUARDS_MAX: usize = 65_536;
/// Bytes of a record beside key and value at most.
const OVERHEAD_BYTES: usize = 32;

// An append is in its batch as a whole or not at all.
const _: () = assert!(SHARED_BYTES_MAX + BYTES_MAX < BUILT_BYTES_MAX);

/// The records of one append of the coordinator within a batch.
#[derive(Debug)]
struct Part {
    token: Token,
    record_count: i64,
    /// When those who wait for it are told; none once they were.
    deadline: Option<Instant>,
}

/// The end of a transaction that was written.
#[derive(Debug)]
struct Marker {
    producer: ProducerId,
    is_commit: bool,
    done: oneshot::Sender<Result<(), ErrorCode>>,
}

#[derive(Debug)]
enum Written {
    Records(Vec<Part>),
    Marker(Marker),
}

/// A batch whose end is not known yet.
#[derive(Debug)]
struct InFlight {
    written: Written,
    written_at: Instant,
    completion: Arc<Completion>,
}

/// A batch that is being filled.
#[derive(Debug)]
struct Open {
    builder: BatchBuilder,
    parts: Vec<Part>,
}

/// The appends of one shard, in the order of the log. There are as many as there are requests, whose
/// number is bounded by those who make them, and a few of the coordinator's own.
#[derive(Debug, Default)]
pub(super) struct Appends {
    in_flight: VecDeque<InFlight>,
    open: Option<Open>,
    /// Until when the open batch waits for more; none where it does not.
    lingers_until: Option<Instant>,
    /// Of producers whose transactions were verified: what their next batch needs.
    guards: BTreeMap<ProducerId, VerificationGuard>,
}

impl Appends {
    /// Forgets everything; what was written stays in the log.
    pub(super) fn clear(&mut self) {
        self.open = None;
        self.lingers_until = None;
        self.guards.clear();
        for batch in self.in_flight.drain(..) {
            if let Written::Marker(marker) = batch.written {
                let _ = marker.done.send(Err(ErrorCode::NotCoordinator));
            }
        }
    }

    /// Remembers that the transaction of a producer was verified. Beyond [`GUARDS_MAX`] another one is
    /// forgotten, whose batch is then refused and verified again.
    pub(super) fn note_verified(&mut self, producer: ProducerId, guard: VerificationGuard) {
        self.guards.insert(producer, guard);
        if GUARDS_MAX < self.guards.len() {
            self.guards.pop_first();
        }
    }

    /// When there is something to do next: the open batch is to be written, or somebody who waits is
    /// to be told that it takes too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let late = self.parts().find_map(|part| part.deadline);
        self.lingers_until.into_iter().chain(late).min()
    }

    /// The batch with the guard of its transaction. Without one it is taken only where the
    /// transaction is already open in this partition.
    fn guarded(&mut self, batch: ValidBatch) -> ValidBatch {
        if !batch.header().attributes.is_transactional() {
            return batch;
        }
        let guard = self.guards.remove(&batch.header().producer_id);
        batch.with_guard(guard.unwrap_or(VerificationGuard::NONE))
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let in_flight = self
            .in_flight
            .iter()
            .flat_map(|batch| match &batch.written {
                Written::Records(parts) => parts.as_slice(),
                Written::Marker(_) => &[],
            });
        in_flight.chain(self.open.iter().flat_map(|open| &open.parts))
    }

    fn parts_mut(&mut self) -> impl Iterator<Item = &mut Part> {
        let in_flight = self
            .in_flight
            .iter_mut()
            .flat_map(|batch| match &mut batch.written {
                Written::Records(parts) => parts.as_mut_slice(),
                Written::Marker(_) => &mut [],
            });
        in_flight.chain(self.open.iter_mut().flat_map(|open| &mut open.parts))
    }

    /// Appends for which the time is over at `now`; each is given once.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<Token> {
        let mut late = Vec::new();
        // All wait equally long, so that the deadlines ascend.
        for part in self.parts_mut() {
            match part.deadline {
                None => {}
                Some(deadline) if deadline <= now => {
                    part.deadline = None;
                    late.push(part.token);
                }
                Some(_) => break,
            }
        }
        late
    }
}

/// How the end of a transaction came among the records of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkerWay {
    /// It is committed, and the coordinator has applied it.
    Applied,
    /// It was given to be appended past the coordinator, which has given up.
    Past,
}

/// Why a coordinator has not written the end of a transaction.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// It has given up: its partition cannot be read, another one is its successor, or the broker
    /// stops. The marker comes back.
    Resigned(ValidBatch),
    /// Not now, or not at all.
    Refused(ErrorCode),
}

impl Shard {
    /// Puts records into the batch that is being filled.
    ///
    /// # Errors
    /// Why the records cannot be stored.
    pub(super) fn append(
        &self,
        inner: &mut Inner,
        token: Token,
        records: &[Record],
        producer: Option<Producer>,
    ) -> Result<(), ErrorCode> {
        let mut encoded: Vec<(Bytes, Option<Bytes>)> = Vec::with_capacity(records.len());
        let mut bytes = 0;
        for record in records {
            let (key, value) = record.encode().map_err(|_| ErrorCode::MessageTooLarge)?;
            bytes += key.len() + value.as_ref().map_or(0, Bytes::len) + OVERHEAD_BYTES;
            encoded.push((key, value));
        }
        if BYTES_MAX < bytes {
            return Err(ErrorCode::RecordListTooLarge);
        }
        let is_full = |open: &Open| {
            producer.is_some() || SHARED_BYTES_MAX < open.builder.size_bytes() + bytes
        };
        if inner.appends.open.as_ref().is_some_and(is_full) {
            self.flush(inner);
        }
        let now = inner.clock.now();
        let deadline = Instant::now() + self.settings.commit_timeout;
        self.wake_by(inner, deadline);
        let part = Part {
            token,
            record_count: i64::try_from(records.len()).unwrap_or(i64::MAX),
            deadline: Some(deadline),
        };
        let open = inner.appends.open.get_or_insert_with(|| Open {
            builder: BatchBuilder::new(self.settings.compression, None),
            parts: Vec::new(),
        });
        for (key, value) in &encoded {
            open.builder
                .append(now, Some(key), value.as_deref(), [])
                .expect("a batch has room for the largest request beside what is shared");
        }
        open.parts.push(part);
        if let Some(producer) = producer {
            open.builder
                .set_producer(producer.id, producer.epoch, Sequence::NONE);
            open.builder.set_transactional();
            self.flush(inner);
        }
        Ok(())
    }

    /// Appends the end of a transaction and waits until it is committed and applied.
    ///
    /// # Errors
    /// Any variant.
    pub(super) async fn write_marker(
        &self,
        batch: ValidBatch,
        producer: ProducerId,
        is_commit: bool,
    ) -> Result<(), Unwritten> {
        let (done, ended) = oneshot::channel();
        {
            let mut inner = self.lock();
            if inner.has_resigned {
                return Err(Unwritten::Resigned(batch));
            }
            if !inner.is_loaded {
                return Err(Unwritten::Refused(ErrorCode::CoordinatorLoadInProgress));
            }
            self.flush(&mut inner);
            inner.appends.guards.remove(&producer);
            let marker = Marker {
                producer,
                is_commit,
                done,
            };
            self.write(&mut inner, batch, Written::Marker(marker));
            self.carry_out(&mut inner, Vec::new());
        }
        let ended = ended.await.unwrap_or(Err(ErrorCode::NotCoordinator));
        ended.map_err(Unwritten::Refused)
    }

    /// Writes the batch that was filled, where nothing is on its way.
    pub(super) fn flush_if_idle(&self, inner: &mut Inner) {
        if !inner.appends.in_flight.is_empty() || inner.appends.open.is_none() {
            return;
        }
        let lingers_until = inner.appends.lingers_until;
        if lingers_until.is_none_or(|until| until <= Instant::now()) {
            self.flush(inner);
        }
    }

    fn flush(&self, inner: &mut Inner) {
        inner.appends.lingers_until = None;
        let Some(Open { builder, parts }) = inner.appends.open.take() else {
            return;
        };
        let bytes = BytesMut::from(builder.finish(Offset(0)).as_slice());
        match ValidBatch::of_broker(bytes) {
            Ok(batch) => {
                let batch = inner.appends.guarded(batch);
                self.write(inner, batch, Written::Records(parts));
            }
            Err(invalid) => {
                let completion = Completion::new(1, Arc::clone(&self.wake));
                completion.fail(0, invalid.code);
                let written = Written::Records(parts);
                inner.appends.in_flight.push_back(InFlight {
                    written,
                    written_at: Instant::now(),
                    completion,
                });
            }
        }
    }

    /// Under the lock, so that the order of the log is that of the queue.
    fn write(&self, inner: &mut Inner, records: ValidBatch, written: Written) {
        let completion = Completion::new(1, Arc::clone(&self.wake));
        inner.appends.in_flight.push_back(InFlight {
            written,
            written_at: Instant::now(),
            completion: Arc::clone(&completion),
        });
        self.partition.append(Append {
            records,
            all: true,
            completion,
            slot: 0,
        });
    }

    /// Tells the coordinator of the first batch in flight if that has ended. False where it has not.
    pub(super) fn feed_ended(&self, inner: &mut Inner, effects: &mut Vec<Effect>) -> bool {
        let is_done = |batch: &mut InFlight| batch.completion.is_done();
        let Some(batch) = inner.appends.in_flight.pop_front_if(is_done) else {
            return false;
        };
        let Some(outcome) = batch.completion.take().into_iter().next() else {
            return true;
        };
        if inner.appends.open.is_some() {
            let now = Instant::now();
            if LINGER <= now.duration_since(batch.written_at) {
                inner.appends.lingers_until = Some(now + LINGER);
                self.wake_by(inner, now + LINGER);
            }
        }
        if read::is_uncertain(&self.partition, &outcome) {
            // The records may be in the log: only a new load tells.
            warn!(partition = %self.partition.topic_partition(), code = outcome.error.name(),
                "append of the group coordinator failed; it resigns");
            if let Written::Marker(marker) = batch.written {
                let _ = marker.done.send(Err(outcome.error));
            }
            self.resign_locked(inner);
            return false;
        }
        let result = match outcome.error {
            ErrorCode::None => Ok(outcome.base_offset),
            error => Err(error),
        };
        match batch.written {
            Written::Records(parts) => {
                let mut before = 0;
                for part in parts {
                    let event = Event::Appended {
                        token: part.token,
                        result: result.map(|base| base.plus(before)),
                    };
                    before += part.record_count;
                    let now = inner.clock.now();
                    inner.core.step(now, event, effects);
                }
            }
            Written::Marker(marker) => {
                if result.is_ok() {
                    inner.core.apply_marker(marker.producer, marker.is_commit);
                }
                let _ = marker.done.send(result.map(|_| ()));
            }
        }
        true
    }
}
