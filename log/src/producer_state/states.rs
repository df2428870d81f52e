//! The producers of one partition.

use std::collections::BTreeMap;

use milena_protocol::batch::BatchHeader;
use milena_protocol::bug::{self, Bug};
use milena_protocol::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

use super::verification::Verification;
use super::{LastRecord, Marker, MarkerError, Producer, VerificationGuard};
use crate::index::transaction::AbortedTxn;

/// Who appends, and so what is checked (Kafka class `AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer: epochs and sequences.
    Client,
    /// A coordinator on this broker: epochs. Its batches have no sequences.
    Coordinator,
    /// The leader has checked.
    Replication,
}

/// Answer to a batch before it is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// It may be appended.
    Fresh,
    /// It has been appended before.
    Duplicate {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// Its largest timestamp.
        timestamp: Timestamp,
    },
    /// It must not be appended: the answer to the producer, and what is wrong.
    Refuse(ErrorCode, String),
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Producer of the transaction.
    pub producer_id: ProducerId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Offset of the marker.
    pub last_offset: Offset,
    /// First offset of the oldest transaction that is still open, or the offset after the marker.
    pub last_stable_offset: Offset,
    /// True where it was aborted.
    pub is_aborted: bool,
}

impl CompletedTxn {
    /// The entry of the transaction index; none for a committed transaction.
    #[must_use]
    pub fn aborted(&self) -> Option<AbortedTxn> {
        self.is_aborted.then_some(AbortedTxn {
            producer_id: self.producer_id,
            first_offset: self.first_offset,
            last_offset: self.last_offset,
            last_stable_offset: self.last_stable_offset,
        })
    }
}

/// The producers of one partition and their transactions.
#[derive(Clone, Debug, Default)]
pub struct ProducerStates {
    producers: BTreeMap<ProducerId, Producer>,
    verifications: BTreeMap<ProducerId, Verification>,
    guards: u64,
    /// Producers of open transactions by first offset.
    ongoing: BTreeMap<Offset, ProducerId>,
    /// Marker offset of ended transactions by first offset; until the high watermark passes it.
    unreplicated: BTreeMap<Offset, Offset>,
    end: Offset,
}

impl ProducerStates {
    /// No producers, for the records below `end`.
    #[must_use]
    pub const fn new(end: Offset) -> Self {
        Self {
            producers: BTreeMap::new(),
            verifications: BTreeMap::new(),
            guards: 0,
            ongoing: BTreeMap::new(),
            unreplicated: BTreeMap::new(),
            end,
        }
    }

    /// Checks a data batch before it is appended; offsets of the header do not matter. A batch
    /// without a producer id is fresh.
    #[must_use]
    pub fn check(&self, header: &BatchHeader, origin: Origin) -> Check {
        if !header.has_producer() {
            return Check::Fresh;
        }
        let producer = self.producers.get(&header.producer_id);
        if origin == Origin::Client
            && !bug::is(Bug::DuplicateUnknown)
            && let Some(batch) = producer.and_then(|producer| producer.duplicate_of(header))
        {
            return Check::Duplicate {
                base_offset: batch.first_offset(),
                last_offset: batch.last_offset,
                timestamp: batch.timestamp,
            };
        }
        let result = match origin {
            Origin::Replication => Ok(()),
            _ if bug::is(Bug::DuplicateUnknown) => Ok(()),
            Origin::Coordinator => check_epoch(header, producer),
            Origin::Client => check_epoch(header, producer).and_then(|()| {
                let verification = self.verifications.get(&header.producer_id);
                check_sequence(header, producer, verification)
            }),
        };
        let is_stray = origin != Origin::Replication
            && !header.attributes.is_transactional()
            && producer.is_some_and(|producer| producer.txn_first_offset.is_some());
        match result {
            Err((code, message)) => Check::Refuse(code, message),
            Ok(()) if is_stray => Check::Refuse(
                ErrorCode::InvalidTxnState,
                format!(
                    "producer {} has an open transaction, the batch belongs to none",
                    header.producer_id
                ),
            ),
            Ok(()) => Check::Fresh,
        }
    }

