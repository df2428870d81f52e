//! From the files of a folder to a log.

use std::path::Path;
use std::sync::Arc;

use milena_protocol::{Offset, Timestamp};

use super::check::{Fault, Walk, walk_faults};
use super::producers::{apply, keep_snapshot, producers_at};
use super::resume::{self, Resumed};
use super::{Loaded, Progress, leftover};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::damage::{self, Damage, DamagedBytes};
use crate::epoch_cache::EpochCache;
use crate::error::{During, OpenError, StorageError};
use crate::index::{offset, time};
use crate::log::OpenState;
use crate::producer_state::{ProducerStates, snapshot};
use crate::segment::name::{self, CUT, Kind};
use crate::segment::scan::{BatchScanner, ScanError};
use crate::segment::{Active, Place, Segment, write_indexes};
use crate::storage::{File, Storage};

/// What is needed all along.
struct Loader<'a> {
    place: Place<'a>,
    config: &'a LogConfig,
    recovery_point: Offset,
    /// What is below is durable, whatever is found.
    durable_end: Offset,
    /// Resume points count.
    resumes: bool,
    /// Records below are known to have been there.
    known_end: Offset,
    now: Timestamp,
    segments: Vec<Segment>,
    epochs: EpochCache,
    are_epochs_changed: bool,
    damage: Vec<DamagedBytes>,
    cut_bytes: u64,
}

/// Reads the files of a log and puts right what a crash left.
pub(crate) fn load(
    place: Place<'_>,
    config: &LogConfig,
    (state, now): (OpenState, Timestamp),
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, OpenError> {
    let storage = &**place.handles.storage();
    if !storage
        .exists(place.folder)
        .during("look for", place.folder)?
    {
        return Ok(empty(&state));
    }
    leftover::clear(storage, place.folder, state.clean)?;
    let segments = list_segments(place)?;
    if segments.is_empty() {
        return Ok(empty(&state));
    }
    let known = damage::read(storage, place.folder)?;
    let (epochs, are_epochs_known) = read_epochs(storage, place.folder);
    let mut loader = Loader {
        place,
        config,
        recovery_point: state.recovery_point,
        durable_end: state.recovery_point,
        resumes: !state.clean && known.is_none() && are_epochs_known,
        known_end: state.recovery_point,
        now,
        segments,
        epochs,
        are_epochs_changed: false,
        damage: Vec::new(),
        cut_bytes: 0,
    };
    let mut from = if state.clean {
        loader.segments.len()
    } else {
        loader.first_unclosed(state.recovery_point)?
    };
    let wanted = from;
    from = loader.check_indexes(from)?;
    loader.resumes &= from == wanted;
    if let Some(known) = known {
        let lost_end = known.iter().map(|place| place.next_offset).max();
        loader.known_end = loader.known_end.max(lost_end.unwrap_or(Offset(0)));
        // Positions are found again rather than trusted; nothing may be cut off any more.
        from = 0;
        loader.recovery_point = Offset(i64::MAX);
    }
    if !are_epochs_known {
        from = 0;
    }
    let first = loader
        .segments
        .first()
        .map_or(Offset(0), |segment| segment.base_offset);
    let log_start = state.log_start.unwrap_or(first).max(first);
    let clean_end = if from >= loader.segments.len() {
        loader.find_end()?
    } else {
        None
    };
    let was_walked = clean_end.is_none();
    let (log_end, producers) = match clean_end {
        Some(end) => {
            let range = (log_start.min(end), end, now);
            (end, producers_at(place, &loader.segments, config, range)?)
        }
        None => {
            let from = from.min(loader.segments.len() - 1);
            loader.check_from(from, log_start, progress)?
        }
    };
    let facts = (state.recovery_point, was_walked);
    loader.finish(log_start, log_end, producers, facts)
}

/// A log without files.
fn empty(state: &OpenState) -> Loaded {
    let start = state.log_start.unwrap_or(Offset(0));
    Loaded {
        segments: Vec::new(),
        log_start: start,
        log_end: start,
        producers: ProducerStates::new(start),
        epochs: EpochCache::new(),
        are_epochs_changed: false,
        damage: None,
        cut_bytes: 0,
        is_folder_synced: false,
    }
}

fn list_segments(place: Place<'_>) -> Result<Vec<Segment>, OpenError> {
    let storage = place.handles.storage();
    let mut segments = Vec::new();
    for entry in storage.list(place.folder).during("list", place.folder)? {
        let Some((base_offset, Kind::Log, "")) = name::parse(&entry.name) else {
            continue;
        };
        let path = place.folder.join(&entry.name);
        let size_bytes = storage
            .open(&path)
            .and_then(|file| file.len())
            .during("open", &path)?;
        if u32::try_from(size_bytes).is_err() {
            return Err(OpenError::SegmentSize { path, size_bytes });
        }
        segments.push(Segment::existing(place.handles, base_offset, size_bytes));
    }
    segments.sort_by_key(|segment| segment.base_offset);
    Ok(segments)
}

/// The epochs, and whether they are those of the log.
fn read_epochs(storage: &dyn Storage, folder: &Path) -> (EpochCache, bool) {
    let path = folder.join(checkpoint::LEADER_EPOCH);
    match checkpoint::read_epochs(storage, &path) {
        Ok(Some(loaded)) => (EpochCache::from_entries(&loaded.value), true),
        Ok(None) => (EpochCache::new(), false),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "leader epochs are read from the log");
            (EpochCache::new(), false)
        }
    }
}

