//! One run of compaction over one log.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_protocol::Offset;
use milena_protocol::batch::{BatchHeader, Records};

use super::filter::{Filter, Filtered, Kept};
use super::job::OnProgress;
use super::map::OffsetMap;
use super::output::{Output, discard};
use super::transactions::Transactions;
use super::{BatchFault, Error, Job, Phase, Progress, Replacement, Settings, Stats};
use crate::error::During;
use crate::index;
use crate::producer_state::Marker;
use crate::retention::SegmentFacts;
use crate::segment::name::{self, Kind};
use crate::segment::scan::{BatchScanner, ScanError};
use crate::storage::{File, Storage};

/// Bytes between two calls of the progress function.
const PROGRESS_BYTES: u64 = 1 << 20;
/// Widest range of offsets in one segment.
const OFFSETS_MAX: i64 = i32::MAX as i64;

/// One run of compaction over one log: see the module.
pub struct Run {
    storage: Arc<dyn Storage>,
    job: Job,
    settings: Settings,
    map: OffsetMap,
    groups: VecDeque<Vec<SegmentFacts>>,
    transactions: Transactions,
    meter: Meter,
    stats: Stats,
    clean_to: Offset,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("topic_partition", &self.job.topic_partition)
            .field("groups", &self.groups.len())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Counts what is read and tells the caller of the run.
struct Meter {
    phase: Phase,
    read_bytes: u64,
    total_bytes: u64,
    told_bytes: u64,
    written_bytes: u64,
}

impl Meter {
    const fn new(phase: Phase, total_bytes: u64) -> Self {
        Self {
            phase,
            read_bytes: 0,
            total_bytes,
            told_bytes: 0,
            written_bytes: 0,
        }
    }

    fn read(&mut self, size_bytes: usize, progress: OnProgress<'_>) -> Result<(), Error> {
        self.read_bytes += size_bytes as u64;
        if self.read_bytes - self.told_bytes < PROGRESS_BYTES {
            return Ok(());
        }
        self.told_bytes = self.read_bytes;
        self.tell(progress)
    }

