//! Settings of groups of the consumer protocol.

use crate::group::assignor::Assignor;

/// Settings of the broker for groups of the consumer protocol (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// `group.consumer.session.timeout.ms`: milliseconds without a heartbeat after which a member
    /// is removed. Default 45000, at least 1.
    pub session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms` where it is set: milliseconds between two heartbeats
    /// of a member. None by default: [`heartbeat_interval_ms`](super::heartbeat_interval_ms) says.
    pub heartbeat_interval_ms: Option<i32>,
    /// `group.consumer.assignment.interval.ms`: milliseconds between two assignments of a group at
    /// least (KIP-1263). Default 0; Kafka's is 1000.
    pub assignment_interval_ms: i32,
    /// `group.consumer.max.size`: most members of a group. Default 2147483647, at least 1.
    pub max_size: usize,
    /// `group.consumer.assignors`: what members may choose; the first is the default. Never empty.
    pub assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`: which groups change their protocol while they live.
    pub migration: MigrationPolicy,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: None,
            assignment_interval_ms: 0,
            max_size: 2_147_483_647,
            assignors: vec![Assignor::Uniform, Assignor::Range],
            migration: MigrationPolicy::Bidirectional,
        }
    }
}

/// Which groups change their protocol while they have members (`ConsumerGroupMigrationPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Both ways. The default.
    Bidirectional,
    /// From classic to consumer.
    Upgrade,
    /// From consumer to classic.
    Downgrade,
    /// None, and members of the classic protocol may not join a consumer group.
    Disabled,
}

impl MigrationPolicy {
    /// The policy of this name, in any case; none where there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            ("bidirectional", Self::Bidirectional),
            ("upgrade", Self::Upgrade),
            ("downgrade", Self::Downgrade),
            ("disabled", Self::Disabled),
        ]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, policy)| policy)
    }

    pub(in crate::group) const fn allows_upgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    pub(in crate::group) const fn allows_downgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

/// Settings of one group (configuration resource GROUP); none where the broker's hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupConfig {
    /// `consumer.session.timeout.ms`.
    pub consumer_session_timeout_ms: Option<i32>,
    /// `consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval_ms: Option<i32>,
    /// `consumer.assignment.interval.ms`.
    pub consumer_assignment_interval_ms: Option<i32>,
}