impl Loader<'_> {
    /// Number of the segment that holds the batch at `offset`.
    fn segment_of(&self, offset: Offset) -> usize {
        self.segments
            .partition_point(|segment| segment.base_offset <= offset)
            .saturating_sub(1)
    }

    /// Number of the segment that holds the batch at the recovery point, or of the one before where
    /// that ends there and its closing is not known to be complete: the sync that made its last batch
    /// durable may have come before the roll, and only the sync after the roll writes the indexes
    /// and then the producer snapshot. Its transaction index would be missed by nobody.
    fn first_unclosed(&self, recovery_point: Offset) -> Result<usize, StorageError> {
        let number = self.segment_of(recovery_point);
        let begins_there = self
            .segments
            .get(number)
            .is_some_and(|segment| segment.base_offset == recovery_point);
        if number == 0 || !begins_there {
            return Ok(number);
        }
        let path = snapshot::path(self.place.folder, recovery_point);
        let storage = self.place.handles.storage();
        let is_closed = storage.exists(&path).during("look for", &path)?;
        Ok(if is_closed { number } else { number - 1 })
    }

    fn open(&self, segment: &Segment, kind: Kind) -> std::io::Result<Arc<dyn File>> {
        let path = segment.path(self.place, kind);
        self.place.handles.storage().open(&path)
    }

    /// Cheaply checks the indexes of the segments before `until` and makes anew what is of no use.
    /// Returns from where on segments must be walked: `until`, or less where a transaction index
    /// is damaged.
    fn check_indexes(&mut self, until: usize) -> Result<usize, StorageError> {
        let mut walk_from = until;
        for number in 0..until {
            let segment = &self.segments[number];
            let size = segment.size;
            let offsets = self
                .open(segment, Kind::Index)
                .map_err(crate::index::Error::from)
                .and_then(|file| offset::check_file(&*file, size));
            let times = self
                .open(segment, Kind::TimeIndex)
                .map_err(crate::index::Error::from)
                .and_then(|file| {
                    time::check_file(&*file)?;
                    Ok(file.is_empty()?)
                });
            let is_usable = offsets.is_ok() && times.is_ok_and(|is_empty| !is_empty || size == 0);
            let has_txns = match self.open(segment, Kind::TxnIndex) {
                Ok(file) => crate::index::transaction::collect_file(
                    &*file,
                    Offset(i64::MAX),
                    Offset(i64::MAX),
                    &mut Vec::new(),
                )
                .is_ok(),
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            };
            if !has_txns {
                let path = segment.path(self.place, Kind::TxnIndex);
                tracing::warn!(path = %path.display(), "transaction index is damaged, the log is walked");
                walk_from = walk_from.min(number);
            }
            if !is_usable && has_txns {
                self.rebuild(number)?;
            }
        }
        Ok(walk_from)
    }

    /// Writes the offset and time index of a segment anew. What is damaged there is passed over.
    fn rebuild(&mut self, number: usize) -> Result<(), StorageError> {
        let segment = &self.segments[number];
        let path = segment.path(self.place, Kind::Index);
        tracing::warn!(path = %path.display(), "indexes of a segment are made anew");
        let mut active = Active::new(segment.base_offset, self.now);
        let mut scanner = BatchScanner::headers(segment.file(self.place)?, 0, segment.size);
        loop {
            match scanner.next_batch() {
                Ok(Some(batch)) => {
                    active.add(
                        &batch.header,
                        batch.position,
                        self.config.index_interval_bytes,
                    );
                }
                Ok(None) | Err(ScanError::Fault { .. }) => break,
                Err(ScanError::Io(error)) => return Err(StorageError::new("read", &path, error)),
            }
        }
        active.finish();
        let [offsets, times, _] = active.index_bytes();
        write_indexes(self.place, segment.base_offset, &[offsets, times])?;
        let handles = self.place.handles;
        self.segments[number].forget_indexes(handles);
        Ok(())
    }

    /// The log end offset of a log that was stopped cleanly; none where its end is no whole batch.
    fn find_end(&self) -> Result<Option<Offset>, StorageError> {
        let Some(segment) = self.segments.last() else {
            return Ok(None);
        };
        let from = segment.position_below(self.place, Offset(i64::MAX));
        let mut end = segment.base_offset;
        let mut scanner = BatchScanner::headers(segment.file(self.place)?, from, segment.size);
        loop {
            match scanner.next_batch() {
                Ok(Some(batch))
                    if batch.header.base_offset >= end && batch.header.next_offset() > end =>
                {
                    end = batch.header.next_offset();
                }
                Ok(None) => return Ok(Some(end)),
                Ok(Some(_)) | Err(ScanError::Fault { .. }) => return Ok(None),
                Err(ScanError::Io(error)) => {
                    let path = segment.path(self.place, Kind::Log);
                    return Err(StorageError::new("read", &path, error));
                }
            }
        }
    }

    /// Walks all segments from number `from` on. Returns the log end offset and producer state.
    fn check_from(
        &mut self,
        from: usize,
        log_start: Offset,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Offset, ProducerStates), StorageError> {
        let base_offset = self.segments[from].base_offset;
        let start = log_start.min(base_offset);
        let facts = (start, self.recovery_point, self.now);
        let mut resumed = match self.resumes {
            true => resume::find(self.place, &self.segments[from], self.config, facts)?,
            false => None,
        };
        let mut producers = match &mut resumed {
            Some(resumed) => std::mem::take(&mut resumed.producers),
            None => {
                let range = (start, base_offset, self.now);
                producers_at(self.place, &self.segments[..from], self.config, range)?
            }
        };
        let skipped_bytes = resumed.as_ref().map_or(0, |resumed| resumed.position);
        let sizes = self.segments[from..].iter().map(|segment| segment.size);
        let total_bytes = sizes.sum::<u64>().saturating_sub(skipped_bytes);
        let mut done_bytes = 0;
        let mut log_end = base_offset;
        let mut number = from;
        while number < self.segments.len() {
            if number > from && self.is_gap(number, log_end)? {
                self.give_up_from(number)?;
                break;
            }
            if number > from && self.damage.is_empty() {
                keep_snapshot(
                    self.place,
                    self.segments[number].base_offset,
                    &mut producers,
                )?;
            }
            let skipped_bytes = resumed.as_ref().map_or(0, |resumed| resumed.position);
            done_bytes += self.segments[number].size.saturating_sub(skipped_bytes);
            let (end, is_cut) = self.check_segment(number, &mut producers, resumed.take())?;
            log_end = end;
            progress(Progress {
                done_bytes,
                total_bytes,
            });
            number += 1;
            if is_cut {
                self.give_up_from(number)?;
                break;
            }
        }
        Ok((log_end, producers))
    }

    /// True where the segment does not continue the one before and never did durably.
    fn is_gap(&self, number: usize, log_end: Offset) -> Result<bool, StorageError> {
        let base_offset = self.segments[number].base_offset;
        if base_offset <= log_end || base_offset <= self.recovery_point {
            return Ok(false);
        }
        let path = snapshot::path(self.place.folder, base_offset);
        let storage = self.place.handles.storage();
        Ok(!storage.exists(&path).during("look for", &path)?)
    }

    /// Checks one segment. Returns the offset behind its last batch, and whether its tail was cut
    /// off.
    fn check_segment(
        &mut self,
        number: usize,
        producers: &mut ProducerStates,
        resumed: Option<Resumed>,
    ) -> Result<(Offset, bool), StorageError> {
        let segment = &self.segments[number];
        let path = segment.path(self.place, Kind::Log);
        let file = segment.file(self.place)?;
        let next_base = self.segments.get(number + 1).map(|next| next.base_offset);
        let (from, mut active) = match resumed {
            Some(resumed) => ((resumed.position, resumed.offset), resumed.active),
            None => {
                let from = (0, segment.base_offset);
                (from, Active::new(segment.base_offset, self.now))
            }
        };
        let walk = Walk {
            file: Arc::clone(&file),
            size: segment.size,
            base_offset: segment.base_offset,
            next_base,
            from,
        };
        let (config, epochs, damage) = (self.config, &mut self.epochs, &mut self.damage);
        let mut is_assigned = false;
        let (recovery_point, known_end) = (self.recovery_point, self.known_end);
        let mut lost_end = None;
        let mut is_cut = false;
        let result = walk_faults(
            &walk,
            &mut |batch| {
                let header = &batch.header;
                active.add(header, batch.position, config.index_interval_bytes);
                let is_newer = epochs
                    .latest()
                    .is_none_or(|latest| header.leader_epoch > latest.epoch);
                if header.leader_epoch.0 >= 0 && is_newer {
                    is_assigned |= epochs.assign(header.leader_epoch, header.base_offset);
                }
                if header.next_offset() > producers.end()
                    && let Some(aborted) =
                        apply(producers, header, batch.bytes).and_then(|txn| txn.aborted())
                {
                    active.add_aborted(aborted);
                }
            },
            &mut |fault| {
                let is_last = fault.resumes_at.is_none() && next_base.is_none();
                is_cut = fault.first_offset >= recovery_point && (fault.is_torn || is_last);
                if !is_cut {
                    let place = damaged_bytes(&walk, fault, known_end);
                    lost_end = fault.resumes_at.is_none().then_some(place.next_offset);
                    damage.push(place);
                }
                !is_cut
            },
        );
        let (end, position) = result.during("read", &path)?;
        self.are_epochs_changed |= is_assigned;
        if is_cut {
            self.cut(number, &file, position)?;
        }
        if is_cut || end > self.durable_end {
            file.sync().during("sync", &path)?;
        }
        self.settle(number, active)?;
        Ok((lost_end.unwrap_or(end), is_cut))
    }

    /// Cuts a file, keeping a copy of what is cut off.
    fn cut(
        &mut self,
        number: usize,
        file: &Arc<dyn File>,
        position: u64,
    ) -> Result<(), StorageError> {
        let segment = &mut self.segments[number];
        let path = segment.path(self.place, Kind::Log);
        let kept = name::path_with(self.place.folder, segment.base_offset, Kind::Log, CUT);
        let storage = self.place.handles.storage();
        copy(&**storage, file, (position, segment.size), &kept)?;
        file.set_len(position).during("truncate", &path)?;
        self.cut_bytes += segment.size - position;
        segment.size = position;
        Ok(())
    }

    /// Writes the indexes of a segment that was checked; the last one keeps them in memory.
    fn settle(&mut self, number: usize, mut active: Active) -> Result<(), StorageError> {
        let is_last = number + 1 == self.segments.len();
        let segment = &mut self.segments[number];
        if is_last {
            segment.active = Some(Box::new(active));
        } else {
            active.finish();
            write_indexes(self.place, segment.base_offset, &active.index_bytes())?;
        }
        segment.forget_indexes(self.place.handles);
        Ok(())
    }

    /// Takes the segments from number `from` on out of the log: something before them was lost.
    fn give_up_from(&mut self, from: usize) -> Result<(), StorageError> {
        let storage = self.place.handles.storage();
        while self.segments.len() > from.max(1) {
            let Some(segment) = self.segments.pop() else {
                break;
            };
            segment.forget(self.place.handles);
            self.cut_bytes += segment.size;
            let path = segment.path(self.place, Kind::Log);
            let kept = name::path_with(self.place.folder, segment.base_offset, Kind::Log, CUT);
            storage.rename(&path, &kept).during("rename", &path)?;
            for kind in Kind::INDEXES {
                let path = segment.path(self.place, kind);
                match storage.remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(StorageError::new("remove", &path, error));
                    }
                    _ => {}
                }
            }
        }
        let (place, now) = (self.place, self.now);
        let interval_bytes = self.config.index_interval_bytes;
        if let Some(last) = self.segments.last_mut() {
            last.activate(place, now, interval_bytes)?;
        }
        Ok(())
    }

    fn finish(
        mut self,
        log_start: Offset,
        log_end: Offset,
        producers: ProducerStates,
        (recovery_point, was_walked): (Offset, bool),
    ) -> Result<Loaded, OpenError> {
        let storage = &**self.place.handles.storage();
        let folder = self.place.folder;
        let log_start = log_start.min(log_end);
        if log_end < recovery_point && self.damage.is_empty() {
            let folder = folder.display();
            tracing::warn!(%folder, %log_end, %recovery_point, "log ends below its recovery point");
        }
        self.are_epochs_changed |= self.epochs.truncate_from_end(log_end);
        self.are_epochs_changed |= self.epochs.truncate_from_start(log_start);
        let removed = snapshot::remove_above(storage, folder, log_end)
            .during("remove snapshots of", folder)?;
        let is_new = was_walked && (log_end > self.durable_end || self.cut_bytes > 0);
        let is_changed = removed > 0 || is_new;
        if !self.damage.is_empty() {
            damage::write(storage, folder, &self.damage)?;
        }
        if is_changed {
            storage.sync_directory(folder).during("sync", folder)?;
        }
        let damage = (!self.damage.is_empty()).then_some(Damage {
            places: self.damage,
        });
        Ok(Loaded {
            segments: self.segments,
            log_start,
            log_end,
            producers,
            epochs: self.epochs,
            are_epochs_changed: self.are_epochs_changed,
            damage,
            cut_bytes: self.cut_bytes,
            is_folder_synced: is_changed,
        })
    }
}

