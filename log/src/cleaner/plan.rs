//! From a log to a run of compaction.

use std::sync::Arc;

use milena_protocol::{Offset, Timestamp};

use super::{Candidate, Job, View, consider};
use crate::Log;
use crate::error::{ReadError, StorageError};
use crate::retention;

/// Measures `log`; see [`consider`]. None where it must not be compacted: its `cleanup.policy` does
/// not name `compact`, it is damaged or has failed, or it is empty.
///
/// # Errors
/// What the file system says.
pub fn consider_log(
    log: &Log,
    last_clean: Option<Offset>,
    now: Timestamp,
) -> Result<Option<Candidate>, StorageError> {
    if !log.config().cleanup_compact || log.damage().is_some() || log.is_failed() {
        return Ok(None);
    }
    let segments = retention::facts(log)?;
    if segments.is_empty() {
        return Ok(None);
    }
    let view = View {
        segments: &segments,
        log_start: log.log_start(),
        // A segment whose closing is not durable yet must keep its last batch: without the producer
        // snapshot behind it nothing else tells a crash where it ended.
        last_stable: log.last_stable().min(log.closed_end()),
        log_end: log.log_end(),
    };
    Ok(Some(consider(&view, log.config(), last_clean, now)))
}

impl Job {
    /// The run that [`consider_log`] has measured, called under the same hold of the lock.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub fn of(log: &Log, candidate: &Candidate, now: Timestamp) -> Result<Self, ReadError> {
        let first_uncleanable = candidate.first_uncleanable;
        let mut segments = retention::facts(log)?;
        segments.retain(|segment| segment.base_offset < first_uncleanable);
        let first = segments
            .first()
            .map_or(first_uncleanable, |segment| segment.base_offset);
        Ok(Self {
            folder: log.directory().to_path_buf(),
            topic_partition: log.topic_partition().clone(),
            segments,
            first_dirty: candidate.first_dirty,
            first_uncleanable,
            aborted: log.aborted_transactions(first, first_uncleanable)?,
            last_records: log.producers().last_records(),
            config: Arc::clone(log.config()),
            now,
        })
    }
}
