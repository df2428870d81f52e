//! What this broker tells the controller of itself: that it is alive, which of its log directories
//! failed or are cordoned, and where its replicas lie.

use std::sync::Arc;

use milena_cluster::metadata::{
    self as cluster, AssignReplicasToDirs, DirectoryAssignment, Heartbeat,
};
use milena_protocol::BrokerEpoch;
use tracing::warn;

use crate::broker::Broker;

/// Replicas that one request assigns; far below the records that one request may have.
const ASSIGNMENTS_MAX: usize = 2000;

fn epoch(broker: &Broker) -> BrokerEpoch {
    broker
        .image()
        .broker(broker.id())
        .map_or(BrokerEpoch::NONE, |registered| registered.epoch)
}

/// Says that this broker is alive and may lead what does not lie in a failed directory.
///
/// # Errors
/// What the controller says.
pub(crate) async fn heartbeat(broker: &Arc<Broker>) -> Result<(), cluster::Error> {
    let published = broker.controller().log_snapshot();
    let registered = published
        .state
        .broker(broker.id())
        .map(|registered| registered.epoch);
    let directories = broker.replicas().directories();
    let failed = directories.iter().filter(|directory| directory.is_failed());
    let cordoned = directories
        .iter()
        .filter(|directory| directory.is_cordoned());
    let request = Heartbeat {
        broker_id: broker.id(),
        broker_epoch: registered.unwrap_or(BrokerEpoch::NONE),
        current_metadata_offset: published.offset,
        want_fence: false,
        want_shut_down: false,
        offline_log_dirs: failed.map(|directory| directory.id()).collect(),
        cordoned_log_dirs: Some(cordoned.map(|directory| directory.id()).collect()),
    };
    broker.controller().commit(&request).await.map(drop)
}

/// Says in which directories the replicas lie of which the metadata has another idea (KIP-858).
pub(crate) async fn assign_directories(broker: &Arc<Broker>) {
    let image = broker.image();
    let own = broker.id();
    let misplaced = broker.replicas().all().into_iter().filter_map(|partition| {
        let (topic_id, index) = (partition.topic_id(), partition.topic_partition().partition);
        let registered = image
            .topic_by_id(topic_id)?
            .partition(index)?
            .directory(own)?;
        let directory = partition.directory();
        let is_misplaced = registered != directory.id() && !directory.is_failed();
        is_misplaced.then(|| DirectoryAssignment {
            directory: directory.id(),
            topic_id,
            partition: index,
        })
    });
    let misplaced: Vec<_> = misplaced.collect();
    for assignments in misplaced.chunks(ASSIGNMENTS_MAX) {
        let request = AssignReplicasToDirs {
            broker_id: own,
            broker_epoch: epoch(broker),
            assignments: assignments.to_vec(),
        };
        if let Err(error) = broker.controller().commit(&request).await {
            warn!(%error, replicas = assignments.len(), "directories of replicas were not noted");
            return;
        }
    }
}
