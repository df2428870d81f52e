//! Transactions along a walk through a log (Kafka class `CleanedTransactionMetadata`).

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, ProducerId};

use crate::index::transaction::AbortedTxn;
use crate::producer_state::Marker;

struct Ongoing {
    txn: AbortedTxn,
    has_batches: bool,
}

/// What a marker means for compaction.
pub(super) enum Verdict {
    /// Its transaction has batches: it stays. With the transaction where it was aborted.
    Needed(Option<AbortedTxn>),
    /// Its transaction has no batches left: it may go.
    Empty,
}

/// Knows of every batch whether its transaction was aborted. Batches come in order, all from where
/// the walk begins.
pub(super) struct Transactions {
    /// In ascending order of first offset; those before `next` have begun.
    aborted: Vec<AbortedTxn>,
    next: usize,
    ongoing_aborted: BTreeMap<ProducerId, Ongoing>,
    ongoing_committed: BTreeSet<ProducerId>,
}

impl Transactions {
    /// For a walk that begins at `from`.
    pub(super) fn new(aborted: &[AbortedTxn], from: Offset) -> Self {
        let reaches = |txn: &&AbortedTxn| txn.last_offset >= from;
        let mut aborted: Vec<_> = aborted.iter().filter(reaches).copied().collect();
        aborted.sort_unstable_by_key(|txn| (txn.first_offset, txn.last_offset));
        Self {
            aborted,
            next: 0,
            ongoing_aborted: BTreeMap::new(),
            ongoing_committed: BTreeSet::new(),
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(txn) = self.aborted.get(self.next)
            && txn.first_offset <= offset
        {
            let ongoing = Ongoing {
                txn: *txn,
                has_batches: false,
            };
            self.ongoing_aborted
                .entry(txn.producer_id)
                .or_insert(ongoing);
            self.next += 1;
        }
    }

    /// True where the data batch belongs to an aborted transaction.
    pub(super) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.ongoing_aborted.get_mut(&header.producer_id) {
            Some(ongoing) => {
                ongoing.has_batches = true;
                true
            }
            None => {
                self.ongoing_committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Ends the transaction of the marker in a control batch.
    pub(super) fn on_marker(&mut self, header: &BatchHeader, marker: &Marker) -> Verdict {
        self.begin_up_to(header.last_offset());
        let id = header.producer_id;
        if marker.is_commit {
            return if self.ongoing_committed.remove(&id) {
                Verdict::Needed(None)
            } else {
                Verdict::Empty
            };
        }
        match self.ongoing_aborted.remove(&id) {
            Some(ongoing) if ongoing.has_batches => Verdict::Needed(Some(ongoing.txn)),
            _ => Verdict::Empty,
        }
    }
}
