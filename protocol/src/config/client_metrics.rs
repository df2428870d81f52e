//! Keys of a subscription of client metrics (KIP-714).

use crate::config::broker::{LIST, TELEMETRY};
use crate::config::definition::ConfigDef;
use crate::config::key::Effect::NoEffect;
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::Between;

const KEYS: &[Key] = keys! {
    "interval.ms" => Int, "300000", Between(100, 3_600_000), Medium, ClusterWide, NoEffect(TELEMETRY),
        "Time between the pushes of a client, in milliseconds.";
    "match" => List, "", LIST, Medium, ClusterWide, NoEffect(TELEMETRY),
        "Clients that the subscription is for, as selector=pattern.";
    "metrics" => List, "", LIST, Medium, ClusterWide, NoEffect(TELEMETRY),
        "Prefixes of the metrics that clients push; * for all.";
};

static CLIENT_METRICS: ConfigDef = ConfigDef::new("client metrics config", &[KEYS]);

/// The keys of a subscription of client metrics.
#[must_use]
pub fn client_metrics() -> &'static ConfigDef {
    &CLIENT_METRICS
}
