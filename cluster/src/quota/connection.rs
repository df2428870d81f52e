//! Rates of new connections (KIP-612).

use std::net::IpAddr;
use std::sync::Arc;

use milena_protocol::Timestamp;

use super::rate::{Rate, Window};
use super::sensor::Sensors;
use super::table::Table;

/// What happens to a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is served.
    Now,
    /// It is served, but before the next one is accepted the listener waits this long, in
    /// milliseconds.
    Wait(i64),
    /// Its address makes too many: it is closed after this long, in milliseconds, and not served.
    Refuse(i64),
}

/// Rates of new connections, of the broker and of each address (Kafka class `ConnectionQuotas`).
#[derive(Clone, Debug)]
pub struct ConnectionRates {
    window: Window,
    table: Arc<Table>,
    limit: Option<f64>,
    broker: Rate,
    addresses: Sensors<IpAddr, Rate>,
}

impl ConnectionRates {
    /// Rates without limits.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self {
            window,
            table: Arc::default(),
            limit: None,
            broker: Rate::default(),
            addresses: Sensors::new(),
        }
    }

    /// Replaces the limits of addresses.
    pub fn set_table(&mut self, table: Arc<Table>) {
        self.table = table;
    }

    /// Replaces the limit of the broker (`max.connection.creation.rate`); none for no limit.
    pub fn set_limit(&mut self, limit: Option<f64>) {
        self.limit = limit;
    }

    /// Takes a new connection.
    pub fn admit(&mut self, address: IpAddr, now: Timestamp) -> Admission {
        let window = self.window;
        let longest_ms = window.sample_ms();
        if let Some(limit) = self.table.connections(address) {
            let rate = self
                .addresses
                .get(address, |_, rate| rate.is_idle(window, now));
            rate.record(window, 1.0, now);
            let throttle_ms = rate.throttle_ms(window, limit, now);
            if throttle_ms > 0 {
                // It is not served, so it does not count.
                rate.record(window, -1.0, now);
                return Admission::Refuse(throttle_ms.min(longest_ms));
            }
        }
        let Some(limit) = self.limit else {
            return Admission::Now;
        };
        self.broker.record(window, 1.0, now);
        match self.broker.throttle_ms(window, limit, now) {
            0 => Admission::Now,
            throttle_ms => Admission::Wait(throttle_ms.min(longest_ms)),
        }
    }
}
