//! What stays of one batch.

use std::collections::BTreeMap;

use milena_protocol::batch::{BatchHeader, Compression, Record, Records, rebuild};
use milena_protocol::{Offset, ProducerId, Timestamp};

use super::BatchFault;
use super::map::OffsetMap;
use super::transactions::{Transactions, Verdict};
use crate::index::transaction::AbortedTxn;
use crate::producer_state::{LastRecord, Marker};

/// What stays of a batch.
pub(super) enum Kept {
    /// Nothing.
    Nothing,
    /// All, as it is.
    Same,
    /// These bytes in its place.
    Other(Vec<u8>),
}

/// What became of a batch.
pub(super) struct Filtered {
    pub(super) kept: Kept,
    pub(super) records_read: u64,
    pub(super) records_kept: u64,
    pub(super) records_without_key: u64,
    /// The transaction that an abort marker ended and that stays in the index.
    pub(super) aborted: Option<AbortedTxn>,
}

/// The rules of one run.
pub(super) struct Filter<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) last_records: &'a BTreeMap<ProducerId, LastRecord>,
    pub(super) first_uncleanable: Offset,
    pub(super) now: Timestamp,
    pub(super) delete_retention_ms: i64,
    pub(super) inflated_bytes_max: usize,
}

impl Filter<'_> {
    /// Decides over `batch` with this header.
    pub(super) fn apply(
        &self,
        transactions: &mut Transactions,
        header: &BatchHeader,
        batch: &[u8],
    ) -> Result<Filtered, BatchFault> {
        let is_control = header.attributes.is_control();
        let mut aborted = None;
        let is_discardable = if is_control {
            match (Marker::parse(header, batch)?, header.record_count) {
                (Some(marker), _) => match transactions.on_marker(header, &marker) {
                    Verdict::Empty => true,
                    Verdict::Needed(txn) => {
                        aborted = txn;
                        false
                    }
                },
                (None, count) => count == 0,
            }
        } else {
            transactions.on_data(header)
        };
        let is_past_horizon = header
            .delete_horizon()
            .is_some_and(|horizon| horizon <= self.now);
        let drops_records = is_discardable && (!is_control || is_past_horizon);
        let stays_empty =
            self.is_last_of_producer(header) || header.next_offset() == self.first_uncleanable;
        let mut filtered = Filtered {
            kept: Kept::Nothing,
            records_read: 0,
            records_kept: 0,
            records_without_key: 0,
            aborted,
        };
        if drops_records && !stays_empty {
            filtered.records_read = u64::try_from(header.record_count).unwrap_or(0);
            return Ok(filtered);
        }
        let records = Records::open(header, batch, self.inflated_bytes_max)?;
        let kept = self.kept_records(header, &records, drops_records, &mut filtered)?;
        let sets_horizon = header.delete_horizon().is_none()
            && ((is_control && is_discardable) || kept.iter().any(|it| it.value.is_none()));
        let horizon = sets_horizon.then(|| self.now.plus_ms(self.delete_retention_ms));
        filtered.kept = if kept.is_empty() {
            match stays_empty {
                true if header.record_count == 0 => Kept::Same,
                true => Kept::Other(rebuild(header, [], Compression::None, None, None)?),
                false => Kept::Nothing,
            }
        } else if horizon.is_none() && filtered.records_kept == filtered.records_read {
            Kept::Same
        } else {
            // Opening the records has shown that the codec is known.
            let codec = header.attributes.compression().unwrap_or(Compression::None);
            Kept::Other(rebuild(header, kept, codec, None, horizon)?)
        };
        Ok(filtered)
    }

    fn kept_records<'r>(
        &self,
        header: &BatchHeader,
        records: &'r Records<'_>,
        drops_records: bool,
        filtered: &mut Filtered,
    ) -> Result<Vec<Record<'r>>, BatchFault> {
        let is_control = header.attributes.is_control();
        let mut kept = Vec::new();
        for record in records {
            let record = record?;
            filtered.records_read += 1;
            let stays = !drops_records && (is_control || self.stays(header, &record, filtered));
            if stays {
                filtered.records_kept += 1;
                kept.push(record);
            }
        }
        Ok(kept)
    }

    fn stays(&self, header: &BatchHeader, record: &Record<'_>, filtered: &mut Filtered) -> bool {
        let offset = record.offset(header);
        if offset > self.map.latest() {
            return true;
        }
        let Some(key) = record.key else {
            filtered.records_without_key += 1;
            return false;
        };
        let is_last = self.map.get(key).is_none_or(|last| offset >= last);
        let stays_as_tombstone = header
            .delete_horizon()
            .is_none_or(|horizon| self.now < horizon);
        is_last && (record.value.is_some() || stays_as_tombstone)
    }

    /// True for the batch from which a known producer's last sequence, or last epoch, can be told.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        if !header.has_producer() {
            return false;
        }
        let Some(last) = self.last_records.get(&header.producer_id) else {
            return false;
        };
        match last.last_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.attributes.is_control() && header.producer_epoch == last.epoch,
        }
    }
}
