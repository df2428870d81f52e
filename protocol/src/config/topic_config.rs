//! The configuration of one topic, resolved.

use std::collections::BTreeMap;

use super::broker::companions;
use super::broker_values::BrokerValues;
use super::definition::Fault;
use super::explain::{Explained, Source, Synonym};
use super::key::Key;
use super::topic::topic;
use super::value::Value;
use crate::batch::{Compression, TimestampType};

/// When a record counts toward the high watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is synced to disk on every in-sync replica.
    Persisted,
    /// When it is in the page cache of every in-sync replica, as in Kafka.
    Replicated,
}

/// How much of a batch is looked at before it is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The header, the CRC and the counts; the records of a compressed batch only where the topic
    /// needs them.
    Header,
    /// Every record.
    Strict,
}

/// The configuration of one topic: its overrides, over what its broker supplies, over the table.
/// Each field is the key of the same name; times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each field is the key of the same name, which the table documents"
)]
pub struct TopicConfig {
    pub segment_bytes: u32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: u32,
    pub index_interval_bytes: u32,
    /// `cleanup.policy` names `delete`.
    pub cleanup_delete: bool,
    /// `cleanup.policy` names `compact`.
    pub cleanup_compact: bool,
    /// -1 for ever.
    pub retention_ms: i64,
    /// -1 without limit.
    pub retention_bytes: i64,
    /// -2 for `retention_ms`.
    pub local_retention_ms: i64,
    /// -2 for `retention_bytes`.
    pub local_retention_bytes: i64,
    pub file_delete_delay_ms: i64,
    pub delete_retention_ms: i64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    /// 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    pub preallocate: bool,
    pub max_message_bytes: usize,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub message_timestamp_type: TimestampType,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_after_max_ms: i64,
    /// The codec; none for `producer`, that is, as the batch comes.
    pub compression_type: Option<Compression>,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_zstd_level: i32,
    pub min_insync_replicas: i32,
    pub unclean_leader_election_enable: bool,
    pub durability: Durability,
    pub validation: Validation,
}

