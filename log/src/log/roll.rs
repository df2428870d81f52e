//! Segments begin and end.

use std::io::IoSlice;
use std::sync::Arc;

use milena_protocol::batch::BatchHeader;
use milena_protocol::{Offset, Timestamp};

use super::Log;
use crate::error::{AppendError, During, StorageError};
use crate::index::{offset, time};
use crate::producer_state::snapshot;
use crate::segment::Segment;
use crate::segment::name::Kind;
use crate::storage::File;

/// Name of the file with the topic id (KIP-516, Kafka class `PartitionMetadataFile`).
pub(super) const METADATA_FILE: &str = "partition.metadata";

impl Log {
    /// Closes the active segment and begins a new one, unless it is empty. Returns the base offset
    /// of the segment that is active then.
    ///
    /// # Errors
    /// `Full`, `Damaged`, `Failed`, `Storage`.
    pub fn roll(&mut self, now: Timestamp) -> Result<Offset, AppendError> {
        self.check_writable()?;
        let is_needed = self
            .segments
            .last()
            .is_none_or(|segment| segment.size > 0 || segment.base_offset != self.log_end);
        if is_needed {
            self.roll_to(self.log_end, now)
                .map_err(|error| self.fail(error))?;
        }
        self.check_invariants();
        Ok(self.log_end)
    }

    /// True where the batch must go to a new segment, `waiting_bytes` bytes being about to be
    /// written before it (`LogSegment.shouldRoll`).
    pub(super) fn needs_roll(
        &self,
        header: &BatchHeader,
        waiting_bytes: u64,
        now: Timestamp,
    ) -> bool {
        let Some(segment) = self.segments.last() else {
            return waiting_bytes == 0;
        };
        let size = segment.size + waiting_bytes;
        if size == 0 {
            // An empty segment is used whatever its age, where its offsets reach.
            return !fits(segment.base_offset, header);
        }
        let config = &self.config;
        if size + header.size_bytes as u64 > u64::from(config.segment_bytes)
            || !fits(segment.base_offset, header)
        {
            return true;
        }
        let Some(active) = &segment.active else {
            // Its indexes are on disk still; they were not full when they were written.
            return false;
        };
        let waited_ms = match active.first_timestamp {
            Some(first) if first.0 >= 0 => header.max_timestamp.ms_since(first),
            _ => now.ms_since(active.created),
        };
        let jitter_ms = if config.segment_jitter_ms > 0 {
            config.roll_jitter_ms(active.created, self.seed())
        } else {
            0
        };
        waited_ms > config.segment_ms.saturating_sub(jitter_ms)
            || active.offsets.len()
                >= entries_max(config.index_entries_max(entry_bytes(offset::ENTRY_BYTES)))
            || active.times.len()
                >= entries_max(config.index_entries_max(entry_bytes(time::ENTRY_BYTES)))
    }

    /// A number that differs between partitions (FNV-1a of the name).
    fn seed(&self) -> u64 {
        let start =
            0xcbf2_9ce4_8422_2325 ^ u64::from(self.topic_partition.partition.0.unsigned_abs());
        self.topic_partition
            .topic
            .bytes()
            .fold(start, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
    }

    /// Begins a segment with this base offset, which is not below the log end offset.
    pub(super) fn roll_to(
        &mut self,
        base_offset: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        if self.segments.is_empty() {
            self.create_folder()?;
        } else {
            self.activate_last(now)?;
        }
        let replaces_empty = self
            .segments
            .last()
            .is_some_and(|last| last.size == 0 && last.base_offset == base_offset);
        if !replaces_empty {
            self.finish_last()?;
        }
        let segment = Segment::create(self.place(), base_offset, now)?;
        // Nothing below fails: a file that is there and not in the log would be taken for a
        // segment by the next start.
        self.unsynced.folder = true;
        if self.config.preallocate
            && let Ok(file) = segment.file(self.place())
        {
            // Without the reservation the writes tell whether there is space.
            let _ = file.reserve(0, u64::from(self.config.segment_bytes));
        }
        if replaces_empty {
            self.segments.pop();
        } else if !self.segments.is_empty() {
            self.producers
                .set_end(base_offset.max(self.producers.end()));
            let bytes = snapshot::encode(&self.producers);
            self.unsynced.snapshots.push((base_offset, bytes));
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Ends the active segment: its index gets the last entry, and room beyond its end is given
    /// back.
    pub(super) fn finish_last(&mut self) -> Result<(), StorageError> {
        let place = crate::segment::Place {
            handles: &self.handles,
            folder: &self.folder,
        };
        let Some(segment) = self.segments.last_mut() else {
            return Ok(());
        };
        let size = segment.size;
        let has_room = segment
            .active
            .as_ref()
            .is_some_and(|active| active.reserved_to > size)
            || self.config.preallocate;
        if has_room {
            let file = segment.file(place)?;
            file.set_len(size)
                .during("truncate", &segment.path(place, Kind::Log))?;
        }
        if let Some(active) = &mut segment.active {
            active.reserved_to = 0;
            active.finish();
        }
        Ok(())
    }

    /// Brings the indexes of the active segment into memory.
    pub(super) fn activate_last(&mut self, now: Timestamp) -> Result<(), StorageError> {
        let place = crate::segment::Place {
            handles: &self.handles,
            folder: &self.folder,
        };
        if let Some(segment) = self.segments.last_mut() {
            segment.activate(place, now, self.config.index_interval_bytes)?;
        }
        Ok(())
    }

    /// The file of the active segment, whose indexes are in memory then.
    pub(super) fn writer(&mut self) -> Result<Arc<dyn File>, StorageError> {
        let is_active = self
            .segments
            .last()
            .is_some_and(|segment| segment.active.is_some());
        if !is_active {
            // `created` only matters where no timestamp is known.
            self.activate_last(Timestamp::NONE)?;
        }
        match self.segments.last() {
            Some(segment) => segment.file(self.place()),
            None => Err(StorageError::new(
                "open",
                &self.folder,
                std::io::ErrorKind::NotFound.into(),
            )),
        }
    }

    /// Makes the partition's folder and the file with the topic id, where they are missing.
    pub(super) fn create_folder(&mut self) -> Result<(), StorageError> {
        let storage = self.handles.storage();
        let folder = &self.folder;
        if !storage.exists(folder).during("look for", folder)? {
            storage.create_directory(folder).during("create", folder)?;
            self.unsynced.parent = true;
        }
        let path = folder.join(METADATA_FILE);
        if self.topic_id.is_zero() || storage.exists(&path).during("look for", &path)? {
            return Ok(());
        }
        let file = storage.open_or_create(&path).during("create", &path)?;
        let text = format!("version: 0\ntopic_id: {}\n", self.topic_id);
        file.write_at(&[IoSlice::new(text.as_bytes())], 0)
            .during("write", &path)?;
        self.unsynced.files.push(file);
        self.unsynced.folder = true;
        Ok(())
    }
}

fn entry_bytes(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// One entry stays free for the last timestamp of the segment.
fn entries_max(entries: usize) -> usize {
    entries.saturating_sub(1).max(1)
}

/// True where the offsets of the batch fit the indexes of the segment; Kafka allows 31 bits.
fn fits(base_offset: Offset, header: &BatchHeader) -> bool {
    let relative = header.last_offset().0.saturating_sub(base_offset.0);
    header.base_offset >= base_offset && i32::try_from(relative).is_ok()
}
