//! What a topic asks of the batches of its producers.

use milena_protocol::batch::{Compression, TimestampType};

use crate::LogConfig;

/// Largest size of the inflated records of one batch where the caller names none, in bytes.
const INFLATE_BYTES_MAX: usize = 256 << 20;

/// What [`validate`](super::validate) checks against. Any value is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationRules {
    /// Largest size of a batch in bytes, before and after recompression (`max.message.bytes`).
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// How far a timestamp may lie in the past, in milliseconds; with `CreateTime` only.
    pub timestamp_before_max_ms: i64,
    /// How far a timestamp may lie in the future, in milliseconds; with `CreateTime` only.
    pub timestamp_after_max_ms: i64,
    /// Every record needs a key.
    pub is_compacted: bool,
    /// The codec of stored batches; none for the producer's.
    pub compression_type: Option<Compression>,
    /// Level of that codec; none for its default.
    pub compression_level: Option<i32>,
    /// Look at every record of compressed batches, as Kafka does.
    pub is_strict: bool,
    /// Largest size of the inflated records of a batch that is looked into, in bytes.
    pub inflate_bytes_max: usize,
}

impl ValidationRules {
    /// The rules of a topic. Batches of a compacted topic are always looked into.
    #[must_use]
    pub fn new(config: &LogConfig, is_strict: bool) -> Self {
        Self {
            max_message_bytes: config.max_message_bytes,
            timestamp_type: config.message_timestamp_type,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            is_compacted: config.cleanup_compact,
            compression_type: config.compression_type,
            compression_level: config.compression_level(),
            is_strict,
            inflate_bytes_max: INFLATE_BYTES_MAX,
        }
    }

    /// True where the records of a compressed batch must be looked at whatever its header says.
    pub(super) const fn looks_inside(&self) -> bool {
        self.is_strict || self.is_compacted || self.compression_type.is_some()
    }
}
