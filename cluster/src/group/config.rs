//! Settings of the coordinator.

use super::consumer::ConsumerConfig;

/// Type of the protocols of consumers, in groups of both protocols.
pub(super) const CONSUMER: &str = "consumer";

/// Settings of a [`Coordinator`](super::Coordinator). All need a restart, as in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `group.initial.rebalance.delay.ms`: milliseconds that an empty group waits for more members
    /// after the first one. Default 3000, at least 0 (KIP-134).
    pub initial_rebalance_delay_ms: i64,
    /// `group.min.session.timeout.ms`: smallest session timeout that a member may ask for.
    /// Default 6000.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`: largest session timeout that a member may ask for.
    /// Default 1800000.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`: most members of a group. Default 2147483647, at least 1 (KIP-389).
    pub max_size: usize,
    /// `offset.metadata.max.bytes`: most UTF-16 units of the metadata of a committed offset, which
    /// is what Kafka counts. Default 4096.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes` in milliseconds: how long an offset is kept that nobody is
    /// responsible for. Default 7 days, at least 1 minute (KIP-211).
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`: milliseconds between two searches for expired
    /// offsets. Default 600000, at least 1.
    pub offsets_retention_check_interval_ms: i64,
    /// Milliseconds that a new member may wait for its first rebalance to end. 300000; Kafka has no
    /// key for it.
    pub new_member_join_timeout_ms: i64,
    /// Groups of the consumer protocol.
    pub consumer: ConsumerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 3000,
            min_session_timeout_ms: 6000,
            max_session_timeout_ms: 1_800_000,
            max_size: 2_147_483_647,
            offset_metadata_max_bytes: 4096,
            offsets_retention_ms: 10_080 * 60_000,
            offsets_retention_check_interval_ms: 600_000,
            new_member_join_timeout_ms: 300_000,
            consumer: ConsumerConfig::default(),
        }
    }
}
