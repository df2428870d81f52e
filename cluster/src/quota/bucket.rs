//! A token bucket (KIP-599).

use milena_protocol::Timestamp;

use super::rate::Window;

/// Tokens that refill at the rate of a limit, up to as many as come in a window. Unlike a rate it
/// forgets a burst as soon as that is paid off (Kafka class `TokenBucket`).
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Below 0 where more was taken than was there.
    tokens: f64,
    updated: Option<Timestamp>,
}

impl Default for TokenBucket {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tokens: 0.0,
            updated: None,
        }
    }

    /// Takes `amount` tokens, also where there are fewer.
    pub fn take(&mut self, window: Window, limit: f64, amount: f64, now: Timestamp) {
        self.refill(window, limit, now);
        self.tokens -= amount;
    }

    /// Time until no token is missing, in milliseconds; 0 where none is.
    pub fn throttle_ms(&mut self, window: Window, limit: f64, now: Timestamp) -> i64 {
        self.refill(window, limit, now);
        if self.tokens >= 0.0 {
            return 0;
        }
        if limit <= 0.0 {
            return window.length_ms();
        }
        (-self.tokens / limit * 1000.0).round().max(1.0) as i64
    }

    /// True where the bucket is full: forgetting it changes nothing.
    pub fn is_full(&mut self, window: Window, limit: f64, now: Timestamp) -> bool {
        self.refill(window, limit, now);
        self.tokens >= burst(window, limit)
    }

    fn refill(&mut self, window: Window, limit: f64, now: Timestamp) {
        let burst = burst(window, limit);
        self.tokens = match self.updated {
            None => burst,
            Some(updated) => {
                let elapsed_ms = now.ms_since(updated).max(0);
                burst.min(self.tokens + limit * elapsed_ms as f64 / 1000.0)
            }
        };
        self.updated = Some(self.updated.map_or(now, |updated| updated.max(now)));
    }
}

/// Most tokens of a bucket: what comes in a whole window.
fn burst(window: Window, limit: f64) -> f64 {
    limit * window.length_ms() as f64 / 1000.0
}
