//! What a coordinator answers, without the versions of the APIs.

use bytes::Bytes;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId};

use super::consumer::ConsumerHeartbeatResult;
use super::request::{CommitOffsets, Leave, LeavingMember, Request};

/// Answer to JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// What went wrong.
    pub error: ErrorCode,
    /// The new generation; -1 with an error.
    pub generation: i32,
    /// Type of the protocol (version 7).
    pub protocol_type: Option<String>,
    /// Protocol that was chosen; empty on the wire before version 7 where there is none.
    pub protocol_name: Option<String>,
    /// Member id of the leader; empty with an error.
    pub leader: String,
    /// True where the leader must not assign (version 9).
    pub skip_assignment: bool,
    /// Id of the member.
    pub member_id: String,
    /// All members, for the leader; empty for all others.
    pub members: Vec<JoinedMember>,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Id of the member.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// Answer to SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// What went wrong.
    pub error: ErrorCode,
    /// Type of the protocol (version 5).
    pub protocol_type: Option<String>,
    /// Protocol that was chosen (version 5).
    pub protocol_name: Option<String>,
    /// What the member is to read; empty with an error.
    pub assignment: Bytes,
}

/// Answer to LeaveGroup. Before version 3 the error of the only member is the error of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What went wrong with all of it.
    pub error: ErrorCode,
    /// The members in the order of the request, each with its error.
    pub members: Vec<(LeavingMember, ErrorCode)>,
}

/// One topic of the answer to OffsetCommit, TxnOffsetCommit or OffsetDelete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicResult {
    /// Name of the topic.
    pub name: String,
    /// Id of the topic as the request had it.
    pub id: TopicId,
    /// The partitions in the order of the request.
    pub partitions: Vec<(PartitionIndex, ErrorCode)>,
}

/// Answer to OffsetFetch for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffsets {
    /// Id of the group.
    pub group: String,
    /// What went wrong with all of it.
    pub error: ErrorCode,
    /// Every topic that was asked for.
    pub topics: Vec<FetchedTopic>,
}

/// One topic of [`FetchedOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// Name of the topic.
    pub name: String,
    /// Id of the topic as the request had it; zero where all topics were asked for.
    pub id: TopicId,
    /// Every partition that was asked for.
    pub partitions: Vec<FetchedOffset>,
}

/// One partition of [`FetchedTopic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// Partition of the topic.
    pub partition: PartitionIndex,
    /// What went wrong; an absent offset is no error.
    pub error: ErrorCode,
    /// The committed offset; -1 where there is none.
    pub offset: Offset,
    /// Its leader epoch; -1 where it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What was kept with it; empty where there is nothing.
    pub metadata: String,
}

/// Answer to OffsetDelete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedOffsets {
    /// What went wrong with all of it.
    pub error: ErrorCode,
    /// Every partition of the request; empty with an error.
    pub topics: Vec<TopicResult>,
}

/// A group in the answer to ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Id of the group.
    pub group: String,
    /// Type of the protocol; empty where the group never had members.
    pub protocol_type: String,
    /// State of the group as Kafka spells it (version 4).
    pub state: &'static str,
    /// `classic` or `consumer` (version 5).
    pub group_type: &'static str,
}

/// A group in the answer to DescribeGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Id of the group.
    pub group: String,
    /// What went wrong. GROUP_ID_NOT_FOUND is on the wire from version 6 only.
    pub error: ErrorCode,
    /// What went wrong, in words (version 6).
    pub error_message: Option<String>,
    /// State of the group as Kafka spells it; empty with an error but GROUP_ID_NOT_FOUND.
    pub state: &'static str,
    /// Type of the protocol; empty where there is none.
    pub protocol_type: String,
    /// Protocol that was chosen; empty unless the group is stable.
    pub protocol: String,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// A member of a [`DescribedGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Id of the member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 4).
    pub group_instance_id: Option<String>,
    /// Client id of its JoinGroup request.
    pub client_id: String,
    /// Address of the client.
    pub client_host: String,
    /// Its metadata for the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// What it was assigned.
    pub assignment: Bytes,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To JoinGroup.
    Join(Joined),
    /// To SyncGroup.
    Sync(Synced),
    /// To Heartbeat.
    Heartbeat(ErrorCode),
    /// To LeaveGroup.
    Leave(Left),
    /// To OffsetCommit and TxnOffsetCommit: every partition of the request.
    CommitOffsets(Vec<TopicResult>),
    /// To OffsetFetch.
    FetchOffsets(FetchedOffsets),
    /// To OffsetDelete.
    DeleteOffsets(DeletedOffsets),
    /// To ConsumerGroupHeartbeat.
    ConsumerHeartbeat(ConsumerHeartbeatResult),
    /// To DeleteGroups: every group of the request with its error.
    DeleteGroups(Vec<(String, ErrorCode)>),
}

