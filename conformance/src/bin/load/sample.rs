//! Durations and what is said of them.

use std::time::Duration;

use serde_json::{Value, json};

/// Every duration of a run, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<u32>);

impl Samples {
    /// Adds one; above 71 minutes it counts as 71 minutes.
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0
            .push(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another run.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Count and quantiles.
    pub(crate) fn report(mut self, seconds: f64) -> Value {
        self.0.sort_unstable();
        let count = self.0.len();
        json!({
            "count": count,
            "seconds": seconds,
            "per_second": count as f64 / seconds,
            "p50_us": self.quantile(0.5),
            "p99_us": self.quantile(0.99),
            "p999_us": self.quantile(0.999),
            "max_us": self.0.last().copied().unwrap_or(0),
        })
    }

    /// The smallest sample that is not below a share `q` of all; they are sorted.
    fn quantile(&self, q: f64) -> u32 {
        let rank = (self.0.len() as f64 * q).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let mut samples = Samples::default();
        for micros in (1..=1000).rev() {
            samples.add(Duration::from_micros(micros));
        }
        let report = samples.report(2.0);
        assert_eq!(report["count"], 1000);
        assert_eq!(report["per_second"], 500.0);
        for (name, expected) in [
            ("p50_us", 500),
            ("p99_us", 990),
            ("p999_us", 999),
            ("max_us", 1000),
        ] {
            assert_eq!(report[name], expected, "{name}");
        }
        assert_eq!(Samples::default().report(1.0)["p50_us"], 0);
    }
}
