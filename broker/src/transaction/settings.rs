//! What shards are made with.

use std::time::Duration;

use milena_cluster::transaction::Config;
use milena_protocol::config::BrokerValues;

/// What every shard is made with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Settings of the coordinator itself.
    pub(super) config: Config,
    /// `request.timeout.ms`: who waits for an append is told after it that it failed.
    pub(super) append_timeout: Duration,
    /// `transaction.state.log.load.buffer.size`: bytes of one read of a load.
    pub(super) load_bytes: usize,
    /// `transaction.partition.verification.enable`.
    pub(super) verifies: bool,
}

impl Settings {
    /// The settings that these values give.
    pub(super) fn new(values: &BrokerValues) -> Self {
        let timeout_ms = u64::try_from(values.int("request.timeout.ms")).unwrap_or(0);
        let load_bytes = values.int("transaction.state.log.load.buffer.size");
        Self {
            config: Config {
                max_timeout_ms: values.int("transaction.max.timeout.ms"),
                expiration_ms: i64::from(values.int("transactional.id.expiration.ms")),
                expiration_interval_ms: i64::from(
                    values.int("transaction.remove.expired.transaction.cleanup.interval.ms"),
                ),
                two_phase_commit: values.boolean("transaction.two.phase.commit.enable"),
                ..Config::default()
            },
            append_timeout: Duration::from_millis(timeout_ms),
            load_bytes: usize::try_from(load_bytes).unwrap_or(1).max(1),
            verifies: values.boolean("transaction.partition.verification.enable"),
        }
    }
}
