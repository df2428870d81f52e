//! Streams groups (KIP-1071).

use crate::config::broker::STREAMS;
use crate::config::key::Effect::NoEffect;
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::AtLeast;

pub(super) const KEYS: &[Key] = keys! {
    "group.streams.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "A streams group member without heartbeats is removed after this, in milliseconds.";
    "group.streams.min.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "Smallest streams.session.timeout.ms of a group.";
    "group.streams.max.session.timeout.ms" => Int, "60000", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "Largest streams.session.timeout.ms of a group.";
    "group.streams.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "Time between the heartbeats of a streams group member, in milliseconds.";
    "group.streams.min.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "Smallest streams.heartbeat.interval.ms of a group.";
    "group.streams.max.heartbeat.interval.ms" => Int, "15000", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "Largest streams.heartbeat.interval.ms of a group.";
    "group.streams.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, NoEffect(STREAMS),
        "Shortest time between two assignments of a streams group, in milliseconds.";
    "group.streams.min.assignment.interval.ms" => Int, "0", AtLeast(0), Medium, ReadOnly, NoEffect(STREAMS),
        "Smallest streams.assignment.interval.ms of a group.";
    "group.streams.max.assignment.interval.ms" => Int, "15000", AtLeast(0), Medium, ReadOnly, NoEffect(STREAMS),
        "Largest streams.assignment.interval.ms of a group.";
    "group.streams.initial.rebalance.delay.ms" => Int, "3000", AtLeast(0), Medium, ReadOnly, NoEffect(STREAMS),
        "How long the first rebalance of a streams group waits for more members, in milliseconds.";
    "group.streams.num.standby.replicas" => Int, "0", AtLeast(0), Medium, ReadOnly, NoEffect(STREAMS),
        "Standby copies of each task.";
    "group.streams.max.standby.replicas" => Int, "2", AtLeast(0), Medium, ReadOnly, NoEffect(STREAMS),
        "Largest streams.num.standby.replicas of a group.";
    "group.streams.max.size" => Int, "2147483647", AtLeast(1), Medium, ReadOnly, NoEffect(STREAMS),
        "Members of a streams group at most.";
};
