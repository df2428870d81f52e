//! Keys of a group (KIP-848, KIP-932, KIP-1071).

use crate::config::broker::{SHARE, STREAMS};
use crate::config::definition::ConfigDef;
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, OffsetReset, OneOf};

const KEYS: &[Key] = keys! {
    "consumer.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ClusterWide, Works,
        "A member without heartbeats is removed after this, in milliseconds.", synonym "group.consumer.session.timeout.ms";
    "consumer.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ClusterWide, Works,
        "Time between the heartbeats of a member, in milliseconds; chosen by size and load unless it or its broker key is set.", synonym "group.consumer.heartbeat.interval.ms";
    "consumer.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, Works,
        "Shortest time between two assignments, in milliseconds; 0 unless it or its broker key is set.", synonym "group.consumer.assignment.interval.ms";
    "share.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ClusterWide, NoEffect(SHARE),
        "A member of a share group without heartbeats is removed after this, in milliseconds.", synonym "group.share.session.timeout.ms";
    "share.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ClusterWide, NoEffect(SHARE),
        "Time between the heartbeats of a member of a share group, in milliseconds.", synonym "group.share.heartbeat.interval.ms";
    "share.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, NoEffect(SHARE),
        "Shortest time between two assignments of a share group, in milliseconds.", synonym "group.share.assignment.interval.ms";
    "share.record.lock.duration.ms" => Int, "30000", AtLeast(1000), Medium, ClusterWide, NoEffect(SHARE),
        "A delivered record is given to somebody else after this, in milliseconds.", synonym "group.share.record.lock.duration.ms";
    "share.delivery.count.limit" => Int, "5", AtLeast(2), Medium, ClusterWide, NoEffect(SHARE),
        "Deliveries after which a record is given up.", synonym "group.share.delivery.count.limit";
    "share.partition.max.record.locks" => Int, "2000", AtLeast(100), Medium, ClusterWide, NoEffect(SHARE),
        "Records of a partition that the group may hold at once.", synonym "group.share.partition.max.record.locks";
    "share.auto.offset.reset" => String, "latest", OffsetReset, Medium, ClusterWide, NoEffect(SHARE),
        "Where a share group begins: latest, earliest, or by_duration: and how far back.";
    "share.isolation.level" => String, "read_uncommitted", OneOf(&["read_committed", "read_uncommitted"]), Medium, ClusterWide, NoEffect(SHARE),
        "Whether a share group sees records of open and aborted transactions.";
    "share.renew.acknowledge.enable" => Boolean, "true", Any, Medium, ClusterWide, NoEffect(SHARE),
        "Allows a member to hold a record for longer.";
    "streams.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ClusterWide, NoEffect(STREAMS),
        "A member of a streams group without heartbeats is removed after this, in milliseconds.", synonym "group.streams.session.timeout.ms";
    "streams.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ClusterWide, NoEffect(STREAMS),
        "Time between the heartbeats of a member of a streams group, in milliseconds.", synonym "group.streams.heartbeat.interval.ms";
    "streams.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, NoEffect(STREAMS),
        "Shortest time between two assignments of a streams group, in milliseconds.", synonym "group.streams.assignment.interval.ms";
    "streams.num.standby.replicas" => Int, "0", AtLeast(0), Medium, ClusterWide, NoEffect(STREAMS),
        "Standby copies of each task.", synonym "group.streams.num.standby.replicas";
    "streams.initial.rebalance.delay.ms" => Int, "3000", AtLeast(0), Medium, ClusterWide, NoEffect(STREAMS),
        "How long the first rebalance waits for more members, in milliseconds.", synonym "group.streams.initial.rebalance.delay.ms";
};

static GROUP: ConfigDef = ConfigDef::new("group config", &[KEYS]);

/// The keys of a group.
#[must_use]
pub fn group() -> &'static ConfigDef {
    &GROUP
}
