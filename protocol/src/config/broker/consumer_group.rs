//! Consumer groups (KIP-848).

use crate::config::broker::{CONSUMER, SOME_LIST};
use crate::config::key::Effect::NoEffect;
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{AtLeast, OneOfIgnoringCase};

pub(super) const KEYS: &[Key] = keys! {
    "group.consumer.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "A consumer group member without heartbeats is removed after this, in milliseconds.";
    "group.consumer.min.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "Smallest consumer.session.timeout.ms of a group.";
    "group.consumer.max.session.timeout.ms" => Int, "60000", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "Largest consumer.session.timeout.ms of a group.";
    "group.consumer.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "Time between the heartbeats of a consumer group member, in milliseconds.";
    "group.consumer.min.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "Smallest consumer.heartbeat.interval.ms of a group.";
    "group.consumer.max.heartbeat.interval.ms" => Int, "15000", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "Largest consumer.heartbeat.interval.ms of a group.";
    "group.consumer.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, NoEffect(CONSUMER),
        "Shortest time between two assignments of a consumer group, in milliseconds.";
    "group.consumer.min.assignment.interval.ms" => Int, "0", AtLeast(0), Medium, ReadOnly, NoEffect(CONSUMER),
        "Smallest consumer.assignment.interval.ms of a group.";
    "group.consumer.max.assignment.interval.ms" => Int, "15000", AtLeast(0), Medium, ReadOnly, NoEffect(CONSUMER),
        "Largest consumer.assignment.interval.ms of a group.";
    "group.consumer.assignors" => List, "uniform,range", SOME_LIST, Medium, ReadOnly, NoEffect(CONSUMER),
        "Assignors of consumer groups; the first is the default.";
    "group.consumer.migration.policy" => String, "bidirectional", OneOfIgnoringCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), Medium, ReadOnly, NoEffect(CONSUMER),
        "Which way a group may move between the classic and the consumer protocol.";
    "group.consumer.max.size" => Int, "2147483647", AtLeast(1), Medium, ReadOnly, NoEffect(CONSUMER),
        "Members of a consumer group at most.";
    "group.consumer.regex.refresh.interval.ms" => Int, "600000", AtLeast(10_000), Medium, ReadOnly, NoEffect(CONSUMER),
        "Time between resolutions of subscribed patterns, in milliseconds." [hidden];
};
