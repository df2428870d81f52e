//! What openraft needs of the crate `base2histogram`, under its names.
//!
//! openraft counts the sizes of its batches in histograms that only its feature `runtime-stats`
//! shows, which is off here. The first histogram makes the original build lookup tables for all
//! of its 16 resolutions: 5915 pages, 24 MB, which is more than the rest of an idle broker, and
//! several milliseconds of every start. There is no feature to leave it out, so the root manifest
//! puts this in its place. A bucket is a power of two.

use std::fmt;
use std::marker::PhantomData;

/// Buckets: one for 0, and one for each power of two.
const BUCKETS: usize = 65;

/// Counts of values by their magnitude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: [u64; BUCKETS],
    data: PhantomData<T>,
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            counts: [0; BUCKETS],
            data: PhantomData,
        }
    }

    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts a value `count` times.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bucket = u64::BITS - value.leading_zeros();
        if let Some(slot) = self.counts.get_mut(bucket as usize) {
            *slot = slot.saturating_add(count);
        }
    }

    /// Number of values.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |total, count| total.saturating_add(*count))
    }

    /// The largest value of the bucket in which the share `p` (0 to 1) of all values is reached; 0
    /// without values.
    #[must_use]
    pub fn percentile(&self, p: f64) -> u64 {
        let needed = (self.total() as f64 * p).max(1.0);
        let mut seen = 0.0;
        for (bucket, count) in (0u32..).zip(&self.counts) {
            seen += *count as f64;
            if seen >= needed {
                return 1u64.checked_shl(bucket).map_or(u64::MAX, |end| end - 1);
            }
        }
        0
    }

    /// The percentiles that openraft reports.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.percentile(0.001),
            p1: self.percentile(0.01),
            p5: self.percentile(0.05),
            p10: self.percentile(0.10),
            p50: self.percentile(0.50),
            p90: self.percentile(0.90),
            p99: self.percentile(0.99),
            p99_9: self.percentile(0.999),
        }
    }
}

/// Percentiles of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the percentile of its name")]
pub struct PercentileStats {
    /// Number of values.
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} values, p50 {}, p90 {}, p99 {}",
            self.samples, self.p50, self.p90, self.p99
        )
    }
}

/// Named histograms, printed one per line.
#[derive(Clone, Debug, Default)]
pub struct AsciiChart(Vec<(String, PercentileStats)>);

impl AsciiChart {
    /// No histograms.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a histogram.
    #[must_use]
    pub fn add<T>(mut self, name: impl Into<String>, histogram: Histogram<T>) -> Self {
        self.0.push((name.into(), histogram.percentile_stats()));
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, stats)| writeln!(f, "{name}: {stats}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_magnitude() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile(0.5), 0);
        histogram.record_n(1, 90);
        histogram.record_n(1000, 9);
        histogram.record(u64::MAX);
        let stats = histogram.percentile_stats();
        assert_eq!(stats.samples, 100);
        assert_eq!((stats.p50, stats.p90, stats.p99), (1, 1, 1023));
        assert_eq!(histogram.percentile(1.0), u64::MAX);
    }
}
