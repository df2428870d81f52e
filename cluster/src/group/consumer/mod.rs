//! The consumer group protocol (KIP-848): the coordinator assigns, and members heartbeat.
//!
//! A group has an epoch, its target assignment the group epoch that it was computed for, and every
//! member the epoch that it has come to. Whoever changes what the group is subscribed to counts the
//! group epoch up; the target assignment follows at once, or after the assignment interval; and by
//! its heartbeats every member is led to it, giving up before it gets (see `reconcile`).
//!
//! | file | what |
//! |---|---|
//! | `state` | what the records say; the only place where they change it |
//! | `group` | a group with what waits for it; one turn of it |
//! | `draft` | a step while it is being decided |
//! | `heartbeat` | join, heartbeat, leave |
//! | `target` | group epoch and target assignment |
//! | `reconcile` | from what a member has to what it is to have |
//! | `classic_member` | members of the classic protocol |
//! | `migrate` | from a group of the classic protocol, and back |
//! | `validate` | who may commit and fetch offsets |
//! | `interval` | how often members heartbeat |
//!
//! | request | group unknown | member unknown | epoch too large or too small |
//! |---|---|---|---|
//! | ConsumerGroupHeartbeat 0 | made | joins | |
//! | ConsumerGroupHeartbeat > 0 | GROUP_ID_NOT_FOUND | UNKNOWN_MEMBER_ID | FENCED_MEMBER_EPOCH |
//! | ConsumerGroupHeartbeat -1, -2 | GROUP_ID_NOT_FOUND | UNKNOWN_MEMBER_ID | not looked at |
//! | OffsetCommit from version 9 | GROUP_ID_NOT_FOUND | UNKNOWN_MEMBER_ID | STALE_MEMBER_EPOCH |
//! | OffsetFetch from version 9 | no offsets | UNKNOWN_MEMBER_ID | STALE_MEMBER_EPOCH |
//!
//! A static member that does not know its id is refused with UNRELEASED_INSTANCE_ID until the one
//! before it has left with -2 or its session has ended; with another id than the known one it is
//! refused with FENCED_INSTANCE_ID.
//!
//! Sources: `GroupMetadataManager`, `ConsumerGroup`, `CurrentAssignmentBuilder`,
//! `TargetAssignmentBuilder` of Apache Kafka 4.3; KIP-848, 1101, 1251, 1263.

mod classic_member;
mod config;
mod describe;
mod draft;
mod expression;
mod group;
mod heartbeat;
mod interval;
mod member;
mod migrate;
mod reconcile;
mod request;
mod state;
mod subscription;
mod target;
mod validate;

pub use config::{ConsumerConfig, GroupConfig, MigrationPolicy};
pub(super) use draft::{Context, MemberTimer, Refusal, TimerChange};
pub(super) use group::{Becomes, Group, Queued, Turn};
pub(super) use heartbeat::validate as validate_heartbeat;
pub use interval::{LoadFactor, heartbeat_interval_ms};
pub(super) use member::Member;
#[cfg(test)]
pub(super) use member::MemberState;
pub use member::{Assignment, LEAVE_EPOCH, STATIC_LEAVE_EPOCH};
pub use request::{
    ConsumerHeartbeat, ConsumerHeartbeatResult, DescribedConsumerGroup, DescribedConsumerMember,
    DescribedPartitions,
};
pub(super) use state::State;
pub(super) use validate::{validate_commit, validate_fetch};