    /// Checks a marker before it is appended. `transaction_version` is that of the request that
    /// carries it; -1 where unknown. From version 2 on the coordinator raises the epoch with every
    /// marker, so an equal epoch is taken only where no transaction is open: it is a repetition
    /// (KIP-890, KIP-1228, KAFKA-19446, KAFKA-19999).
    #[must_use]
    pub fn check_marker(&self, marker: &Marker, transaction_version: i16, origin: Origin) -> Check {
        let Some(producer) = self.producers.get(&marker.producer_id) else {
            return Check::Fresh;
        };
        if origin == Origin::Replication {
            return Check::Fresh;
        }
        let is_late = marker.producer_epoch == producer.epoch
            && transaction_version >= 2
            && (producer.txn_first_offset.is_some() || bug::is(Bug::RepeatedMarkerRefused));
        if marker.producer_epoch < producer.epoch || is_late {
            return Check::Refuse(
                ErrorCode::InvalidProducerEpoch,
                format!(
                    "marker of producer {} has epoch {}, the last seen is {}",
                    marker.producer_id, marker.producer_epoch, producer.epoch
                ),
            );
        }
        if marker.coordinator_epoch < producer.coordinator_epoch {
            return Check::Refuse(
                ErrorCode::TransactionCoordinatorFenced,
                format!(
                    "marker of producer {} has coordinator epoch {}, the last seen is {}",
                    marker.producer_id, marker.coordinator_epoch, producer.coordinator_epoch
                ),
            );
        }
        Check::Fresh
    }

    /// Takes in a data batch with its final offsets. Of a batch without a producer id only the end
    /// offset.
    pub fn apply(&mut self, header: &BatchHeader) {
        self.end = self.end.max(header.next_offset());
        if !header.has_producer() {
            return;
        }
        let id = header.producer_id;
        let producer = self
            .producers
            .entry(id)
            .or_insert_with(|| Producer::new(id));
        producer.add(header);
        if header.attributes.is_transactional() {
            if producer.txn_first_offset.is_none() {
                producer.txn_first_offset = Some(header.base_offset);
                self.ongoing.insert(header.base_offset, id);
            }
            self.verifications.remove(&id);
        }
    }

    /// Takes in a marker at its offset. Returns the transaction that it ended; none where no record
    /// of one is here.
    pub fn apply_marker(&mut self, marker: &Marker, offset: Offset) -> Option<CompletedTxn> {
        self.end = self.end.max(offset.plus(1));
        let id = marker.producer_id;
        // Where epochs are counted up with every transaction, a question of the marker's own epoch is
        // about the next one (KAFKA-18575).
        let is_over = |entry: &Verification| {
            !entry.supports_epoch_bump || entry.epoch < marker.producer_epoch
        };
        let is_kept = bug::is(Bug::VerificationOutlivesMarker);
        if self.verifications.get(&id).is_some_and(is_over) && !is_kept {
            self.verifications.remove(&id);
        }
        let producer = self
            .producers
            .entry(id)
            .or_insert_with(|| Producer::new(id));
        producer.set_epoch(marker.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = marker.timestamp;
        let first_offset = producer.txn_first_offset.take()?;
        self.ongoing.remove(&first_offset);
        let last_stable_offset = self.first_undecided().unwrap_or(offset.plus(1));
        self.unreplicated.insert(first_offset, offset);
        Some(CompletedTxn {
            producer_id: id,
            first_offset,
            last_offset: offset,
            last_stable_offset,
            is_aborted: !marker.is_commit,
        })
    }

    /// Takes in a stored batch, data or control, as a follower and recovery do. Control batches
    /// without a producer and emptied ones change nothing but the end.
    ///
    /// # Errors
    /// Where a control batch is malformed; the end has moved then, nothing else.
    pub fn apply_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
    ) -> Result<Option<CompletedTxn>, MarkerError> {
        if !header.attributes.is_control() {
            self.apply(header);
            return Ok(None);
        }
        self.end = self.end.max(header.next_offset());
        if !header.has_producer() {
            return Ok(None);
        }
        let marker = Marker::parse(header, batch)?;
        Ok(marker.and_then(|marker| self.apply_marker(&marker, header.base_offset)))
    }