fn damaged_bytes(walk: &Walk, fault: &Fault, known_end: Offset) -> DamagedBytes {
    let following = fault.resumes_at.or(walk.next_base);
    let next_offset = following.unwrap_or_else(|| known_end.max(fault.first_offset.plus(1)));
    DamagedBytes {
        segment: walk.base_offset,
        start: fault.start,
        end: fault.end,
        first_offset: fault.first_offset,
        next_offset,
    }
}

/// Copies bytes of a file without the zeroes at their end; makes no file of nothing.
fn copy(
    storage: &dyn Storage,
    file: &Arc<dyn File>,
    (start, end): (u64, u64),
    to: &Path,
) -> Result<(), StorageError> {
    let mut window = vec![0; 1 << 20];
    let mut copied: Option<Arc<dyn File>> = None;
    let mut position = start;
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(usize::MAX);
        let wanted = wanted.min(window.len());
        let read = file
            .read_at(&mut window[..wanted], position)
            .during("read", to)?;
        if read == 0 {
            break;
        }
        let used = window[..read]
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |at| at + 1);
        if used > 0 {
            let target = match &copied {
                Some(target) => target,
                None => {
                    let target = storage.open_or_create(to).during("create", to)?;
                    target.set_len(0).during("truncate", to)?;
                    copied.insert(target)
                }
            };
            target
                .write_at(&[std::io::IoSlice::new(&window[..used])], position - start)
                .during("write", to)?;
        }
        position += read as u64;
    }
    match copied {
        Some(file) => file.sync().during("sync", to),
        None => Ok(()),
    }
}
