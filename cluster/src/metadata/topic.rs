//! Topics and their partitions.

use std::sync::Arc;

use imbl::OrdMap;
use milena_protocol::stored::metadata as stored;
use milena_protocol::{BrokerId, LeaderEpoch, PartitionIndex, TopicId};
use uuid::Uuid;

/// Reserved ids of log directories (KIP-858, `DirectoryId`).
pub mod directory {
    use uuid::Uuid;

    /// The replica was assigned before directories had ids.
    pub const MIGRATING: Uuid = Uuid::from_u128(0);
    /// The broker has yet to choose a directory.
    pub const UNASSIGNED: Uuid = Uuid::from_u128(1);
    /// The replica is in a directory that is offline.
    pub const LOST: Uuid = Uuid::from_u128(2);

    /// True for ids that no directory has.
    #[must_use]
    pub fn is_reserved(id: Uuid) -> bool {
        id.as_u128() < 100
    }
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Name of the topic.
    pub name: Arc<str>,
    /// Id of the topic.
    pub id: TopicId,
    /// Partitions by their index.
    pub partitions: OrdMap<PartitionIndex, Arc<Partition>>,
}

impl Topic {
    /// A partition.
    #[must_use]
    pub fn partition(&self, index: PartitionIndex) -> Option<&Partition> {
        self.partitions.get(&index).map(Arc::as_ref)
    }

    /// Count of partitions.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// Replicas of the first partition, 0 for a topic without partitions.
    #[must_use]
    pub fn replication_factor(&self) -> usize {
        self.partitions
            .get_min()
            .map_or(0, |(_, partition)| partition.replicas.len())
    }
}

/// How the leader was elected (KIP-704).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i8)]
pub enum RecoveryState {
    /// From the in-sync replicas, or it has recovered since.
    #[default]
    Recovered = 0,
    /// By an unclean election; it has not recovered yet.
    Recovering = 1,
}

impl RecoveryState {
    /// The state with this number.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }
}

/// State of a partition (`PartitionRegistration`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Log directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Replicas that a reassignment removes.
    pub removing: Vec<BrokerId>,
    /// Replicas that a reassignment adds.
    pub adding: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// Last known eligible leader replicas; as written here, the last leader.
    pub last_known_elr: Vec<BrokerId>,
    /// Leader; none where no replica may lead.
    pub leader: Option<BrokerId>,
    /// Epoch of the leader.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes of the partition.
    pub partition_epoch: i32,
    /// How the leader was elected.
    pub recovery: RecoveryState,
}

/// The leader as records have it.
pub(super) fn leader_code(leader: Option<BrokerId>) -> BrokerId {
    leader.unwrap_or(BrokerId::NONE)
}

fn leader_from(code: BrokerId) -> Option<BrokerId> {
    (code.0 >= 0).then_some(code)
}

fn none_if_empty(replicas: &[BrokerId]) -> Option<Vec<BrokerId>> {
    (!replicas.is_empty()).then(|| replicas.to_vec())
}

impl Partition {
    /// A partition that was just created: its leader is the first in-sync replica.
    pub(super) fn created(
        replicas: Vec<BrokerId>,
        directories: Vec<Uuid>,
        isr: Vec<BrokerId>,
    ) -> Self {
        Self {
            leader: isr.first().copied(),
            replicas,
            directories,
            isr,
            removing: Vec::new(),
            adding: Vec::new(),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            recovery: RecoveryState::Recovered,
        }
    }

    /// True where a reassignment is under way.
    #[must_use]
    pub fn is_reassigning(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// True where the first replica leads.
    #[must_use]
    pub fn has_preferred_leader(&self) -> bool {
        self.leader.is_some() && self.leader == self.replicas.first().copied()
    }

    /// Directory of the replica on a broker.
    #[must_use]
    pub fn directory(&self, broker: BrokerId) -> Option<Uuid> {
        let index = self
            .replicas
            .iter()
            .position(|&replica| replica == broker)?;
        self.directories.get(index).copied()
    }

    pub(super) fn from_record(record: &stored::Partition) -> Self {
        Self {
            directories: fitted(&record.directories, record.replicas.len()),
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing: record.removing_replicas.clone(),
            adding: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: leader_from(record.leader),
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            recovery: RecoveryState::from_code(record.leader_recovery_state).unwrap_or_default(),
        }
    }

    pub(super) fn to_record(
        &self,
        topic_id: TopicId,
        partition: PartitionIndex,
    ) -> stored::Partition {
        stored::Partition {
            partition,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing.clone(),
            adding_replicas: self.adding.clone(),
            leader: leader_code(self.leader),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            leader_recovery_state: self.recovery.code(),
            eligible_leader_replicas: none_if_empty(&self.elr),
            last_known_elr: none_if_empty(&self.last_known_elr),
        }
    }

    /// The partition after a change.
    #[must_use]
    pub fn changed(&self, record: &stored::PartitionChange) -> Self {
        let mut partition = self.clone();
        partition.partition_epoch = self.partition_epoch.saturating_add(1);
        if record.leader != stored::PartitionChange::LEADER_UNCHANGED {
            partition.leader = leader_from(record.leader);
            partition.leader_epoch = LeaderEpoch(self.leader_epoch.0.saturating_add(1));
        }
        if let Some(replicas) = &record.replicas {
            partition.directories = replicas
                .iter()
                .map(|&replica| self.directory(replica).unwrap_or(directory::MIGRATING))
                .collect();
            partition.replicas.clone_from(replicas);
        }
        if let Some(directories) = &record.directories {
            partition.directories = fitted(directories, partition.replicas.len());
        }
        for (target, change) in [
            (&mut partition.isr, &record.isr),
            (&mut partition.removing, &record.removing_replicas),
            (&mut partition.adding, &record.adding_replicas),
            (&mut partition.elr, &record.eligible_leader_replicas),
            (&mut partition.last_known_elr, &record.last_known_elr),
        ] {
            if let Some(change) = change {
                target.clone_from(change);
            }
        }
        if let Some(recovery) = RecoveryState::from_code(record.leader_recovery_state) {
            partition.recovery = recovery;
        }
        partition
    }
}

/// Directories of `count` replicas; records below version 1 have none.
fn fitted(directories: &[Uuid], count: usize) -> Vec<Uuid> {
    let mut directories = directories.to_vec();
    directories.resize(count, directory::MIGRATING);
    directories
}
