//! What is read, and whether it may be taken over.
//!
//! The records are those of the newest snapshot, `NNNNNNNNNNNNNNNNNNNN-EEEEEEEEEE.checkpoint`, which
//! has everything before offset N, and of the segments `*.log` from N on. With one voter everything
//! in the log is committed.

use std::path::{Path, PathBuf};

use milena_log::storage::Storage;
use milena_protocol::stored::metadata::{FeatureRange, Record};
use milena_protocol::{BrokerId, Offset, Timestamp};

use super::Error;
use super::batches::{self, Batch, Tail};
use super::control::Control;
use super::served;
use super::transaction::Effects;

/// Folder of the metadata log.
const FOLDER: &str = "__cluster_metadata-0";
const SNAPSHOT: &str = ".checkpoint";
pub(super) const SEGMENT: &str = ".log";
const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;

/// A directory that may hold a metadata log of Apache Kafka.
#[derive(Clone, Debug)]
pub(crate) struct Source<'a> {
    /// The directory (`metadata.log.dir`).
    pub directory: &'a Path,
    /// This node.
    pub node_id: BrokerId,
    /// All logs of the node were closed in order.
    pub is_clean: bool,
    /// The user insists, whatever is doubtful.
    pub is_forced: bool,
    /// Levels of the features that are served.
    pub served: &'a [FeatureRange],
    /// Time of the import.
    pub now: Timestamp,
}

impl Source<'_> {
    /// The folder of the metadata log.
    pub(super) fn folder(&self) -> PathBuf {
        self.directory.join(FOLDER)
    }
}

/// Reads the metadata log of a directory into the records that make its state, in order. None where
/// the directory has none, or an empty one. Blocks.
///
/// # Errors
/// See [`Error`].
pub(crate) fn read_directory(
    storage: &dyn Storage,
    source: &Source<'_>,
) -> Result<Option<Vec<Record>>, Error> {
    let folder = source.folder();
    if !storage
        .exists(&folder)
        .map_err(Error::io("look for", &folder))?
    {
        return Ok(None);
    }
    let files = Files::list(storage, &folder)?;
    let mut import = Import {
        storage,
        folder: &folder,
        tail: if source.is_forced {
            Tail::Cut
        } else {
            Tail::Refuse
        },
        control: Control::default(),
        effects: Effects::default(),
        next: Offset(0),
    };
    if let Some((end, path)) = &files.snapshot {
        import.snapshot(*end, path)?;
    }
    import.segments(&files.segments)?;
    let Import {
        control, effects, ..
    } = import;
    let mut records = effects.finish();
    if records.is_empty() {
        return Ok(None);
    }
    if !source.is_forced {
        check(source, &folder, &control)?;
    }
    served::adapt(source, &mut records)?;
    Ok(Some(records))
}

/// Refuses what is doubtful.
fn check(source: &Source<'_>, folder: &Path, control: &Control) -> Result<(), Error> {
    let folder = folder.to_path_buf();
    if !source.is_clean {
        return Err(Error::Unclean { folder });
    }
    let Some(voters) = control.voters() else {
        return Ok(());
    };
    match voters.first {
        _ if voters.count > 1 => Err(Error::SeveralVoters {
            folder,
            count: voters.count,
        }),
        Some(voter) if voter != source.node_id => Err(Error::NotVoter {
            folder,
            voter,
            node_id: source.node_id,
        }),
        _ => Ok(()),
    }
}

/// The files of the folder that matter.
#[derive(Debug, Default)]
struct Files {
    /// Newest snapshot: the end of what it has, exclusive, and its path.
    snapshot: Option<(Offset, PathBuf)>,
    /// Segments by their first offset.
    segments: Vec<(Offset, PathBuf)>,
}