    /// Offset after the last record that was taken in.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// Says that the records below `end` are taken in.
    pub fn set_end(&mut self, end: Offset) {
        self.end = end;
    }

    /// Forgets ended transactions whose marker lies below the high watermark.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        if !self.unreplicated.is_empty() {
            self.unreplicated
                .retain(|_, marker_offset| *marker_offset >= high_watermark);
        }
    }

    /// First offset of the oldest transaction that is open or whose marker is not below the high
    /// watermark. With the high watermark it bounds the last stable offset.
    #[must_use]
    pub fn first_unstable(&self) -> Option<Offset> {
        let undecided = self.first_undecided();
        match self.unreplicated.first_key_value() {
            Some((&ended, _)) => Some(undecided.map_or(ended, |open| open.min(ended))),
            None => undecided,
        }
    }

    /// First offset of the oldest open transaction.
    #[must_use]
    pub fn first_undecided(&self) -> Option<Offset> {
        self.ongoing.first_key_value().map(|(&offset, _)| offset)
    }

    /// The records below `start` are gone.
    pub fn on_log_start(&mut self, start: Offset) {
        self.unreplicated
            .retain(|_, marker_offset| *marker_offset >= start);
        self.end = self.end.max(start);
    }

    /// Forgets producers that were idle for `expiration_ms`. Those with an open transaction stay.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.producers
            .retain(|_, producer| !producer.is_expired(now, expiration_ms));
        self.verifications
            .retain(|_, entry| now.ms_since(entry.created) < expiration_ms);
    }

    /// Forgets everything; the records below `end` hold no producers.
    pub fn clear(&mut self, end: Offset) {
        let guards = self.guards;
        *self = Self::new(end);
        self.guards = guards;
    }

    /// Numbers the guards on from those of the states that these take the place of: a guard of theirs
    /// must not be one of these by chance.
    pub fn continue_guards(&mut self, before: &Self) {
        self.guards = self.guards.max(before.guards);
    }

    /// Sets a producer back to what [`ProducerStates::get`] gave before batches of it were applied,
    /// or forgets it where nothing was known. For an append that could not be written, before the
    /// high watermark moves; [`ProducerStates::set_end`] goes with it. A verification that the
    /// append used up stays used up: the producer has to ask again.
    pub fn restore(&mut self, id: ProducerId, before: Option<Producer>) {
        self.ongoing.retain(|_, producer_id| *producer_id != id);
        let Some(producer) = before else {
            self.producers.remove(&id);
            return;
        };
        if let Some(first_offset) = producer.txn_first_offset {
            self.ongoing.insert(first_offset, id);
            self.unreplicated.remove(&first_offset);
        }
        self.producers.insert(id, producer);
    }

    /// What is known of a producer.
    #[must_use]
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.producers.get(&id)
    }

    /// The producers in ascending order of their id.
    pub fn iter(&self) -> impl Iterator<Item = &Producer> + '_ {
        self.producers.values()
    }

    /// Number of producers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// True where no producer is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// True where this producer has an open transaction in this epoch.
    #[must_use]
    pub fn has_open_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.get(id)
            .is_some_and(|producer| producer.epoch == epoch && producer.txn_first_offset.is_some())
    }

    /// The producer whose open transaction began first.
    #[must_use]
    pub fn oldest_open(&self) -> Option<&Producer> {
        let (_, id) = self.ongoing.first_key_value()?;
        self.producers.get(id)
    }

    /// Begins to ask the coordinator whether it knows of the transaction of a batch. None where a
    /// transaction is open in that epoch: the question was answered before. Questions that overlap
    /// share a guard; one of an epoch that is over gets [`VerificationGuard::NONE`].
    pub fn begin_verification(
        &mut self,
        header: &BatchHeader,
        supports_epoch_bump: bool,
        now: Timestamp,
    ) -> Option<VerificationGuard> {
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        self.begin_verification_at(id, epoch, header.base_sequence, supports_epoch_bump, now)
    }

    /// The same for a batch that does not exist yet; [`Sequence::NONE`] for one of a coordinator.
    pub fn begin_verification_at(
        &mut self,
        id: ProducerId,
        epoch: ProducerEpoch,
        sequence: Sequence,
        supports_epoch_bump: bool,
        now: Timestamp,
    ) -> Option<VerificationGuard> {
        if self.has_open_transaction(id, epoch) {
            return None;
        }
        if self.get(id).is_some_and(|producer| epoch < producer.epoch) {
            // It is refused whatever the answer, and must not say anything about the sequences of
            // the epoch that is current.
            return Some(VerificationGuard::NONE);
        }
        let guards = &mut self.guards;
        let entry = self.verifications.entry(id).or_insert_with(|| {
            *guards += 1;
            Verification {
                guard: VerificationGuard(*guards),
                created: now,
                epoch,
                lowest_sequence: sequence,
                supports_epoch_bump,
            }
        });
        entry.lower(epoch, sequence, supports_epoch_bump);
        Some(entry.guard)
    }

    /// True where a batch may begin or continue a transaction: one of its producer is open in its
    /// epoch, or `guard` is the current one and the coordinator has said yes.
    #[must_use]
    pub fn is_verified(&self, header: &BatchHeader, guard: VerificationGuard) -> bool {
        let id = header.producer_id;
        self.has_open_transaction(id, header.producer_epoch)
            || bug::is(Bug::GuardUnchecked)
            || self
                .verifications
                .get(&id)
                .is_some_and(|entry| entry.guard == guard)
    }

    /// True where the producer of a batch has a newer epoch than the batch.
    #[must_use]
    pub fn is_stale(&self, header: &BatchHeader) -> bool {
        self.get(header.producer_id)
            .is_some_and(|producer| header.producer_epoch < producer.epoch)
    }

    /// What compaction must keep of each producer.
    #[must_use]
    pub fn last_records(&self) -> BTreeMap<ProducerId, LastRecord> {
        let last_record = |producer: &Producer| LastRecord {
            last_offset: producer.last_offset(),
            epoch: producer.epoch,
        };
        self.iter()
            .map(|producer| (producer.id, last_record(producer)))
            .collect()
    }
}

