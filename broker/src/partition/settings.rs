//! What the configuration of a topic means to its partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_cluster::replication;
use milena_log::validate::ValidationRules;
use milena_log::{Log, LogConfig};
use milena_protocol::config::{BrokerValues, Durability, TopicConfig, Validation};

/// The configuration in force for one topic; replaced as a whole when it changes.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What a produced batch must fulfil.
    pub(crate) rules: ValidationRules,
    /// What the log does by itself.
    pub(crate) log: Arc<LogConfig>,
    /// `durability`: what the high watermark counts.
    pub(crate) durability: Durability,
    /// `min.insync.replicas`.
    pub(crate) min_insync_replicas: i32,
    /// `replica.lag.time.max.ms` of the broker.
    pub(crate) replica_lag_time_max_ms: i64,
}

impl Settings {
    /// The settings of a topic with these overrides.
    pub(crate) fn resolve(overrides: &BTreeMap<String, String>, values: &BrokerValues) -> Self {
        let config = TopicConfig::resolve(overrides, values);
        let log = log_config(&config, values.long("producer.id.expiration.ms"));
        Self {
            rules: ValidationRules::new(&log, config.validation == Validation::Strict),
            log: Arc::new(log),
            durability: config.durability,
            min_insync_replicas: config.min_insync_replicas,
            replica_lag_time_max_ms: values.long("replica.lag.time.max.ms"),
        }
    }

    /// What the replication core has to know.
    pub(crate) fn replication(&self) -> replication::Settings {
        replication::Settings {
            durability: self.durability,
            min_insync_replicas: self.min_insync_replicas,
            replica_lag_time_max_ms: self.replica_lag_time_max_ms,
        }
    }

    /// True where what was just appended has to be synced now.
    pub(crate) fn syncs_after(&self, log: &Log) -> bool {
        match self.durability {
            Durability::Persisted => true,
            Durability::Replicated => {
                log.log_end().0.saturating_sub(log.flushed().0) >= self.log.flush_messages
            }
        }
    }
}

fn log_config(config: &TopicConfig, producer_id_expiration_ms: i64) -> LogConfig {
    LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: config.segment_ms,
        segment_jitter_ms: config.segment_jitter_ms,
        segment_index_bytes: config.segment_index_bytes,
        index_interval_bytes: config.index_interval_bytes,
        cleanup_delete: config.cleanup_delete,
        cleanup_compact: config.cleanup_compact,
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        file_delete_delay_ms: config.file_delete_delay_ms,
        delete_retention_ms: config.delete_retention_ms,
        min_compaction_lag_ms: config.min_compaction_lag_ms,
        max_compaction_lag_ms: config.max_compaction_lag_ms,
        min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
        preallocate: config.preallocate,
        max_message_bytes: config.max_message_bytes,
        flush_messages: config.flush_messages,
        flush_ms: config.flush_ms,
        message_timestamp_type: config.message_timestamp_type,
        message_timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        message_timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        compression_type: config.compression_type,
        compression_gzip_level: config.compression_gzip_level,
        compression_lz4_level: config.compression_lz4_level,
        compression_zstd_level: config.compression_zstd_level,
        producer_id_expiration_ms,
    }
}
