//! Topics: defaults and policies.

use crate::config::broker::{CLASS, INTERNAL, LIST, ONE, REMOVED};
use crate::config::key::Effect::{NoEffect, Refused, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast};

pub(super) const KEYS: &[Key] = keys! {
    "auto.create.topics.enable" => Boolean, "true", Any, High, ReadOnly, Works,
        "Creates a topic when a client asks for metadata of one that does not exist.";
    "delete.topic.enable" => Boolean, "true", Any, High, ReadOnly, Works,
        "Allows topics to be deleted.";
    "num.partitions" => Int, "1", AtLeast(1), Medium, ReadOnly, Works,
        "Partitions of a topic that is created without a count.";
    "default.replication.factor" => Int, "1", Any, Medium, ReadOnly, Works,
        "Replicas of a partition of a topic that is created without a count.";
    "min.insync.replicas" => Int, "1", AtLeast(1), High, ClusterWide, Works,
        "In-sync replicas that a partition needs before acks=all is accepted.";
    "unclean.leader.election.enable" => Boolean, "false", Any, High, ClusterWide, NoEffect(ONE),
        "Lets a replica that is not in sync become leader, which loses records.";
    "auto.leader.rebalance.enable" => Boolean, "true", Any, High, ReadOnly, NoEffect(ONE),
        "Moves leaders back to preferred replicas in the background.";
    "leader.imbalance.check.interval.seconds" => Long, "300", AtLeast(1), High, ReadOnly, NoEffect(ONE),
        "Time between checks for leaders that are not preferred, in seconds.";
    "create.topic.policy.class.name" => Class, null, Any, Low, ReadOnly, Refused(CLASS),
        "Class that decides whether a topic may be created.";
    "alter.config.policy.class.name" => Class, null, Any, Low, ReadOnly, Refused(CLASS),
        "Class that decides whether a configuration may be altered.";
    "config.providers" => List, "", LIST, Low, ClusterWide, Refused(CLASS),
        "Names of providers that values are looked up from.";
    "unclean.leader.election.interval.ms" => Long, "300000", AtLeast(1), Medium, ReadOnly, NoEffect(INTERNAL),
        "Time between looks for partitions that need an unclean election, in milliseconds." [hidden];
    "leader.imbalance.per.broker.percentage" => Int, "10", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Share of leaders that are not preferred before leaders are moved, in percent." [hidden];
};
