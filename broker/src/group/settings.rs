//! What shards are made with.

use std::time::Duration;

use milena_cluster::group::{Assignor, Config, ConsumerConfig, MigrationPolicy};
use milena_protocol::batch::Compression;
use milena_protocol::config::{BrokerValues, Source};

/// What every shard is made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Settings of the coordinator itself.
    pub(crate) config: Config,
    /// `offsets.commit.timeout.ms`: who waits for an append is told after it that it failed.
    pub(crate) commit_timeout: Duration,
    /// `offsets.load.buffer.size`: bytes of one read of a load.
    pub(crate) load_bytes: usize,
    /// `offsets.topic.compression.codec`.
    pub(crate) compression: Compression,
}

impl Settings {
    /// The settings that these values give.
    pub(super) fn new(values: &BrokerValues) -> Self {
        let ms = |key| Duration::from_millis(u64::try_from(values.int(key)).unwrap_or(0));
        let size = |key| size(values, key);
        let codec = i16::try_from(values.int("offsets.topic.compression.codec")).unwrap_or(0);
        Self {
            config: Config {
                initial_rebalance_delay_ms: i64::from(
                    values.int("group.initial.rebalance.delay.ms").max(0),
                ),
                min_session_timeout_ms: values.int("group.min.session.timeout.ms"),
                max_session_timeout_ms: values.int("group.max.session.timeout.ms"),
                max_size: size("group.max.size"),
                offset_metadata_max_bytes: size("offset.metadata.max.bytes"),
                offsets_retention_ms: i64::from(values.int("offsets.retention.minutes")) * 60_000,
                offsets_retention_check_interval_ms: values
                    .long("offsets.retention.check.interval.ms"),
                consumer: consumer(values),
                ..Config::default()
            },
            commit_timeout: ms("offsets.commit.timeout.ms"),
            load_bytes: size("offsets.load.buffer.size"),
            compression: Compression::from_bits(codec).unwrap_or(Compression::None),
        }
    }
}

fn size(values: &BrokerValues, key: &str) -> usize {
    usize::try_from(values.int(key)).unwrap_or(1).max(1)
}

/// Settings of groups of the consumer protocol. Two intervals are Kafka's only where somebody has
/// set them; docs/differences.md says what holds otherwise.
fn consumer(values: &BrokerValues) -> ConsumerConfig {
    let set = |key| (values.value(key).1 != Source::Default).then(|| values.int(key));
    let names = values.list("group.consumer.assignors");
    let mut assignors = Vec::new();
    // The table of the keys refuses all other names.
    for assignor in names.iter().filter_map(|name| assignor(name)) {
        if !assignors.contains(&assignor) {
            assignors.push(assignor);
        }
    }
    let default = ConsumerConfig::default();
    if assignors.is_empty() {
        assignors = default.assignors.clone();
    }
    let policy = values.string("group.consumer.migration.policy");
    ConsumerConfig {
        session_timeout_ms: values.int("group.consumer.session.timeout.ms"),
        heartbeat_interval_ms: set("group.consumer.heartbeat.interval.ms"),
        assignment_interval_ms: set("group.consumer.assignment.interval.ms")
            .unwrap_or(default.assignment_interval_ms),
        max_size: size(values, "group.consumer.max.size"),
        assignors,
        migration: policy
            .and_then(|name| MigrationPolicy::from_name(&name))
            .unwrap_or(MigrationPolicy::Bidirectional),
    }
}

/// The assignor of this name, or of this class of Kafka.
fn assignor(name: &str) -> Option<Assignor> {
    match name.strip_prefix("org.apache.kafka.coordinator.group.assignor.") {
        Some("UniformAssignor") => Some(Assignor::Uniform),
        Some("RangeAssignor") => Some(Assignor::Range),
        _ => Assignor::from_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignors(names: &str) -> Vec<Assignor> {
        let set = [("group.consumer.assignors".to_owned(), names.to_owned())];
        let values = BrokerValues::new(set.into());
        assert_eq!(values.faults(), []);
        Settings::new(&values).config.consumer.assignors
    }

    #[test]
    fn assignors_are_named_or_classes_of_kafka() {
        let class = "org.apache.kafka.coordinator.group.assignor.RangeAssignor";
        assert_eq!(assignors("range"), [Assignor::Range]);
        assert_eq!(assignors(class), [Assignor::Range]);
        let both = assignors(&format!("{class},uniform,range"));
        assert_eq!(both, [Assignor::Range, Assignor::Uniform]);
        let set = [("group.consumer.assignors".to_owned(), "a.B".to_owned())];
        assert_eq!(BrokerValues::new(set.into()).faults().len(), 1);
    }
}
