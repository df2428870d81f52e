//! What the cluster holds: topics, their settings, and what the controller knows of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_log::LogConfig;
use milena_protocol::{PartitionIndex, TopicId, TopicPartition};
use uuid::Uuid;

/// Topic of committed offsets.
pub(crate) const OFFSETS: &str = "__consumer_offsets";
/// Topic of transactions.
pub(crate) const TRANSACTIONS: &str = "__transaction_state";
/// Partitions of each of the two.
pub(crate) const INTERNAL_PARTITIONS: i32 = 2;
/// What producers write to.
pub(crate) const INPUT: &str = "input";
/// What transactions write to.
pub(crate) const OUTPUT: &str = "output";
/// Partitions of these.
pub(crate) const PARTITIONS: i32 = 3;

/// The topics with their ids and partitions.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) partitions: BTreeMap<TopicPartition, Arc<LogConfig>>,
}

/// A partition by name and number.
pub(crate) fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, PartitionIndex(index))
}

/// Id of a topic.
pub(crate) fn topic_id(topic: &str) -> TopicId {
    let mut number = 7_u64;
    for byte in topic.bytes() {
        number = number.wrapping_mul(31).wrapping_add(u64::from(byte));
    }
    TopicId(Uuid::from_u64_pair(1, number))
}

impl Layout {
    /// The topics, with segments of this size.
    pub(crate) fn new(segment_bytes: u32) -> Self {
        let config = Arc::new(LogConfig {
            segment_bytes,
            index_interval_bytes: 512,
            retention_ms: -1,
            ..LogConfig::default()
        });
        let compacted = Arc::new(LogConfig {
            cleanup_delete: false,
            cleanup_compact: true,
            min_cleanable_dirty_ratio: 0.0,
            delete_retention_ms: 400,
            ..(*config).clone()
        });
        let mut partitions = BTreeMap::new();
        for (topic, count) in [
            (OFFSETS, INTERNAL_PARTITIONS),
            (TRANSACTIONS, INTERNAL_PARTITIONS),
            (INPUT, PARTITIONS),
            (OUTPUT, PARTITIONS),
        ] {
            for index in 0..count {
                let config = if topic.starts_with("__") {
                    &compacted
                } else {
                    &config
                };
                partitions.insert(partition(topic, index), Arc::clone(config));
            }
        }
        Self { partitions }
    }

    /// Partitions that clients write to.
    pub(crate) fn data(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions
            .keys()
            .filter(|partition| !partition.topic.starts_with("__"))
    }
}
