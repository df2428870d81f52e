//! Replication and fetch.

use crate::config::broker::{CHECKPOINT, CLASS, ONE, PURGATORY, TIER};
use crate::config::key::Effect::{NoEffect, Refused, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast};

pub(super) const KEYS: &[Key] = keys! {
    "replica.lag.time.max.ms" => Long, "30000", Any, High, ReadOnly, Works,
        "A follower that has not caught up for this long leaves the in-sync replicas, in milliseconds.";
    "replica.fetch.wait.max.ms" => Int, "500", Any, High, ReadOnly, NoEffect(ONE),
        "How long a fetch of a follower waits for records, in milliseconds.";
    "replica.fetch.min.bytes" => Int, "1", Any, High, ReadOnly, NoEffect(ONE),
        "Bytes that a fetch of a follower waits for.";
    "replica.fetch.max.bytes" => Int, "1048576", AtLeast(0), Medium, ReadOnly, NoEffect(ONE),
        "Bytes that a follower fetches from one partition.";
    "replica.fetch.response.max.bytes" => Int, "10485760", AtLeast(0), Medium, ReadOnly, NoEffect(ONE),
        "Bytes that a follower fetches at once.";
    "replica.fetch.backoff.ms" => Int, "1000", AtLeast(0), Medium, ReadOnly, NoEffect(ONE),
        "Pause after a failed fetch of a follower, in milliseconds.";
    "replica.socket.timeout.ms" => Int, "30000", Any, High, ReadOnly, NoEffect(ONE),
        "How long a request of a follower may take, in milliseconds.";
    "replica.socket.receive.buffer.bytes" => Int, "65536", Any, High, ReadOnly, NoEffect(ONE),
        "Receive buffer of the sockets of followers, in bytes.";
    "replica.high.watermark.checkpoint.interval.ms" => Long, "5000", Any, High, ReadOnly, NoEffect(CHECKPOINT),
        "Time between writes of the high watermarks, in milliseconds.";
    "replica.selector.class" => String, null, Any, Medium, ReadOnly, Refused(CLASS),
        "Class that chooses the replica a consumer reads from.";
    "replica.alter.log.dirs.io.max.bytes.per.second" => Long, "9223372036854775807", AtLeast(0), Medium, PerBroker, Works,
        "Bytes per second at most for moves between directories." [hidden];
    "leader.replication.throttled.rate" => Long, "9223372036854775807", AtLeast(0), Medium, PerBroker, NoEffect(ONE),
        "Bytes per second that leaders send to throttled followers at most." [hidden];
    "follower.replication.throttled.rate" => Long, "9223372036854775807", AtLeast(0), Medium, PerBroker, NoEffect(ONE),
        "Bytes per second that throttled followers fetch at most." [hidden];
    "follower.fetch.last.tiered.offset.enable" => Boolean, "false", Any, Medium, ClusterWide, NoEffect(TIER),
        "Lets an empty follower begin after what is in remote storage.";
    "num.replica.fetchers" => Int, "1", AtLeast(1), High, ClusterWide, NoEffect(ONE),
        "Threads that fetch from each other broker.";
    "fetch.max.bytes" => Int, "57671680", AtLeast(1024), Medium, ReadOnly, Works,
        "Largest answer to a fetch, in bytes.";
    "max.incremental.fetch.session.cache.slots" => Int, "1000", AtLeast(0), Medium, ReadOnly, Works,
        "Fetch sessions that are kept.";
    "max.request.partition.size.limit" => Int, "2000", AtLeast(1), Medium, ReadOnly, Works,
        "Partitions in one DescribeTopicPartitions answer at most.";
    "fetch.purgatory.purge.interval.requests" => Int, "1000", Any, Medium, ReadOnly, NoEffect(PURGATORY),
        "Requests after which the purgatory of fetches is purged.";
    "producer.purgatory.purge.interval.requests" => Int, "1000", Any, Medium, ReadOnly, NoEffect(PURGATORY),
        "Requests after which the purgatory of produces is purged.";
    "delete.records.purgatory.purge.interval.requests" => Int, "1", Any, Medium, ReadOnly, NoEffect(PURGATORY),
        "Requests after which the purgatory of record deletions is purged.";
    "share.fetch.purgatory.purge.interval.requests" => Int, "1000", Any, Medium, ReadOnly, NoEffect(PURGATORY),
        "Requests after which the purgatory of share fetches is purged.";
    "request.timeout.ms" => Int, "30000", Any, High, ReadOnly, NoEffect(ONE),
        "How long a request of this broker to another may take, in milliseconds.";
};
