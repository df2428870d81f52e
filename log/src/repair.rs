//! Repairs a damaged log by giving up what is lost (`milena log repair --accept-loss`). Nobody may
//! have the log open.
//!
//! The damaged bytes of a segment go to a file of their own beside it,
//! `<base offset>.log.damaged-<position>`, which nothing ever removes. The segment is written anew
//! without them, and takes the old one's place as a segment of compaction does: a crash leaves the
//! old or the new one. Offsets of lost records stay unused.

use std::io::IoSlice;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_protocol::Offset;

use crate::damage::{self, DamagedBytes};
use crate::error::{During, StorageError};
use crate::recovery::{self, Swap, Walk, walk_faults};
use crate::segment::name::{self, CLEANED, Kind};
use crate::storage::{File, Storage};

/// Bytes that are copied at once.
const WINDOW_BYTES: usize = 1 << 20;

/// What is damaged, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Offsets whose records are lost, ascending.
    pub lost: Vec<Range<Offset>>,
    /// Files with the bytes that were cut out; empty where nothing was done.
    pub kept: Vec<PathBuf>,
    /// The log was repaired and can be opened for writing.
    pub is_repaired: bool,
}

/// Looks through all segments in `folder`, a partition's folder, and with `accepts_loss` cuts out
/// what is damaged. Without it nothing is changed. A torn tail that no opening of the log has found
/// to be damage is left for the next opening to judge.
///
/// # Errors
/// What the file system says. Repair can be run again then.
pub fn repair(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    accepts_loss: bool,
) -> Result<Report, StorageError> {
    if accepts_loss {
        // A repair that was interrupted is ended first.
        recovery::clear(&**storage, folder, false)?;
    }
    let known = damage::read(&**storage, folder)?;
    let places = find(&**storage, folder, known.as_deref().unwrap_or_default())?;
    let mut report = Report {
        lost: places
            .iter()
            .map(|place| place.first_offset..place.next_offset)
            .collect(),
        ..Report::default()
    };
    if !accepts_loss {
        return Ok(report);
    }
    if let Some(last) = places.last() {
        keep_end(&**storage, folder, last)?;
    }
    for group in places.chunk_by(|left, right| left.segment == right.segment) {
        report.kept.extend(mend(&**storage, folder, group)?);
    }
    if known.is_some() {
        let path = folder.join(damage::FILE);
        storage.remove_file(&path).during("remove", &path)?;
    }
    storage.sync_directory(folder).during("sync", folder)?;
    report.is_repaired = known.is_some() || !places.is_empty();
    Ok(report)
}

/// Base offsets of the segments, ascending.
fn bases(storage: &dyn Storage, folder: &Path) -> Result<Vec<Offset>, StorageError> {
    let entries = storage.list(folder).during("list", folder)?;
    let mut bases: Vec<_> = entries
        .iter()
        .filter_map(|entry| match name::parse(&entry.name) {
            Some((base_offset, Kind::Log, "")) => Some(base_offset),
            _ => None,
        })
        .collect();
    bases.sort_unstable();
    Ok(bases)
}

fn find(
    storage: &dyn Storage,
    folder: &Path,
    known: &[DamagedBytes],
) -> Result<Vec<DamagedBytes>, StorageError> {
    let bases = bases(storage, folder)?;
    let known_end = known.iter().map(|place| place.next_offset).max();
    let mut places = Vec::new();
    for (number, &base_offset) in bases.iter().enumerate() {
        let path = name::path(folder, base_offset, Kind::Log);
        let file = storage.open(&path).during("open", &path)?;
        let size = file.len().during("open", &path)?;
        let next_base = bases.get(number + 1).copied();
        let walk = Walk {
            file,
            size,
            base_offset,
            next_base,
            from: (0, base_offset),
        };
        walk_faults(&walk, &mut |_| {}, &mut |fault| {
            let following = fault.resumes_at.or(next_base);
            let is_known = known_end.filter(|end| *end > fault.first_offset);
            if let Some(next_offset) = following.or(is_known) {
                places.push(DamagedBytes {
                    segment: base_offset,
                    start: fault.start,
                    end: fault.end,
                    first_offset: fault.first_offset,
                    next_offset,
                });
            }
            true
        })
        .during("read", &path)?;
    }
    Ok(places)
}

