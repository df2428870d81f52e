//! Metrics and telemetry.

use crate::config::broker::{LIST, METRICS, REMOVED, TELEMETRY};
use crate::config::key::Effect::NoEffect;
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast};

pub(super) const KEYS: &[Key] = keys! {
    "metric.reporters" => List, "org.apache.kafka.common.metrics.JmxReporter", LIST, Low, ClusterWide, NoEffect(METRICS),
        "Classes that get the metrics.";
    "metrics.num.samples" => Int, "2", AtLeast(1), Low, ReadOnly, NoEffect(METRICS),
        "Samples that a metric remembers.";
    "metrics.recording.level" => String, "INFO", Any, Low, ReadOnly, NoEffect(METRICS),
        "Which metrics are recorded.";
    "metrics.sample.window.ms" => Long, "30000", AtLeast(1), Low, ReadOnly, NoEffect(METRICS),
        "Length of a sample of a metric, in milliseconds.";
    "kafka.metrics.reporters" => List, "", LIST, Low, ReadOnly, NoEffect(METRICS),
        "Classes that get the older metrics.";
    "kafka.metrics.polling.interval.secs" => Int, "10", AtLeast(1), Low, ReadOnly, NoEffect(METRICS),
        "Time between readings of the older metrics, in seconds.";
    "telemetry.max.bytes" => Int, "1048576", AtLeast(1), Low, ReadOnly, NoEffect(TELEMETRY),
        "Largest push of client metrics, in bytes.";
    "auto.include.jmx.reporter" => Boolean, "true", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older switch of the JMX reporter." [hidden];
};
