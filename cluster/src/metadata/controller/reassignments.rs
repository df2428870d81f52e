//! AlterPartitionReassignments and ListPartitionReassignments (KIP-455).
//!
//! A reassignment adds the new replicas, waits until they are in sync, and then removes those
//! that are to go. Where the in-sync replicas already allow it, it ends at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use milena_protocol::{BrokerId, ErrorCode, PartitionIndex};

use super::create_topics::check_assignment;
use super::partition_change::Election;
use super::{Draft, Operation};
use crate::metadata::{Error, Partition, Topic};

/// A partition to be reassigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    /// Name of the topic.
    pub topic: String,
    /// Index of the partition.
    pub partition: PartitionIndex,
    /// Replicas that it is to have, the preferred leader first; none to cancel.
    pub replicas: Option<Vec<BrokerId>>,
}

/// Begins, changes and cancels reassignments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartitionReassignments {
    /// The partitions.
    pub partitions: Vec<Reassignment>,
    /// False where the count of replicas must stay (KIP-860).
    pub allow_replication_factor_change: bool,
}

/// What became of a partition of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReassignmentResult {
    /// Name of the topic.
    pub topic: String,
    /// Index of the partition.
    pub partition: PartitionIndex,
    /// Why nothing was changed.
    pub result: Result<(), Error>,
}

impl Operation for AlterPartitionReassignments {
    /// One for each partition of the request, in its order.
    type Response = Vec<ReassignmentResult>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        Ok(self
            .partitions
            .iter()
            .map(|reassignment| ReassignmentResult {
                topic: reassignment.topic.clone(),
                partition: reassignment.partition,
                result: self.alter(draft, reassignment),
            })
            .collect())
    }
}

impl AlterPartitionReassignments {
    fn alter(&self, draft: &mut Draft<'_>, reassignment: &Reassignment) -> Result<(), Error> {
        let Reassignment {
            topic: name,
            partition: index,
            replicas,
        } = reassignment;
        let unknown = |message| Err(Error::new(ErrorCode::UnknownTopicOrPartition, message));
        let Some(topic) = draft.image().topic(name).cloned() else {
            return unknown(format!("Unable to find a topic named {name}."));
        };
        let Some(partition) = topic.partition(*index) else {
            return unknown(format!("Unable to find partition {name}:{index}."));
        };
        match replicas {
            None => cancel(draft, &topic, *index, partition),
            Some(replicas) => {
                // An assignment that cannot be is told before one that is not allowed.
                check_assignment(draft.image(), replicas, None)?;
                if !self.allow_replication_factor_change {
                    check_replica_count(partition, replicas)?;
                }
                change(draft, &topic, *index, replicas)
            }
        }
    }
}

fn check_replica_count(partition: &Partition, replicas: &[BrokerId]) -> Result<(), Error> {
    let count = partition
        .replicas
        .iter()
        .filter(|id| !partition.removing.contains(id))
        .collect::<BTreeSet<_>>()
        .len();
    if count == replicas.len() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::InvalidReplicationFactor,
        format!(
            "The replication factor is changed from {count} to {}",
            replicas.len()
        ),
    ))
}

fn change(
    draft: &mut Draft<'_>,
    topic: &Arc<Topic>,
    index: PartitionIndex,
    target: &[BrokerId],
) -> Result<(), Error> {
    check_assignment(draft.image(), target, None)?;
    let Some(partition) = topic.partition(index) else {
        return Ok(());
    };
    let mut removing: Vec<_> = partition
        .replicas
        .iter()
        .copied()
        .filter(|id| !target.contains(id))
        .collect();
    removing.sort_unstable();
    let mut adding: Vec<_> = target
        .iter()
        .copied()
        .filter(|id| !partition.replicas.contains(id))
        .collect();
    // What a reassignment under way was adding and the target keeps is still being added.
    adding.extend(
        partition
            .adding
            .iter()
            .copied()
            .filter(|id| target.contains(id)),
    );
    adding.sort_unstable();
    let mut proposal = draft.proposal(topic, index, partition);
    proposal.election = Election::Online;
    proposal.replicas = target.iter().chain(&removing).copied().collect();
    proposal.removing = removing;
    proposal.adding = adding;
    let record = proposal.build();
    draft.push_change(record);
    Ok(())
}

fn cancel(
    draft: &mut Draft<'_>,
    topic: &Topic,
    index: PartitionIndex,
    partition: &Partition,
) -> Result<(), Error> {
    if !partition.is_reassigning() {
        return Err(Error::usual(ErrorCode::NoReassignmentInProgress));
    }
    let stays = |id: &BrokerId| !partition.adding.contains(id);
    let replicas: Vec<_> = partition.replicas.iter().copied().filter(stays).collect();
    let mut isr: Vec<_> = partition.isr.iter().copied().filter(stays).collect();
    let Some(&first) = replicas.first() else {
        return Err(Error::new(
            ErrorCode::InvalidReplicaAssignment,
            "Invalid replica assignment: addingReplicas contains all replicas.",
        ));
    };
    if isr.is_empty() {
        if !draft.allows_unclean_election(&topic.name) {
            return Err(Error::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "Unable to revert partition assignment for {}:{index} because it would \
                     require an unclean leader election.",
                    topic.name
                ),
            ));
        }
        isr.push(first);
    }
    let mut proposal = draft.proposal(topic, index, partition);
    proposal.isr = isr;
    proposal.replicas = replicas;
    proposal.removing.clear();
    proposal.adding.clear();
    let record = proposal.build();
    draft.push_change(record);
    Ok(())
}

/// Lists reassignments that are under way.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListPartitionReassignments {
    /// Partitions by topic; none for all.
    pub partitions: Option<Vec<(String, Vec<PartitionIndex>)>>,
}

/// A reassignment that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OngoingReassignment {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Index of the partition.
    pub partition: PartitionIndex,
    /// Replicas it has, those included that are added or removed.
    pub replicas: Vec<BrokerId>,
    /// Replicas that are added.
    pub adding: Vec<BrokerId>,
    /// Replicas that are removed.
    pub removing: Vec<BrokerId>,
}

impl Operation for ListPartitionReassignments {
    /// One for each partition with a reassignment, ascending by the name of the topic and index,
    /// or in the order of the request. Topics and partitions that do not exist are left out.
    type Response = Vec<OngoingReassignment>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let ongoing = |topic: &Topic, partition: PartitionIndex, state: &Partition| {
            state.is_reassigning().then(|| OngoingReassignment {
                topic: topic.name.clone(),
                partition,
                replicas: state.replicas.clone(),
                adding: state.adding.clone(),
                removing: state.removing.clone(),
            })
        };
        let image = draft.image();
        let Some(partitions) = &self.partitions else {
            let all = image.partitions();
            return Ok(all
                .filter_map(|(topic, index, partition)| ongoing(topic, index, partition))
                .collect());
        };
        let mut results = Vec::new();
        for (name, indexes) in partitions {
            let Some(topic) = image.topic(name) else {
                continue;
            };
            results.extend(indexes.iter().filter_map(|&index| {
                topic
                    .partition(index)
                    .and_then(|partition| ongoing(topic, index, partition))
            }));
        }
        Ok(results)
    }
}
