//! Offsets, group coordinator and classic groups.

use crate::config::broker::{BUFFER, CODEC, LINGER, REMOVED, RUNTIME};
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, Distinct};

pub(super) const KEYS: &[Key] = keys! {
    "offset.metadata.max.bytes" => Int, "4096", Any, High, ReadOnly, Works,
        "Longest text that may be committed with an offset, in bytes.";
    "offsets.commit.timeout.ms" => Int, "5000", AtLeast(1), High, ReadOnly, Works,
        "How long a commit waits for the offsets topic, in milliseconds.";
    "offsets.load.buffer.size" => Int, "5242880", AtLeast(1), High, ReadOnly, Works,
        "Bytes that are read at once when groups are loaded.";
    "offsets.retention.minutes" => Int, "10080", AtLeast(1), High, ReadOnly, Works,
        "Offsets of an empty group are forgotten after this, in minutes.";
    "offsets.retention.check.interval.ms" => Long, "600000", AtLeast(1), High, ReadOnly, Works,
        "Time between looks for offsets that expired, in milliseconds.";
    "offsets.topic.num.partitions" => Int, "50", AtLeast(1), High, ReadOnly, Works,
        "Partitions of __consumer_offsets.";
    "offsets.topic.replication.factor" => Short, "3", AtLeast(1), High, ReadOnly, Works,
        "Replicas of __consumer_offsets.";
    "offsets.topic.segment.bytes" => Int, "104857600", AtLeast(1), High, ReadOnly, Works,
        "Segment size of __consumer_offsets, in bytes.";
    "offsets.topic.compression.codec" => Int, "0", Any, High, ReadOnly, NoEffect(CODEC),
        "Codec of __consumer_offsets, by its number.";
    "group.coordinator.threads" => Int, "4", AtLeast(1), High, ReadOnly, NoEffect(RUNTIME),
        "Threads of the group coordinator.";
    "group.coordinator.background.threads" => Int, "2", AtLeast(1), High, ReadOnly, NoEffect(RUNTIME),
        "Threads of the group coordinator for long work.";
    "group.coordinator.append.linger.ms" => Int, "-1", AtLeast(-1), Medium, ReadOnly, NoEffect(LINGER),
        "How long records of groups are gathered before they are written, in milliseconds; -1 adapts.";
    "group.coordinator.cached.buffer.max.bytes" => Int, "1048588", AtLeast(524_288), Medium, ClusterWide, NoEffect(BUFFER),
        "Largest buffer that the group coordinator keeps for reuse, in bytes.";
    "group.coordinator.rebalance.protocols" => List, "classic,consumer,streams", Distinct { allowed: Some(&["consumer", "classic", "share", "streams"]), may_be_empty: false }, Medium, ReadOnly, Works,
        "Group protocols that are served.";
    "group.initial.rebalance.delay.ms" => Int, "3000", Any, Medium, ReadOnly, Works,
        "How long the first rebalance of a classic group waits for more members, in milliseconds.";
    "group.min.session.timeout.ms" => Int, "6000", Any, Medium, ReadOnly, Works,
        "Shortest session timeout of a classic member, in milliseconds.";
    "group.max.session.timeout.ms" => Int, "1800000", Any, Medium, ReadOnly, Works,
        "Longest session timeout of a classic member, in milliseconds.";
    "group.max.size" => Int, "2147483647", AtLeast(1), Medium, ReadOnly, Works,
        "Members of a classic group at most.";
    "offsets.commit.required.acks" => Short, "-1", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older number of acknowledgements for a commit." [hidden];
    "group.coordinator.new.enable" => Boolean, "true", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older switch of the group coordinator." [hidden];
};
