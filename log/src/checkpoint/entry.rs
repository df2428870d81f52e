//! The two kinds of lines.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use milena_protocol::{LeaderEpoch, Offset, PartitionIndex, TopicPartition};

use super::file::{Error, Loaded, read_sealed, write_sealed};
use crate::epoch_cache::EpochEntry;
use crate::storage::Storage;

/// Offsets below which all bytes are on disk, per partition of a log directory.
pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
/// High watermarks, per partition of a log directory.
pub const REPLICATION_OFFSET: &str = "replication-offset-checkpoint";
/// Log start offsets that are above the first segment, per partition of a log directory.
pub const LOG_START_OFFSET: &str = "log-start-offset-checkpoint";
/// Offsets up to which logs are compacted, per partition of a log directory.
pub const CLEANER_OFFSET: &str = "cleaner-offset-checkpoint";
/// Leader epochs, in the folder of a partition.
pub const LEADER_EPOCH: &str = "leader-epoch-checkpoint";
const VERSION: i64 = 0;

/// The text of a file of offsets.
#[must_use]
pub fn encode_offsets(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = format!("{VERSION}\n{}\n", offsets.len());
    for (TopicPartition { topic, partition }, offset) in offsets {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{topic} {partition} {offset}");
    }
    text
}

/// The offsets of a file with this content; of a partition that occurs twice the last one, as in
/// Kafka. An empty file has none. `path` is for the error.
///
/// # Errors
/// All but `Io`.
pub fn decode_offsets(
    path: &Path,
    bytes: &[u8],
) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
    let entries = decode(path, bytes, |line| {
        let mut fields = line.split_whitespace();
        let topic = fields.next()?;
        let partition = fields.next()?.parse().ok()?;
        let offset = fields.next()?.parse().ok()?;
        let partition = TopicPartition::new(topic, PartitionIndex(partition));
        fields
            .next()
            .is_none()
            .then_some((partition, Offset(offset)))
    })?;
    Ok(entries.into_iter().collect())
}

/// The text of a file of leader epochs.
#[must_use]
pub fn encode_epochs(entries: &[EpochEntry]) -> String {
    let mut text = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {}", entry.epoch, entry.start_offset);
    }
    text
}

/// The leader epochs of a file with this content, in its order. `path` is for the error.
///
/// # Errors
/// All but `Io`.
pub fn decode_epochs(path: &Path, bytes: &[u8]) -> Result<Vec<EpochEntry>, Error> {
    decode(path, bytes, |line| {
        let mut fields = line.split_whitespace();
        let epoch = LeaderEpoch(fields.next()?.parse().ok()?);
        let start_offset = Offset(fields.next()?.parse().ok()?);
        let is_valid = fields.next().is_none() && epoch.0 >= 0 && start_offset.0 >= 0;
        is_valid.then_some(EpochEntry {
            epoch,
            start_offset,
        })
    })
}

/// Reads a file without a line or with only the first one as empty, as Kafka does: it makes
/// checkpoints as empty files.
fn decode<T>(
    path: &Path,
    bytes: &[u8],
    entry: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let fault = |line, reason| Error::Line {
        path: path.to_path_buf(),
        line,
        reason,
    };
    let text = str::from_utf8(bytes).map_err(|_| fault(1, "file is no UTF-8 text"))?;
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        return Ok(Vec::new());
    };
    let version = version
        .parse()
        .map_err(|_| fault(1, "version is no number"))?;
    if version != VERSION {
        return Err(Error::Version {
            path: path.to_path_buf(),
            version,
            known: VERSION,
        });
    }
    let Some(announced) = lines.next() else {
        return Ok(Vec::new());
    };
    let announced = announced
        .parse()
        .map_err(|_| fault(2, "number of entries is no number"))?;
    let mut entries = Vec::new();
    for (index, line) in lines.enumerate() {
        entries.push(entry(line).ok_or_else(|| fault(index + 3, "entry is malformed"))?);
    }
    if i64::try_from(entries.len()) != Ok(announced) {
        return Err(Error::Count {
            path: path.to_path_buf(),
            announced,
            found: entries.len(),
        });
    }
    Ok(entries)
}

/// Reads a file of offsets; none where it is missing.
///
/// # Errors
/// Any variant.
pub fn read_offsets(
    storage: &dyn Storage,
    path: &Path,
) -> Result<Option<Loaded<BTreeMap<TopicPartition, Offset>>>, Error> {
    read(storage, path, decode_offsets)
}

/// Replaces a file of offsets durably.
///
/// # Errors
/// What the file system says.
pub fn write_offsets(
    storage: &dyn Storage,
    path: &Path,
    offsets: &BTreeMap<TopicPartition, Offset>,
) -> io::Result<()> {
    write_sealed(storage, path, encode_offsets(offsets).as_bytes())
}

/// Reads a file of leader epochs; none where it is missing.
///
/// # Errors
/// Any variant.
pub fn read_epochs(
    storage: &dyn Storage,
    path: &Path,
) -> Result<Option<Loaded<Vec<EpochEntry>>>, Error> {
    read(storage, path, decode_epochs)
}

/// Replaces a file of leader epochs durably.
///
/// # Errors
/// What the file system says.
pub fn write_epochs(storage: &dyn Storage, path: &Path, entries: &[EpochEntry]) -> io::Result<()> {
    write_sealed(storage, path, encode_epochs(entries).as_bytes())
}

fn read<T>(
    storage: &dyn Storage,
    path: &Path,
    decode: impl Fn(&Path, &[u8]) -> Result<T, Error>,
) -> Result<Option<Loaded<T>>, Error> {
    let Some(loaded) = read_sealed(storage, path)? else {
        return Ok(None);
    };
    Ok(Some(Loaded {
        value: decode(path, &loaded.value)?,
        seal: loaded.seal,
    }))
}
