//! Batches of one append call that go into one write.

use std::io::IoSlice;

use bytes::BytesMut;
use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, Timestamp};

use crate::producer_state::Marker;
use crate::validate::ValidBatch;

/// A batch with its final offsets that is not written yet.
#[derive(Debug)]
pub(super) struct Ready {
    /// Number of the batch in the call.
    pub(super) number: usize,
    pub(super) bytes: BytesMut,
    pub(super) header: BatchHeader,
    pub(super) marker: Option<Marker>,
    pub(super) append_time: Option<Timestamp>,
}

/// What is written at once.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) batches: Vec<Ready>,
    pub(super) size_bytes: u64,
}

/// How a batch relates to those of a group that are not applied to producer state yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// No batch of the same producer is in the group.
    Independent,
    /// It continues the last batch of its producer in the group: it needs no other check.
    Continues,
    /// Only producer state can tell, so the group has to be written first.
    Dependent,
}

impl Group {
    pub(super) fn relation(&self, batch: &ValidBatch) -> Relation {
        let header = &batch.header;
        if !header.has_producer() {
            return Relation::Independent;
        }
        let before = self
            .batches
            .iter()
            .rev()
            .find(|ready| ready.header.producer_id == header.producer_id);
        let Some(before) = before else {
            return Relation::Independent;
        };
        let last = &before.header;
        let continues = before.marker.is_none()
            && batch.marker.is_none()
            && last.producer_epoch == header.producer_epoch
            && last.attributes.is_transactional() == header.attributes.is_transactional()
            && last.base_sequence.0 >= 0
            && last.last_sequence().plus(1) == header.base_sequence;
        if continues {
            Relation::Continues
        } else {
            Relation::Dependent
        }
    }

    pub(super) fn push(&mut self, ready: Ready) {
        self.size_bytes += ready.bytes.len() as u64;
        self.batches.push(ready);
    }

    /// The offset behind the last batch; none where there is no batch.
    pub(super) fn next_offset(&self) -> Option<Offset> {
        self.batches.last().map(|ready| ready.header.next_offset())
    }

    /// Calls `write` with the bytes of all batches, in order.
    pub(super) fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        match self.batches.as_slice() {
            [only] => write(&[IoSlice::new(&only.bytes)]),
            all => {
                let slices: Vec<_> = all.iter().map(|ready| IoSlice::new(&ready.bytes)).collect();
                write(&slices)
            }
        }
    }
}
