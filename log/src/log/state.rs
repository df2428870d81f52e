//! The log and what it tells about itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use milena_protocol::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};

use super::resume::Resume;
use crate::config::LogConfig;
use crate::damage::Damage;
use crate::epoch_cache::EpochCache;
use crate::error::{AppendError, StorageError};
use crate::handle::Handles;
use crate::producer_state::ProducerStates;
use crate::segment::{Place, Segment};
use crate::storage::File;

/// The log of one partition.
///
/// Invariant, asserted after every change:
/// `log_start <= last_stable <= high_watermark <= log_end` and `flushed <= log_end`.
#[derive(Debug)]
pub struct Log {
    pub(super) handles: Arc<Handles>,
    pub(super) folder: PathBuf,
    pub(super) topic_partition: TopicPartition,
    pub(super) topic_id: TopicId,
    pub(super) config: Arc<LogConfig>,
    /// Ascending by base offset; the last one is written to. Empty before the first append.
    pub(super) segments: Vec<Segment>,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) high_watermark: Offset,
    /// Everything below is on disk.
    pub(super) flushed: Offset,
    pub(super) producers: ProducerStates,
    pub(super) epochs: EpochCache,
    pub(super) unsynced: Unsynced,
    pub(super) damage: Option<Box<Damage>>,
    pub(super) is_failed: bool,
    /// The latest `LogAppendTime` so far: it does not go back.
    pub(super) append_time: Timestamp,
    pub(super) cut_bytes: u64,
    pub(super) resume: Resume,
}

/// What the next sync has to do besides the batches.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Producer snapshots that are to be written, by the offset that they reach to.
    pub(super) snapshots: Vec<(Offset, Vec<u8>)>,
    /// The leader epoch checkpoint is behind.
    pub(super) epochs: bool,
    /// Names in the partition's folder changed.
    pub(super) folder: bool,
    /// The partition's folder was made.
    pub(super) parent: bool,
    /// Further files.
    pub(super) files: Vec<Arc<dyn File>>,
    /// Of the ticket that is out: what it may make durable at most, lowered by truncation.
    pub(super) in_flight: Option<Offset>,
    /// Number of truncations; a ticket from before one must not write index files any more.
    pub(super) generation: Arc<Mutex<u64>>,
}

/// What retention and compaction see of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentView {
    /// First offset that the segment may hold.
    pub base_offset: Offset,
    /// Base offset of the following segment, or the log end offset.
    pub end_offset: Offset,
    /// Bytes of batches.
    pub size_bytes: u64,
    /// Largest timestamp of its records; -1 where there is none.
    pub largest_timestamp: Timestamp,
    /// Max timestamp of its first batch; -1 where there is none.
    pub first_timestamp: Timestamp,
    /// True for the segment that is written to.
    pub is_active: bool,
}

