//! Quotas of produced bytes, fetched bytes and request time (KIP-13, KIP-124).

use std::sync::Arc;

use milena_protocol::Timestamp;

use super::rate::{Rate, Window};
use super::sensor::{Sensors, Sharing};
use super::table::{Client, Kind, Limit, Table};

/// The quota of one kind: its limits and what was used of them (Kafka class `ClientQuotaManager`).
#[derive(Clone, Debug)]
pub struct ClientQuotas {
    kind: Kind,
    window: Window,
    table: Arc<Table>,
    sensors: Sensors<Sharing, Rate>,
}

impl ClientQuotas {
    /// A quota without limits.
    #[must_use]
    pub fn new(kind: Kind, window: Window) -> Self {
        Self {
            kind,
            window,
            table: Arc::default(),
            sensors: Sensors::new(),
        }
    }

    /// Replaces the limits. What was used stays noted.
    pub fn set_table(&mut self, table: Arc<Table>) {
        self.table = table;
    }

    /// Notes what a client used: bytes, or for [`Kind::Request`] percent of a second (1 for 10 ms).
    /// How long it has to wait, in milliseconds; 0 within the limit. A client without a limit is
    /// not measured.
    pub fn record(&mut self, client: Client<'_>, amount: f64, now: Timestamp) -> i64 {
        let Some(limit) = self.table.limit(self.kind, client) else {
            return 0;
        };
        let window = self.window;
        let rate = self.sensor(limit, client, now);
        rate.record(window, amount, now);
        let throttle_ms = rate.throttle_ms(window, limit.value, now);
        if self.kind == Kind::Request {
            // Time that was used is gone; waiting longer than a sample would only add up.
            throttle_ms.min(window.sample_ms())
        } else {
            throttle_ms
        }
    }

    /// Takes back what was noted, where it was not sent after all: the records of a fetch that is
    /// throttled.
    pub fn take_back(&mut self, client: Client<'_>, amount: f64, now: Timestamp) {
        if let Some(limit) = self.table.limit(self.kind, client) {
            let window = self.window;
            self.sensor(limit, client, now).record(window, -amount, now);
        }
    }

    /// What a client may use at once without having to wait longer than a window; none without a
    /// limit. A fetch is not made larger than this.
    #[must_use]
    pub fn amount_max(&self, client: Client<'_>) -> Option<f64> {
        let limit = self.table.limit(self.kind, client)?;
        let samples = f64::from(self.window.samples()) - 1.0;
        Some(limit.value * samples.max(1.0) * self.window.sample_ms() as f64 / 1000.0)
    }

    /// Number of measurements that are kept.
    #[must_use]
    pub fn sensor_count(&self) -> usize {
        self.sensors.len()
    }

    fn sensor(&mut self, limit: Limit, client: Client<'_>, now: Timestamp) -> &mut Rate {
        let window = self.window;
        self.sensors
            .get(Sharing::of(limit.scope, client), |_, rate| {
                rate.is_idle(window, now)
            })
    }
}
