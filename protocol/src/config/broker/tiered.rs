//! Tiered storage (KIP-405).

use crate::config::broker::{INTERNAL, TIER};
use crate::config::key::Effect::{NoEffect, Refused};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, NonEmpty, Ratio};

pub(super) const KEYS: &[Key] = keys! {
    "remote.log.storage.system.enable" => Boolean, "false", Any, Medium, ReadOnly, Refused(TIER),
        "Moves old segments to remote storage.";
    "remote.log.storage.manager.class.name" => String, null, NonEmpty, Medium, ReadOnly, NoEffect(TIER),
        "Class of the remote storage.";
    "remote.log.storage.manager.class.path" => String, null, Any, Medium, ReadOnly, NoEffect(TIER),
        "Where the class of the remote storage is.";
    "remote.log.storage.manager.impl.prefix" => String, "rsm.config.", NonEmpty, Medium, ReadOnly, NoEffect(TIER),
        "Prefix of the keys of the remote storage.";
    "remote.log.metadata.manager.class.name" => String, "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", NonEmpty, Medium, ReadOnly, NoEffect(TIER),
        "Class that keeps what is in remote storage.";
    "remote.log.metadata.manager.class.path" => String, null, Any, Medium, ReadOnly, NoEffect(TIER),
        "Where the class that keeps what is in remote storage is.";
    "remote.log.metadata.manager.impl.prefix" => String, "rlmm.config.", NonEmpty, Medium, ReadOnly, NoEffect(TIER),
        "Prefix of the keys of the class that keeps what is in remote storage.";
    "remote.log.metadata.manager.listener.name" => String, null, NonEmpty, Medium, ReadOnly, NoEffect(TIER),
        "Listener that the class that keeps what is in remote storage connects to.";
    "remote.log.metadata.custom.metadata.max.bytes" => Int, "128", AtLeast(0), Low, ReadOnly, NoEffect(TIER),
        "Bytes that a remote storage may add to what is kept of a segment.";
    "remote.log.index.file.cache.total.size.bytes" => Long, "1073741824", AtLeast(1), Low, ClusterWide, NoEffect(TIER),
        "Space for indexes of remote segments, in bytes.";
    "remote.log.manager.task.interval.ms" => Long, "30000", AtLeast(1), Low, ReadOnly, NoEffect(TIER),
        "Time between looks for segments to copy or remove, in milliseconds.";
    "remote.log.manager.copier.thread.pool.size" => Int, "10", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "Threads that copy segments.";
    "remote.log.manager.expiration.thread.pool.size" => Int, "10", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "Threads that remove remote segments.";
    "remote.log.manager.follower.thread.pool.size" => Int, "2", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "Threads that look after remote segments of followers.";
    "remote.log.manager.thread.pool.size" => Int, "2", AtLeast(1), Medium, ReadOnly, NoEffect(TIER),
        "Older number of threads for remote segments.";
    "remote.log.manager.copy.max.bytes.per.second" => Long, "9223372036854775807", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "Bytes per second that are copied to remote storage at most.";
    "remote.log.manager.copy.quota.window.num" => Int, "11", AtLeast(1), Medium, ReadOnly, NoEffect(TIER),
        "Samples that the quota of copies remembers.";
    "remote.log.manager.copy.quota.window.size.seconds" => Int, "1", AtLeast(1), Medium, ReadOnly, NoEffect(TIER),
        "Length of a sample of the quota of copies, in seconds.";
    "remote.log.manager.fetch.max.bytes.per.second" => Long, "9223372036854775807", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "Bytes per second that are read from remote storage at most.";
    "remote.log.manager.fetch.quota.window.num" => Int, "11", AtLeast(1), Medium, ReadOnly, NoEffect(TIER),
        "Samples that the quota of remote reads remembers.";
    "remote.log.manager.fetch.quota.window.size.seconds" => Int, "1", AtLeast(1), Medium, ReadOnly, NoEffect(TIER),
        "Length of a sample of the quota of remote reads, in seconds.";
    "remote.log.reader.threads" => Int, "10", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "Threads that read from remote storage.";
    "remote.log.reader.max.pending.tasks" => Int, "100", AtLeast(1), Medium, ReadOnly, NoEffect(TIER),
        "Reads from remote storage that may wait.";
    "remote.fetch.max.wait.ms" => Int, "500", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "How long a fetch waits for remote storage, in milliseconds.";
    "remote.list.offsets.request.timeout.ms" => Long, "30000", AtLeast(1), Medium, ClusterWide, NoEffect(TIER),
        "How long ListOffsets waits for remote storage, in milliseconds.";
    "log.local.retention.ms" => Long, "-2", AtLeast(-2), Medium, ClusterWide, NoEffect(TIER),
        "Age above which a copied segment goes from the local disk, in milliseconds; -2 for log.retention.ms.";
    "log.local.retention.bytes" => Long, "-2", AtLeast(-2), Medium, ClusterWide, NoEffect(TIER),
        "Size above which copied segments go from the local disk, in bytes; -2 for log.retention.bytes.";
    "remote.log.index.file.cache.ttl.ms" => Long, "900000", AtLeast(-1), Low, ReadOnly, NoEffect(INTERNAL),
        "How long an unused index of a remote segment is kept, in milliseconds." [hidden];
    "remote.log.manager.task.retry.backoff.ms" => Long, "500", AtLeast(1), Low, ReadOnly, NoEffect(INTERNAL),
        "First pause after a failed copy, in milliseconds." [hidden];
    "remote.log.manager.task.retry.backoff.max.ms" => Long, "30000", AtLeast(1), Low, ReadOnly, NoEffect(INTERNAL),
        "Longest pause after a failed copy, in milliseconds." [hidden];
    "remote.log.manager.task.retry.jitter" => Double, "0.2", Ratio(0.0, 0.5), Low, ReadOnly, NoEffect(INTERNAL),
        "Random part of the pause after a failed copy." [hidden];
};