impl TopicConfig {
    /// Resolves the configuration of a topic with these overrides on a broker with these values.
    /// An override that is not allowed is skipped.
    #[must_use]
    pub fn resolve(overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Self {
        let from = Resolver { overrides, broker };
        Self {
            segment_bytes: from.size("segment.bytes"),
            segment_ms: from.long("segment.ms"),
            segment_jitter_ms: from.long("segment.jitter.ms"),
            segment_index_bytes: from.size("segment.index.bytes"),
            index_interval_bytes: from.size("index.interval.bytes"),
            cleanup_delete: from.names("cleanup.policy", "delete"),
            cleanup_compact: from.names("cleanup.policy", "compact"),
            retention_ms: from.long("retention.ms"),
            retention_bytes: from.long("retention.bytes"),
            local_retention_ms: from.long("local.retention.ms"),
            local_retention_bytes: from.long("local.retention.bytes"),
            file_delete_delay_ms: from.long("file.delete.delay.ms"),
            delete_retention_ms: from.long("delete.retention.ms"),
            min_compaction_lag_ms: from.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: from.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: from.double("min.cleanable.dirty.ratio"),
            preallocate: from.boolean("preallocate"),
            max_message_bytes: usize::try_from(from.size("max.message.bytes"))
                .unwrap_or(usize::MAX),
            flush_messages: from.long("flush.messages"),
            flush_ms: from.long("flush.ms"),
            message_timestamp_type: match from.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: from.long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: from.long("message.timestamp.after.max.ms"),
            compression_type: match from.text("compression.type").as_str() {
                "uncompressed" => Some(Compression::None),
                "gzip" => Some(Compression::Gzip),
                "snappy" => Some(Compression::Snappy),
                "lz4" => Some(Compression::Lz4),
                "zstd" => Some(Compression::Zstd),
                _ => None,
            },
            compression_gzip_level: from.int("compression.gzip.level"),
            compression_lz4_level: from.int("compression.lz4.level"),
            compression_zstd_level: from.int("compression.zstd.level"),
            min_insync_replicas: from.int("min.insync.replicas"),
            unclean_leader_election_enable: from.boolean("unclean.leader.election.enable"),
            durability: match from.text("durability").as_str() {
                "replicated" => Durability::Replicated,
                _ => Durability::Persisted,
            },
            validation: match from.text("validation").as_str() {
                "strict" => Validation::Strict,
                _ => Validation::Header,
            },
        }
    }

    /// What is wrong with the overrides of a topic: every value that its key does not allow, keys
    /// that are not in the table, and relations among keys.
    #[must_use]
    pub fn validate(overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Vec<Fault> {
        let mut faults = topic().validate(overrides);
        if faults.is_empty() {
            let config = Self::resolve(overrides, broker);
            if config.min_compaction_lag_ms > config.max_compaction_lag_ms {
                faults.push(Fault {
                    key: "min.compaction.lag.ms".to_owned(),
                    message: format!(
                        "conflict topic config setting min.compaction.lag.ms ({}) > \
                         max.compaction.lag.ms ({})",
                        config.min_compaction_lag_ms, config.max_compaction_lag_ms
                    ),
                });
            }
        }
        faults
    }

    /// Every key of a topic with these overrides, by name, for DescribeConfigs.
    #[must_use]
    pub fn explain(overrides: &BTreeMap<String, String>, broker: &BrokerValues) -> Vec<Explained> {
        let from = Resolver { overrides, broker };
        topic()
            .sorted()
            .into_iter()
            .filter(|key| !key.hidden || overrides.contains_key(key.name))
            .map(|key| from.explain(key))
            .collect()
    }
}

/// The keys of the broker that supply `key`, with the factor of each.
pub(super) fn chain(key: &Key) -> Vec<(&'static str, i64)> {
    key.synonym.map_or_else(Vec::new, |synonym| {
        std::iter::once((synonym, 1))
            .chain(companions(synonym).iter().copied())
            .collect()
    })
}

struct Resolver<'a> {
    overrides: &'a BTreeMap<String, String>,
    broker: &'a BrokerValues,
}

impl Resolver<'_> {
    fn value(&self, key: &Key) -> Value {
        if let Some(text) = self.overrides.get(key.name)
            && let Ok(value) = topic().parse_value(key.name, Some(text))
        {
            return value;
        }
        let mut found: Option<(Value, Source, i64)> = None;
        for (name, factor) in chain(key) {
            let (value, source) = self.broker.value(name);
            if value == Value::Null {
                continue;
            }
            // A key that is set stands before one that has only its default; among those that are
            // set, the finer unit.
            let is_better = found
                .as_ref()
                .is_none_or(|(_, best, _)| *best == Source::Default && source != Source::Default);
            if is_better {
                found = Some((value, source, factor));
            }
        }
        match found {
            Some((value, _, 1)) => value,
            // Minutes and hours below 0 mean for ever, as -1 milliseconds does.
            Some((value, _, factor)) => Value::Long(match value.integer().unwrap_or(-1) {
                negative if negative < 0 => -1,
                amount => amount.saturating_mul(factor),
            }),
            None => key.default_value(),
        }
    }

    fn explain(&self, key: &'static Key) -> Explained {
        let names: Vec<&str> = chain(key).into_iter().map(|(name, _)| name).collect();
        let mut synonyms: Vec<Synonym> = self
            .overrides
            .get(key.name)
            .map(|text| Synonym {
                name: key.name.to_owned(),
                value: Some(text.clone()),
                source: Source::DynamicTopic,
            })
            .into_iter()
            .collect();
        synonyms.extend(self.broker.synonyms(&names));
        Explained {
            name: key.name.to_owned(),
            value: self.value(key).text(),
            source: synonyms
                .first()
                .map_or(Source::Default, |synonym| synonym.source),
            read_only: false,
            sensitive: false,
            kind: Some(key.kind),
            documentation: key.documentation,
            synonyms,
        }
    }

    fn get(&self, name: &str) -> Value {
        topic().get(name).map_or(Value::Null, |key| self.value(key))
    }

    fn long(&self, name: &str) -> i64 {
        self.get(name).integer().unwrap_or_default()
    }

    fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or(i32::MAX)
    }

    fn size(&self, name: &str) -> u32 {
        u32::try_from(self.long(name).max(0)).unwrap_or(u32::MAX)
    }

    fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            Value::Double(value) => value,
            _ => 0.0,
        }
    }

    fn boolean(&self, name: &str) -> bool {
        self.get(name) == Value::Boolean(true)
    }

    fn text(&self, name: &str) -> String {
        self.get(name).to_string()
    }

    fn names(&self, name: &str, item: &str) -> bool {
        matches!(self.get(name), Value::List(items) if items.iter().any(|one| one == item))
    }
}
