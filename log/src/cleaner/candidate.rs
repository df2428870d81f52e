//! Whether a log is to be compacted, and which one first (Kafka class `LogCleanerManager`).

use std::cmp::Ordering;

use milena_protocol::{Offset, Timestamp};

use crate::LogConfig;
use crate::retention::SegmentFacts;

/// Where a log stands.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All segments in ascending order, the active one last.
    pub segments: &'a [SegmentFacts],
    /// Log start offset.
    pub log_start: Offset,
    /// Last stable offset; not above the high watermark.
    pub last_stable: Offset,
    /// Log end offset.
    pub log_end: Offset,
}

/// What compaction of one log would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Where the dirty part begins.
    pub first_dirty: Offset,
    /// Base offset of the first segment that must not be compacted; end (exclusive) of the dirty
    /// part.
    pub first_uncleanable: Offset,
    /// Bytes of the segments that begin below the dirty part.
    pub clean_bytes: u64,
    /// Bytes of the dirty part.
    pub cleanable_bytes: u64,
    /// By how much the oldest dirty record exceeds `max.compaction.lag.ms`; 0 where it does not.
    pub overdue_ms: i64,
    /// The checkpointed offset does not fit the log: it is to be replaced by `first_dirty`.
    pub resets_checkpoint: bool,
    /// `min.cleanable.dirty.ratio`.
    pub ratio_min: f64,
}

impl Candidate {
    /// Dirty bytes by all bytes that compaction would read, 0 to 1.
    #[must_use]
    pub fn dirty_ratio(&self) -> f64 {
        let total_bytes = self.clean_bytes + self.cleanable_bytes;
        if total_bytes == 0 {
            return 0.0;
        }
        self.cleanable_bytes as f64 / total_bytes as f64
    }

    /// True where the log is dirty enough, or dirty for too long.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.cleanable_bytes > 0 && (self.overdue_ms > 0 || self.dirty_ratio() > self.ratio_min)
    }
}

/// Measures a log. `last_clean` is its offset in the cleaner checkpoint. Not compacted are the
/// active segment, what is at or above the last stable offset, and segments from the first one on
/// that has records younger than `min.compaction.lag.ms`.
#[must_use]
pub fn consider(
    view: &View<'_>,
    config: &LogConfig,
    last_clean: Option<Offset>,
    now: Timestamp,
) -> Candidate {
    let checkpoint = last_clean.unwrap_or(view.log_start);
    let resets_checkpoint = checkpoint < view.log_start || checkpoint > view.log_end;
    let first_dirty = if resets_checkpoint {
        view.log_start
    } else {
        checkpoint
    };
    let (closed, active_base) = match view.segments.split_last() {
        Some((active, closed)) => (closed, active.base_offset),
        None => (view.segments, view.log_end),
    };
    let dirty = || closed.iter().filter(|it| it.end_offset > first_dirty);

    let lag_ms = config.min_compaction_lag_ms.max(0);
    let youngest = now.plus_ms(-lag_ms);
    let young = dirty()
        .find(|it| lag_ms > 0 && it.largest_timestamp > youngest)
        .map(|it| it.base_offset);
    let bound = view
        .last_stable
        .min(active_base)
        .min(young.unwrap_or(active_base))
        .max(first_dirty);
    let first_uncleanable = closed
        .iter()
        .find(|it| it.end_offset > bound)
        .map_or(active_base, |it| it.base_offset);

    let sum = |bytes: &dyn Fn(&SegmentFacts) -> bool| {
        let chosen = closed.iter().filter(|it| bytes(it));
        chosen.map(|it| it.size_bytes).sum()
    };
    let clean_bytes = sum(&|it| it.base_offset < first_dirty);
    let cleanable_bytes =
        sum(&|it| it.end_offset > first_dirty && it.base_offset < first_uncleanable);
    let oldest = dirty()
        .map(|it| it.first_timestamp)
        .filter(|timestamp| timestamp.0 > 0)
        .min();
    let due_before = now.plus_ms(config.max_compaction_lag_ms.max(0).saturating_neg());
    Candidate {
        first_dirty,
        first_uncleanable,
        clean_bytes,
        cleanable_bytes,
        overdue_ms: oldest.map_or(0, |oldest| due_before.ms_since(oldest).max(0)),
        resets_checkpoint,
        ratio_min: config.min_cleanable_dirty_ratio,
    }
}

/// The dirtiest of the logs that are due; of equal ones the first.
#[must_use]
pub fn choose<K>(candidates: impl IntoIterator<Item = (K, Candidate)>) -> Option<(K, Candidate)> {
    candidates
        .into_iter()
        .filter(|(_, candidate)| candidate.is_due())
        .reduce(
            |best, next| match next.1.dirty_ratio().total_cmp(&best.1.dirty_ratio()) {
                Ordering::Greater => next,
                Ordering::Less | Ordering::Equal => best,
            },
        )
}
