use std::collections::BTreeMap;

use super::validator::duration_ms;
use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn tables() -> [&'static ConfigDef; 4] {
    [broker(), topic(), group(), client_metrics()]
}

fn check_fault(table: &ConfigDef, key: &str, text: &str, message: &str) {
    let fault = table.parse_value(key, Some(text)).expect_err(text);
    assert_eq!(fault.message, message);
    assert_eq!(fault.key, key);
}

fn topic_entry(overrides: &[(&str, &str)], broker: &BrokerValues, name: &str) -> Explained {
    TopicConfig::explain(&map(overrides), broker)
        .into_iter()
        .find(|entry| entry.name == name)
        .expect(name)
}

/// `SOURCE:name=value` for each synonym.
fn chain(entry: &Explained) -> Vec<String> {
    let synonyms = entry.synonyms.iter();
    synonyms
        .map(|synonym| {
            let value = synonym.value.as_deref().unwrap_or("null");
            format!("{:?}:{}={value}", synonym.source, synonym.name)
        })
        .collect()
}

#[test]
fn every_default_passes_its_own_definition() {
    for table in tables() {
        for key in table.keys() {
            if let Some(text) = key.default_text() {
                let parsed = table.parse_value(key.name, Some(text));
                assert_eq!(parsed, Ok(key.default_value()), "{}", key.name);
            }
        }
    }
}

#[test]
fn names_are_unique_and_synonyms_exist() {
    for table in tables() {
        let keys = table.sorted();
        for (one, other) in keys.iter().zip(keys.iter().skip(1)) {
            assert_ne!(one.name, other.name);
        }
        for key in keys {
            if let Some(synonym) = key.synonym {
                let supplier = broker().get(synonym).expect(synonym);
                assert_eq!(supplier.kind, key.kind, "{synonym}");
                for (companion, _) in companions(synonym) {
                    assert!(broker().get(companion).is_some(), "{companion}");
                }
            }
        }
    }
}

#[test]
fn tables_have_all_keys_of_kafka_4_3() {
    let shown = |table: &ConfigDef| table.keys().filter(|key| !key.hidden).count();
    // Kafka 4.3.1 describes 340 broker keys and 33 topic keys; the rest is ours.
    assert_eq!(shown(broker()), 340 + 3);
    assert_eq!(shown(topic()), 33 + 2);
    assert_eq!(shown(group()), 17);
    assert_eq!(shown(client_metrics()), 3);
}

#[test]
fn faults_have_the_sentences_of_kafka() {
    let check = |key, text, message| check_fault(topic(), key, text, message);
    check(
        "retention.ms",
        "x",
        "Invalid value x for configuration retention.ms: Not a number of type LONG",
    );
    check(
        "segment.bytes",
        "5",
        "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576",
    );
    check(
        "cleanup.policy",
        "foo",
        "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
    );
    check(
        "compression.type",
        "zip",
        "Invalid value zip for configuration compression.type: String must be one of: \
         uncompressed, zstd, lz4, snappy, gzip, producer",
    );
    check(
        "min.cleanable.dirty.ratio",
        "2",
        "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
    );
    check(
        "compression.gzip.level",
        "0",
        "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 \
         or equal to -1",
    );
    check(
        "preallocate",
        "maybe",
        "Invalid value maybe for configuration preallocate: Expected value to be either true or \
         false",
    );
    check("no.such", "1", "Unknown topic config name: no.such");
    let secret = broker()
        .parse_value("ssl.key.password", Some("a"))
        .expect("any text");
    assert_eq!(secret, Value::String("a".to_owned()));
}

/// A key, a text, and the value as a client sees it; none where it is refused.
const READINGS: &[(&str, &str, Option<&str>)] = &[
    (
        "cleanup.policy",
        " compact , delete ",
        Some("compact,delete"),
    ),
    ("cleanup.policy", "", Some("")),
    ("cleanup.policy", "delete,delete", None),
    ("cleanup.policy", "delete,", None),
    ("preallocate", " TRUE ", Some("true")),
    ("retention.ms", " -1 ", Some("-1")),
    ("retention.ms", "-2", None),
    ("min.cleanable.dirty.ratio", "1", Some("1.0")),
    ("min.cleanable.dirty.ratio", "NaN", None),
    ("follower.replication.throttled.replicas", "*", Some("*")),
    (
        "follower.replication.throttled.replicas",
        "0:1,1:2",
        Some("0:1,1:2"),
    ),
    ("follower.replication.throttled.replicas", "0:1,*", None),
    ("segment.bytes", "99999999999", None),
    ("remote.storage.enable", "true", None),
    ("remote.storage.enable", "false", Some("false")),
    (
        "group.consumer.migration.policy",
        "Upgrade",
        Some("Upgrade"),
    ),
    (
        "max.connections.per.ip.overrides",
        "a:1,::1:2",
        Some("a:1,::1:2"),
    ),
    ("max.connections.per.ip.overrides", "a:1,a:2", None),
    ("max.connections.per.ip.overrides", "a", None),
    ("authorizer.class.name", "A", None),
    ("log.dirs", "", None),
    (
        "log.cleaner.io.max.bytes.per.second",
        "1.7976931348623157E308",
        Some("1.7976931348623157E308"),
    ),
    (
        "share.auto.offset.reset",
        "by_duration:PT1H30M",
        Some("by_duration:PT1H30M"),
    ),
    ("share.auto.offset.reset", "by_duration:1h", None),
];

