//! Indexes, compared with their segment.

use std::path::Path;
use std::sync::Arc;

use milena_protocol::Offset;

use super::Error;
use super::segment::largest_timestamp;
use super::session::Session;
use crate::index::offset::OffsetIndex;
use crate::index::time::TimeIndex;
use crate::index::transaction::TransactionIndex;
use crate::segment::name::{Kind, path as path_of};
use crate::segment::scan::{BatchScanner, ScanError};
use crate::storage::File;

/// The segment that an index belongs to.
struct Target {
    file: Arc<dyn File>,
    size_bytes: u64,
}

impl Session<'_> {
    pub(super) fn dump_index(&mut self, path: &Path, base_offset: Offset) -> Result<(), Error> {
        let Some(bytes) = self.read(path)? else {
            return Ok(());
        };
        let index = match OffsetIndex::decode(base_offset, &bytes) {
            Ok(index) => index,
            Err(error) => return self.fault(&format_args!("{}: {error}", path.display())),
        };
        if bytes.is_empty() {
            writeln!(self.out, "{} is empty.", path.display())?;
            return Ok(());
        }
        let target = self.segment_of(path, base_offset)?;
        if self.options.index_sanity_check {
            let size_bytes = target.map_or(u64::MAX, |target| target.size_bytes);
            return match index.check(size_bytes) {
                Ok(()) => self.print_passed(path),
                Err(error) => self.fault(&format_args!("{}: {error}", path.display())),
            };
        }
        for (offset, position) in index.iter() {
            if let Some(target) = &target {
                let found = batch_from(path, target, u64::from(position), |_| true)?;
                let found = found.map_or(Offset::NONE, |(last_offset, _)| last_offset);
                if found != offset {
                    let pairs = self.mismatches.entry(path.to_path_buf()).or_default();
                    pairs.push((offset.0, found.0));
                }
            }
            if !self.options.verify_index_only {
                writeln!(self.out, "offset: {offset} position: {position}")?;
            }
        }
        Ok(())
    }

    fn print_passed(&mut self, path: &Path) -> Result<(), Error> {
        writeln!(self.out, "{} passed sanity check.", path.display())?;
        Ok(())
    }

    pub(super) fn dump_time_index(
        &mut self,
        path: &Path,
        base_offset: Offset,
    ) -> Result<(), Error> {
        let Some(bytes) = self.read(path)? else {
            return Ok(());
        };
        let index = match TimeIndex::decode(base_offset, &bytes) {
            Ok(index) => index,
            Err(error) => return self.fault(&format_args!("{}: {error}", path.display())),
        };
        if self.options.index_sanity_check {
            return self.print_passed(path);
        }
        let target = self.segment_of(path, base_offset)?;
        let offsets = self.offsets_beside(path, base_offset)?;
        let mut previous = -1;
        for (timestamp, offset) in index.iter() {
            if let Some(target) = &target {
                let from = u64::from(offsets.lookup(offset));
                let found = batch_from(path, target, from, |last| last >= offset)?;
                match found {
                    Some((last, largest)) if last == offset => {
                        if largest != timestamp.0 {
                            let pairs = self.times.entry(path.to_path_buf()).or_default();
                            pairs.push((timestamp.0, largest));
                        }
                    }
                    found => {
                        let last = found.map_or(-1, |(last, _)| last.0);
                        self.not_found.push((offset.0, last));
                    }
                }
            }
            if previous >= timestamp.0 {
                let pairs = self.unordered_times.entry(path.to_path_buf()).or_default();
                pairs.push((timestamp.0, previous));
            }
            if !self.options.verify_index_only {
                writeln!(self.out, "timestamp: {timestamp} offset: {offset}")?;
            }
            previous = timestamp.0;
        }
        Ok(())
    }

    pub(super) fn dump_transaction_index(&mut self, path: &Path) -> Result<(), Error> {
        let Some(bytes) = self.read(path)? else {
            return Ok(());
        };
        let index = match TransactionIndex::decode(&bytes) {
            Ok(index) => index,
            Err(error) => return self.fault(&format_args!("{}: {error}", path.display())),
        };
        for txn in index.entries() {
            writeln!(
                self.out,
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset,
            )?;
        }
        Ok(())
    }

    /// The segment in the same folder; none, and a fault, where it is missing.
    fn segment_of(&mut self, path: &Path, base_offset: Offset) -> Result<Option<Target>, Error> {
        let log = path_of(folder(path), base_offset, Kind::Log);
        let file = match self.storage.open(&log) {
            Ok(file) => file,
            Err(error) => {
                self.fault(&format_args!("{}: {error}", log.display()))?;
                return Ok(None);
            }
        };
        let size_bytes = file.len().map_err(Self::read_error(&log))?;
        Ok(Some(Target { file, size_bytes }))
    }

    /// The offset index in the same folder; an empty one where it is of no use.
    fn offsets_beside(&self, path: &Path, base_offset: Offset) -> Result<OffsetIndex, Error> {
        let path = path_of(folder(path), base_offset, Kind::Index);
        let bytes = crate::checkpoint::read_whole(self.storage, &path, 1 << 30)
            .map_err(Self::read_error(&path))?;
        let index = bytes.and_then(|bytes| OffsetIndex::decode(base_offset, &bytes).ok());
        Ok(index.unwrap_or(OffsetIndex::new(base_offset)))
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Last offset and largest timestamp of the first batch from `position` on whose last offset is
/// wanted; none where no batch is there.
fn batch_from(
    path: &Path,
    target: &Target,
    position: u64,
    is_wanted: impl Fn(Offset) -> bool,
) -> Result<Option<(Offset, i64)>, Error> {
    let file = Arc::clone(&target.file);
    let mut scanner = BatchScanner::batches(file, position, target.size_bytes);
    loop {
        match scanner.next_batch() {
            Ok(Some(batch)) if is_wanted(batch.header.last_offset()) => {
                let largest = largest_timestamp(&batch.header, batch.bytes);
                return Ok(Some((batch.header.last_offset(), largest.0)));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(ScanError::Fault { .. }) => return Ok(None),
            Err(ScanError::Io(error)) => return Err(Session::read_error(path)(error)),
        }
    }
}
