//! Files that an interrupted retention or compaction left.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use milena_protocol::Offset;

use crate::checkpoint;
use crate::error::{During, StorageError};
use crate::producer_state::snapshot;
use crate::segment::name::{self, CLEANED, CUT, DELETED, Kind, SWAP};
use crate::segment::scan::BatchScanner;
use crate::storage::Storage;

/// Name of the file that says which segments are being replaced. Kafka has none: it guesses them
/// from the offsets in the new segment, and may guess too few where compaction left its end empty.
const FILE: &str = "milena.swap";
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A replacement of segments by compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Swap {
    pub(crate) base_offset: Offset,
    pub(crate) replaced: Vec<Offset>,
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Swap {
    /// Makes the replacement certain: the new files become `.swap`, and the intent is durable.
    pub(crate) fn begin(&self, storage: &dyn Storage, folder: &Path) -> Result<(), StorageError> {
        // The file of batches goes last: while any `.cleaned` is there, the swap does not count.
        for kind in [Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Log] {
            let from = name::path_with(folder, self.base_offset, kind, CLEANED);
            let to = name::path_with(folder, self.base_offset, kind, SWAP);
            ignore_missing(storage.rename(&from, &to)).during("rename", &from)?;
        }
        let offsets = std::iter::once(&self.base_offset).chain(&self.replaced);
        let text: Vec<_> = offsets.map(ToString::to_string).collect();
        let path = folder.join(FILE);
        checkpoint::write_atomically(storage, &path, text.join(" ").as_bytes())
            .during("write", &path)
    }

    /// Ends it, once the old files are out of the way.
    pub(crate) fn finish(&self, storage: &dyn Storage, folder: &Path) -> Result<(), StorageError> {
        for kind in Kind::ALL {
            let from = name::path_with(folder, self.base_offset, kind, SWAP);
            let to = name::path(folder, self.base_offset, kind);
            ignore_missing(storage.rename(&from, &to)).during("rename", &from)?;
        }
        storage.sync_directory(folder).during("sync", folder)?;
        let path = folder.join(FILE);
        ignore_missing(storage.remove_file(&path)).during("remove", &path)
    }

    fn read(storage: &dyn Storage, folder: &Path) -> Result<Option<Self>, StorageError> {
        let path = folder.join(FILE);
        let bytes = checkpoint::read_whole(storage, &path, FILE_BYTES_MAX).during("read", &path)?;
        Ok(bytes.and_then(|bytes| {
            let text = std::str::from_utf8(&bytes).ok()?;
            let mut offsets = text.split(' ').map(|field| field.parse().ok().map(Offset));
            Some(Self {
                base_offset: offsets.next()??,
                replaced: offsets.collect::<Option<_>>()?,
            })
        }))
    }
}

fn files(
    storage: &dyn Storage,
    folder: &Path,
) -> Result<Vec<(Offset, Kind, String)>, StorageError> {
    let entries = storage.list(folder).during("list", folder)?;
    Ok(entries
        .into_iter()
        .filter(|entry| !entry.is_directory)
        .filter_map(|entry| {
            let (offset, kind, suffix) = name::parse(&entry.name)?;
            Some((offset, kind, suffix.to_owned()))
        })
        .collect())
}

/// Removes what is to be removed, and ends replacements that were certain. The folder exists.
pub(crate) fn clear(
    storage: &dyn Storage,
    folder: &Path,
    is_clean: bool,
) -> Result<(), StorageError> {
    let found = files(storage, folder)?;
    let is_tidy = found.iter().all(|(_, _, suffix)| suffix.is_empty());
    let swap = Swap::read(storage, folder)?;
    if is_tidy && swap.is_none() {
        return remove_orphans(storage, folder, &found);
    }
    let cleaned: Vec<_> = found.iter().filter(|file| file.2 == CLEANED).collect();
    let first_cleaned = cleaned.iter().map(|file| file.0).min();
    for (offset, kind, suffix) in &found {
        let is_void = suffix == SWAP && first_cleaned.is_some_and(|first| *offset >= first);
        let is_old = suffix == CUT && is_clean;
        if suffix == DELETED || suffix == CLEANED || is_void || is_old {
            let path = name::path_with(folder, *offset, *kind, suffix);
            storage.remove_file(&path).during("remove", &path)?;
        }
    }
    let swaps: BTreeSet<Offset> = found
        .iter()
        .filter(|file| file.2 == SWAP && file.1 == Kind::Log)
        .filter(|file| first_cleaned.is_none_or(|first| file.0 < first))
        .map(|file| file.0)
        .collect();
    for base_offset in swaps {
        let known = swap.clone().filter(|swap| swap.base_offset == base_offset);
        let pending = match known {
            Some(swap) => swap,
            None => guess(storage, folder, base_offset, &found)?,
        };
        for replaced in &pending.replaced {
            for kind in Kind::ALL {
                let path = name::path(folder, *replaced, kind);
                ignore_missing(storage.remove_file(&path)).during("remove", &path)?;
            }
            if *replaced != base_offset {
                let path = snapshot::path(folder, *replaced);
                ignore_missing(storage.remove_file(&path)).during("remove", &path)?;
            }
        }
        pending.finish(storage, folder)?;
    }
    let path = folder.join(FILE);
    ignore_missing(storage.remove_file(&path)).during("remove", &path)?;
    storage.sync_directory(folder).during("sync", folder)?;
    remove_orphans(storage, folder, &files(storage, folder)?)
}

/// What a replacement without its intent replaces, by Kafka's rule: the segments whose base offset
/// lies within the new one.
fn guess(
    storage: &dyn Storage,
    folder: &Path,
    base_offset: Offset,
    found: &[(Offset, Kind, String)],
) -> Result<Swap, StorageError> {
    let path = name::path_with(folder, base_offset, Kind::Log, SWAP);
    let file = storage.open(&path).during("open", &path)?;
    let size = file.len().during("open", &path)?;
    let mut scanner = BatchScanner::headers(file, 0, size);
    let mut end = base_offset.plus(1);
    while let Ok(Some(batch)) = scanner.next_batch() {
        end = end.max(batch.header.next_offset());
    }
    let replaced = found
        .iter()
        .filter(|file| file.1 == Kind::Log && file.2.is_empty())
        .map(|file| file.0)
        .filter(|offset| (base_offset..end).contains(offset))
        .collect();
    Ok(Swap {
        base_offset,
        replaced,
    })
}

/// Removes index files without a file of batches.
fn remove_orphans(
    storage: &dyn Storage,
    folder: &Path,
    found: &[(Offset, Kind, String)],
) -> Result<(), StorageError> {
    let bases: BTreeSet<Offset> = found
        .iter()
        .filter(|file| file.1 == Kind::Log && file.2.is_empty())
        .map(|file| file.0)
        .collect();
    for (offset, kind, suffix) in found {
        if suffix.is_empty() && *kind != Kind::Log && !bases.contains(offset) {
            let path = name::path(folder, *offset, *kind);
            storage.remove_file(&path).during("remove", &path)?;
        }
    }
    Ok(())
}
