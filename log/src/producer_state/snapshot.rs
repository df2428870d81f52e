//! Files of producer state, in Kafka's form (`ProducerSnapshot` version 1). A file
//! `<offset, 20 digits>.snapshot` holds the state of the records below that offset.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | version = 1 |
//! | 2 | 4 | CRC-32C of all that follows |
//! | 6 | 4 | number of entries |
//! | 10 | 46 each | entries |
//!
//! | offset in entry | size | field |
//! |---|---|---|
//! | 0 | 8 | producer id |
//! | 8 | 2 | epoch |
//! | 10 | 4 | sequence of the last record, -1 for none |
//! | 14 | 8 | offset of the last record, -1 for none |
//! | 22 | 4 | last offset minus first offset of the last batch |
//! | 26 | 8 | timestamp of the last batch or marker |
//! | 34 | 4 | coordinator epoch, -1 for none |
//! | 38 | 8 | first offset of the open transaction, -1 for none |
//!
//! Kafka's entries have the last batch of a producer alone. With up to five batches in flight, a
//! producer that repeats an earlier one after a restart would be refused, and would then send the
//! records again under a new epoch: twice. So the earlier batches follow, where there are any. The
//! checksum covers them too; Kafka reads its entries and passes over what comes behind them.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `MLNB` |
//! | 4 | 4 | number of batches |
//! | 8 | 32 each | batches, oldest first |
//!
//! | offset in batch | size | field |
//! |---|---|---|
//! | 0 | 8 | producer id |
//! | 8 | 4 | sequence of the last record |
//! | 12 | 8 | offset of the last record |
//! | 20 | 4 | last offset minus first offset |
//! | 24 | 8 | timestamp |

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use milena_protocol::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use thiserror::Error;

use super::producer::BATCHES_MAX;
use super::{AppendedBatch, Producer, ProducerStates};
use crate::checkpoint;
use crate::storage::Storage;

/// Suffix of the files.
pub const SUFFIX: &str = ".snapshot";
const VERSION: i16 = 1;
const HEADER_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;
const EARLIER_MAGIC: [u8; 4] = *b"MLNB";
const EARLIER_HEADER_BYTES: usize = 8;
const EARLIER_BYTES: usize = 32;
/// Larger files are not read: about 23 million producers.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why a snapshot is of no use. The state is rebuilt from an older one or from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Another version.
    #[error("snapshot has version {version}, only 1 is known")]
    Version {
        /// Value of the field.
        version: i16,
    },
    /// The bytes end early, or more follow.
    #[error("snapshot has {size_bytes} bytes, which is not what its entry count says")]
    Size {
        /// Size of the file.
        size_bytes: usize,
    },
    /// The checksum does not match.
    #[error("stored CRC {stored:#010x}, computed {computed:#010x}")]
    Crc {
        /// Checksum in the file.
        stored: u32,
        /// Checksum of the bytes.
        computed: u32,
    },
}

/// The bytes of the snapshot of `states`.
#[must_use]
pub fn encode(states: &ProducerStates) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + states.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let count = i32::try_from(states.len()).unwrap_or(i32::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
    for producer in states.iter().take(usize::try_from(count).unwrap_or(0)) {
        let last = producer.batches.last();
        let last_offset = producer.last_offset().unwrap_or(Offset::NONE);
        let delta = last.map_or(0, |batch| batch.offset_delta);
        let open = producer.txn_first_offset.unwrap_or(Offset::NONE);
        bytes.extend_from_slice(&producer.id.0.to_be_bytes());
        bytes.extend_from_slice(&producer.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&producer.last_sequence().0.to_be_bytes());
        bytes.extend_from_slice(&last_offset.0.to_be_bytes());
        bytes.extend_from_slice(&delta.to_be_bytes());
        bytes.extend_from_slice(&producer.last_timestamp.0.to_be_bytes());
        bytes.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&open.0.to_be_bytes());
    }
    encode_earlier(states, &mut bytes);
    let crc = checkpoint::crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Puts the batches before the last one of each producer behind the entries.
fn encode_earlier(states: &ProducerStates, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    let mut count = 0_i32;
    for producer in states.iter() {
        let Some((_, earlier)) = producer.batches.split_last() else {
            continue;
        };
        for batch in earlier {
            if count == 0 {
                bytes.extend_from_slice(&EARLIER_MAGIC);
                bytes.extend_from_slice(&[0; 4]);
            }
            bytes.extend_from_slice(&producer.id.0.to_be_bytes());
            bytes.extend_from_slice(&batch.last_sequence.0.to_be_bytes());
            bytes.extend_from_slice(&batch.last_offset.0.to_be_bytes());
            bytes.extend_from_slice(&batch.offset_delta.to_be_bytes());
            bytes.extend_from_slice(&batch.timestamp.0.to_be_bytes());
            count = count.saturating_add(1);
        }
    }
    if count > 0 {
        bytes[start + 4..start + 8].copy_from_slice(&count.to_be_bytes());
    }
}

