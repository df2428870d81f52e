//! Writing markers into the partitions of a transaction.

use std::sync::Arc;

use milena_cluster::transaction::Markers;
use milena_log::producer_state::Marker;
use milena_log::validate::ValidBatch;
use milena_protocol::{ErrorCode, TopicPartition};
use tokio::sync::Notify;
use tracing::warn;

use crate::broker::Broker;
use crate::clock;
use crate::completion::Completion;
use crate::partition::{Append, Partition};
use crate::topics::CONSUMER_OFFSETS;

/// Writes the markers of a transaction to the partitions that are here, and waits until each is
/// committed or refused.
pub(super) async fn write_all(
    broker: &Arc<Broker>,
    markers: &Markers,
) -> Vec<(TopicPartition, ErrorCode)> {
    let marker = Marker {
        producer_id: markers.producer_id,
        producer_epoch: markers.producer_epoch,
        is_commit: markers.is_commit,
        coordinator_epoch: markers.coordinator_epoch,
        timestamp: clock::now(),
    };
    let partitions: Vec<TopicPartition> = markers.partitions.iter().cloned().collect();
    let results = write_marker(broker, &marker, markers.transaction_version, &partitions).await;
    for (partition, error) in &results {
        // The others come and go with elections and loads.
        if matches!(
            error,
            ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced
        ) {
            warn!(%partition, transactional_id = markers.transactional_id, code = error.name(),
                "marker was refused");
        }
    }
    results
}

/// Writes one marker to several partitions, and waits until it is committed or refused in each.
/// `UNKNOWN_TOPIC_OR_PARTITION` where the topic has no such partition, `NOT_LEADER_OR_FOLLOWER`
/// where it is not served here now.
pub(crate) async fn write_marker(
    broker: &Arc<Broker>,
    marker: &Marker,
    transaction_version: i16,
    partitions: &[TopicPartition],
) -> Vec<(TopicPartition, ErrorCode)> {
    let wake = Arc::new(Notify::new());
    let completion = Completion::new(partitions.len(), Arc::clone(&wake));
    let mut of_groups = Vec::new();
    for (slot, partition) in partitions.iter().enumerate() {
        match find(broker, partition) {
            Err(error) => completion.fail(slot, error),
            Ok(_) if &*partition.topic == CONSUMER_OFFSETS => of_groups.push((slot, partition)),
            Ok(found) => found.append(Append {
                records: ValidBatch::of_marker(marker, transaction_version),
                all: true,
                completion: Arc::clone(&completion),
                slot,
            }),
        }
    }
    for (slot, partition) in of_groups {
        // The coordinator of groups applies the offsets of the transaction with the marker.
        let batch = ValidBatch::of_marker(marker, transaction_version);
        let written = broker
            .groups()
            .write_marker(
                partition.partition,
                batch,
                marker.producer_id,
                marker.is_commit,
            )
            .await;
        completion.fail(slot, written.err().map_or(ErrorCode::None, not_ready));
    }
    while !completion.is_done() {
        wake.notified().await;
    }
    let outcomes = completion.take().into_iter();
    partitions
        .iter()
        .cloned()
        .zip(outcomes.map(|outcome| outcome.error))
        .collect()
}

/// What a coordinator of groups says in the words of a partition.
fn not_ready(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::CoordinatorNotAvailable
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::NotCoordinator => ErrorCode::NotLeaderOrFollower,
        error => error,
    }
}

fn find(broker: &Broker, partition: &TopicPartition) -> Result<Arc<Partition>, ErrorCode> {
    let found = broker
        .replicas()
        .named(&partition.topic, partition.partition);
    found.map_err(|error| {
        // What is about to be opened is known to the metadata already.
        let image = broker.image();
        let exists = image
            .topic(&partition.topic)
            .is_some_and(|topic| topic.partition(partition.partition).is_some());
        match error {
            ErrorCode::UnknownTopicOrPartition if exists => ErrorCode::NotLeaderOrFollower,
            error => error,
        }
    })
}