type Refusal = (ErrorCode, String);

fn check_epoch(header: &BatchHeader, producer: Option<&Producer>) -> Result<(), Refusal> {
    match producer {
        Some(_) if bug::is(Bug::OldEpochAppended) => Ok(()),
        Some(producer) if header.producer_epoch < producer.epoch => Err((
            ErrorCode::InvalidProducerEpoch,
            format!(
                "producer {} has epoch {}, the last seen is {}",
                header.producer_id, header.producer_epoch, producer.epoch
            ),
        )),
        _ => Ok(()),
    }
}

fn check_sequence(
    header: &BatchHeader,
    producer: Option<&Producer>,
    verification: Option<&Verification>,
) -> Result<(), Refusal> {
    let sequence = header.base_sequence;
    let refuse = |expected: String| {
        Err((
            ErrorCode::OutOfOrderSequenceNumber,
            format!(
                "producer {} epoch {} sent sequence {sequence}, expected {expected}",
                header.producer_id, header.producer_epoch
            ),
        ))
    };
    let expected = producer
        .filter(|producer| producer.epoch == header.producer_epoch && !producer.batches.is_empty())
        .map(|producer| producer.last_sequence().plus(1));
    if expected == Some(sequence) {
        // Whatever else asks about a transaction repeats what is here already.
        return Ok(());
    }
    if let Some(entry) = verification.filter(|entry| entry.epoch == header.producer_epoch) {
        let has_no_batches = producer.is_none_or(|producer| producer.batches.is_empty());
        if entry.supports_epoch_bump && sequence != Sequence(0) && has_no_batches {
            return refuse("0 as nothing is known of it".to_owned());
        }
        if sequence > entry.lowest_sequence {
            return refuse(format!("{} which was sent before", entry.lowest_sequence));
        }
    }
    let Some(producer) = producer.filter(|producer| producer.epoch != ProducerEpoch::NONE) else {
        return Ok(());
    };
    if header.producer_epoch != producer.epoch {
        if sequence != Sequence(0) {
            return refuse(format!("0 after epoch {}", producer.epoch));
        }
        return Ok(());
    }
    let expected = producer.last_sequence().plus(1);
    if sequence != expected {
        return refuse(expected.to_string());
    }
    Ok(())
}
