//! What is known of one producer.

use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Batches that are remembered per producer, and so the most that it may have in flight.
pub(super) const BATCHES_MAX: usize = 5;

/// One remembered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedBatch {
    /// Sequence of its last record, or none (written by a coordinator).
    pub last_sequence: Sequence,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset minus first offset; at least 0.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: Timestamp,
}

impl AppendedBatch {
    /// Sequence of its first record, or none.
    #[must_use]
    pub const fn first_sequence(&self) -> Sequence {
        let Sequence(last) = self.last_sequence;
        let delta = self.offset_delta;
        if last < 0 || delta < 0 {
            Sequence::NONE
        } else if delta > last {
            Sequence(i32::MAX - (delta - last) + 1)
        } else {
            Sequence(last - delta)
        }
    }

    /// Offset of its first record.
    #[must_use]
    pub const fn first_offset(&self) -> Offset {
        self.last_offset.plus(-(self.offset_delta as i64))
    }
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub(super) id: ProducerId,
    pub(super) epoch: ProducerEpoch,
    pub(super) coordinator_epoch: i32,
    pub(super) last_timestamp: Timestamp,
    pub(super) txn_first_offset: Option<Offset>,
    /// At most [`BATCHES_MAX`], oldest first, all of the current epoch.
    pub(super) batches: Vec<AppendedBatch>,
}

impl Producer {
    pub(super) const fn new(id: ProducerId) -> Self {
        Self {
            id,
            epoch: ProducerEpoch::NONE,
            coordinator_epoch: -1,
            last_timestamp: Timestamp::NONE,
            txn_first_offset: None,
            batches: Vec::new(),
        }
    }

    /// Id of the producer.
    #[must_use]
    pub const fn id(&self) -> ProducerId {
        self.id
    }

    /// The last epoch that was seen.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// Epoch of the coordinator that wrote the last marker; -1 where there was none.
    #[must_use]
    pub const fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// Largest timestamp of the last batch, or timestamp of the last marker.
    #[must_use]
    pub const fn last_timestamp(&self) -> Timestamp {
        self.last_timestamp
    }

    /// Offset of the first record of the open transaction, if one is open.
    #[must_use]
    pub const fn txn_first_offset(&self) -> Option<Offset> {
        self.txn_first_offset
    }

    /// The remembered batches of the current epoch, oldest first, at most five.
    #[must_use]
    pub fn batches(&self) -> &[AppendedBatch] {
        &self.batches
    }

    /// Sequence of the last record of the current epoch, or none.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.batches
            .last()
            .map_or(Sequence::NONE, |batch| batch.last_sequence)
    }

    /// Offset of the last data record of the current epoch.
    #[must_use]
    pub fn last_offset(&self) -> Option<Offset> {
        self.batches.last().map(|batch| batch.last_offset)
    }

    /// The remembered batch with exactly the sequences of `header`.
    pub(super) fn duplicate_of(&self, header: &BatchHeader) -> Option<&AppendedBatch> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.batches
            .iter()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
    }

    pub(super) fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    pub(super) fn add(&mut self, header: &BatchHeader) {
        self.set_epoch(header.producer_epoch);
        if self.batches.len() == BATCHES_MAX {
            self.batches.remove(0);
        }
        self.batches.push(AppendedBatch {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta.max(0),
            timestamp: header.max_timestamp,
        });
        self.last_timestamp = header.max_timestamp;
    }

    /// True where nothing was heard of it for `expiration_ms` and no transaction is open.
    pub(super) const fn is_expired(&self, now: Timestamp, expiration_ms: i64) -> bool {
        self.txn_first_offset.is_none() && now.ms_since(self.last_timestamp) >= expiration_ms
    }
}

/// What compaction must keep of a producer: the batch that ends at `last_offset`, or without one
/// the last marker of `epoch` (Kafka class `LastRecord`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRecord {
    /// Offset of the last data record of the current epoch.
    pub last_offset: Option<Offset>,
    /// Current epoch.
    pub epoch: ProducerEpoch,
}
