//! Quota of changes of topics (KIP-599).

use std::sync::Arc;

use milena_protocol::{ErrorCode, Timestamp};

use super::bucket::TokenBucket;
use super::rate::Window;
use super::sensor::{Sensors, Sharing};
use super::table::{Client, Kind, Table};

/// The quota is used up; the change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the controller mutation quota is used up for {throttle_ms} ms")]
pub struct Exceeded {
    /// How long the client has to wait, in milliseconds.
    pub throttle_ms: i64,
}

impl Exceeded {
    /// The code of the wire.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        ErrorCode::ThrottlingQuotaExceeded
    }

    /// True where a repetition may succeed; always, after the wait.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        true
    }
}

/// The quota of partitions that are created and deleted: its limits and what was used of them
/// (Kafka class `ControllerMutationQuotaManager`). Each request may take its last change beyond the
/// limit, as one change may be larger than a whole window.
#[derive(Clone, Debug)]
pub struct MutationQuotas {
    window: Window,
    table: Arc<Table>,
    sensors: Sensors<Sharing, TokenBucket>,
}

impl MutationQuotas {
    /// A quota without limits, over `controller.quota.window.num` and
    /// `controller.quota.window.size.seconds`.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self {
            window,
            table: Arc::default(),
            sensors: Sensors::new(),
        }
    }

    /// Replaces the limits. What was used stays noted.
    pub fn set_table(&mut self, table: Arc<Table>) {
        self.table = table;
    }

    /// Takes a change of `partitions` partitions, for a client that understands refusals
    /// (CreateTopics v6, CreatePartitions v3, DeleteTopics v5).
    ///
    /// # Errors
    /// [`Exceeded`] where the quota was used up before; the change does not count then.
    pub fn take(
        &mut self,
        client: Client<'_>,
        partitions: u32,
        now: Timestamp,
    ) -> Result<(), Exceeded> {
        let window = self.window;
        if let Some((bucket, limit)) = self.bucket(client, now) {
            let throttle_ms = bucket.throttle_ms(window, limit, now);
            if throttle_ms > 0 {
                return Err(Exceeded { throttle_ms });
            }
            bucket.take(window, limit, f64::from(partitions), now);
        }
        Ok(())
    }

    /// Takes a change for a client that does not understand refusals. How long it has to wait, in
    /// milliseconds.
    pub fn take_anyway(&mut self, client: Client<'_>, partitions: u32, now: Timestamp) -> i64 {
        let window = self.window;
        self.bucket(client, now).map_or(0, |(bucket, limit)| {
            bucket.take(window, limit, f64::from(partitions), now);
            bucket.throttle_ms(window, limit, now)
        })
    }

    /// True where the client has a limit.
    #[must_use]
    pub fn has_limit(&self, client: Client<'_>) -> bool {
        self.table.limit(Kind::Mutation, client).is_some()
    }

    /// How long a client has to wait, in milliseconds.
    pub fn throttle_ms(&mut self, client: Client<'_>, now: Timestamp) -> i64 {
        let window = self.window;
        self.bucket(client, now)
            .map_or(0, |(bucket, limit)| bucket.throttle_ms(window, limit, now))
    }

    fn bucket(&mut self, client: Client<'_>, now: Timestamp) -> Option<(&mut TokenBucket, f64)> {
        let limit = self.table.limit(Kind::Mutation, client)?;
        let window = self.window;
        let bucket = self
            .sensors
            .get(Sharing::of(limit.scope, client), |_, bucket| {
                bucket.is_full(window, limit.value, now)
            });
        Some((bucket, limit.value))
    }
}
