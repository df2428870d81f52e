//! Producer snapshots, checkpoints and text files.

use std::path::Path;

use super::Error;
use super::segment::optional;
use super::session::Session;
use crate::checkpoint::{self, Seal};
use crate::producer_state::{Producer, snapshot};

impl Session<'_> {
    pub(super) fn dump_producers(&mut self, path: &Path) -> Result<(), Error> {
        let Some(bytes) = self.read(path)? else {
            return Ok(());
        };
        match snapshot::decode(&bytes) {
            Ok(producers) => producers
                .iter()
                .try_for_each(|producer| self.print_producer(producer)),
            Err(error) => self.fault(&format_args!("{}: {error}", path.display())),
        }
    }

    fn print_producer(&mut self, producer: &Producer) -> Result<(), Error> {
        write!(
            self.out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} \
             lastTimestamp: {}",
            producer.id(),
            producer.epoch(),
            producer.coordinator_epoch(),
            optional(producer.txn_first_offset().map(|offset| offset.0)),
            producer.last_timestamp(),
        )?;
        if let Some(batch) = producer.batches().last() {
            write!(
                self.out,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp,
            )?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    pub(super) fn dump_offsets(&mut self, path: &Path) -> Result<(), Error> {
        match checkpoint::read_offsets(self.storage, path) {
            Ok(Some(loaded)) => {
                for (partition, offset) in &loaded.value {
                    let (topic, partition) = (&partition.topic, partition.partition);
                    writeln!(
                        self.out,
                        "topic: {topic} partition: {partition} offset: {offset}"
                    )?;
                }
                self.print_seal(loaded.seal)
            }
            Ok(None) => self.fault(&format_args!("{} is missing", path.display())),
            Err(error) => self.fault(&error),
        }
    }

    pub(super) fn dump_epochs(&mut self, path: &Path) -> Result<(), Error> {
        match checkpoint::read_epochs(self.storage, path) {
            Ok(Some(loaded)) => {
                for entry in &loaded.value {
                    let (epoch, start) = (entry.epoch, entry.start_offset);
                    writeln!(self.out, "epoch: {epoch} startOffset: {start}")?;
                }
                self.print_seal(loaded.seal)
            }
            Ok(None) => self.fault(&format_args!("{} is missing", path.display())),
            Err(error) => self.fault(&error),
        }
    }

    fn print_seal(&mut self, seal: Seal) -> Result<(), Error> {
        let text = match seal {
            Seal::Matches => "matches",
            Seal::Absent => "absent",
            Seal::Differs => "differs",
        };
        writeln!(self.out, "checksum: {text}")?;
        Ok(())
    }

    pub(super) fn dump_text(&mut self, path: &Path) -> Result<(), Error> {
        let Some(bytes) = self.read(path)? else {
            return Ok(());
        };
        for line in String::from_utf8_lossy(&bytes).lines() {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }
}
