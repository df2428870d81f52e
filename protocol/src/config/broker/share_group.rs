//! Share groups (KIP-932).

use crate::config::broker::{INTERNAL, REMOVED, SHARE, SOME_LIST};
use crate::config::key::Effect::NoEffect;
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, Between};

pub(super) const KEYS: &[Key] = keys! {
    "group.share.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "A share group member without heartbeats is removed after this, in milliseconds.";
    "group.share.min.session.timeout.ms" => Int, "45000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Smallest share.session.timeout.ms of a group.";
    "group.share.max.session.timeout.ms" => Int, "60000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Largest share.session.timeout.ms of a group.";
    "group.share.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Time between the heartbeats of a share group member, in milliseconds.";
    "group.share.min.heartbeat.interval.ms" => Int, "5000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Smallest share.heartbeat.interval.ms of a group.";
    "group.share.max.heartbeat.interval.ms" => Int, "15000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Largest share.heartbeat.interval.ms of a group.";
    "group.share.assignment.interval.ms" => Int, "1000", AtLeast(0), Medium, ClusterWide, NoEffect(SHARE),
        "Shortest time between two assignments of a share group, in milliseconds.";
    "group.share.min.assignment.interval.ms" => Int, "0", AtLeast(0), Medium, ReadOnly, NoEffect(SHARE),
        "Smallest share.assignment.interval.ms of a group.";
    "group.share.max.assignment.interval.ms" => Int, "15000", AtLeast(0), Medium, ReadOnly, NoEffect(SHARE),
        "Largest share.assignment.interval.ms of a group.";
    "group.share.assignors" => List, "simple", SOME_LIST, Medium, ReadOnly, NoEffect(SHARE),
        "Assignor of share groups.";
    "group.share.max.size" => Int, "200", Between(1, 1000), Medium, ReadOnly, NoEffect(SHARE),
        "Members of a share group at most.";
    "group.share.max.share.sessions" => Int, "2000", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Share sessions that are kept.";
    "group.share.delivery.count.limit" => Int, "5", Between(2, 10), Medium, ReadOnly, NoEffect(SHARE),
        "Deliveries after which a record is given up.";
    "group.share.min.delivery.count.limit" => Int, "2", Between(2, 5), Medium, ReadOnly, NoEffect(SHARE),
        "Smallest share.delivery.count.limit of a group.";
    "group.share.max.delivery.count.limit" => Int, "10", Between(5, 25), Medium, ReadOnly, NoEffect(SHARE),
        "Largest share.delivery.count.limit of a group.";
    "group.share.partition.max.record.locks" => Int, "2000", Between(100, 10_000), Medium, ReadOnly, NoEffect(SHARE),
        "Records of a partition that a share group may hold at once.";
    "group.share.min.partition.max.record.locks" => Int, "100", Between(100, 2000), Medium, ReadOnly, NoEffect(SHARE),
        "Smallest share.partition.max.record.locks of a group.";
    "group.share.max.partition.max.record.locks" => Int, "4000", Between(2000, 10_000), Medium, ReadOnly, NoEffect(SHARE),
        "Largest share.partition.max.record.locks of a group.";
    "group.share.record.lock.duration.ms" => Int, "30000", Between(1000, 3_600_000), Medium, ReadOnly, NoEffect(SHARE),
        "A delivered record is given to somebody else after this, in milliseconds.";
    "group.share.min.record.lock.duration.ms" => Int, "15000", Between(1000, 30_000), Medium, ReadOnly, NoEffect(SHARE),
        "Smallest share.record.lock.duration.ms of a group.";
    "group.share.max.record.lock.duration.ms" => Int, "60000", Between(30_000, 3_600_000), Medium, ReadOnly, NoEffect(SHARE),
        "Largest share.record.lock.duration.ms of a group.";
    "share.coordinator.state.topic.num.partitions" => Int, "50", AtLeast(1), High, ReadOnly, NoEffect(SHARE),
        "Partitions of __share_group_state.";
    "share.coordinator.state.topic.replication.factor" => Short, "3", AtLeast(1), High, ReadOnly, NoEffect(SHARE),
        "Replicas of __share_group_state.";
    "share.coordinator.state.topic.min.isr" => Short, "2", AtLeast(1), High, ReadOnly, NoEffect(SHARE),
        "In-sync replicas that __share_group_state needs.";
    "share.coordinator.state.topic.segment.bytes" => Int, "104857600", AtLeast(1), High, ReadOnly, NoEffect(SHARE),
        "Segment size of __share_group_state, in bytes.";
    "share.coordinator.state.topic.compression.codec" => Int, "0", Any, High, ReadOnly, NoEffect(SHARE),
        "Codec of __share_group_state, by its number.";
    "share.coordinator.load.buffer.size" => Int, "5242880", AtLeast(1), High, ReadOnly, NoEffect(SHARE),
        "Bytes that are read at once when share state is loaded.";
    "share.coordinator.write.timeout.ms" => Int, "5000", AtLeast(1), High, ReadOnly, NoEffect(SHARE),
        "How long a write of share state may take, in milliseconds.";
    "share.coordinator.append.linger.ms" => Int, "-1", AtLeast(-1), Medium, ReadOnly, NoEffect(SHARE),
        "How long share state is gathered before it is written, in milliseconds; -1 adapts.";
    "share.coordinator.cached.buffer.max.bytes" => Int, "1048588", AtLeast(524_288), Medium, ClusterWide, NoEffect(SHARE),
        "Largest buffer that the share coordinator keeps for reuse, in bytes.";
    "share.coordinator.snapshot.update.records.per.snapshot" => Int, "500", Between(0, 500), Medium, ReadOnly, NoEffect(SHARE),
        "Updates of share state between two snapshots of it.";
    "share.coordinator.threads" => Int, "1", AtLeast(1), Medium, ReadOnly, NoEffect(SHARE),
        "Threads of the share coordinator.";
    "group.share.initialize.retry.interval.ms" => Int, "30000", AtLeast(1), Low, ReadOnly, NoEffect(INTERNAL),
        "Time before share state is initialised again, in milliseconds." [hidden];
    "group.share.persister.class.name" => String, "org.apache.kafka.server.share.persister.DefaultStatePersister", Any, Medium, ReadOnly, NoEffect(INTERNAL),
        "Class that keeps share state." [hidden];
    "share.coordinator.cold.partition.snapshot.interval.ms" => Int, "300000", AtLeast(1), Low, ReadOnly, NoEffect(INTERNAL),
        "Time between snapshots of share state that does not change, in milliseconds." [hidden];
    "share.coordinator.state.topic.prune.interval.ms" => Int, "300000", AtLeast(1), Low, ReadOnly, NoEffect(INTERNAL),
        "Time between removals of old share state, in milliseconds." [hidden];
    "errors.deadletterqueue.auto.create.topics.enable" => Boolean, "false", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Creates topics for records that were given up (Kafka 4.4)." [hidden];
    "errors.deadletterqueue.topic.name.prefix" => String, "dlq.", Any, Low, ReadOnly, NoEffect(REMOVED),
        "How topics for records that were given up must begin (Kafka 4.4)." [hidden];
};