    fn tell(&self, progress: OnProgress<'_>) -> Result<(), Error> {
        let answer = progress(Progress {
            phase: self.phase,
            read_bytes: self.read_bytes,
            total_bytes: self.total_bytes,
            written_bytes: self.written_bytes,
        });
        if answer.is_break() {
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

impl Run {
    /// Reads the keys of the dirty part and plans the groups of segments.
    ///
    /// # Errors
    /// Any variant.
    pub fn start(
        storage: Arc<dyn Storage>,
        mut job: Job,
        settings: Settings,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        let first_uncleanable = job.first_uncleanable;
        job.segments
            .retain(|segment| segment.base_offset < first_uncleanable);
        let is_dirty = |segment: &&SegmentFacts| segment.end_offset > job.first_dirty;
        let dirty: Vec<_> = job.segments.iter().filter(is_dirty).copied().collect();
        let span = first_uncleanable.0.saturating_sub(job.first_dirty.0);
        let map = OffsetMap::new(
            settings.map_bytes,
            settings.map_load_factor,
            u64::try_from(span).unwrap_or(0),
            settings.seed,
            job.first_dirty.plus(-1),
        );
        let dirty_bytes = dirty.iter().map(|segment| segment.size_bytes).sum();
        let mut run = Self {
            storage,
            settings,
            map,
            groups: VecDeque::new(),
            transactions: Transactions::new(&job.aborted, job.first_dirty),
            meter: Meter::new(Phase::Map, dirty_bytes),
            stats: Stats::default(),
            clean_to: job.first_dirty,
            job,
        };
        run.fill_map(&dirty, progress)?;
        let latest = run.map.latest();
        if !dirty.is_empty() && latest < run.job.first_dirty {
            let slots = run.map.limit();
            return Err(Error::MapTooSmall { slots });
        }
        run.clean_to = latest.plus(1);
        run.stats.keys = run.map.len() as u64;
        if !dirty.is_empty() {
            run.plan_groups()?;
        }
        run.transactions = Transactions::new(&run.job.aborted, Offset(0));
        let chosen = run.groups.iter().flatten();
        let total_bytes = chosen.map(|segment| segment.size_bytes).sum();
        run.meter = Meter::new(Phase::Clean, total_bytes);
        Ok(run)
    }

    /// Offset up to which the log is compacted when all groups are swapped in.
    #[must_use]
    pub const fn clean_to(&self) -> Offset {
        self.clean_to
    }

    /// What was done so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn fill_map(&mut self, dirty: &[SegmentFacts], progress: OnProgress<'_>) -> Result<(), Error> {
        for segment in dirty {
            self.map_segment(segment, progress)?;
            if self.stats.is_map_full {
                break;
            }
            // Offsets that no batch has are done too.
            let end_offset = segment.end_offset.min(self.job.first_uncleanable);
            self.map.reach(end_offset.plus(-1));
        }
        self.stats.map_read_bytes = self.meter.read_bytes;
        self.meter.tell(progress)
    }

    fn map_segment(
        &mut self,
        segment: &SegmentFacts,
        progress: OnProgress<'_>,
    ) -> Result<(), Error> {
        let first_dirty = self.job.first_dirty;
        let (path, file, size_bytes) = self.open(segment)?;
        let from = if segment.base_offset < first_dirty {
            self.position_of(segment, first_dirty, size_bytes)
        } else {
            0
        };
        let mut scanner = BatchScanner::batches(file, from, size_bytes);
        while let Some((position, header, batch)) = next_batch(&mut scanner, &path)? {
            self.meter.read(batch.len(), progress)?;
            let added = if header.last_offset() < first_dirty {
                self.pass_clean(&header, batch)
            } else {
                self.map_batch(&header, batch)
            };
            let is_full = !added.map_err(|fault| damaged(&path, position, fault))?;
            if is_full {
                self.stats.is_map_full = true;
                break;
            }
        }
        Ok(())
    }

    /// A batch before the dirty part, which matters for the transactions that reach into it only.
    fn pass_clean(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<bool, BatchFault> {
        if !header.attributes.is_control() {
            self.transactions.on_data(header);
        } else if let Some(marker) = Marker::parse(header, batch)? {
            self.transactions.on_marker(header, &marker);
        }
        Ok(true)
    }

    /// Adds the keys of a batch; false where the map is full.
    fn map_batch(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<bool, BatchFault> {
        header.check_crc(batch)?;
        if header.attributes.is_control() {
            if let Some(marker) = Marker::parse(header, batch)? {
                self.transactions.on_marker(header, &marker);
            }
        } else if !self.transactions.on_data(header) {
            let records = Records::open(header, batch, self.settings.inflated_bytes_max)?;
            for record in &records {
                let record = record?;
                self.stats.map_records += 1;
                let offset = record.offset(header);
                if let Some(key) = record.key
                    && offset >= self.job.first_dirty
                    && self.map.put(key, offset).is_err()
                {
                    return Ok(false);
                }
            }
        }
        self.map.reach(header.last_offset());
        Ok(true)
    }

    fn open(&self, segment: &SegmentFacts) -> Result<(PathBuf, Arc<dyn File>, u64), Error> {
        let path = name::path(&self.job.folder, segment.base_offset, Kind::Log);
        let file = self.storage.open(&path).during("open", &path)?;
        let size_bytes = file.len().during("size", &path)?;
        Ok((path, file, size_bytes))
    }

    /// Position from which a scan meets `offset`; 0 where the index is of no use.
    fn position_of(&self, segment: &SegmentFacts, offset: Offset, size_bytes: u64) -> u64 {
        let path = name::path(&self.job.folder, segment.base_offset, Kind::Index);
        let Ok(file) = self.storage.open(&path) else {
            return 0;
        };
        if index::offset::check_file(&*file, size_bytes).is_err() {
            return 0;
        }
        index::offset::lookup(&*file, segment.base_offset, offset).map_or(0, u64::from)
    }

    /// Puts neighbours together that fit one segment, so that segments do not become ever smaller.
    fn plan_groups(&mut self) -> Result<(), Error> {
        let config = &self.job.config;
        let (size_max, index_max) = (
            u64::from(config.segment_bytes),
            u64::from(config.segment_index_bytes),
        );
        let mut sizes = [0; 3];
        let mut first_base = Offset(0);
        let clean_to = self.clean_to;
        let chosen = self.job.segments.iter();
        for segment in chosen.filter(|segment| segment.base_offset < clean_to) {
            let of_segment = [
                segment.size_bytes,
                self.index_bytes(segment, Kind::Index)?,
                self.index_bytes(segment, Kind::TimeIndex)?,
            ];
            let sums = [0, 1, 2].map(|at| sizes[at] + of_segment[at]);
            let fits = sums[0] <= size_max && sums[1] <= index_max && sums[2] <= index_max;
            let is_near = segment.end_offset.0.saturating_sub(first_base.0) <= OFFSETS_MAX;
            match self.groups.back_mut() {
                Some(group) if fits && is_near => {
                    group.push(*segment);
                    sizes = sums;
                }
                _ => {
                    self.groups.push_back(vec![*segment]);
                    sizes = of_segment;
                    first_base = segment.base_offset;
                }
            }
        }
        Ok(())
    }

    fn index_bytes(&self, segment: &SegmentFacts, kind: Kind) -> Result<u64, Error> {
        let path = name::path(&self.job.folder, segment.base_offset, kind);
        match self.storage.open(&path) {
            Ok(file) => Ok(file.len().during("size", &path)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).during("open", &path)?,
        }
    }

    /// Copies what stays of the next group that changes. The caller swaps the new files in before
    /// it calls again. None when all groups are done.
    ///
    /// # Errors
    /// Any variant but `MapTooSmall`. The new files of the group are removed then, as far as that
    /// works.
    pub fn next_group(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Option<Replacement>, Error> {
        while let Some(group) = self.groups.pop_front() {
            let base_offset = group.first().map_or(Offset(0), |it| it.base_offset);
            match self.copy_group(&group, progress) {
                Ok(Some(replacement)) => return Ok(Some(replacement)),
                Ok(None) => discard(&*self.storage, &self.job.folder, base_offset)?,
                Err(error) => {
                    // The error that led here matters more than one of tidying up.
                    let _ = discard(&*self.storage, &self.job.folder, base_offset);
                    return Err(error);
                }
            }
        }
        self.meter.tell(progress)?;
        Ok(None)
    }

    /// None where the group is one segment of which all stays as it is.
    fn copy_group(
        &mut self,
        group: &[SegmentFacts],
        progress: OnProgress<'_>,
    ) -> Result<Option<Replacement>, Error> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(None);
        };
        let storage = Arc::clone(&self.storage);
        let folder = self.job.folder.clone();
        discard(&*storage, &folder, first.base_offset)?;
        let mut output = Output::create(
            &*storage,
            &folder,
            first.base_offset,
            &self.job.config,
            self.settings.write_bytes,
        )?;
        let mut has_changed = group.len() > 1;
        for segment in group {
            has_changed |= self.copy_segment(segment, &mut output, progress)?;
        }
        let replacement = Replacement {
            base_offset: first.base_offset,
            replaced: group.iter().map(|segment| segment.base_offset).collect(),
            end_offset: last.end_offset,
            size_bytes: output.size_bytes(),
            largest_timestamp: output.largest_timestamp(),
        };
        self.stats.read_bytes = self.meter.read_bytes;
        self.stats.written_bytes = self.meter.written_bytes;
        if !has_changed {
            return Ok(None);
        }
        output.finish()?;
        Ok(Some(replacement))
    }

    /// Copies what stays of one segment; true where something did not stay as it was.
    fn copy_segment(
        &mut self,
        segment: &SegmentFacts,
        output: &mut Output<'_>,
        progress: OnProgress<'_>,
    ) -> Result<bool, Error> {
        let (path, file, size_bytes) = self.open(segment)?;
        let filter = Filter {
            map: &self.map,
            last_records: &self.job.last_records,
            first_uncleanable: self.job.first_uncleanable,
            now: self.job.now,
            delete_retention_ms: self.job.config.delete_retention_ms,
            inflated_bytes_max: self.settings.inflated_bytes_max,
        };
        let mut has_changed = false;
        let mut scanner = BatchScanner::batches(file, 0, size_bytes);
        while let Some((position, header, batch)) = next_batch(&mut scanner, &path)? {
            self.meter.read(batch.len(), progress)?;
            let in_file = |fault| damaged(&path, position, fault);
            header
                .check_crc(batch)
                .map_err(|fault| in_file(fault.into()))?;
            let filtered = filter
                .apply(&mut self.transactions, &header, batch)
                .map_err(in_file)?;
            has_changed |= !matches!(filtered.kept, Kept::Same);
            let before = output.size_bytes();
            put(output, &header, batch, &filtered).map_err(in_file)?;
            output.flush_full()?;
            self.meter.written_bytes += output.size_bytes() - before;
            self.stats.records_read += filtered.records_read;
            self.stats.records_kept += filtered.records_kept;
            self.stats.records_without_key += filtered.records_without_key;
        }
        Ok(has_changed)
    }
}

/// Appends what stays of a batch.
fn put(
    output: &mut Output<'_>,
    header: &BatchHeader,
    batch: &[u8],
    filtered: &Filtered,
) -> Result<(), BatchFault> {
    match &filtered.kept {
        Kept::Nothing => return Ok(()),
        Kept::Same => output.append(header, batch)?,
        Kept::Other(bytes) => output.append(&BatchHeader::parse(bytes)?, bytes)?,
    }
    match filtered.aborted {
        Some(txn) => output.append_aborted(txn),
        None => Ok(()),
    }
}

type Found<'a> = (u64, BatchHeader, &'a [u8]);

fn next_batch<'a>(scanner: &'a mut BatchScanner, path: &Path) -> Result<Option<Found<'a>>, Error> {
    match scanner.next_batch() {
        Ok(found) => Ok(found.map(|found| (found.position, found.header, found.bytes))),
        Err(ScanError::Fault { position, fault }) => Err(damaged(path, position, fault)),
        Err(ScanError::Io(error)) => Err(error).during("read", path)?,
    }
}

fn damaged(path: &Path, position: u64, fault: impl Into<BatchFault>) -> Error {
    Error::Damaged {
        path: path.to_path_buf(),
        position,
        fault: fault.into(),
    }
}
