//! The configuration of one group, resolved (KIP-848, KIP-932, KIP-1071).

use std::collections::BTreeMap;

use super::broker_values::BrokerValues;
use super::definition::Fault;
use super::explain::{Explained, Source, Synonym};
use super::group::group;
use super::value::Value;

/// The configuration of one group: its overrides, over what its broker supplies. Each field is the
/// key of the same name; times are in milliseconds. The bounds of the broker hold, also for an
/// override that was made while they were wider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is the key of the same name, which the table documents"
)]
pub struct GroupConfig {
    pub consumer_session_timeout_ms: i32,
    pub consumer_heartbeat_interval_ms: i32,
    pub consumer_assignment_interval_ms: i32,
    pub share_session_timeout_ms: i32,
    pub share_heartbeat_interval_ms: i32,
    pub share_assignment_interval_ms: i32,
    pub share_record_lock_duration_ms: i32,
    pub share_delivery_count_limit: i32,
    pub share_partition_max_record_locks: i32,
    pub share_auto_offset_reset: String,
    /// True for `read_committed`.
    pub share_reads_committed: bool,
    pub share_renew_acknowledge_enable: bool,
    pub streams_session_timeout_ms: i32,
    pub streams_heartbeat_interval_ms: i32,
    pub streams_assignment_interval_ms: i32,
    pub streams_num_standby_replicas: i32,
    pub streams_initial_rebalance_delay_ms: i32,
}

/// A key of a group, and the broker keys that bound it.
struct Bound {
    name: &'static str,
    min: Option<&'static str>,
    max: Option<&'static str>,
}

const fn bound(name: &'static str, min: Option<&'static str>, max: Option<&'static str>) -> Bound {
    Bound { name, min, max }
}

const BOUNDS: &[Bound] = &[
    bound(
        "consumer.session.timeout.ms",
        Some("group.consumer.min.session.timeout.ms"),
        Some("group.consumer.max.session.timeout.ms"),
    ),
    bound(
        "consumer.heartbeat.interval.ms",
        Some("group.consumer.min.heartbeat.interval.ms"),
        Some("group.consumer.max.heartbeat.interval.ms"),
    ),
    bound(
        "consumer.assignment.interval.ms",
        Some("group.consumer.min.assignment.interval.ms"),
        Some("group.consumer.max.assignment.interval.ms"),
    ),
    bound(
        "share.session.timeout.ms",
        Some("group.share.min.session.timeout.ms"),
        Some("group.share.max.session.timeout.ms"),
    ),
    bound(
        "share.heartbeat.interval.ms",
        Some("group.share.min.heartbeat.interval.ms"),
        Some("group.share.max.heartbeat.interval.ms"),
    ),
    bound(
        "share.assignment.interval.ms",
        Some("group.share.min.assignment.interval.ms"),
        Some("group.share.max.assignment.interval.ms"),
    ),
    bound(
        "share.record.lock.duration.ms",
        Some("group.share.min.record.lock.duration.ms"),
        Some("group.share.max.record.lock.duration.ms"),
    ),
    bound(
        "share.delivery.count.limit",
        Some("group.share.min.delivery.count.limit"),
        Some("group.share.max.delivery.count.limit"),
    ),
    bound(
        "share.partition.max.record.locks",
        Some("group.share.min.partition.max.record.locks"),
        Some("group.share.max.partition.max.record.locks"),
    ),
    bound(
        "streams.session.timeout.ms",
        Some("group.streams.min.session.timeout.ms"),
        Some("group.streams.max.session.timeout.ms"),
    ),
    bound(
        "streams.heartbeat.interval.ms",
        Some("group.streams.min.heartbeat.interval.ms"),
        Some("group.streams.max.heartbeat.interval.ms"),
    ),
    bound(
        "streams.assignment.interval.ms",
        Some("group.streams.min.assignment.interval.ms"),
        Some("group.streams.max.assignment.interval.ms"),
    ),
    bound(
        "streams.num.standby.replicas",
        None,
        Some("group.streams.max.standby.replicas"),
    ),
];

/// Session timeouts and the heartbeat intervals that must be shorter.
const SESSIONS: &[(&str, &str)] = &[
    (
        "consumer.session.timeout.ms",
        "consumer.heartbeat.interval.ms",
    ),
    ("share.session.timeout.ms", "share.heartbeat.interval.ms"),
    (
        "streams.session.timeout.ms",
        "streams.heartbeat.interval.ms",
    ),
];