#[test]
fn values_are_read_as_kafka_reads_them() {
    for (key, text, shown) in READINGS {
        let table = tables().into_iter().find(|table| table.get(key).is_some());
        let value = table.expect(key).parse_value(key, Some(text)).ok();
        let value = value.and_then(|value| value.text());
        assert_eq!(value.as_deref(), *shown, "{key}={text}");
    }
}

#[test]
fn durations_are_iso_8601() {
    for (text, ms) in [
        ("P1D", Some(86_400_000)),
        ("PT1H2M3S", Some(3_723_000)),
        ("P2DT0.5S", Some(172_800_500)),
        ("pt5m", Some(300_000)),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("PT1M2H", None),
        ("PT-1S", None),
        ("PT1.5M", None),
        ("PT99999999999999999999S", None),
    ] {
        assert_eq!(duration_ms(text), ms, "{text}");
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let faults = topic().validate(&map(&[
        ("retention.ms", "x"),
        ("segment.bytes", "1"),
        ("segment.ms", "5"),
        ("no.such", "1"),
    ]));
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["no.such", "retention.ms", "segment.bytes"]);
}

#[test]
fn lists_are_appended_to_and_subtracted_from() {
    let policy = "cleanup.policy";
    assert_eq!(
        topic().append(policy, None, "compact").as_deref(),
        Ok("delete,compact")
    );
    assert_eq!(
        topic()
            .append(policy, Some("compact"), "compact")
            .as_deref(),
        Ok("compact")
    );
    assert_eq!(
        topic().append(policy, Some(""), "compact").as_deref(),
        Ok("compact")
    );
    assert_eq!(topic().subtract(policy, None, "delete").as_deref(), Ok(""));
    assert_eq!(
        topic()
            .subtract(policy, Some("delete"), "compact")
            .as_deref(),
        Ok("delete")
    );
    let fault = topic()
        .append("retention.ms", None, "1")
        .expect_err("no list");
    assert_eq!(
        fault.message,
        "Can't APPEND to key retention.ms because its type is not LIST."
    );
}

#[test]
fn layers_of_a_broker_count_in_order() {
    let values = BrokerValues::new(map(&[("log.segment.bytes", "2000000")]));
    assert_eq!(values.long("log.segment.bytes"), 2_000_000);
    let values = values.with_dynamic_default(map(&[("log.segment.bytes", "3000000")]));
    assert_eq!(values.long("log.segment.bytes"), 3_000_000);
    let values = values.with_dynamic_broker(map(&[("log.segment.bytes", "4000000")]));
    assert_eq!(
        values.value("log.segment.bytes"),
        (Value::Int(4_000_000), Source::DynamicBroker)
    );
    // A text that is not allowed does not count.
    let values = values.with_dynamic_broker(map(&[("log.segment.bytes", "1")]));
    assert_eq!(values.long("log.segment.bytes"), 3_000_000);
    assert_eq!(values.size("queued.max.request.bytes"), 0);
    assert_eq!(values.list("process.roles"), Vec::<String>::new());
    assert_eq!(
        values.list("group.consumer.assignors"),
        ["uniform", "range"]
    );
    assert!(values.boolean("delete.topic.enable"));
    assert!((values.double("log.cleaner.io.buffer.load.factor") - 0.9).abs() < 1e-9);
    assert_eq!(values.string("broker.rack"), None);
    assert_eq!(values.int("offsets.topic.replication.factor"), 3);
}

#[test]
fn faults_of_a_broker_name_relations_too() {
    let values = BrokerValues::new(map(&[
        ("num.partitions", "0"),
        ("log.retention.hours", "0"),
        ("node.id", "1"),
        ("broker.id", "2"),
        ("group.consumer.session.timeout.ms", "1000"),
        ("listener.name.internal.max.connections", "x"),
        ("some.plugin.key", "1"),
    ]));
    let faults = values.faults();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "listener.name.internal.max.connections",
            "num.partitions",
            "group.consumer.min.session.timeout.ms",
            "group.consumer.heartbeat.interval.ms",
            "log.retention.hours",
            "broker.id",
        ]
    );
    assert_eq!(BrokerValues::default().faults(), []);
    assert_eq!(values.unknown_keys(), ["some.plugin.key"]);
    let missing: Vec<_> = values
        .missing()
        .into_iter()
        .map(|fault| fault.key)
        .collect();
    assert_eq!(missing, ["process.roles", "controller.listener.names"]);
}

