//! What is asked of a coordinator, without the versions of the APIs.

use bytes::Bytes;
use milena_protocol::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId,
};
use uuid::Uuid;

use super::consumer::ConsumerHeartbeat;

/// A protocol (assignor) that a member supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Name of the protocol, such as `range`.
    pub name: String,
    /// What the member tells the leader about itself.
    pub metadata: Bytes,
}

/// JoinGroup (key 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Id of the group.
    pub group: String,
    /// Id of the member; empty where it has none yet.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// Client id of the request header; empty where there is none.
    pub client_id: String,
    /// Address of the client as Java prints it, `/127.0.0.1`.
    pub client_host: String,
    /// Milliseconds without a heartbeat after which the member is removed.
    pub session_timeout_ms: i32,
    /// Milliseconds that the member has to join again in a rebalance; for version 0 the session
    /// timeout.
    pub rebalance_timeout_ms: i32,
    /// Type of the protocols, such as `consumer`.
    pub protocol_type: String,
    /// The protocols, the most wanted first.
    pub protocols: Vec<Protocol>,
    /// A new random UUID, the end of the id of a new member.
    pub new_member_uuid: Uuid,
    /// True from version 4: a new dynamic member has to join once more with the id that it gets
    /// (KIP-394).
    pub requires_known_member_id: bool,
    /// True from version 9: a leader that comes back may be told not to assign (KIP-814).
    pub supports_skip_assignment: bool,
}

/// SyncGroup (key 14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Who asks.
    pub member: MemberRef,
    /// Type of the protocol; none before version 5.
    pub protocol_type: Option<String>,
    /// Name of the protocol; none before version 5.
    pub protocol_name: Option<String>,
    /// Member id and assignment, from the leader; empty from all others.
    pub assignments: Vec<(String, Bytes)>,
}

/// A member of a group as it names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRef {
    /// Id of the group.
    pub group: String,
    /// Generation of the group that the member knows; -1 where it knows none.
    pub generation: i32,
    /// Id of the member; empty where there is none.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
}

/// LeaveGroup (key 13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// Id of the group.
    pub group: String,
    /// Who leaves; one before version 3.
    pub members: Vec<LeavingMember>,
}

/// One member of a [`Leave`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Id of the member; empty where only the instance id is known, as administrators have it.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
}

/// OffsetCommit (key 8), and TxnOffsetCommit (key 28) where there is a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffsets {
    /// Who commits; generation -1 and no member id from a consumer without a group.
    pub member: MemberRef,
    /// Milliseconds to keep the offsets, of version 2 to 4; -1 where the group's rule holds.
    pub retention_ms: i64,
    /// True from version 9, which has GROUP_ID_NOT_FOUND for a generation of an unknown group.
    pub understands_group_id_not_found: bool,
    /// True from version 9 of OffsetCommit, which members of the consumer protocol have to use.
    pub supports_member_epoch: bool,
    /// The transaction that the offsets are part of.
    pub producer: Option<Producer>,
    /// The offsets by topic.
    pub topics: Vec<TopicCommits>,
}

/// The producer of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// Offsets of one topic in a [`CommitOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCommits {
    /// Name of the topic.
    pub name: String,
    /// Id of the topic; zero where it is not known.
    pub id: TopicId,
    /// The offsets.
    pub partitions: Vec<PartitionCommit>,
}

/// One offset of a [`TopicCommits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionCommit {
    /// Partition of the topic.
    pub partition: PartitionIndex,
    /// Offset of the next record to be read.
    pub offset: Offset,
    /// Leader epoch of the last record that was read; -1 where it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What the client wants to keep with it.
    pub metadata: Option<String>,
}

/// OffsetFetch (key 9) for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchOffsets {
    /// Id of the group.
    pub group: String,
    /// What is asked for; none for all offsets of the group.
    pub topics: Option<Vec<TopicPartitions>>,
    /// The member of a group of the consumer protocol that asks (version 9); none where nobody is
    /// named, or before that version.
    pub member: Option<FetchingMember>,
    /// True where the answer has to wait for commits that are under way, and says
    /// UNSTABLE_OFFSET_COMMIT for those in open transactions (KIP-447).
    pub require_stable: bool,
}

/// Who fetches offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchingMember {
    /// Id of the member.
    pub member_id: String,
    /// Its epoch; -1 where it has none.
    pub member_epoch: i32,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// Name of the topic.
    pub name: String,
    /// Id of the topic; zero where it is not known.
    pub id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// OffsetDelete (key 47).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteOffsets {
    /// Id of the group.
    pub group: String,
    /// What is to be deleted; topics that do not exist are answered by the caller.
    pub topics: Vec<TopicPartitions>,
}

/// A topic that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
}

/// A request. Every kind has its [`Response`](super::Response).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// JoinGroup.
    Join(Join),
    /// SyncGroup.
    Sync(Sync),
    /// Heartbeat (key 12).
    Heartbeat(MemberRef),
    /// LeaveGroup.
    Leave(Leave),
    /// OffsetCommit or TxnOffsetCommit.
    CommitOffsets(CommitOffsets),
    /// OffsetFetch.
    FetchOffsets(FetchOffsets),
    /// OffsetDelete.
    DeleteOffsets(DeleteOffsets),
    /// ConsumerGroupHeartbeat (key 68).
    ConsumerHeartbeat(ConsumerHeartbeat),
    /// DeleteGroups (key 42), ids of groups of this coordinator.
    DeleteGroups(Vec<String>),
}

impl Join {
    /// The id of the member, made where it has none.
    pub(super) fn effective_member_id(&self) -> String {
        if self.member_id.is_empty() {
            let prefix = self.group_instance_id.as_ref().unwrap_or(&self.client_id);
            format!("{prefix}-{}", self.new_member_uuid)
        } else {
            self.member_id.clone()
        }
    }
}

impl Join {
    /// Every text that is stored of the member.
    pub(super) fn texts(&self) -> Vec<&str> {
        let own = [
            &self.group,
            &self.member_id,
            &self.client_id,
            &self.client_host,
            &self.protocol_type,
        ];
        let protocols = self.protocols.iter().map(|protocol| &protocol.name);
        own.into_iter()
            .chain(&self.group_instance_id)
            .chain(protocols)
            .map(String::as_str)
            .collect()
    }
}

impl CommitOffsets {
    /// When the offsets expire that are committed at `now`; -1 where the group's rule holds.
    pub(super) fn expire_timestamp(&self, now: Timestamp) -> Timestamp {
        if self.retention_ms == -1 {
            Timestamp::NONE
        } else {
            now.plus_ms(self.retention_ms)
        }
    }
}