/// The producers of a snapshot, in the order of the file.
///
/// # Errors
/// Any variant.
pub fn decode(bytes: &[u8]) -> Result<Vec<Producer>, Error> {
    let size_bytes = bytes.len();
    let wrong_size = Error::Size { size_bytes };
    let version = i16::from_be_bytes(field(bytes, 0).ok_or(wrong_size)?);
    if version != VERSION {
        return Err(Error::Version { version });
    }
    let stored = u32::from_be_bytes(field(bytes, 2).ok_or(wrong_size)?);
    let computed = checkpoint::crc32c(bytes.get(6..).unwrap_or_default());
    if stored != computed {
        return Err(Error::Crc { stored, computed });
    }
    let count = i32::from_be_bytes(field(bytes, 6).ok_or(wrong_size)?);
    let count = usize::try_from(count).map_err(|_| wrong_size)?;
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let split = count.checked_mul(ENTRY_BYTES).ok_or(wrong_size)?;
    let (entries, earlier) = body.split_at_checked(split).ok_or(wrong_size)?;
    let mut producers = entries
        .as_chunks::<ENTRY_BYTES>()
        .0
        .iter()
        .map(|entry| decode_entry(entry).ok_or(wrong_size))
        .collect::<Result<Vec<_>, _>>()?;
    if !earlier.is_empty() {
        let mut batches = decode_earlier(earlier).ok_or(wrong_size)?;
        for producer in &mut producers {
            if let Some(earlier) = batches.remove(&producer.id) {
                producer.batches = prepend(earlier, &producer.batches);
            }
        }
    }
    Ok(producers)
}

/// The batches behind the entries, by producer; none where the bytes are something else.
fn decode_earlier(bytes: &[u8]) -> Option<BTreeMap<ProducerId, Vec<AppendedBatch>>> {
    let count = i32::from_be_bytes(field(bytes, 4)?);
    let (batches, rest) = bytes
        .get(EARLIER_HEADER_BYTES..)?
        .as_chunks::<EARLIER_BYTES>();
    let is_whole = rest.is_empty() && usize::try_from(count) == Ok(batches.len());
    if !bytes.starts_with(&EARLIER_MAGIC) || !is_whole {
        return None;
    }
    let mut found: BTreeMap<ProducerId, Vec<AppendedBatch>> = BTreeMap::new();
    for batch in batches {
        let id = ProducerId(i64::from_be_bytes(field(batch, 0)?));
        found.entry(id).or_default().push(AppendedBatch {
            last_sequence: Sequence(i32::from_be_bytes(field(batch, 8)?)),
            last_offset: Offset(i64::from_be_bytes(field(batch, 12)?)),
            offset_delta: i32::from_be_bytes(field(batch, 20)?).max(0),
            timestamp: Timestamp(i64::from_be_bytes(field(batch, 24)?)),
        });
    }
    Some(found)
}

/// Earlier batches in front of the last one. Those that do not lie before what follows them are not
/// this producer's history, and are left out.
fn prepend(earlier: Vec<AppendedBatch>, last: &[AppendedBatch]) -> Vec<AppendedBatch> {
    let mut batches = last.to_vec();
    for batch in earlier.into_iter().rev() {
        let is_before = batches
            .first()
            .is_some_and(|next| batch.last_offset < next.first_offset());
        if !is_before || batches.len() == BATCHES_MAX {
            break;
        }
        batches.insert(0, batch);
    }
    batches
}

