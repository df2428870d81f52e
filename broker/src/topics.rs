//! Topics that the broker makes by itself: on first use, and its own.

use std::collections::BTreeMap;

use milena_cluster::metadata::{self, CreateTopics, NewTopic};
use milena_protocol::config::BrokerValues;
use milena_protocol::{ErrorCode, TopicId};
use uuid::Uuid;

use crate::broker::Broker;

/// Topic of the committed offsets and the groups.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Topic of the transactions.
pub(crate) const TRANSACTION_STATE: &str = "__transaction_state";

/// Shape of a topic that is made without a client's word on it.
struct Shape {
    partitions: i32,
    replication_factor: i16,
    configs: BTreeMap<String, String>,
}

impl Shape {
    fn of(name: &str, values: &BrokerValues) -> Self {
        let factor = |key| i16::try_from(values.int(key)).unwrap_or(-1);
        let configs = |segment_bytes: i32| {
            [
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "producer".to_owned()),
                ("segment.bytes", segment_bytes.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
        };
        match name {
            CONSUMER_OFFSETS => Self {
                partitions: values.int("offsets.topic.num.partitions"),
                replication_factor: factor("offsets.topic.replication.factor"),
                configs: configs(values.int("offsets.topic.segment.bytes")),
            },
            TRANSACTION_STATE => Self {
                partitions: values.int("transaction.state.log.num.partitions"),
                replication_factor: factor("transaction.state.log.replication.factor"),
                configs: [
                    ("cleanup.policy", "compact".to_owned()),
                    ("compression.type", "uncompressed".to_owned()),
                    (
                        "min.insync.replicas",
                        values.int("transaction.state.log.min.isr").to_string(),
                    ),
                    (
                        "segment.bytes",
                        values
                            .int("transaction.state.log.segment.bytes")
                            .to_string(),
                    ),
                    ("unclean.leader.election.enable", "false".to_owned()),
                ]
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
            },
            _ => Self {
                partitions: -1,
                replication_factor: -1,
                configs: BTreeMap::new(),
            },
        }
    }
}

impl Broker {
    /// Makes a topic that was named for the first time, with the defaults of the configuration or,
    /// for one of the broker's own, with what it needs. A topic that somebody else has just made is
    /// no error.
    ///
    /// # Errors
    /// What the controller says.
    pub(crate) async fn create_topic(&self, name: &str) -> Result<(), metadata::Error> {
        let shape = Shape::of(name, &self.values());
        let topic = NewTopic {
            name: name.to_owned(),
            id: TopicId(Uuid::new_v4()),
            num_partitions: shape.partitions,
            replication_factor: shape.replication_factor,
            assignments: Vec::new(),
            configs: shape
                .configs
                .into_iter()
                .map(|(key, value)| (key, Some(value)))
                .collect(),
        };
        let request = CreateTopics {
            topics: vec![topic],
            validate_only: false,
            seed: self.seed(),
        };
        let created = self.controller().run(&request).await?;
        match created.into_iter().next().map(|created| created.result) {
            Some(Err(error)) if error.code != ErrorCode::TopicAlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// A number that differs from call to call.
    pub(crate) fn seed(&self) -> u64 {
        Uuid::new_v4().as_u64_pair().1
    }
}
