//! Which segments of a log go, and why (Kafka: `UnifiedLog.deleteOldSegments`). Nothing here
//! touches a file.

use milena_protocol::{Offset, Timestamp};

use crate::error::StorageError;
use crate::{Log, LogConfig};

/// What retention and compaction need to know of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Base offset.
    pub base_offset: Offset,
    /// Base offset of the next segment; log end offset for the active one.
    pub end_offset: Offset,
    /// Size of the segment file in bytes.
    pub size_bytes: u64,
    /// Largest timestamp of its records; without one the time of the last change of its file, or
    /// `NONE`, and then no time makes it go.
    pub largest_timestamp: Timestamp,
    /// Largest timestamp of its first batch, or `NONE`.
    pub first_timestamp: Timestamp,
}

/// The segments of `log` in ascending order, the active one last; empty before the first append.
///
/// # Errors
/// What the file system says.
pub fn facts(log: &Log) -> Result<Vec<SegmentFacts>, StorageError> {
    let segments = log.segments()?.into_iter();
    let facts = segments.map(|segment| SegmentFacts {
        base_offset: segment.base_offset,
        end_offset: segment.end_offset,
        size_bytes: segment.size_bytes,
        largest_timestamp: segment.largest_timestamp,
        first_timestamp: segment.first_timestamp,
    });
    Ok(facts.collect())
}

/// What retention makes of `log` now; see [`decide`]. The caller then deletes the segments
/// ([`Log::delete_segments`]).
///
/// # Errors
/// What the file system says.
pub fn decide_for(log: &Log, now: Timestamp) -> Result<Decision, StorageError> {
    let limits = Limits {
        log_start: log.log_start(),
        high_watermark: log.high_watermark(),
        now,
    };
    Ok(decide(&facts(log)?, log.config(), limits))
}

/// Where the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Log start offset.
    pub log_start: Offset,
    /// High watermark. No segment with a record at it or above goes.
    pub high_watermark: Offset,
    /// The current time.
    pub now: Timestamp,
}

/// Why a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its newest record is older than `retention.ms`.
    Time,
    /// The log without it still has `retention.bytes`.
    Size,
    /// All its records lie below the log start offset.
    StartOffset,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Base offsets of the segments that go, a prefix of the log in ascending order.
    pub doomed: Vec<(Offset, Reason)>,
    /// The active segment goes too: an empty one must be made first.
    pub roll_active: bool,
    /// Log start offset afterwards.
    pub log_start: Offset,
}

/// Decides over `segments`, all of the log in ascending order, the active one last. Only a
/// `cleanup.policy` with `delete` looks at time and size; what lies below the log start offset goes
/// with any policy.
#[must_use]
pub fn decide(segments: &[SegmentFacts], config: &LogConfig, limits: Limits) -> Decision {
    let Limits {
        log_start,
        high_watermark,
        now,
    } = limits;
    let size_bytes: u64 = segments.iter().map(|segment| segment.size_bytes).sum();
    let has_size_limit = config.cleanup_delete && config.retention_bytes >= 0;
    let limit_bytes = config.retention_bytes.max(0).unsigned_abs();
    let mut excess_bytes = if has_size_limit {
        size_bytes.saturating_sub(limit_bytes)
    } else {
        0
    };
    let is_old = |segment: &SegmentFacts| {
        config.cleanup_delete
            && config.retention_ms >= 0
            && segment.largest_timestamp > Timestamp::NONE
            && now.ms_since(segment.largest_timestamp) > config.retention_ms
    };

    let mut doomed = Vec::new();
    let mut end = log_start;
    for (number, segment) in segments.iter().enumerate() {
        let is_active = number + 1 == segments.len();
        if segment.end_offset > high_watermark || (is_active && segment.size_bytes == 0) {
            break;
        }
        let reason = if !is_active && segment.end_offset <= log_start {
            Reason::StartOffset
        } else if excess_bytes > 0 && excess_bytes >= segment.size_bytes {
            Reason::Size
        } else if is_old(segment) {
            Reason::Time
        } else {
            break;
        };
        excess_bytes = excess_bytes.saturating_sub(segment.size_bytes);
        doomed.push((segment.base_offset, reason));
        end = segment.end_offset;
    }
    Decision {
        roll_active: !doomed.is_empty() && doomed.len() == segments.len(),
        log_start: log_start.max(end),
        doomed,
    }
}