fn decode_entry(entry: &[u8; ENTRY_BYTES]) -> Option<Producer> {
    let last_sequence = Sequence(i32::from_be_bytes(field(entry, 10)?));
    let last_offset = Offset(i64::from_be_bytes(field(entry, 14)?));
    let offset_delta = i32::from_be_bytes(field(entry, 22)?);
    let timestamp = Timestamp(i64::from_be_bytes(field(entry, 26)?));
    let first_offset = Offset(i64::from_be_bytes(field(entry, 38)?));
    let batch = AppendedBatch {
        last_sequence,
        last_offset,
        offset_delta: offset_delta.max(0),
        timestamp,
    };
    Some(Producer {
        id: ProducerId(i64::from_be_bytes(field(entry, 0)?)),
        epoch: ProducerEpoch(i16::from_be_bytes(field(entry, 8)?)),
        coordinator_epoch: i32::from_be_bytes(field(entry, 34)?),
        last_timestamp: timestamp,
        txn_first_offset: (first_offset.0 >= 0).then_some(first_offset),
        batches: if last_offset.0 >= 0 {
            vec![batch]
        } else {
            Vec::new()
        },
    })
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Path of the snapshot of the records below `end`.
#[must_use]
pub fn path(folder: &Path, end: Offset) -> PathBuf {
    folder.join(format!("{:020}{SUFFIX}", end.0))
}

/// Writes the snapshot of `states` into the folder of its partition, durably. Returns its offset.
///
/// # Errors
/// What the file system says.
pub fn write(storage: &dyn Storage, folder: &Path, states: &ProducerStates) -> io::Result<Offset> {
    let end = states.end();
    checkpoint::write_atomically(storage, &path(folder, end), &encode(states))?;
    Ok(end)
}

/// Offsets of the snapshots in a folder, ascending.
///
/// # Errors
/// What the file system says.
pub fn list(storage: &dyn Storage, folder: &Path) -> io::Result<Vec<Offset>> {
    let mut offsets: Vec<_> = storage
        .list(folder)?
        .into_iter()
        .filter(|entry| !entry.is_directory)
        .filter_map(|entry| {
            let digits = entry.name.strip_suffix(SUFFIX)?;
            let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok().map(Offset))?
        })
        .collect();
    offsets.sort_unstable();
    Ok(offsets)
}

/// Removes the snapshots for which `is_doomed` holds; returns how many. Not durable before the
/// folder is synced: a snapshot that comes back does no harm.
///
/// # Errors
/// What the file system says.
pub fn remove_where(
    storage: &dyn Storage,
    folder: &Path,
    is_doomed: impl Fn(Offset) -> bool,
) -> io::Result<usize> {
    let mut removed = 0;
    for offset in list(storage, folder)? {
        if is_doomed(offset) {
            storage.remove_file(&path(folder, offset))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the snapshots below `offset`.
///
/// # Errors
/// What the file system says.
pub fn remove_before(storage: &dyn Storage, folder: &Path, offset: Offset) -> io::Result<usize> {
    remove_where(storage, folder, |end| end < offset)
}

/// Removes the snapshots above `offset`, whose records were cut off.
///
/// # Errors
/// What the file system says.
pub fn remove_above(storage: &dyn Storage, folder: &Path, offset: Offset) -> io::Result<usize> {
    remove_where(storage, folder, |end| end > offset)
}

/// Removes the snapshots that belong to no segment, except the newest one if it lies above all
/// base offsets: a clean shutdown wrote it.
///
/// # Errors
/// What the file system says.
pub fn remove_stray(
    storage: &dyn Storage,
    folder: &Path,
    segment_base_offsets: &[Offset],
) -> io::Result<usize> {
    let newest = list(storage, folder)?.last().copied();
    let largest_base = segment_base_offsets.iter().max().copied();
    remove_where(storage, folder, |end| {
        let is_last = Some(end) == newest && Some(end) > largest_base;
        !is_last && !segment_base_offsets.contains(&end)
    })
}

/// What [`load`] needs to know of the log.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Log start offset.
    pub log_start: Offset,
    /// Log end offset.
    pub log_end: Offset,
    /// The current time.
    pub now: Timestamp,
    /// Producers that were idle for so long are left out, in milliseconds.
    pub expiration_ms: i64,
}

/// The state of the newest usable snapshot above the log start and not above the log end; without
/// one an empty state that begins at the log start. The caller replays the records from
/// [`ProducerStates::end`] on. Damaged snapshots are removed.
///
/// # Errors
/// What the file system says.
pub fn load(storage: &dyn Storage, folder: &Path, range: &Range) -> io::Result<ProducerStates> {
    for end in list(storage, folder)?.into_iter().rev() {
        if end > range.log_end || end <= range.log_start {
            continue;
        }
        let path = path(folder, end);
        let Some(bytes) = checkpoint::read_whole(storage, &path, FILE_BYTES_MAX)? else {
            continue;
        };
        match decode(&bytes) {
            Ok(producers) => {
                let mut states = ProducerStates::new(end);
                for producer in producers {
                    if !producer.is_expired(range.now, range.expiration_ms) {
                        states.restore(producer.id, Some(producer));
                    }
                }
                return Ok(states);
            }
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "producer snapshot is damaged and was removed");
                storage.remove_file(&self::path(folder, end))?;
            }
        }
    }
    Ok(ProducerStates::new(range.log_start))
}
