//! The topics of a run.

use anyhow::{Result, ensure};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::client::TOPICS;
use crate::broker::Broker;
use crate::wire::Connection;

/// Makes all topics. They must not be there yet: what an earlier run wrote is no part of a history.
pub(super) fn create(broker: &Broker) -> Result<()> {
    let topics = TOPICS
        .iter()
        .map(|&(name, partitions)| {
            CreatableTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_num_partitions(partitions)
                .with_replication_factor(1)
        })
        .collect();
    let request = CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(30_000);
    let answer = Connection::open(broker.address())?.call(5, &request)?;
    for topic in &answer.topics {
        ensure!(
            topic.error_code == 0,
            "create topic {:?}: error {}",
            topic.name,
            topic.error_code
        );
    }
    Ok(())
}