#[cfg(test)]
mod tests {
    use super::Reason::{Size, StartOffset, Time};
    use super::*;

    /// Segments of ten records and 100 bytes each, newest records at 1000, 2000 and so on.
    fn segments(count: i64) -> Vec<SegmentFacts> {
        (0..count)
            .map(|number| SegmentFacts {
                base_offset: Offset(number * 10),
                end_offset: Offset(number * 10 + 10),
                size_bytes: 100,
                largest_timestamp: Timestamp((number + 1) * 1000),
                first_timestamp: Timestamp(number * 1000 + 1),
            })
            .collect()
    }

    fn config(retention_ms: i64, retention_bytes: i64) -> LogConfig {
        LogConfig {
            retention_ms,
            retention_bytes,
            ..LogConfig::default()
        }
    }

    fn limits(log_start: i64, high_watermark: i64, now: i64) -> Limits {
        Limits {
            log_start: Offset(log_start),
            high_watermark: Offset(high_watermark),
            now: Timestamp(now),
        }
    }

    fn check(config: &LogConfig, limits: Limits, expected: &[Reason]) -> Decision {
        let segments = segments(4);
        let decision = decide(&segments, config, limits);
        let reasons: Vec<_> = decision.doomed.iter().map(|doomed| doomed.1).collect();
        assert_eq!(reasons, expected);
        let bases = segments.iter().map(|segment| segment.base_offset);
        assert!(
            decision
                .doomed
                .iter()
                .map(|doomed| doomed.0)
                .eq(bases.take(expected.len()))
        );
        decision
    }

    #[test]
    fn old_segments_go() {
        check(&config(1000, -1), limits(0, 40, 2000), &[]);
        check(&config(1000, -1), limits(0, 40, 2001), &[Time]);
        let decision = check(&config(1000, -1), limits(0, 40, 3500), &[Time, Time]);
        assert_eq!(decision.log_start, Offset(20));
        assert!(!decision.roll_active);
        check(&config(-1, -1), limits(0, 40, i64::MAX), &[]);
    }

    #[test]
    fn a_log_whose_records_are_all_old_starts_anew() {
        let decision = check(&config(1000, -1), limits(0, 40, 9000), &[Time; 4]);
        assert!(decision.roll_active);
        assert_eq!(decision.log_start, Offset(40));
        let mut with_empty = segments(2);
        with_empty[1].size_bytes = 0;
        with_empty[1].end_offset = Offset(10);
        let decision = decide(&with_empty, &config(1000, -1), limits(0, 10, 9000));
        assert_eq!(decision.doomed, [(Offset(0), Time)]);
        assert!(!decision.roll_active);
    }

    #[test]
    fn the_high_watermark_holds_segments() {
        check(&config(1000, -1), limits(0, 19, 9000), &[Time]);
        check(&config(1000, 0), limits(15, 9, 9000), &[]);
    }

    #[test]
    fn what_is_above_the_size_limit_goes() {
        check(&config(-1, 400), limits(0, 40, 0), &[]);
        check(&config(-1, 301), limits(0, 40, 0), &[]);
        check(&config(-1, 300), limits(0, 40, 0), &[Size]);
        check(&config(-1, 150), limits(0, 40, 0), &[Size, Size]);
        let decision = check(&config(-1, 0), limits(0, 40, 0), &[Size; 4]);
        assert!(decision.roll_active);
        check(&config(1500, 300), limits(0, 40, 4000), &[Size, Time]);
    }

    #[test]
    fn what_lies_below_the_start_goes_with_any_policy() {
        let compact = LogConfig {
            cleanup_delete: false,
            cleanup_compact: true,
            ..config(1000, 0)
        };
        check(&compact, limits(9, 40, 99_000), &[]);
        check(&compact, limits(25, 40, 99_000), &[StartOffset; 2]);
        let decision = check(&compact, limits(40, 40, 99_000), &[StartOffset; 3]);
        assert_eq!(decision.log_start, Offset(40));
        check(&config(1000, 150), limits(10, 40, 0), &[StartOffset, Size]);
    }

    #[test]
    fn segments_without_a_time_do_not_age() {
        let mut segments = segments(2);
        segments[0].largest_timestamp = Timestamp::NONE;
        let decision = decide(&segments, &config(0, -1), limits(0, 20, 9000));
        assert!(decision.doomed.is_empty());
    }
}