impl Files {
    fn list(storage: &dyn Storage, folder: &Path) -> Result<Self, Error> {
        let mut files = Self::default();
        let entries = storage.list(folder).map_err(Error::io("list", folder))?;
        for entry in entries.into_iter().filter(|entry| !entry.is_directory) {
            let path = folder.join(&entry.name);
            if let Some(end) = snapshot_end(&entry.name) {
                // Names sort by offset and then epoch.
                files.snapshot = Some((end, path));
            } else if let Some(base) = entry.name.strip_suffix(SEGMENT).and_then(number) {
                files.segments.push((base, path));
            }
        }
        files.segments.sort_unstable();
        Ok(files)
    }
}

fn number(digits: &str) -> Option<Offset> {
    let is_offset = digits.len() == OFFSET_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    is_offset.then(|| digits.parse().ok().map(Offset))?
}

fn snapshot_end(name: &str) -> Option<Offset> {
    let (offset, epoch) = name.strip_suffix(SNAPSHOT)?.split_once('-')?;
    let is_epoch = epoch.len() == EPOCH_DIGITS && epoch.bytes().all(|b| b.is_ascii_digit());
    is_epoch.then(|| number(offset))?
}

/// The reading of one folder.
struct Import<'a> {
    storage: &'a dyn Storage,
    folder: &'a Path,
    tail: Tail,
    control: Control,
    effects: Effects,
    /// Offset of the next record.
    next: Offset,
}

impl Import<'_> {
    fn snapshot(&mut self, end: Offset, path: &Path) -> Result<(), Error> {
        let (control, effects) = (&mut self.control, &mut self.effects);
        batches::visit(self.storage, path, Tail::Refuse, |batch| {
            take(batch, Offset(0), control, effects)
        })?;
        if !self.control.is_finished {
            let length = self.storage.open(path).and_then(|file| file.len());
            return Err(Error::Damaged {
                path: path.to_path_buf(),
                position: length.unwrap_or_default(),
                reason: "the snapshot ends early".to_owned(),
            });
        }
        self.next = end;
        Ok(())
    }

    /// Reads the segments from the one that has the next record.
    fn segments(&mut self, segments: &[(Offset, PathBuf)]) -> Result<(), Error> {
        let from = self.next;
        let first = segments
            .iter()
            .rposition(|(base, _)| *base <= from)
            .unwrap_or(0);
        for (at, (base, path)) in segments.iter().enumerate().skip(first) {
            if *base > self.next {
                return Err(self.gap(*base));
            }
            let is_last = at + 1 == segments.len();
            let tail = if is_last { self.tail } else { Tail::Refuse };
            let (control, effects, next) = (&mut self.control, &mut self.effects, &mut self.next);
            let mut gap = None;
            batches::visit(self.storage, path, tail, |batch| {
                let header = &batch.header;
                if header.base_offset > *next {
                    gap = gap.or(Some(header.base_offset));
                    return Ok(());
                }
                if gap.is_some() || header.next_offset() <= *next {
                    return Ok(());
                }
                take(batch, *next, control, effects)?;
                *next = header.next_offset();
                Ok(())
            })?;
            if let Some(to) = gap {
                return Err(self.gap(to));
            }
        }
        Ok(())
    }

    fn gap(&self, to: Offset) -> Error {
        Error::Gap {
            folder: self.folder.to_path_buf(),
            from: self.next,
            to,
        }
    }
}

/// Takes the records of a batch from offset `from` on.
fn take(
    batch: &Batch<'_>,
    from: Offset,
    control: &mut Control,
    effects: &mut Effects,
) -> Result<(), String> {
    for record in batch.records() {
        let record = record.map_err(|error| error.to_string())?;
        if record.offset(&batch.header) < from {
            continue;
        }
        let value = record.value.unwrap_or_default();
        if batch.header.attributes.is_control() {
            control
                .take(record.key.unwrap_or_default(), value)
                .map_err(|error| error.to_string())?;
        } else {
            effects.take(Record::decode(value).map_err(|error| error.to_string())?)?;
        }
    }
    Ok(())
}