impl Log {
    /// The partition.
    #[must_use]
    pub const fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// Id of the topic; zero where unknown.
    #[must_use]
    pub const fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The partition's folder. It may not be there before the first append.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.folder
    }

    /// Moves the folder of the partition to another name in the same log directory, as deletion
    /// and the move between directories do.
    ///
    /// # Errors
    /// What the file system says; the log is as it was then.
    pub fn rename_directory(&mut self, to: PathBuf) -> Result<(), StorageError> {
        let storage = self.handles.storage();
        let generation = Arc::clone(&self.unsynced.generation);
        // A ticket that is out must not look for the folder where it was.
        let mut generation = generation.lock().unwrap_or_else(PoisonError::into_inner);
        match storage.rename(&self.folder, &to) {
            Ok(()) => self.unsynced.parent = true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StorageError::new("rename", &self.folder, error)),
        }
        *generation += 1;
        self.folder = to;
        Ok(())
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// Replaces the configuration; it counts from the next append on.
    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    /// First offset that is served.
    #[must_use]
    pub const fn log_start(&self) -> Offset {
        self.log_start
    }

    /// Offset of the next record.
    #[must_use]
    pub const fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Everything below this offset is durable. It is also the recovery point.
    #[must_use]
    pub const fn flushed(&self) -> Offset {
        self.flushed
    }

    /// The high watermark that was set last.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Sets the high watermark, held to the log start and end offsets. Returns the value.
    pub fn set_high_watermark(&mut self, high_watermark: Offset) -> Offset {
        self.high_watermark = high_watermark.clamp(self.log_start, self.log_end);
        self.producers.on_high_watermark(self.high_watermark);
        self.check_invariants();
        self.high_watermark
    }

    /// The last stable offset: the first offset of the first transaction that is open, or whose
    /// marker is not below the high watermark; otherwise the high watermark.
    #[must_use]
    pub fn last_stable(&self) -> Offset {
        let unstable = self.producers.first_unstable();
        unstable
            .map_or(self.high_watermark, |offset| {
                offset.min(self.high_watermark)
            })
            .max(self.log_start)
    }

    /// Bytes of batches in all segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }

    /// The segments in ascending order; the last one is written to. Timestamps of closed segments
    /// are read from their files the first time.
    ///
    /// # Errors
    /// What the file system says.
    pub fn segments(&self) -> Result<Vec<SegmentView>, StorageError> {
        let ends = self.segments.iter().skip(1).map(|next| next.base_offset);
        let last = self.segments.len().saturating_sub(1);
        self.segments
            .iter()
            .zip(ends.chain([self.log_end]))
            .enumerate()
            .map(|(number, (segment, end_offset))| {
                let first = segment.first_timestamp(self.place())?;
                Ok(SegmentView {
                    base_offset: segment.base_offset,
                    end_offset,
                    size_bytes: segment.size,
                    largest_timestamp: segment.largest(self.place())?.timestamp,
                    first_timestamp: first.unwrap_or(Timestamp::NONE),
                    is_active: number == last,
                })
            })
            .collect()
    }

    /// Base offset of the segment that is written to; none before the first append.
    #[must_use]
    pub fn active_base_offset(&self) -> Option<Offset> {
        self.segments.last().map(|segment| segment.base_offset)
    }

    /// Base offset of the first segment whose indexes and producer snapshot are not known to be on
    /// disk; the log end offset where there is none.
    pub(crate) fn closed_end(&self) -> Offset {
        let open = self.segments.iter().find(|it| it.active.is_some());
        open.map_or(self.log_end, |segment| segment.base_offset)
    }

    /// The file of a segment.
    ///
    /// # Errors
    /// `NotFound` for a base offset of no segment, and what the file system says.
    pub fn segment_file(&self, base_offset: Offset) -> Result<Arc<dyn File>, StorageError> {
        match self.segment_number(base_offset) {
            Some(number) => self.segments[number].file(self.place()),
            None => Err(StorageError::new(
                "open",
                &self.folder,
                std::io::ErrorKind::NotFound.into(),
            )),
        }
    }

    /// Producer state, for DescribeProducers and the verification of transactions (KIP-890).
    #[must_use]
    pub const fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// The same for beginning verifications and expiring producers.
    pub const fn producers_mut(&mut self) -> &mut ProducerStates {
        &mut self.producers
    }

    /// Leader epochs of the log.
    #[must_use]
    pub const fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The latest leader epoch of the log.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest().map(|entry| entry.epoch)
    }

    /// Where the log is damaged; then it is read-only.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_deref()
    }

    /// True after a write or sync failed: the log directory is to be taken offline.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        self.is_failed
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            handles: &self.handles,
            folder: &self.folder,
        }
    }

    /// Number of the segment with this base offset.
    pub(super) fn segment_number(&self, base_offset: Offset) -> Option<usize> {
        self.segments
            .binary_search_by_key(&base_offset, |segment| segment.base_offset)
            .ok()
    }

    /// Number of the segment that `offset` belongs to: the last with a base offset that is not
    /// above it.
    pub(super) fn floor_segment(&self, offset: Offset) -> Option<usize> {
        self.segments
            .partition_point(|segment| segment.base_offset <= offset)
            .checked_sub(1)
    }

    pub(super) const fn check_writable(&self) -> Result<(), AppendError> {
        if self.is_failed {
            Err(AppendError::Failed)
        } else if self.damage.is_some() {
            Err(AppendError::Damaged)
        } else {
            Ok(())
        }
    }

    /// Takes note of a failed write: all but a full disk is final.
    pub(super) fn fail(&mut self, error: StorageError) -> AppendError {
        if error.is_full() {
            AppendError::Full(error)
        } else {
            self.is_failed = true;
            AppendError::Storage(error)
        }
    }

    pub(super) fn check_invariants(&self) {
        assert!(
            self.log_start <= self.high_watermark,
            "log start {} is above the high watermark {}",
            self.log_start,
            self.high_watermark
        );
        assert!(
            self.high_watermark <= self.log_end,
            "high watermark {} is above the log end {}",
            self.high_watermark,
            self.log_end
        );
        assert!(
            self.flushed <= self.log_end,
            "flushed {} is above the log end {}",
            self.flushed,
            self.log_end
        );
    }
}
