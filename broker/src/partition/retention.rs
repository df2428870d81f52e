//! Applying retention to one partition.

use std::sync::Arc;

use milena_log::SegmentView;
use milena_log::error::AppendError;
use milena_log::retention::{self, Limits, SegmentFacts};
use milena_protocol::Timestamp;
use tracing::info;

use super::Partition;

impl Partition {
    /// Removes the segments that `retention.ms`, `retention.bytes` or the start of the log make
    /// superfluous. The files leave after `file.delete.delay.ms`. Renames files: call it off the
    /// runtime.
    pub(crate) fn apply_retention(self: &Arc<Self>, now: Timestamp) {
        if self.closed().is_some() || self.directory().is_failed() {
            return;
        }
        let removed: Result<_, AppendError> = self.with(|state| {
            if !state.core.is_leader() || state.log.damage().is_some() {
                return Ok(Vec::new());
            }
            let segments = state.log.segments().map_err(AppendError::Storage)?;
            let facts: Vec<_> = segments.iter().map(facts).collect();
            let limits = Limits {
                log_start: state.log.log_start(),
                high_watermark: state.log.high_watermark(),
                now,
            };
            let decision = retention::decide(&facts, state.log.config(), limits);
            if decision.doomed.is_empty() {
                return Ok(Vec::new());
            }
            for (base_offset, reason) in &decision.doomed {
                info!(partition = %self.topic_partition, %base_offset, ?reason, "segment is deleted");
            }
            let bases: Vec<_> = decision.doomed.iter().map(|(base, _)| *base).collect();
            let removed = state.log.delete_segments(&bases, now)?;
            let start = state.log.log_start();
            if let Some(high_watermark) = state.core.on_log_start(start) {
                state.advance(high_watermark);
            }
            Ok(removed)
        });
        match removed {
            Ok(paths) => {
                let due = now.plus_ms(self.settings().log.file_delete_delay_ms);
                self.directory().doom(paths, due);
            }
            Err(error) => self.directory().fail_because(&error),
        }
    }

    /// Forgets the newest batches in memory: what stands in the files has changed.
    pub(crate) fn forget_recent(self: &Arc<Self>) {
        self.with(|state| state.tail.clear());
    }

    /// Gives back the memory of the newest batches where nobody reads them.
    pub(crate) fn forget_unread(self: &Arc<Self>) {
        self.with(|state| state.tail.clear_unread());
    }

    /// Has the log make a resume point, where much was written to it since the last one.
    pub(crate) fn propose_resume_point(self: &Arc<Self>) {
        let is_proposed = self.with(|state| {
            let is_open = state.closed.is_none() && state.log.damage().is_none();
            is_open && state.log.propose_resume_point()
        });
        if is_proposed {
            self.queue_sync();
        }
    }

    /// Queues a sync where records wait longer for one than `flush.ms` allows.
    pub(crate) fn sync_if_due(self: &Arc<Self>, now: Timestamp) {
        let settings = self.settings();
        if settings.log.flush_ms == i64::MAX {
            return;
        }
        let is_due = self.with(|state| {
            let unsynced = state.log.flushed() < state.log.log_end();
            unsynced && now.ms_since(state.flushed_at) >= settings.log.flush_ms
        });
        if is_due {
            self.queue_sync();
        }
    }
}

fn facts(segment: &SegmentView) -> SegmentFacts {
    SegmentFacts {
        base_offset: segment.base_offset,
        end_offset: segment.end_offset,
        size_bytes: segment.size_bytes,
        largest_timestamp: segment.largest_timestamp,
        first_timestamp: segment.first_timestamp,
    }
}