/// Writes a segment anew without its damaged places.
fn mend(
    storage: &dyn Storage,
    folder: &Path,
    places: &[DamagedBytes],
) -> Result<Vec<PathBuf>, StorageError> {
    let Some(base_offset) = places.first().map(|place| place.segment) else {
        return Ok(Vec::new());
    };
    let path = name::path(folder, base_offset, Kind::Log);
    let old = storage.open(&path).during("open", &path)?;
    let size = old.len().during("open", &path)?;
    let cleaned = name::path_with(folder, base_offset, Kind::Log, CLEANED);
    let new = create(storage, &cleaned)?;
    let mut kept = Vec::new();
    let (mut from, mut to) = (0, 0);
    for place in places {
        to = copy(&*old, from..place.start, (&*new, to), &cleaned)?;
        let side = folder.join(format!(
            "{}.damaged-{}",
            name::file_name(base_offset, Kind::Log),
            place.start
        ));
        let file = create(storage, &side)?;
        copy(&*old, place.start..place.end, (&*file, 0), &side)?;
        file.sync().during("sync", &side)?;
        kept.push(side);
        from = place.end;
    }
    copy(&*old, from..size, (&*new, to), &cleaned)?;
    new.sync().during("sync", &cleaned)?;
    // Aborted transactions stand nowhere else; the other indexes are made anew on opening.
    let txns = name::path(folder, base_offset, Kind::TxnIndex);
    if storage.exists(&txns).during("look for", &txns)? {
        let old = storage.open(&txns).during("open", &txns)?;
        let size = old.len().during("open", &txns)?;
        let path = name::path_with(folder, base_offset, Kind::TxnIndex, CLEANED);
        let new = create(storage, &path)?;
        copy(&*old, 0..size, (&*new, 0), &path)?;
        new.sync().during("sync", &path)?;
    }
    let swap = Swap {
        base_offset,
        replaced: vec![base_offset],
    };
    swap.begin(storage, folder)?;
    for kind in Kind::ALL {
        let path = name::path(folder, base_offset, kind);
        match storage.remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StorageError::new("remove", &path, error));
            }
            _ => {}
        }
    }
    swap.finish(storage, folder)?;
    Ok(kept)
}

/// Where the end of the log is lost, an empty segment keeps its offsets from being used again.
fn keep_end(storage: &dyn Storage, folder: &Path, last: &DamagedBytes) -> Result<(), StorageError> {
    let bases = bases(storage, folder)?;
    let path = name::path(folder, last.segment, Kind::Log);
    let file = storage.open(&path).during("open", &path)?;
    let size = file.len().during("open", &path)?;
    let walk = Walk {
        file,
        size,
        base_offset: last.segment,
        next_base: None,
        from: (0, last.segment),
    };
    let (end, _) = walk_faults(&walk, &mut |_| {}, &mut |_| true).during("read", &path)?;
    if bases.last() == Some(&last.segment) && end < last.next_offset {
        let path = name::path(folder, last.next_offset, Kind::Log);
        create(storage, &path)?.sync().during("sync", &path)?;
        storage.sync_directory(folder).during("sync", folder)?;
    }
    Ok(())
}

fn create(storage: &dyn Storage, path: &Path) -> Result<Arc<dyn File>, StorageError> {
    let file = storage.open_or_create(path).during("create", path)?;
    file.set_len(0).during("truncate", path)?;
    Ok(file)
}

/// Copies `range` of a file to a position of another; returns the position behind it.
fn copy(
    from: &dyn File,
    range: Range<u64>,
    (to, position): (&dyn File, u64),
    path: &Path,
) -> Result<u64, StorageError> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let wanted = wanted.min(window.len());
        let read = from
            .read_at(&mut window[..wanted], at)
            .during("read for", path)?;
        if read == 0 {
            break;
        }
        to.write_at(
            &[IoSlice::new(&window[..read])],
            position + at - range.start,
        )
        .during("write", path)?;
        at += read as u64;
    }
    Ok(position + at - range.start)
}
