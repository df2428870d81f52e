//! A transactional id and the states that it can go to.

use std::collections::BTreeSet;

use milena_protocol::stored::transaction::{State, TransactionMetadata};
use milena_protocol::{ProducerEpoch, ProducerId, Timestamp, TopicPartition};

use super::request::Producer;

/// Last epoch that a producer uses; `i16::MAX` is left for the fencing of it.
pub(super) const EPOCH_MAX: i16 = i16::MAX - 1;
/// First transaction version that counts the epoch up with every transaction (KIP-890).
pub(super) const BUMPS_FROM: i16 = 2;

/// A transactional id: what is stored, and what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What is stored.
    pub metadata: TransactionMetadata,
    /// Epoch before the last one, of a producer that may ask for its new epoch again since it never
    /// saw the answer; -1 where there is none. As in Kafka it is lost with the coordinator.
    pub(super) last_epoch: ProducerEpoch,
}

impl Transaction {
    /// The transaction that a record tells of. What a state cannot have, and no coordinator writes,
    /// is passed over.
    #[must_use]
    pub fn loaded(mut metadata: TransactionMetadata) -> Self {
        metadata.state = match metadata.state {
            State::Dead => State::Empty,
            State::PrepareEpochFence => State::Ongoing,
            state => state,
        };
        if !matches!(
            metadata.state,
            State::Ongoing | State::PrepareCommit | State::PrepareAbort
        ) {
            metadata.partitions.clear();
        }
        if metadata.state == State::Empty {
            metadata.start = Timestamp::NONE;
        }
        Self {
            metadata,
            last_epoch: ProducerEpoch::NONE,
        }
    }

    /// The first state of a transactional id.
    pub(super) fn first(producer_id: ProducerId, timeout_ms: i32, now: Timestamp) -> Self {
        Self::loaded(TransactionMetadata {
            producer_id,
            // As in Kafka, where a first record follows from a state without one.
            previous_producer_id: producer_id,
            next_producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(0),
            timeout_ms,
            state: State::Empty,
            partitions: BTreeSet::new(),
            last_update: now,
            start: Timestamp::NONE,
            client_transaction_version: 0,
        })
    }

    /// State of the transaction.
    #[must_use]
    pub const fn state(&self) -> State {
        self.metadata.state
    }

    /// Id and epoch as they are stored.
    #[must_use]
    pub const fn producer(&self) -> Producer {
        Producer {
            id: self.metadata.producer_id,
            epoch: self.metadata.producer_epoch,
        }
    }

    /// Id and epoch of the next transaction: where the epochs are used up, what the producer has
    /// from the end of this one on.
    pub(super) fn next_producer(&self) -> Producer {
        if self.is_deciding() && self.metadata.next_producer_id != ProducerId::NONE {
            return Producer {
                id: self.metadata.next_producer_id,
                epoch: ProducerEpoch(0),
            };
        }
        self.producer()
    }

    /// True while markers are being written.
    #[must_use]
    pub const fn is_deciding(&self) -> bool {
        matches!(self.state(), State::PrepareCommit | State::PrepareAbort)
    }

    /// True where the transaction was or is being committed, false where aborted; none where it is
    /// not decided.
    pub(super) const fn is_commit(&self) -> Option<bool> {
        match self.state() {
            State::PrepareCommit | State::CompleteCommit => Some(true),
            State::PrepareAbort | State::CompleteAbort => Some(false),
            _ => None,
        }
    }

