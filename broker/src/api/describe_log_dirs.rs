//! DescribeLogDirs (35): the log directories and what lies in them (KIP-113, KIP-827).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use milena_protocol::ErrorCode;
use milena_protocol::message::describe_log_dirs::encode_v5;
use milena_protocol::wire::Writer;

use super::{Api, Context, Unreadable};
use crate::broker::Broker;
use crate::partition::{Directory, Partition, Relocation};

/// Version whose response says which directories are cordoned.
const CORDONED_FROM: i16 = 5;

pub(crate) struct DescribeLogDirs;

impl Api for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: DescribeLogDirsRequest,
    ) -> DescribeLogDirsResponse {
        let shared = Arc::clone(broker);
        let results = broker
            .blocking(move || describe_all(&shared, &request))
            .await;
        DescribeLogDirsResponse::default().with_results(results)
    }

    fn throttle(response: &mut DescribeLogDirsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }

    fn encode_for(
        broker: &Broker,
        version: i16,
        response: &DescribeLogDirsResponse,
        out: &mut BytesMut,
    ) -> Result<(), Unreadable> {
        if version < CORDONED_FROM {
            return Self::encode(version, response, out);
        }
        let directories = broker.replicas().directories();
        let is_cordoned = |path: &str| directories.at(path).is_some_and(|at| at.is_cordoned());
        encode_v5(response, &is_cordoned, &mut Writer::new(out))
            .map_err(|error| Unreadable::Message(error.to_string()))
    }
}

fn is_asked(request: &DescribeLogDirsRequest, partition: &Partition) -> bool {
    let topic_partition = partition.topic_partition();
    request.topics.as_ref().is_none_or(|topics| {
        topics.iter().any(|topic| {
            *topic.topic == *topic_partition.topic
                && topic.partitions.contains(&topic_partition.partition.0)
        })
    })
}

fn describe_all(broker: &Broker, request: &DescribeLogDirsRequest) -> Vec<DescribeLogDirsResult> {
    let partitions = broker.replicas().all();
    let directories = broker.replicas().directories().iter();
    directories
        .map(|directory| {
            let here = partitions.iter().filter(|partition| {
                partition.directory().id() == directory.id() && is_asked(request, partition)
            });
            let copies = partitions.iter().filter_map(|partition| {
                let relocation = partition.relocation()?;
                let comes = relocation.target().id() == directory.id();
                (comes && is_asked(request, partition)).then_some((partition, relocation))
            });
            describe(directory, here, copies)
        })
        .collect()
}

fn describe<'a>(
    directory: &Directory,
    partitions: impl Iterator<Item = &'a Arc<Partition>>,
    copies: impl Iterator<Item = (&'a Arc<Partition>, Arc<Relocation>)>,
) -> DescribeLogDirsResult {
    let result = DescribeLogDirsResult::default().with_log_dir(StrBytes::from_string(
        directory.path().display().to_string(),
    ));
    let space = match directory.space() {
        Ok(space) if !directory.is_failed() => space,
        _ => return result.with_error_code(ErrorCode::KafkaStorageError.code()),
    };
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in partitions {
        let topic_partition = partition.topic_partition();
        let size = partition.with_log(|log| log.size_bytes());
        topics
            .entry(topic_partition.topic.to_string())
            .or_default()
            .push(
                DescribeLogDirsPartition::default()
                    .with_partition_index(topic_partition.partition.0)
                    .with_partition_size(i64::try_from(size).unwrap_or(i64::MAX))
                    .with_offset_lag(0),
            );
    }
    for (partition, copy) in copies {
        let topic_partition = partition.topic_partition();
        let lag = partition
            .log_end()
            .0
            .saturating_sub(copy.log_end().0)
            .max(0);
        let size = i64::try_from(copy.size_bytes()).unwrap_or(i64::MAX);
        topics
            .entry(topic_partition.topic.to_string())
            .or_default()
            .push(
                DescribeLogDirsPartition::default()
                    .with_partition_index(topic_partition.partition.0)
                    .with_partition_size(size)
                    .with_offset_lag(lag)
                    .with_is_future_key(true),
            );
    }
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_partitions(partitions)
    });
    let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    result
        .with_topics(topics.collect())
        .with_total_bytes(bytes(space.total_bytes))
        .with_usable_bytes(bytes(space.usable_bytes))
}
