//! What one run of compaction is given, says and may meet.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use milena_protocol::batch::{BuildError, HeaderError, OpenError, RecordsError};
use milena_protocol::{Offset, ProducerId, Timestamp, TopicPartition};
use thiserror::Error;

use crate::LogConfig;
use crate::error::StorageError;
use crate::index::transaction::AbortedTxn;
use crate::producer_state::{LastRecord, MarkerError};
use crate::retention::SegmentFacts;

/// One run over one log. Everything in it was taken at one moment under the lock of the partition.
#[derive(Clone, Debug)]
pub struct Job {
    /// Folder of the partition.
    pub folder: PathBuf,
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Segments of the log in ascending order. Those from `first_uncleanable` on are not touched.
    pub segments: Vec<SegmentFacts>,
    /// Where the dirty part begins.
    pub first_dirty: Offset,
    /// Where it ends (exclusive): base offset of the first segment that stays as it is.
    pub first_uncleanable: Offset,
    /// Aborted transactions with records below `first_uncleanable`, in any order.
    pub aborted: Vec<AbortedTxn>,
    /// What must stay of the producers of the log.
    pub last_records: BTreeMap<ProducerId, LastRecord>,
    /// Configuration of the log.
    pub config: Arc<LogConfig>,
    /// The current time.
    pub now: Timestamp,
}

/// Limits of a run (`log.cleaner.*`).
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Memory for the map from keys to offsets, in bytes; 24 per key
    /// (`log.cleaner.dedupe.buffer.size` by `log.cleaner.threads`).
    pub map_bytes: usize,
    /// How full the map may become, 0 to 1 (`log.cleaner.io.buffer.load.factor`).
    pub map_load_factor: f64,
    /// Bytes of new segments that are gathered for one write.
    pub write_bytes: usize,
    /// Largest size that the records of one batch may inflate to, in bytes.
    pub inflated_bytes_max: usize,
    /// Seed of the hash of keys; any value.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            map_bytes: 128 << 20,
            map_load_factor: 0.9,
            write_bytes: 1 << 20,
            inflated_bytes_max: 256 << 20,
            seed: 0,
        }
    }
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reads the keys of the dirty part.
    Map,
    /// Copies what stays.
    Clean,
}

/// How far a run is. It is told about once per mebibyte that was read; the callee may wait there
/// to limit the rate, and ends the run with [`ControlFlow::Break`].
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes read in this phase.
    pub read_bytes: u64,
    /// Bytes to read in this phase, at most.
    pub total_bytes: u64,
    /// Bytes of new segments.
    pub written_bytes: u64,
}

/// Is told of the progress.
pub(super) type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// New files that are to take the place of a group of segments. They stand in the folder of the
/// partition, complete and synced, with the suffix `.cleaned`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Base offset of the new segment, that of the first old one.
    pub base_offset: Offset,
    /// Base offsets of the old segments, ascending.
    pub replaced: Vec<Offset>,
    /// Base offset of the segment that follows.
    pub end_offset: Offset,
    /// Size of the new segment file in bytes; may be 0.
    pub size_bytes: u64,
    /// Largest timestamp of its batches, or `NONE`.
    pub largest_timestamp: Timestamp,
}

/// What a run has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes read for the map.
    pub map_read_bytes: u64,
    /// Records read for the map.
    pub map_records: u64,
    /// Keys in the map.
    pub keys: u64,
    /// True where the map was full before the end of the dirty part.
    pub is_map_full: bool,
    /// Bytes of the segments that were copied from.
    pub read_bytes: u64,
    /// Bytes of the segments that were copied to.
    pub written_bytes: u64,
    /// Records read for copying.
    pub records_read: u64,
    /// Records that stayed.
    pub records_kept: u64,
    /// Records without a key, which a compacted log should not have.
    pub records_without_key: u64,
}

/// What is wrong with a stored batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchFault {
    /// No whole batch, or a wrong CRC.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Its records do not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its records are malformed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Its control record is malformed.
    #[error(transparent)]
    Marker(#[from] MarkerError),
    /// What stays of it makes no batch.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It does not lie behind the batch before it, or not in its segment.
    #[error("batch with offsets {base_offset} to {last_offset} does not follow offset {previous}")]
    Offsets {
        /// Its base offset.
        base_offset: Offset,
        /// Its last offset.
        last_offset: Offset,
        /// Last offset before it.
        previous: Offset,
    },
}

/// Why a run ended early. The log is as it was, but for groups that were swapped in.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system failed. A full disk, or a segment that went away meanwhile, does no harm.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A stored batch is damaged: the log must not be compacted until it is repaired.
    #[error("{}, position {position}: {fault}", path.display())]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Position of the batch.
        position: u64,
        /// What is wrong.
        fault: BatchFault,
    },
    /// The keys of one batch do not fit the map.
    #[error("map of {slots} keys is too small for one batch of the dirty part")]
    MapTooSmall {
        /// Keys that it takes.
        slots: usize,
    },
    /// The caller ended it.
    #[error("compaction was ended")]
    Stopped,
}

impl Error {
    /// True where the same run cannot succeed later either: the log is to be left out until
    /// someone acts.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::MapTooSmall { .. })
    }
}
