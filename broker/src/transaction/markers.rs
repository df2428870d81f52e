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
use crate::group::MarkerWay;
use crate::partition::{Append, Partition};
use crate::topics::CONSUMER_OFFSETS;

/// Markers that were appended, or are about to be, and are not committed yet.
#[derive(Debug)]
pub(crate) struct Writing {
    marker: Marker,
    transaction_version: i16,
    partitions: Vec<TopicPartition>,
    /// Slots of those that go through the coordinator of groups, which applies the offsets of the
    /// transaction with its marker.
    of_groups: Vec<usize>,
    completion: Arc<Completion>,
    wake: Arc<Notify>,
}

/// The marker that ends a transaction.
pub(super) fn marker(markers: &Markers) -> Marker {
    Marker {
        producer_id: markers.producer_id,
        producer_epoch: markers.producer_epoch,
        is_commit: markers.is_commit,
        coordinator_epoch: markers.coordinator_epoch,
        timestamp: clock::now(),
    }
}

impl Writing {
    /// Appends a marker to the partitions that are here.
    pub(crate) fn begin(
        broker: &Broker,
        marker: Marker,
        transaction_version: i16,
        partitions: Vec<TopicPartition>,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let completion = Completion::new(partitions.len(), Arc::clone(&wake));
        let mut of_groups = Vec::new();
        for (slot, partition) in partitions.iter().enumerate() {
            let found = check(&marker).and_then(|()| find(broker, partition));
            match found {
                Err(error) => completion.fail(slot, error),
                Ok(_) if &*partition.topic == CONSUMER_OFFSETS => of_groups.push(slot),
                Ok(found) => found.append(Append {
                    records: ValidBatch::of_marker(&marker, transaction_version),
                    all: true,
                    completion: Arc::clone(&completion),
                    slot,
                }),
            }
        }
        Self {
            marker,
            transaction_version,
            partitions,
            of_groups,
            completion,
            wake,
        }
    }

    /// Waits until every marker is committed or refused. `UNKNOWN_TOPIC_OR_PARTITION` where the
    /// topic has no such partition, `NOT_LEADER_OR_FOLLOWER` where it is not served here now.
    pub(crate) async fn finish(self, broker: &Broker) -> Vec<(TopicPartition, ErrorCode)> {
        for slot in self.of_groups {
            let Some(partition) = self.partitions.get(slot) else {
                continue;
            };
            let batch = ValidBatch::of_marker(&self.marker, self.transaction_version);
            let completion = &self.completion;
            let pass = |records| match find(broker, partition) {
                Ok(found) => found.append(Append {
                    records,
                    all: true,
                    completion: Arc::clone(completion),
                    slot,
                }),
                Err(error) => completion.fail(slot, error),
            };
            let of_whom = (self.marker.producer_id, self.marker.is_commit);
            let groups = broker.groups();
            match groups
                .write_marker(partition.partition, batch, of_whom, pass)
                .await
            {
                Ok(MarkerWay::Applied) => completion.fail(slot, ErrorCode::None),
                // The append completes it.
                Ok(MarkerWay::Past) => {}
                Err(error) => completion.fail(slot, not_ready(error)),
            }
        }
        while !self.completion.is_done() {
            self.wake.notified().await;
        }
        let outcomes = self.completion.take().into_iter();
        self.partitions
            .into_iter()
            .zip(outcomes.map(|outcome| outcome.error))
            .collect()
    }
}

/// Tells of markers that are refused for good; other errors come and go with elections and loads.
pub(super) fn warn_refused(transactional_id: &str, results: &[(TopicPartition, ErrorCode)]) {
    for (partition, error) in results {
        if matches!(
            error,
            ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced
        ) {
            warn!(%partition, transactional_id, code = error.name(), "marker was refused");
        }
    }
}

/// Refuses a marker that must be in no log. Replay passes over batches that name no producer, so the
/// state in memory must not know one either.
fn check(marker: &Marker) -> Result<(), ErrorCode> {
    if marker.producer_id.0 < 0 {
        Err(ErrorCode::InvalidProducerIdMapping)
    } else if marker.producer_epoch.0 < 0 {
        Err(ErrorCode::InvalidProducerEpoch)
    } else {
        Ok(())
    }
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
            .partition(&partition.topic, partition.partition)
            .is_some();
        match error {
            ErrorCode::UnknownTopicOrPartition if exists => ErrorCode::NotLeaderOrFollower,
            error => error,
        }
    })
}
