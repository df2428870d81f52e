//! Settings of a coordinator.

/// Settings of a coordinator of transactions; Kafka's keys stand at the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `transaction.max.timeout.ms`: longest timeout that a producer may ask for.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`: how long an id without an open transaction is kept.
    pub expiration_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`: time between two searches for
    /// ids to remove.
    pub expiration_interval_ms: i64,
    /// `transaction.two.phase.commit.enable` (KIP-939).
    pub two_phase_commit: bool,
    /// Level of the feature `transaction.version`: what the coordinator itself does by when it
    /// aborts, and above 0 the version of its records.
    pub transaction_version: i16,
    /// How long a request waits for the end of the transaction before, in milliseconds; after that
    /// it is answered with CONCURRENT_TRANSACTIONS, and clients ask again.
    pub wait_ms: i64,
    /// How many requests of one transactional id wait at once.
    pub waiting_max: usize,
    /// Time until markers that could not be written are tried again, in milliseconds.
    pub retry_ms: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_timeout_ms: 900_000,
            expiration_ms: 604_800_000,
            expiration_interval_ms: 3_600_000,
            two_phase_commit: false,
            transaction_version: 2,
            wait_ms: 2_000,
            waiting_max: 16,
            retry_ms: 100,
        }
    }
}
