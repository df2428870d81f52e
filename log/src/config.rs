//! What the configuration of a topic means to its log.

use milena_protocol::Timestamp;
use milena_protocol::batch::{Compression, TimestampType};

/// Configuration of one partition's log: the values of the topic configs of the same name (Kafka
/// class `LogConfig`), and the broker configs that a log needs. Any value is valid; the caller has
/// checked ranges against its table of definitions. [`LogConfig::default`] has Kafka's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: largest size of a segment file in bytes.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment older than this is closed, in milliseconds.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: upper end of what is subtracted from `segment_ms`, in milliseconds.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: largest size of an offset or time index in bytes; a full index closes
    /// the segment.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: about one index entry is made per so many bytes of records.
    pub index_interval_bytes: u32,
    /// `cleanup.policy` names `delete`. With neither policy the log keeps everything (Kafka 4.2).
    pub cleanup_delete: bool,
    /// `cleanup.policy` names `compact`.
    pub cleanup_compact: bool,
    /// `retention.ms`: records older than this may go, in milliseconds; -1 for ever.
    pub retention_ms: i64,
    /// `retention.bytes`: a log larger than this loses its oldest segments; -1 without limit.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: between the renaming and the unlinking of a file, in milliseconds.
    pub file_delete_delay_ms: i64,
    /// `delete.retention.ms`: how long a tombstone or marker stays after it was first seen by the
    /// cleaner, in milliseconds.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: younger records are not compacted, in milliseconds.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older records make the log due for compaction, in milliseconds.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: share of dirty bytes from which the log is compacted, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `preallocate`: reserve the space of a segment when it is made.
    pub preallocate: bool,
    /// `max.message.bytes`: largest size of a batch in bytes.
    pub max_message_bytes: usize,
    /// `flush.messages`: a sync after so many records.
    pub flush_messages: i64,
    /// `flush.ms`: a sync after so many milliseconds.
    pub flush_ms: i64,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's timestamp may lie in the past.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record's timestamp may lie in the future.
    pub message_timestamp_after_max_ms: i64,
    /// `compression.type`: codec of the stored batches; none for `producer`, as they come.
    pub compression_type: Option<Compression>,
    /// `compression.gzip.level`.
    pub compression_gzip_level: i32,
    /// `compression.lz4.level`.
    pub compression_lz4_level: i32,
    /// `compression.zstd.level`.
    pub compression_zstd_level: i32,
    /// `producer.id.expiration.ms` of the broker: an idle producer id is forgotten after this.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            cleanup_delete: true,
            cleanup_compact: false,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            preallocate: false,
            max_message_bytes: 1_048_588,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            compression_type: None,
            compression_gzip_level: -1,
            compression_lz4_level: 9,
            compression_zstd_level: 3,
            producer_id_expiration_ms: DAY_MS,
        }
    }
}

const DAY_MS: i64 = 86_400_000;

impl LogConfig {
    /// Level of [`LogConfig::compression_type`]; none where the codec has no level or batches stay
    /// as they come.
    #[must_use]
    pub const fn compression_level(&self) -> Option<i32> {
        match self.compression_type {
            Some(Compression::Gzip) => Some(self.compression_gzip_level),
            Some(Compression::Lz4) => Some(self.compression_lz4_level),
            Some(Compression::Zstd) => Some(self.compression_zstd_level),
            Some(Compression::None | Compression::Snappy) | None => None,
        }
    }

    /// Most entries of an index whose entries have `entry_bytes` bytes; at least 1.
    #[must_use]
    pub fn index_entries_max(&self, entry_bytes: u32) -> usize {
        usize::try_from(self.segment_index_bytes / entry_bytes.max(1))
            .unwrap_or(usize::MAX)
            .max(1)
    }

    /// The jitter of a segment made at `created`: between 0 and the smaller of `segment_jitter_ms`
    /// and `segment_ms`, the same for the same `seed` and `created`. It keeps partitions that were
    /// made together from rolling together.
    #[must_use]
    pub fn roll_jitter_ms(&self, created: Timestamp, seed: u64) -> i64 {
        let span = self.segment_jitter_ms.min(self.segment_ms);
        if span <= 0 {
            return 0;
        }
        let mixed = mix(seed ^ created.0.unsigned_abs());
        let jitter = mixed % span.unsigned_abs();
        i64::try_from(jitter).unwrap_or(0)
    }
}

/// The finaliser of SplitMix64: every bit of the input changes about half of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_within_its_span_and_repeatable() {
        let config = LogConfig {
            segment_jitter_ms: 1000,
            ..LogConfig::default()
        };
        for seed in 0..100 {
            let jitter = config.roll_jitter_ms(Timestamp(5), seed);
            assert!((0..1000).contains(&jitter));
            assert_eq!(jitter, config.roll_jitter_ms(Timestamp(5), seed));
        }
        assert_eq!(LogConfig::default().roll_jitter_ms(Timestamp(5), 1), 0);
    }

    #[test]
    fn level_belongs_to_the_codec() {
        let config = LogConfig {
            compression_type: Some(Compression::Lz4),
            ..LogConfig::default()
        };
        assert_eq!(config.compression_level(), Some(9));
        assert_eq!(LogConfig::default().compression_level(), None);
    }
}
