//! The coordinator of groups and of committed offsets.
//!
//! Each protocol of groups has a folder: `classic`, and `consumer` for KIP-848. What differs
//! between them for everything else stands in one table, `entry`. The coordinator, its appends,
//! timers and offsets know no protocol.
//!
//! One [`Coordinator`] serves the groups of one partition of `__consumer_offsets`. It is made on
//! the leader of the partition: [`Coordinator::apply`] with every record, then
//! [`Coordinator::finish_loading`], then [`Coordinator::step`] with every [`Event`] until
//! [`Coordinator::resign`]. What is to be done comes back as [`Effect`]s.
//!
//! What is stored and what is not: committed offsets, and of a group what it was at the end of its
//! last rebalance, are replicated state. Only [`Coordinator::apply`] changes it, with records that
//! are committed, and no answer that depends on an append leaves before that. Who is just joining,
//! sessions and waiting requests are in memory only and are lost with the coordinator, as in Kafka.
//!
//! A group of the consumer protocol is applied to at once and goes back to what is committed where
//! its append is refused; `consumer::group` says how.
//!
//! # States of a group of the classic protocol
//!
//! | state | Join, new member | Join, known member | Sync | Heartbeat | Leave | commit by a member | session ends |
//! |---|---|---|---|---|---|---|---|
//! | (no group) | makes the group; as Empty | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION or GROUP_ID_NOT_FOUND | |
//! | Empty | PreparingRebalance, with the initial delay | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | |
//! | PreparingRebalance | waits | waits | REBALANCE_IN_PROGRESS | REBALANCE_IN_PROGRESS | removed; may end the join phase | stored | removed; may end the join phase |
//! | CompletingRebalance | PreparingRebalance | as before: answered again; changed: PreparingRebalance | waits; of the leader: stored, then Stable | ok | PreparingRebalance | REBALANCE_IN_PROGRESS | PreparingRebalance |
//! | Stable | PreparingRebalance | follower as before: answered again; else PreparingRebalance | answered | ok | PreparingRebalance | stored | PreparingRebalance |
//! | Dead | COORDINATOR_NOT_AVAILABLE | COORDINATOR_NOT_AVAILABLE | COORDINATOR_NOT_AVAILABLE | COORDINATOR_NOT_AVAILABLE | COORDINATOR_NOT_AVAILABLE | COORDINATOR_NOT_AVAILABLE | |
//!
//! - A new dynamic member first gets MEMBER_ID_REQUIRED from version 4 on, in any state, and is
//!   pending until it joins with its id; the join phase waits for it.
//! - A static member that comes back without its id gets a new one. In Stable it changes nothing
//!   else where the chosen protocol stays the same.
//! - The join phase ends when all have joined or at the longest rebalance timeout; dynamic members
//!   that have not joined are out. From Empty it lasts `group.initial.rebalance.delay.ms`, and
//!   again while members come, at most for the rebalance timeout. Without members it ends in
//!   Empty, else in CompletingRebalance.
//! - Members that have not synced within the longest rebalance timeout are out.
//! - Dead is a group whose deletion is being stored; DeleteGroups and expiration need Empty.
//! - A commit without generation and member id is taken in Empty, and makes a group where there
//!   is none.
//!
//! # Where it differs from Kafka
//!
//! - Kafka's groups change before the record is committed and are rolled back; here the deletion
//!   of a group is the state Dead until it is committed.
//! - A JoinGroup that is refused makes no group. The assignment of a generation is stored once,
//!   also where the leader sends it twice. A superseded request of a member is answered with
//!   REBALANCE_IN_PROGRESS; Kafka never answers it. A group with pending members does not expire.
//!
//! Sources: `GroupMetadataManager`, `OffsetMetadataManager`, `ClassicGroup`,
//! `GroupCoordinatorService` of Apache Kafka 4.3; KIP-134, 211, 345, 389, 394, 447, 814.

mod append;
mod assignor;
mod busy;
mod classic;
mod config;
mod consumer;
mod consumer_step;
mod coordinator;
mod describe;
mod durable;
mod entry;
mod event;
mod offset;
mod removal;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod timer;
mod topics;

pub use assignor::Assignor;
pub use classic::State;
pub use config::Config;
pub use consumer::{
    Assignment, ConsumerConfig, ConsumerHeartbeat, ConsumerHeartbeatResult, DescribedConsumerGroup,
    DescribedConsumerMember, DescribedPartitions, GroupConfig, LEAVE_EPOCH, LoadFactor,
    MigrationPolicy, STATIC_LEAVE_EPOCH, heartbeat_interval_ms,
};
pub use coordinator::Coordinator;
pub use event::{Decision, Effect, Event, ExpiredMember, Token, Waiter};
pub use request::{
    CommitOffsets, DeleteOffsets, DeletedTopic, FetchOffsets, FetchingMember, Join, Leave,
    LeavingMember, MemberRef, PartitionCommit, Producer, Protocol, Request, Sync, TopicCommits,
    TopicPartitions,
};
pub use response::{
    DeletedOffsets, DescribedGroup, DescribedMember, FetchedOffset, FetchedOffsets, FetchedTopic,
    Joined, JoinedMember, Left, ListedGroup, Response, Synced, TopicResult,
};
pub use topics::{Topic, TopicView};
