//! Keys of the broker, one file for each of their subjects, and relations among them.

mod consumer_group;
mod identity;
mod log;
mod metrics;
mod network;
mod offsets;
mod producer_state;
mod quotas;
mod relation;
mod replication;
mod security;
mod share_group;
mod streams_group;
mod tiered;
mod topics;

use std::collections::BTreeMap;

use super::definition::{ConfigDef, Fault};
use super::key::Dynamic;
use super::validator::Validator;

pub(super) use relation::relations;

pub(super) const ACL: &str = "there is no authorizer yet";
pub(super) const BUFFER: &str = "buffers are not kept for reuse";
pub(super) const CHECKPOINT: &str =
    "all checkpoints are written together, in the interval of the recovery points";
pub(super) const CLASS: &str = "Java classes are not loaded";
pub(super) const CLEANER: &str = "the cleaner always runs";
pub(super) const CODEC: &str = "the offsets topic is not compressed";
pub(super) const INTERNAL: &str = "it belongs to the internals of Kafka";
pub(super) const LINGER: &str = "what comes together is written together, without a wait";
pub(super) const META: &str = "the metadata log has its own limits";
pub(super) const METRICS: &str = "metrics are read from the admin port";
pub(super) const ONE: &str = "a node does not talk to other brokers yet";
pub(super) const PATTERNS: &str = "subscribed patterns are resolved whenever topics change";
pub(super) const PURGATORY: &str = "requests wait without a purgatory";
pub(super) const REMOVED: &str = "Kafka 4 has no such key";
pub(super) const RUNTIME: &str = "the runtime has one thread for each core";
pub(super) const SASL: &str = "there is no SASL yet";
pub(super) const SHARE: &str = "share groups are not served yet";
pub(super) const SOCKET: &str = "the system sizes the buffers of sockets";
pub(super) const STREAMS: &str = "streams groups are not served yet";
pub(super) const TELEMETRY: &str = "client metrics are not kept yet";
pub(super) const TIER: &str = "there is no tiered storage yet";
pub(super) const TLS: &str = "there is no TLS yet";

/// A list without repetitions, which may be empty.
pub(super) const LIST: Validator = Validator::Distinct {
    allowed: None,
    may_be_empty: true,
};
/// A list without repetitions, which may not be empty.
pub(super) const SOME_LIST: Validator = Validator::Distinct {
    allowed: None,
    may_be_empty: false,
};

static BROKER: ConfigDef = ConfigDef::new(
    "broker config",
    &[
        identity::KEYS,
        topics::KEYS,
        log::KEYS,
        replication::KEYS,
        network::KEYS,
        producer_state::KEYS,
        offsets::KEYS,
        consumer_group::KEYS,
        share_group::KEYS,
        streams_group::KEYS,
        quotas::KEYS,
        tiered::KEYS,
        security::KEYS,
        metrics::KEYS,
    ],
);

/// The keys of a broker: all of Kafka 4.3, its internal and removed ones (hidden), and ours.
#[must_use]
pub fn broker() -> &'static ConfigDef {
    &BROKER
}

/// The keys that stand in for a broker key that is not set, with what their numbers are
/// multiplied by, in the order in which they count.
#[must_use]
pub fn companions(name: &str) -> &'static [(&'static str, i64)] {
    match name {
        "log.retention.ms" => &[
            ("log.retention.minutes", 60_000),
            ("log.retention.hours", 3_600_000),
        ],
        "log.roll.ms" => &[("log.roll.hours", 3_600_000)],
        "log.roll.jitter.ms" => &[("log.roll.jitter.hours", 3_600_000)],
        "log.flush.interval.ms" => &[("log.flush.scheduler.interval.ms", 1)],
        _ => &[],
    }
}

/// The key without `listener.name.NAME.` and, for SASL keys, `MECHANISM.` before it; the name
/// itself where the rest is no key of a broker.
pub(super) fn base_name(name: &str) -> &str {
    let Some((_, rest)) = name
        .strip_prefix("listener.name.")
        .and_then(|rest| rest.split_once('.'))
    else {
        return name;
    };
    if BROKER.get(rest).is_some() {
        return rest;
    }
    match rest.split_once('.') {
        Some((_, key)) if key.starts_with("sasl.") && BROKER.get(key).is_some() => key,
        _ => name,
    }
}

/// True for keys that Kafka hands to plug-ins without knowing them.
pub(super) fn is_plugin_key(name: &str) -> bool {
    ["rsm.config.", "rlmm.config.", "config.providers."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// What is wrong with values that are to be altered while brokers run: for one broker where
/// `for_one_broker`, else for all. Keys that are not in the table are accepted, as in Kafka: they
/// belong to plug-ins.
#[must_use]
pub fn validate_dynamic(values: &BTreeMap<String, String>, for_one_broker: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, text) in values {
        let base = base_name(name);
        let Some(key) = BROKER.get(base) else {
            continue;
        };
        let refusal = match key.dynamic {
            Dynamic::ReadOnly => Some("Cannot update these configs dynamically"),
            Dynamic::PerBroker if !for_one_broker => Some(
                "Cannot update these configs at default cluster level, broker id must be specified",
            ),
            Dynamic::PerBroker | Dynamic::ClusterWide => None,
        };
        if let Some(refusal) = refusal {
            faults.push(Fault {
                key: name.clone(),
                message: format!("{refusal}: Set({name})"),
            });
        } else if let Err(fault) = BROKER.parse_value(base, Some(text)) {
            faults.push(Fault {
                key: name.clone(),
                ..fault
            });
        }
    }
    faults
}
