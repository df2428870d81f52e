//! Records of topics and partitions.

use uuid::Uuid;

use super::field::structure;
use crate::id::{BrokerId, LeaderEpoch, PartitionIndex, TopicId};

structure! {
    /// A topic was created; its partitions follow.
    Topic, bytes_min 18 {
        /// Name of the topic.
        name: String = String::new(), since 0;
        /// Id of the topic.
        topic_id: TopicId = TopicId::ZERO, since 0;
    } tagged {}
}

structure! {
    /// A topic and all of its partitions and configurations were removed.
    RemoveTopic, bytes_min 17 {
        /// Id of the topic.
        topic_id: TopicId = TopicId::ZERO, since 0;
    } tagged {}
}

structure! {
    /// A partition, whole.
    Partition, bytes_min 37 {
        /// Index of the partition.
        partition: PartitionIndex = PartitionIndex(-1), since 0;
        /// Id of the topic.
        topic_id: TopicId = TopicId::ZERO, since 0;
        /// Replicas, the preferred leader first.
        replicas: Vec<BrokerId> = Vec::new(), since 0;
        /// In-sync replicas.
        isr: Vec<BrokerId> = Vec::new(), since 0;
        /// Replicas that a reassignment removes.
        removing_replicas: Vec<BrokerId> = Vec::new(), since 0;
        /// Replicas that a reassignment adds.
        adding_replicas: Vec<BrokerId> = Vec::new(), since 0;
        /// Leader, -1 for none.
        leader: BrokerId = BrokerId::NONE, since 0;
        /// Epoch of the leader.
        leader_epoch: LeaderEpoch = LeaderEpoch::NONE, since 0;
        /// Counts the changes of the partition.
        partition_epoch: i32 = -1, since 0;
        /// Log directory of each replica, in the order of `replicas` (KIP-858).
        directories: Vec<Uuid> = Vec::new(), since 1;
    } tagged {
        /// 1 where the leader recovers from an unclean election, otherwise 0 (KIP-704).
        0 leader_recovery_state: i8 = 0, since 0;
        /// Eligible leader replicas (KIP-966); none where there are none.
        1 eligible_leader_replicas: Option<Vec<BrokerId>> = None, since 2;
        /// Last known eligible leader replicas (KIP-966); none where there are none.
        2 last_known_elr: Option<Vec<BrokerId>> = None, since 2;
    }
}

structure! {
    /// What changed of a partition. A leader that is given, even the same one, bumps the leader
    /// epoch; every change bumps the partition epoch.
    PartitionChange, bytes_min 21 {
        /// Index of the partition.
        partition: PartitionIndex = PartitionIndex(-1), since 0;
        /// Id of the topic.
        topic_id: TopicId = TopicId::ZERO, since 0;
    } tagged {
        /// In-sync replicas; none for no change.
        0 isr: Option<Vec<BrokerId>> = None, since 0;
        /// Leader; -1 for none, -2 for no change.
        1 leader: BrokerId = Self::LEADER_UNCHANGED, since 0;
        /// Replicas; none for no change.
        2 replicas: Option<Vec<BrokerId>> = None, since 0;
        /// Replicas that a reassignment removes; none for no change.
        3 removing_replicas: Option<Vec<BrokerId>> = None, since 0;
        /// Replicas that a reassignment adds; none for no change.
        4 adding_replicas: Option<Vec<BrokerId>> = None, since 0;
        /// -1 for no change, 0 recovered, 1 recovering.
        5 leader_recovery_state: i8 = -1, since 0;
        /// Eligible leader replicas; none for no change.
        6 eligible_leader_replicas: Option<Vec<BrokerId>> = None, since 2;
        /// Last known eligible leader replicas; none for no change.
        7 last_known_elr: Option<Vec<BrokerId>> = None, since 2;
        /// Log directory of each replica; none for no change.
        8 directories: Option<Vec<Uuid>> = None, since 1;
    }
}

impl PartitionChange {
    /// The value of `leader` where neither the leader nor its epoch changes.
    pub const LEADER_UNCHANGED: BrokerId = BrokerId(-2);

    /// True where nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self
            == Self {
                partition: self.partition,
                topic_id: self.topic_id,
                ..Self::default()
            }
    }
}

structure! {
    /// Eligible and last known eligible leader replicas were cleared (KIP-966).
    ClearElr, bytes_min 2 {
        /// Name of the topic, empty for all topics.
        topic_name: String = String::new(), since 0;
    } tagged {}
}
