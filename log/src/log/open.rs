//! Opening a log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_protocol::{Offset, Timestamp, TopicId, TopicPartition};

use super::Log;
use super::resume::Resume;
use super::roll::METADATA_FILE;
use super::state::Unsynced;
use crate::config::LogConfig;
use crate::error::{During, OpenError, StorageError};
use crate::handle::Handles;
use crate::recovery::{self, Progress};

/// Which partition a log belongs to and where it is.
#[derive(Clone, Debug)]
pub struct Partition {
    /// The partition's folder. It is made with the first append where it is missing.
    pub folder: PathBuf,
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Id of the topic; zero where unknown. It is written into a new folder.
    pub topic_id: TopicId,
}

/// How the log was left, as the checkpoints of its log directory say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenState {
    /// The log was closed by [`Log::close`] and not touched since.
    pub clean: bool,
    /// [`Log::flushed`] as it was recorded last; 0 where unknown. What is below is never cut off.
    pub recovery_point: Offset,
    /// [`Log::log_start`] as it was recorded last.
    pub log_start: Option<Offset>,
}

impl Log {
    /// Opens the log of a partition. After an unclean stop everything from the recovery point on is
    /// checked, and a torn tail is cut off; see [`recovery`]. The high watermark is the log start
    /// offset until it is set.
    ///
    /// `progress` is called after each segment that was checked.
    ///
    /// # Errors
    /// `Storage`, `SegmentSize`. Damaged batches are no error; see [`Log::damage`].
    pub fn open(
        handles: Arc<Handles>,
        partition: Partition,
        config: Arc<LogConfig>,
        state: OpenState,
        now: Timestamp,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, OpenError> {
        let Partition {
            folder,
            topic_partition,
            topic_id,
        } = partition;
        let loaded = recovery::load(
            crate::segment::Place {
                handles: &handles,
                folder: &folder,
            },
            &config,
            (state, now),
            progress,
        )?;
        if loaded.cut_bytes > 0 {
            tracing::warn!(
                partition = %topic_partition,
                cut_bytes = loaded.cut_bytes,
                log_end = %loaded.log_end,
                "a tail that was never synced was cut off"
            );
        }
        if let Some(damage) = &loaded.damage {
            let places = damage.places.len();
            tracing::error!(partition = %topic_partition, places, "log is damaged and read-only");
        }
        let mut unsynced = names_after(&handles, &folder, &state, &loaded)?;
        unsynced.epochs = loaded.are_epochs_changed;
        let log = Self {
            handles,
            folder,
            topic_partition,
            topic_id,
            config,
            segments: loaded.segments,
            log_start: loaded.log_start,
            log_end: loaded.log_end,
            high_watermark: loaded.log_start,
            flushed: loaded.log_end,
            producers: loaded.producers,
            epochs: loaded.epochs,
            unsynced,
            damage: loaded.damage.map(Box::new),
            is_failed: false,
            append_time: Timestamp::NONE,
            cut_bytes: loaded.cut_bytes,
            resume: Resume::default(),
        };
        log.check_invariants();
        Ok(log)
    }

    /// Bytes that were cut off when the log was opened: they were written and never synced. Those
    /// that are not zero are kept in a file with the suffix `.cut`.
    #[must_use]
    pub const fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }
}

/// After an unclean stop: the names of the files, which the process before may have made and not
/// synced. What was recovered counts as durable, and so must its names; those of a log without it
/// are synced with its next records.
fn names_after(
    handles: &Handles,
    folder: &Path,
    state: &OpenState,
    loaded: &recovery::Loaded,
) -> Result<Unsynced, StorageError> {
    let storage = handles.storage();
    if state.clean || !storage.exists(folder).during("look for", folder)? {
        return Ok(Unsynced::default());
    }
    let mut unsynced = Unsynced {
        folder: true,
        parent: true,
        ..Unsynced::default()
    };
    let path = folder.join(METADATA_FILE);
    // The first sync of a log is over where it has a recovery point.
    if state.recovery_point == Offset(0) && storage.exists(&path).during("look for", &path)? {
        let file = storage.open(&path).during("open", &path)?;
        unsynced.files.push(file);
    }
    if loaded.log_end <= state.recovery_point {
        return Ok(unsynced);
    }
    for file in &unsynced.files {
        file.sync().during("sync a file of", folder)?;
    }
    if !loaded.is_folder_synced {
        storage.sync_directory(folder).during("sync", folder)?;
    }
    if let Some(parent) = folder.parent() {
        handles.sync_names_before(parent).during("sync", parent)?;
    }
    Ok(Unsynced::default())
}
