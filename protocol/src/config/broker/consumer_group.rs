//! Consumer groups (KIP-848).

use crate::config::broker::PATTERNS;
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{AtLeast, Distinct, OneOfIgnoringCase};

/// By name, and by the class of Kafka.
const ASSIGNORS: &[&str] = &[
    "uniform",
    "range",
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
];

pub(super) const KEYS: &[Key] = keys! {
    "group.consumer.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, Works,
        "A consumer group member without heartbeats is removed after this, in milliseconds.";
    "group.consumer.min.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, Works,
        "Smallest consumer.session.timeout.ms of a group.";
    "group.consumer.max.session.timeout.ms" => Int, "60000", AtLeast(1), Medium, ReadOnly, Works,
        "Largest consumer.session.timeout.ms of a group.";
    "group.consumer.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, Works,
        "Time between the heartbeats of a consumer group member, in milliseconds; chosen by size and load unless it is set.";
    "group.consumer.min.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, Works,
        "Smallest consumer.heartbeat.interval.ms of a group.";
    "group.consumer.max.heartbeat.interval.ms" => Int, "15000", AtLeast(1), Medium, ReadOnly, Works,
        "Largest consumer.heartbeat.interval.ms of a group.";
    "group.consumer.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, Works,
        "Shortest time between two assignments of a consumer group, in milliseconds; 0 unless it is set.";
    "group.consumer.min.assignment.interval.ms" => Int, "0", AtLeast(0), Medium, ReadOnly, Works,
        "Smallest consumer.assignment.interval.ms of a group.";
    "group.consumer.max.assignment.interval.ms" => Int, "15000", AtLeast(0), Medium, ReadOnly, Works,
        "Largest consumer.assignment.interval.ms of a group.";
    "group.consumer.assignors" => List, "uniform,range", Distinct { allowed: Some(ASSIGNORS), may_be_empty: false }, Medium, ReadOnly, Works,
        "Assignors of consumer groups; the first is the default.";
    "group.consumer.migration.policy" => String, "bidirectional", OneOfIgnoringCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), Medium, ReadOnly, Works,
        "Which way a group may move between the classic and the consumer protocol.";
    "group.consumer.max.size" => Int, "2147483647", AtLeast(1), Medium, ReadOnly, Works,
        "Members of a consumer group at most.";
    "group.consumer.regex.refresh.interval.ms" => Int, "600000", AtLeast(10_000), Medium, ReadOnly, NoEffect(PATTERNS),
        "Time between resolutions of subscribed patterns, in milliseconds." [hidden];
};