impl GroupConfig {
    /// Resolves the configuration of a group with these overrides on a broker with these values.
    #[must_use]
    pub fn resolve(overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Self {
        let int = |name: &str| clamped(name, overrides, broker);
        let text = |name: &str| value(name, overrides, broker).to_string();
        Self {
            consumer_session_timeout_ms: int("consumer.session.timeout.ms"),
            consumer_heartbeat_interval_ms: int("consumer.heartbeat.interval.ms"),
            consumer_assignment_interval_ms: int("consumer.assignment.interval.ms"),
            share_session_timeout_ms: int("share.session.timeout.ms"),
            share_heartbeat_interval_ms: int("share.heartbeat.interval.ms"),
            share_assignment_interval_ms: int("share.assignment.interval.ms"),
            share_record_lock_duration_ms: int("share.record.lock.duration.ms"),
            share_delivery_count_limit: int("share.delivery.count.limit"),
            share_partition_max_record_locks: int("share.partition.max.record.locks"),
            share_auto_offset_reset: text("share.auto.offset.reset"),
            share_reads_committed: text("share.isolation.level") == "read_committed",
            share_renew_acknowledge_enable: text("share.renew.acknowledge.enable") == "true",
            streams_session_timeout_ms: int("streams.session.timeout.ms"),
            streams_heartbeat_interval_ms: int("streams.heartbeat.interval.ms"),
            streams_assignment_interval_ms: int("streams.assignment.interval.ms"),
            streams_num_standby_replicas: int("streams.num.standby.replicas"),
            streams_initial_rebalance_delay_ms: int("streams.initial.rebalance.delay.ms"),
        }
    }

    /// What is wrong with the overrides of a group: values, keys that are not in the table, the
    /// bounds of the broker, and a session that is not longer than the heartbeat interval.
    #[must_use]
    pub fn validate(overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Vec<Fault> {
        let mut faults = group().validate(overrides);
        if !faults.is_empty() {
            return faults;
        }
        let number = |name: &str| value(name, overrides, broker).integer().unwrap_or_default();
        let mut add = |key: &str, relation: &str, other: &str| {
            faults.push(Fault {
                key: key.to_owned(),
                message: format!("{key} must be {relation} {other}"),
            });
        };
        for Bound { name, min, max } in BOUNDS {
            if !overrides.contains_key(*name) {
                continue;
            }
            if let Some(min) = min
                && number(name) < broker.long(min)
            {
                add(name, "greater than or equal to", min);
            }
            if let Some(max) = max
                && number(name) > broker.long(max)
            {
                add(name, "less than or equal to", max);
            }
        }
        for (session, heartbeat) in SESSIONS {
            let is_set = overrides.contains_key(*session) || overrides.contains_key(*heartbeat);
            if is_set && number(session) <= number(heartbeat) {
                add(session, "greater than", heartbeat);
            }
        }
        faults
    }

    /// Every key of a group with these overrides, by name, for DescribeConfigs.
    #[must_use]
    pub fn explain(overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Vec<Explained> {
        let explain = |key: &'static super::Key| {
            let mut synonyms = Vec::new();
            if let Some(text) = overrides.get(key.name) {
                synonyms.push(Synonym {
                    name: key.name.to_owned(),
                    value: Some(text.clone()),
                    source: Source::Group,
                });
            }
            match (key.synonym, key.default_text()) {
                (Some(synonym), _) => synonyms.extend(broker.synonyms(&[synonym])),
                (None, Some(text)) => synonyms.push(Synonym {
                    name: key.name.to_owned(),
                    value: Some(text.to_owned()),
                    source: Source::Default,
                }),
                (None, None) => {}
            }
            Explained {
                name: key.name.to_owned(),
                value: value(key.name, overrides, broker).text(),
                source: synonyms
                    .first()
                    .map_or(Source::Default, |synonym| synonym.source),
                read_only: false,
                sensitive: false,
                kind: Some(key.kind),
                documentation: key.documentation,
                synonyms,
            }
        };
        group().sorted().into_iter().map(explain).collect()
    }
}

fn value(name: &str, overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Value {
    let Some(key) = group().get(name) else {
        return Value::Null;
    };
    if let Some(text) = overrides.get(name)
        && let Ok(value) = group().parse_value(name, Some(text))
    {
        return value;
    }
    key.synonym
        .map_or_else(|| key.default_value(), |synonym| broker.value(synonym).0)
}

/// The value within the bounds of the broker.
fn clamped(name: &str, overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> i32 {
    let mut number = value(name, overrides, broker).integer().unwrap_or_default();
    if let Some(bound) = BOUNDS.iter().find(|bound| bound.name == name) {
        if let Some(min) = bound.min {
            number = number.max(broker.long(min));
        }
        if let Some(max) = bound.max {
            number = number.min(broker.long(max));
        }
    }
    i32::try_from(number).unwrap_or(i32::MAX)
}