#[test]
fn keys_without_effect_are_warned_about() {
    let values = BrokerValues::new(map(&[
        ("num.io.threads", "9"),
        ("num.partitions", "9"),
        ("listener.name.a.plain.sasl.jaas.config", "x"),
        ("zookeeper.connect", "localhost"),
    ]));
    let warnings = values.warnings();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .all(|warning| warning.contains(" has no effect: "))
    );
}

#[test]
fn altering_a_running_broker_is_restricted() {
    let keys = |pairs: &[(&str, &str)], one: bool| -> Vec<String> {
        let faults = validate_dynamic(&map(pairs), one);
        faults.into_iter().map(|fault| fault.message).collect()
    };
    assert_eq!(
        keys(&[("log.retention.ms", "5")], false),
        Vec::<String>::new()
    );
    assert_eq!(
        keys(&[("listener.name.a.ssl.keystore.location", "/a")], true),
        Vec::<String>::new()
    );
    assert_eq!(
        keys(&[("num.partitions", "5")], true),
        ["Cannot update these configs dynamically: Set(num.partitions)"]
    );
    assert_eq!(keys(&[("listeners", "PLAINTEXT://:1")], false).len(), 1);
    assert_eq!(
        keys(&[("listeners", "PLAINTEXT://:1")], true),
        Vec::<String>::new()
    );
    assert_eq!(keys(&[("log.retention.ms", "x")], false).len(), 1);
}

#[test]
fn synonyms_of_a_topic_key_stand_in_kafkas_order() {
    let values = BrokerValues::new(map(&[("log.segment.bytes", "2000000")]))
        .with_dynamic_broker(map(&[("log.segment.bytes", "3000000")]));
    let entry = topic_entry(&[("segment.bytes", "4000000")], &values, "segment.bytes");
    assert_eq!(
        chain(&entry),
        [
            "DynamicTopic:segment.bytes=4000000",
            "DynamicBroker:log.segment.bytes=3000000",
            "StaticBroker:log.segment.bytes=2000000",
            "Default:log.segment.bytes=1073741824",
        ]
    );
    assert_eq!(entry.value.as_deref(), Some("4000000"));
    assert_eq!(entry.source.code(), 1);
}

#[test]
fn coarser_units_supply_what_the_finer_key_lacks() {
    let values = BrokerValues::new(map(&[("log.retention.hours", "100")]));
    let entry = topic_entry(&[], &values, "retention.ms");
    assert_eq!(entry.value.as_deref(), Some("360000000"));
    assert_eq!(entry.source, Source::StaticBroker);
    let values = values.with_dynamic_default(map(&[("log.retention.ms", "999999")]));
    let entry = topic_entry(&[], &values, "retention.ms");
    assert_eq!(entry.value.as_deref(), Some("999999"));
    assert_eq!(
        chain(&entry),
        [
            "DynamicDefaultBroker:log.retention.ms=999999",
            "StaticBroker:log.retention.hours=100",
            "Default:log.retention.hours=168",
        ]
    );
    let check = |pairs: &[(&str, &str)], name: &str, value: &str| {
        let entry = topic_entry(&[], &BrokerValues::new(map(pairs)), name);
        assert_eq!(entry.value.as_deref(), Some(value), "{pairs:?}");
    };
    check(&[], "retention.ms", "604800000");
    check(
        &[("log.retention.minutes", "2"), ("log.retention.hours", "1")],
        "retention.ms",
        "120000",
    );
    check(&[("log.retention.minutes", "-1")], "retention.ms", "-1");
    check(&[], "segment.ms", "604800000");
    check(&[("log.roll.hours", "1")], "segment.ms", "3600000");
    check(
        &[("log.roll.ms", "5"), ("log.roll.hours", "1")],
        "segment.ms",
        "5",
    );
    check(
        &[("log.roll.jitter.hours", "1")],
        "segment.jitter.ms",
        "3600000",
    );
    check(&[], "flush.ms", "9223372036854775807");
    check(&[("log.flush.scheduler.interval.ms", "7")], "flush.ms", "7");
    check(
        &[("log.durability", "replicated")],
        "durability",
        "replicated",
    );
}

