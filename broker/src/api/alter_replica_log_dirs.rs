//! AlterReplicaLogDirs (34): moves replicas to other log directories (KIP-113).

use std::sync::Arc;

use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use milena_protocol::PartitionIndex;

use super::{Api, Context};
use crate::broker::Broker;
use crate::replicas;

pub(crate) struct AlterReplicaLogDirs;

impl Api for AlterReplicaLogDirs {
    type Request = AlterReplicaLogDirsRequest;

    async fn handle(
        broker: &Arc<Broker>,
        _context: &Context,
        request: AlterReplicaLogDirsRequest,
    ) -> AlterReplicaLogDirsResponse {
        let shared = Arc::clone(broker);
        let results = broker.blocking(move || begin_all(&shared, request)).await;
        AlterReplicaLogDirsResponse::default().with_results(results)
    }

    fn throttle(response: &mut AlterReplicaLogDirsResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

fn begin_all(
    broker: &Arc<Broker>,
    request: AlterReplicaLogDirsRequest,
) -> Vec<AlterReplicaLogDirTopicResult> {
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for directory in request.dirs {
        for topic in directory.topics {
            let begun = topic.partitions.iter().map(|&index| {
                let begun = broker.replicas().begin_relocation(
                    &topic.name,
                    PartitionIndex(index),
                    &directory.path,
                );
                let code = match begun {
                    Ok(None) => 0,
                    Ok(Some((partition, relocation))) => {
                        replicas::spawn_relocation(broker, partition, relocation);
                        0
                    }
                    Err(error) => error.code(),
                };
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(index)
                    .with_error_code(code)
            });
            let begun: Vec<_> = begun.collect();
            // A topic may stand below several directories, but stands in the response once.
            match results
                .iter_mut()
                .find(|result| result.topic_name == topic.name)
            {
                Some(result) => result.partitions.extend(begun),
                None => results.push(
                    AlterReplicaLogDirTopicResult::default()
                        .with_topic_name(topic.name)
                        .with_partitions(begun),
                ),
            }
        }
    }
    results
}
