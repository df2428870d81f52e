//! Segment files, and snapshots of the metadata log, which have the same form.

use std::path::Path;

use milena_protocol::batch::{Attributes, BatchHeader, Records, TimestampType};
use milena_protocol::{Offset, Timestamp};

use super::Error;
use super::session::Session;
use crate::segment::scan::{BatchScanner, ScanError};

/// Largest size that the records of one batch may inflate to, in bytes.
pub(super) const INFLATED_BYTES_MAX: usize = 1 << 30;

impl Session<'_> {
    pub(super) fn dump_log(&mut self, path: &Path, base_offset: Offset) -> Result<(), Error> {
        writeln!(self.out, "Log starting offset: {base_offset}")?;
        self.dump_batches(path)
    }

    /// `<end offset>-<epoch>.checkpoint`, or the one that a cluster starts from.
    pub(super) fn dump_metadata_snapshot(&mut self, path: &Path, base: &str) -> Result<(), Error> {
        let parts = base.split_once('-');
        let numbers = parts.and_then(|(offset, epoch)| {
            Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?))
        });
        match numbers {
            Some((offset, epoch)) => {
                writeln!(self.out, "Snapshot end offset: {offset}, epoch: {epoch}")?;
            }
            None => writeln!(self.out, "KRaft bootstrap snapshot")?,
        }
        self.dump_batches(path)
    }

    fn dump_batches(&mut self, path: &Path) -> Result<(), Error> {
        let file = self.storage.open(path).map_err(Self::read_error(path))?;
        let size_bytes = file.len().map_err(Self::read_error(path))?;
        let end = size_bytes.min(self.options.max_bytes);
        let mut scanner = BatchScanner::batches(file, 0, end);
        let mut last_offset = None;
        loop {
            let scanned = match scanner.next_batch() {
                Ok(Some(scanned)) => scanned,
                Ok(None) | Err(ScanError::Fault { .. }) => break,
                Err(ScanError::Io(error)) => return Err(Self::read_error(path)(error)),
            };
            self.report.batches += 1;
            let is_valid = scanned.header.check_crc(scanned.bytes).is_ok();
            if !is_valid {
                self.fault(&format_args!(
                    "{}: the CRC of the batch at position {} (offsets {} to {}) does not match",
                    path.display(),
                    scanned.position,
                    scanned.header.base_offset,
                    scanned.header.last_offset(),
                ))?;
            }
            self.print_batch(&scanned.header, scanned.position, is_valid)?;
            if self.options.prints_records() {
                self.print_records(path, &scanned.header, scanned.bytes, &mut last_offset)?;
            }
        }
        let trailing_bytes = size_bytes - scanner.position();
        if trailing_bytes > 0 && end == size_bytes {
            self.report.faults += 1;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            writeln!(
                self.out,
                "Found {trailing_bytes} invalid bytes at the end of {name}"
            )?;
        }
        Ok(())
    }

    fn print_batch(
        &mut self,
        header: &BatchHeader,
        position: u64,
        is_valid: bool,
    ) -> Result<(), Error> {
        let horizon = optional(header.delete_horizon().map(|horizon| horizon.0));
        let codec = header
            .attributes
            .compression()
            .map_or("unknown", |codec| codec.name());
        write!(
            self.out,
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} \
             producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} \
             isControl: {} deleteHorizonMs: {horizon}",
            header.base_offset,
            header.last_offset(),
            header.record_count,
            header.base_sequence,
            header.last_sequence(),
            header.producer_id,
            header.producer_epoch,
            header.leader_epoch,
            header.attributes.is_transactional(),
            header.attributes.is_control(),
        )?;
        writeln!(
            self.out,
            " position: {position} {}: {} size: {} magic: 2 compresscodec: {codec} crc: {} \
             isvalid: {is_valid}",
            timestamp_type(header.attributes),
            header.max_timestamp,
            header.size_bytes,
            header.crc,
        )?;
        Ok(())
    }

    fn print_records(
        &mut self,
        path: &Path,
        header: &BatchHeader,
        batch: &[u8],
        last_offset: &mut Option<i64>,
    ) -> Result<(), Error> {
        let at = |error: &dyn std::fmt::Display| {
            let (path, offset) = (path.display(), header.base_offset);
            format!("{path}: batch with base offset {offset}: {error}")
        };
        let records = match Records::open(header, batch, INFLATED_BYTES_MAX) {
            Ok(records) => records,
            Err(error) => return self.fault(&at(&error)),
        };
        for record in &records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.fault(&at(&error)),
            };
            let offset = record.offset(header).0;
            if let Some(last) = *last_offset
                && offset != last + 1
            {
                let gaps = self.gaps.entry(path.to_path_buf()).or_default();
                gaps.push((last, offset));
            }
            *last_offset = Some(offset);
            self.print_record(header, &record)?;
        }
        Ok(())
    }
}

pub(super) const fn timestamp_type(attributes: Attributes) -> &'static str {
    match attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// How Java prints an optional number.
pub(super) fn optional(number: Option<i64>) -> String {
    number.map_or_else(
        || "OptionalLong.empty".to_owned(),
        |number| format!("OptionalLong[{number}]"),
    )
}

/// Largest timestamp of the records of a batch; that of the header where it has none or they do
/// not open.
pub(super) fn largest_timestamp(header: &BatchHeader, batch: &[u8]) -> Timestamp {
    let records = Records::open(header, batch, INFLATED_BYTES_MAX);
    let largest = records.ok().and_then(|records| {
        let records = records.iter().map_while(Result::ok);
        records.map(|record| record.timestamp(header)).max()
    });
    largest.unwrap_or(header.max_timestamp)
}