#[test]
fn topic_is_resolved_with_kafkas_defaults() {
    let config = TopicConfig::resolve(&map(&[]), &BrokerValues::default());
    assert_eq!(config.segment_bytes, 1 << 30);
    assert_eq!(config.max_message_bytes, 1_048_588);
    assert_eq!(
        (config.cleanup_delete, config.cleanup_compact),
        (true, false)
    );
    assert_eq!(config.compression_type, None);
    assert_eq!(config.min_insync_replicas, 1);
    assert_eq!(config.durability, Durability::Persisted);
    assert_eq!(config.validation, Validation::Header);
    let overrides = map(&[
        ("cleanup.policy", "compact"),
        ("compression.type", "uncompressed"),
        ("durability", "replicated"),
        ("validation", "strict"),
        ("segment.bytes", "1"),
    ]);
    let config = TopicConfig::resolve(&overrides, &BrokerValues::default());
    assert_eq!(
        (config.cleanup_delete, config.cleanup_compact),
        (false, true)
    );
    assert_eq!(
        config.compression_type,
        Some(crate::batch::Compression::None)
    );
    assert_eq!(config.durability, Durability::Replicated);
    assert_eq!(config.validation, Validation::Strict);
    assert_eq!(
        config.segment_bytes,
        1 << 30,
        "an override that is not allowed is skipped"
    );
}

#[test]
fn compaction_lags_must_not_cross() {
    let overrides = map(&[
        ("min.compaction.lag.ms", "5"),
        ("max.compaction.lag.ms", "4"),
    ]);
    let faults = TopicConfig::validate(&overrides, &BrokerValues::default());
    assert_eq!(
        faults
            .iter()
            .map(|fault| fault.message.as_str())
            .collect::<Vec<_>>(),
        ["conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)"]
    );
}

#[test]
fn groups_are_bounded_by_the_broker() {
    let broker = BrokerValues::default();
    let check = |pairs: &[(&str, &str)], message: &[&str]| {
        let faults = GroupConfig::validate(&map(pairs), &broker);
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, message);
    };
    check(&[("consumer.session.timeout.ms", "50000")], &[]);
    check(
        &[("consumer.session.timeout.ms", "1000")],
        &[
            "consumer.session.timeout.ms must be greater than or equal to \
             group.consumer.min.session.timeout.ms",
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
        ],
    );
    check(
        &[("streams.num.standby.replicas", "3")],
        &[
            "streams.num.standby.replicas must be less than or equal to \
           group.streams.max.standby.replicas",
        ],
    );
    check(&[("no.such", "1")], &["Unknown group config name: no.such"]);
    let config = GroupConfig::resolve(&map(&[("consumer.session.timeout.ms", "1000")]), &broker);
    assert_eq!(config.consumer_session_timeout_ms, 45_000);
    assert_eq!(config.share_auto_offset_reset, "latest");
}

#[test]
fn group_explains_its_values_as_kafka_does() {
    let entries = GroupConfig::explain(
        &map(&[("consumer.heartbeat.interval.ms", "6000")]),
        &BrokerValues::default(),
    );
    let find = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.name == name)
            .expect("an entry")
    };
    let entry = find("consumer.heartbeat.interval.ms");
    assert_eq!(
        chain(entry),
        [
            "Group:consumer.heartbeat.interval.ms=6000",
            "Default:group.consumer.heartbeat.interval.ms=5000",
        ]
    );
    assert_eq!(entry.source.code(), 8);
    assert_eq!(
        chain(find("share.isolation.level")),
        ["Default:share.isolation.level=read_uncommitted"]
    );
}

#[test]
fn broker_explains_every_key_and_hides_secrets() {
    let values = BrokerValues::new(map(&[
        ("ssl.key.password", "secret"),
        ("some.plugin.key", "secret"),
        ("node.id", "1"),
    ]));
    let entries = values.explain();
    assert_eq!(entries.len(), 343 + 1);
    let text = format!("{entries:?}");
    assert!(!text.contains("\"secret\""), "secrets are not shown");
    let find = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.name == name)
            .expect("an entry")
    };
    assert!(find("ssl.key.password").sensitive);
    assert!(find("some.plugin.key").sensitive);
    assert_eq!(chain(find("node.id")), ["StaticBroker:node.id=1"]);
    assert!(find("node.id").read_only);
    assert!(!find("log.retention.ms").read_only);
    assert_eq!(find("broker.rack").synonyms, []);
    let values = values.with_dynamic_default(map(&[("log.cleaner.threads", "2")]));
    let defaults = values.explain_default();
    assert_eq!(defaults.len(), 1);
    assert_eq!(
        chain(&defaults[0]),
        ["DynamicDefaultBroker:log.cleaner.threads=2"]
    );
}