impl Joined {
    pub(super) fn refused(member_id: impl Into<String>, error: ErrorCode) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol_name: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: member_id.into(),
            members: Vec::new(),
        }
    }
}

impl Synced {
    pub(super) fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            protocol_type: None,
            protocol_name: None,
            assignment: Bytes::new(),
        }
    }
}

impl Request {
    /// The answer that says nothing but this error.
    #[must_use]
    pub fn refused(self, error: ErrorCode) -> Response {
        match self {
            Self::Join(join) => Response::Join(Joined::refused(join.member_id, error)),
            Self::Sync(_) => Response::Sync(Synced::refused(error)),
            Self::Heartbeat(_) => Response::Heartbeat(error),
            Self::Leave(_) => Response::Leave(Left {
                error,
                members: Vec::new(),
            }),
            Self::CommitOffsets(request) => Response::CommitOffsets(request.all(error)),
            Self::FetchOffsets(request) => Response::FetchOffsets(FetchedOffsets {
                group: request.group,
                error,
                topics: Vec::new(),
            }),
            Self::DeleteOffsets(_) => Response::DeleteOffsets(DeletedOffsets {
                error,
                topics: Vec::new(),
            }),
            Self::ConsumerHeartbeat(_) => {
                Response::ConsumerHeartbeat(ConsumerHeartbeatResult::refused(error, None))
            }
            Self::DeleteGroups(groups) => {
                Response::DeleteGroups(groups.into_iter().map(|group| (group, error)).collect())
            }
        }
    }
}

impl Response {
    /// The same answer where nothing of the request came about.
    pub(super) fn failed(self, error: ErrorCode) -> Self {
        match self {
            Self::Join(joined) => Self::Join(Joined::refused(joined.member_id, error)),
            Self::Sync(_) => Self::Sync(Synced::refused(error)),
            Self::Heartbeat(_) => Self::Heartbeat(error),
            Self::Leave(_) => Self::Leave(Left {
                error,
                members: Vec::new(),
            }),
            Self::CommitOffsets(mut topics) => {
                for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    partition.1 = error;
                }
                Self::CommitOffsets(topics)
            }
            Self::FetchOffsets(fetched) => Self::FetchOffsets(FetchedOffsets {
                group: fetched.group,
                error,
                topics: Vec::new(),
            }),
            Self::DeleteOffsets(_) => Self::DeleteOffsets(DeletedOffsets {
                error,
                topics: Vec::new(),
            }),
            Self::ConsumerHeartbeat(_) => {
                Self::ConsumerHeartbeat(ConsumerHeartbeatResult::refused(error, None))
            }
            Self::DeleteGroups(groups) => Self::DeleteGroups(
                groups
                    .into_iter()
                    .map(|(group, _)| (group, error))
                    .collect(),
            ),
        }
    }
}

impl CommitOffsets {
    /// Every partition of the request with one error.
    pub(super) fn all(&self, error: ErrorCode) -> Vec<TopicResult> {
        self.topics
            .iter()
            .map(|topic| TopicResult {
                name: topic.name.clone(),
                id: topic.id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| (partition.partition, error))
                    .collect(),
            })
            .collect()
    }
}

impl Leave {
    /// Every member of the request with one error.
    pub(super) fn all(self, error: ErrorCode) -> Left {
        Left {
            error: ErrorCode::None,
            members: self
                .members
                .into_iter()
                .map(|member| (member, error))
                .collect(),
        }
    }
}
