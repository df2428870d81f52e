//! A rate over a window of samples.

use std::collections::VecDeque;

use milena_protocol::Timestamp;

/// A window: how much of the past a quota looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    samples: u32,
    sample_ms: i64,
}

impl Window {
    /// A window of `samples` samples (`quota.window.num`) of `sample_seconds` seconds
    /// (`quota.window.size.seconds`); at least one of each.
    #[must_use]
    pub fn new(samples: i32, sample_seconds: i32) -> Self {
        Self {
            samples: samples.max(1).unsigned_abs(),
            sample_ms: i64::from(sample_seconds.max(1)) * 1000,
        }
    }

    /// Length of a sample in milliseconds.
    #[must_use]
    pub const fn sample_ms(self) -> i64 {
        self.sample_ms
    }

    /// Number of samples.
    #[must_use]
    pub const fn samples(self) -> u32 {
        self.samples
    }

    /// Length in milliseconds.
    #[must_use]
    pub fn length_ms(self) -> i64 {
        i64::from(self.samples) * self.sample_ms
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    start: Timestamp,
    last_event: Timestamp,
    sum: f64,
}

/// What happened within a window, per second (Kafka classes `Rate`, `SampledStat`).
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// Oldest first; at most one more than the window has, as the oldest lies in it only in part.
    samples: VecDeque<Sample>,
}

impl Rate {
    /// Adds `amount`; a negative one takes back what was added. An instant before the latest one
    /// counts as the latest.
    pub fn record(&mut self, window: Window, amount: f64, now: Timestamp) {
        let now = self.not_before(now);
        let starts_sample = self
            .samples
            .back()
            .is_none_or(|current| now.ms_since(current.start) >= window.sample_ms);
        if starts_sample {
            self.samples.push_back(Sample {
                start: now,
                last_event: now,
                sum: 0.0,
            });
            while self.samples.len() > window.samples as usize + 1 {
                self.samples.pop_front();
            }
        }
        if let Some(current) = self.samples.back_mut() {
            current.sum += amount;
            current.last_event = now;
        }
    }

    /// The amount per second.
    pub fn measure(&mut self, window: Window, now: Timestamp) -> f64 {
        let length_ms = self.length_ms(window, now);
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        sum * 1000.0 / length_ms as f64
    }

    /// How long the rate has to rest until it is down to `limit`, in milliseconds; 0 where it is
    /// not above.
    pub fn throttle_ms(&mut self, window: Window, limit: f64, now: Timestamp) -> i64 {
        let rate = self.measure(window, now);
        if rate <= limit {
            return 0;
        }
        if limit <= 0.0 {
            return window.length_ms();
        }
        let length_ms = self.length_ms(window, now) as f64;
        // A cast from float to integer saturates.
        ((rate - limit) / limit * length_ms).round() as i64
    }

    /// True where nothing within the window is left: forgetting the rate changes nothing.
    pub fn is_idle(&mut self, window: Window, now: Timestamp) -> bool {
        self.purge(window, now);
        self.samples.is_empty()
    }

    /// Time from the start of the oldest sample, as if the samples that the window lacks were
    /// there; at least 1 ms.
    fn length_ms(&mut self, window: Window, now: Timestamp) -> i64 {
        let now = self.not_before(now);
        self.purge(window, now);
        let elapsed_ms = self
            .samples
            .front()
            .map_or(0, |oldest| now.ms_since(oldest.start));
        let full_samples = elapsed_ms / window.sample_ms;
        let missing = (i64::from(window.samples) - 1 - full_samples).max(0);
        (elapsed_ms + missing * window.sample_ms).max(1)
    }

    fn purge(&mut self, window: Window, now: Timestamp) {
        self.samples
            .retain(|sample| now.ms_since(sample.last_event) < window.length_ms());
    }

    fn not_before(&self, now: Timestamp) -> Timestamp {
        self.samples
            .back()
            .map_or(now, |current| current.last_event.max(now))
    }
}
