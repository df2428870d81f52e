//! AssignReplicasToDirs: a broker says in which log directories its replicas are.

use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, PartitionIndex, TopicId};
use uuid::Uuid;

use super::draft::Turn;
use super::{Draft, Operation};
use crate::metadata::Error;

/// A replica and its log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryAssignment {
    /// Id of the directory.
    pub directory: Uuid,
    /// Id of the topic.
    pub topic_id: TopicId,
    /// Index of the partition.
    pub partition: PartitionIndex,
}

/// A broker says in which log directories its replicas are (KIP-858).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignReplicasToDirs {
    /// Id of the broker.
    pub broker_id: BrokerId,
    /// Epoch of the broker.
    pub broker_epoch: BrokerEpoch,
    /// The replicas.
    pub assignments: Vec<DirectoryAssignment>,
}

/// What became of a replica of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignedReplica {
    /// The replica as it was given.
    pub assignment: DirectoryAssignment,
    /// Why it was not noted.
    pub result: Result<(), ErrorCode>,
}

impl Operation for AssignReplicasToDirs {
    /// One for each replica of the request, in its order.
    type Response = Vec<AssignedReplica>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        if !draft.image().metadata_version().has_directories() {
            return Err(Error::new(
                ErrorCode::UnsupportedVersion,
                "Directory assignment is not supported yet.",
            ));
        }
        draft.registered(self.broker_id, self.broker_epoch)?;
        let results = self
            .assignments
            .iter()
            .map(|&assignment| AssignedReplica {
                assignment,
                result: self.assign(draft, assignment),
            })
            .collect();
        Ok(results)
    }
}

impl AssignReplicasToDirs {
    fn assign(
        &self,
        draft: &mut Draft<'_>,
        assignment: DirectoryAssignment,
    ) -> Result<(), ErrorCode> {
        let id = self.broker_id;
        let topic = draft.image().topic_by_id(assignment.topic_id).cloned();
        let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic
            .partition(assignment.partition)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&id) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let is_online = draft
            .image()
            .broker(id)
            .is_some_and(|broker| broker.has_online_directory(assignment.directory));
        let mut proposal = draft.proposal(&topic, assignment.partition, partition);
        proposal.directories.insert(id, assignment.directory);
        if !is_online {
            // The replica went down with its directory.
            proposal.turn = Turn {
                leaves: Some(id),
                ..Turn::default()
            };
            proposal.isr.retain(|&member| member != id);
        }
        let record = proposal.build();
        draft.push_change(record);
        Ok(())
    }
}
