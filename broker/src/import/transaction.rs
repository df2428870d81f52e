//! Transactions of the metadata log (KIP-868).

use milena_protocol::stored::metadata::Record;

/// Collects records that took effect.
#[derive(Debug, Default)]
pub(super) struct Effects {
    records: Vec<Record>,
    /// Length of `records` at the begin of the open transaction.
    open_at: Option<usize>,
}

impl Effects {
    /// Takes the next record of the log.
    pub(super) fn take(&mut self, record: Record) -> Result<(), String> {
        match (record, self.open_at) {
            (Record::BeginTransaction(_), None) => self.open_at = Some(self.records.len()),
            (Record::BeginTransaction(_), Some(_)) => {
                return Err("a transaction begins within another".to_owned());
            }
            (Record::EndTransaction(_), Some(_)) => self.open_at = None,
            (Record::AbortTransaction(_), Some(start)) => {
                self.records.truncate(start);
                self.open_at = None;
            }
            (Record::EndTransaction(_) | Record::AbortTransaction(_), None) => {
                return Err("a transaction ends that did not begin".to_owned());
            }
            // They only move the log on.
            (Record::NoOp(_), _) => {}
            (record, _) => self.records.push(record),
        }
        Ok(())
    }

    /// The records. A transaction that did not end has no effect, as for Kafka's next controller.
    pub(super) fn finish(mut self) -> Vec<Record> {
        if let Some(start) = self.open_at {
            self.records.truncate(start);
        }
        self.records
    }
}
