//! AlterPartition: a leader changes the in-sync replicas.

use std::collections::BTreeSet;

use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionIndex, TopicId};

use super::{Draft, Operation};
use crate::metadata::{Error, Partition, RecoveryState};

/// In-sync replicas that the leader of a partition wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrChange {
    /// Id of the topic.
    pub topic_id: TopicId,
    /// Index of the partition.
    pub partition: PartitionIndex,
    /// Epoch of the leader that asks.
    pub leader_epoch: LeaderEpoch,
    /// Partition epoch that it knows.
    pub partition_epoch: i32,
    /// The replicas and the epoch of each, -1 where it is not to be checked (KIP-903).
    pub isr: Vec<(BrokerId, BrokerEpoch)>,
    /// Recovering where the leader has yet to recover from an unclean election.
    pub recovery: RecoveryState,
}

/// A leader changes in-sync replicas (KIP-497).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterPartition {
    /// Id of the broker that asks.
    pub broker_id: BrokerId,
    /// Epoch of the broker that asks.
    pub broker_epoch: BrokerEpoch,
    /// The partitions.
    pub partitions: Vec<IsrChange>,
}

/// State of a partition after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Leader; none where there is none.
    pub leader: Option<BrokerId>,
    /// Epoch of the leader.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Whether the leader has recovered.
    pub recovery: RecoveryState,
    /// Partition epoch.
    pub partition_epoch: i32,
}

/// What became of a partition of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredPartition {
    /// Id of the topic.
    pub topic_id: TopicId,
    /// Index of the partition.
    pub partition: PartitionIndex,
    /// Its state, or why it was not changed. `NEW_LEADER_ELECTED` says that the change ended a
    /// reassignment and another replica leads.
    pub result: Result<PartitionStatus, ErrorCode>,
}

impl Operation for AlterPartition {
    /// One for each partition of the request, in its order.
    type Response = Vec<AlteredPartition>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        draft.registered(self.broker_id, self.broker_epoch)?;
        Ok(self
            .partitions
            .iter()
            .map(|change| AlteredPartition {
                topic_id: change.topic_id,
                partition: change.partition,
                result: self.alter(draft, change),
            })
            .collect())
    }
}

impl AlterPartition {
    fn alter(
        &self,
        draft: &mut Draft<'_>,
        change: &IsrChange,
    ) -> Result<PartitionStatus, ErrorCode> {
        let index = change.partition;
        let topic = draft.image().topic_by_id(change.topic_id).cloned();
        let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic
            .partition(index)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.check_epochs(partition, change)?;
        check_isr(draft, partition, change)?;
        let mut proposal = draft.proposal(&topic, index, partition);
        proposal.isr = change.isr.iter().map(|&(id, _)| id).collect();
        proposal.recovery = change.recovery;
        let record = proposal.build();
        draft.push_change(record);
        let changed = draft.image().topic_by_id(change.topic_id);
        let changed = changed
            .and_then(|topic| topic.partition(index))
            .ok_or(ErrorCode::UnknownServerError)?;
        if changed.leader != Some(self.broker_id) {
            return Err(ErrorCode::NewLeaderElected);
        }
        Ok(PartitionStatus {
            leader: changed.leader,
            leader_epoch: changed.leader_epoch,
            isr: changed.isr.clone(),
            recovery: changed.recovery,
            partition_epoch: changed.partition_epoch,
        })
    }

    fn check_epochs(&self, partition: &Partition, change: &IsrChange) -> Result<(), ErrorCode> {
        // Who knows more than this controller knows another one (KAFKA-14154).
        if change.leader_epoch > partition.leader_epoch
            || change.partition_epoch > partition.partition_epoch
        {
            return Err(ErrorCode::NotController);
        }
        if change.leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if partition.leader != Some(self.broker_id) {
            return Err(ErrorCode::InvalidRequest);
        }
        if change.partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        Ok(())
    }
}

fn check_isr(
    draft: &Draft<'_>,
    partition: &Partition,
    change: &IsrChange,
) -> Result<(), ErrorCode> {
    let ids: BTreeSet<BrokerId> = change.isr.iter().map(|&(id, _)| id).collect();
    let is_valid = !ids.is_empty()
        && ids.len() == change.isr.len()
        && ids.iter().all(|id| partition.replicas.contains(id))
        && partition.leader.is_some_and(|leader| ids.contains(&leader));
    let recovers = change.recovery == RecoveryState::Recovering;
    if !is_valid
        || (recovers && ids.len() > 1)
        || (recovers && partition.recovery == RecoveryState::Recovered)
    {
        return Err(ErrorCode::InvalidRequest);
    }
    for &(id, epoch) in &change.isr {
        let is_eligible = draft.image().broker(id).is_some_and(|broker| {
            broker.is_active() && (epoch == BrokerEpoch::NONE || epoch == broker.epoch)
        });
        if !is_eligible {
            return Err(ErrorCode::IneligibleReplica);
        }
    }
    Ok(())
}