    /// True where the producer has no epoch left.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.metadata.producer_epoch.0 >= EPOCH_MAX
    }

    /// When the open transaction is to be aborted; none where none is open, or where it has no
    /// timeout (KIP-939).
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let metadata = &self.metadata;
        (metadata.state == State::Ongoing && metadata.timeout_ms < i32::MAX)
            .then(|| metadata.start.plus_ms(i64::from(metadata.timeout_ms)))
    }

    /// True where the id may be removed at `now`.
    pub(super) fn has_expired(&self, now: Timestamp, expiration_ms: i64) -> bool {
        let is_idle = matches!(
            self.state(),
            State::Empty | State::CompleteCommit | State::CompleteAbort
        );
        is_idle && self.metadata.last_update.plus_ms(expiration_ms) <= now
    }

    /// The state after a transition: whoever had the id before is remembered.
    fn moved(&self, state: State, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.metadata.state = state;
        next.metadata.previous_producer_id = self.metadata.producer_id;
        next.metadata.last_update = now;
        next
    }

    /// The producer begins anew with this id and epoch. `last_epoch` may ask once more.
    pub(super) fn initialized(
        &self,
        producer: Producer,
        last_epoch: ProducerEpoch,
        timeout_ms: i32,
        now: Timestamp,
    ) -> Self {
        assert!(!self.is_deciding(), "{self:?} is being ended");
        let mut next = self.moved(State::Empty, now);
        next.last_epoch = last_epoch;
        let metadata = &mut next.metadata;
        metadata.producer_id = producer.id;
        metadata.producer_epoch = producer.epoch;
        metadata.next_producer_id = ProducerId::NONE;
        metadata.timeout_ms = timeout_ms;
        metadata.partitions.clear();
        metadata.start = Timestamp::NONE;
        next
    }

    /// Partitions are part of the transaction from now on, which begins where none is open.
    pub(super) fn with_partitions(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        transaction_version: i16,
        now: Timestamp,
    ) -> Self {
        assert!(!self.is_deciding(), "{self:?} is being ended");
        let mut next = self.moved(State::Ongoing, now);
        let metadata = &mut next.metadata;
        if self.state() != State::Ongoing {
            metadata.start = now;
        }
        metadata.next_producer_id = ProducerId::NONE;
        metadata.partitions.extend(partitions.iter().cloned());
        metadata.client_transaction_version = transaction_version;
        next
    }

    /// The end is decided. `bumps` counts the epoch up, and `next` is the id that follows where none
    /// is left.
    pub(super) fn decided(&self, end: &End, now: Timestamp) -> Self {
        assert!(!self.is_deciding(), "{self:?} is being ended");
        let state = if end.is_commit {
            State::PrepareCommit
        } else {
            State::PrepareAbort
        };
        let mut next = self.moved(state, now);
        if self.state() != State::Ongoing {
            next.metadata.start = now;
        }
        let metadata = &mut next.metadata;
        let epoch = metadata.producer_epoch;
        if end.bumps && epoch.0 < i16::MAX {
            metadata.producer_epoch = ProducerEpoch(epoch.0 + 1);
        }
        if end.transaction_version >= BUMPS_FROM {
            next.last_epoch = epoch;
        } else if end.bumps {
            next.last_epoch = ProducerEpoch::NONE;
        }
        metadata.next_producer_id = end.next_producer_id;
        metadata.client_transaction_version = end.transaction_version;
        next
    }

    /// All markers are written.
    pub(super) fn completed(&self, now: Timestamp) -> Self {
        let state = match self.state() {
            State::PrepareCommit => State::CompleteCommit,
            State::PrepareAbort => State::CompleteAbort,
            state => panic!("a transaction in {} is complete", state.name()),
        };
        let producer = self.next_producer();
        let mut next = self.moved(state, now);
        let metadata = &mut next.metadata;
        metadata.producer_id = producer.id;
        metadata.producer_epoch = producer.epoch;
        metadata.next_producer_id = ProducerId::NONE;
        metadata.partitions.clear();
        next
    }

    /// Asserts what holds in every state.
    ///
    /// # Panics
    /// Where it does not.
    pub(super) fn check_invariants(&self) {
        let metadata = &self.metadata;
        if matches!(
            metadata.state,
            State::Empty | State::CompleteCommit | State::CompleteAbort
        ) {
            assert!(metadata.partitions.is_empty(), "partitions in {metadata:?}");
        }
        if metadata.state == State::Empty {
            assert!(metadata.start == Timestamp::NONE, "a start in {metadata:?}");
        }
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) is_commit: bool,
    /// The epoch is counted up: always with version 2, and where the coordinator aborts, so that the
    /// producer is fenced.
    pub(super) bumps: bool,
    pub(super) transaction_version: i16,
    /// The id that follows; -1 where the producer keeps its own.
    pub(super) next_producer_id: ProducerId,
}
