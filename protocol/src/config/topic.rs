//! Keys of a topic.

use crate::config::broker::{INTERNAL, ONE, REMOVED, TIER};
use crate::config::definition::ConfigDef;
use crate::config::key::Effect::{NoEffect, Refused, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{
    Any, AtLeast, Between, Distinct, GzipLevel, OneOf, Ratio, ThrottledReplicas,
};

const KEYS: &[Key] = keys! {
    "cleanup.policy" => List, "delete", Distinct { allowed: Some(&["compact", "delete"]), may_be_empty: true }, Medium, ClusterWide, Works,
        "What happens to old records: delete, compact, both, or nothing.", synonym "log.cleanup.policy";
    "compression.type" => String, "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Medium, ClusterWide, Works,
        "Codec in which batches are stored; producer keeps what the producer chose.", synonym "compression.type";
    "compression.gzip.level" => Int, "-1", GzipLevel, Medium, ClusterWide, Works,
        "Level of gzip; -1 is the default of the codec.", synonym "compression.gzip.level";
    "compression.lz4.level" => Int, "9", Between(1, 17), Medium, ClusterWide, Works,
        "Level of lz4.", synonym "compression.lz4.level";
    "compression.zstd.level" => Int, "3", Between(-131_072, 22), Medium, ClusterWide, Works,
        "Level of zstd.", synonym "compression.zstd.level";
    "delete.retention.ms" => Long, "86400000", AtLeast(0), Medium, ClusterWide, Works,
        "How long a tombstone stays in a compacted log, in milliseconds.", synonym "log.cleaner.delete.retention.ms";
    "file.delete.delay.ms" => Long, "60000", AtLeast(0), Medium, ClusterWide, Works,
        "Time between marking a file as deleted and unlinking it, in milliseconds.", synonym "log.segment.delete.delay.ms";
    "flush.messages" => Long, "9223372036854775807", AtLeast(1), Medium, ClusterWide, Works,
        "Records after which a partition is synced.", synonym "log.flush.interval.messages";
    "flush.ms" => Long, "9223372036854775807", AtLeast(0), Medium, ClusterWide, Works,
        "Milliseconds after which a partition is synced.", synonym "log.flush.interval.ms";
    "follower.replication.throttled.replicas" => List, "", ThrottledReplicas, Medium, ClusterWide, NoEffect(ONE),
        "Followers that are throttled, as partition:broker, or * for all.";
    "index.interval.bytes" => Int, "4096", AtLeast(0), Medium, ClusterWide, Works,
        "Bytes of records for each entry of an index.", synonym "log.index.interval.bytes";
    "leader.replication.throttled.replicas" => List, "", ThrottledReplicas, Medium, ClusterWide, NoEffect(ONE),
        "Leaders that are throttled, as partition:broker, or * for all.";
    "local.retention.bytes" => Long, "-2", AtLeast(-2), Medium, ClusterWide, NoEffect(TIER),
        "Size above which copied segments go from the local disk, in bytes; -2 for retention.bytes.", synonym "log.local.retention.bytes";
    "local.retention.ms" => Long, "-2", AtLeast(-2), Medium, ClusterWide, NoEffect(TIER),
        "Age above which a copied segment goes from the local disk, in milliseconds; -2 for retention.ms.", synonym "log.local.retention.ms";
    "max.compaction.lag.ms" => Long, "9223372036854775807", AtLeast(1), Medium, ClusterWide, Works,
        "Older records make a log due for compaction, in milliseconds.", synonym "log.cleaner.max.compaction.lag.ms";
    "max.message.bytes" => Int, "1048588", AtLeast(0), Medium, ClusterWide, Works,
        "Largest record batch, in bytes.", synonym "message.max.bytes";
    "message.timestamp.after.max.ms" => Long, "3600000", AtLeast(0), Medium, ClusterWide, Works,
        "How far a record may lie in the future, in milliseconds.", synonym "log.message.timestamp.after.max.ms";
    "message.timestamp.before.max.ms" => Long, "9223372036854775807", AtLeast(0), Medium, ClusterWide, Works,
        "How far a record may lie in the past, in milliseconds.", synonym "log.message.timestamp.before.max.ms";
    "message.timestamp.type" => String, "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Medium, ClusterWide, Works,
        "Whose clock stamps a record: CreateTime (the producer's) or LogAppendTime (the broker's).", synonym "log.message.timestamp.type";
    "min.cleanable.dirty.ratio" => Double, "0.5", Ratio(0.0, 1.0), Medium, ClusterWide, Works,
        "Share of bytes not yet compacted from which a log is compacted, 0 to 1.", synonym "log.cleaner.min.cleanable.ratio";
    "min.compaction.lag.ms" => Long, "0", AtLeast(0), Medium, ClusterWide, Works,
        "Younger records are not compacted, in milliseconds.", synonym "log.cleaner.min.compaction.lag.ms";
    "min.insync.replicas" => Int, "1", AtLeast(1), Medium, ClusterWide, Works,
        "In-sync replicas that a partition needs before acks=all is accepted.", synonym "min.insync.replicas";
    "preallocate" => Boolean, "false", Any, Medium, ClusterWide, Works,
        "Reserves the space of a segment when it is made.", synonym "log.preallocate";
    "remote.log.copy.disable" => Boolean, "false", Any, Medium, ClusterWide, NoEffect(TIER),
        "Stops copies to remote storage.";
    "remote.log.delete.on.disable" => Boolean, "false", Any, Medium, ClusterWide, NoEffect(TIER),
        "Lets what is in remote storage go when it is switched off.";
    "remote.storage.enable" => Boolean, "false", Any, Medium, ClusterWide, Refused(TIER),
        "Moves old segments to remote storage.";
    "retention.bytes" => Long, "-1", Any, Medium, ClusterWide, Works,
        "Size of a partition above which its oldest segments go, in bytes; -1 without limit.", synonym "log.retention.bytes";
    "retention.ms" => Long, "604800000", AtLeast(-1), Medium, ClusterWide, Works,
        "Age of records above which a segment may go, in milliseconds; -1 for ever.", synonym "log.retention.ms";
    "segment.bytes" => Int, "1073741824", AtLeast(1_048_576), Medium, ClusterWide, Works,
        "Largest segment file, in bytes.", synonym "log.segment.bytes";
    "segment.index.bytes" => Int, "10485760", AtLeast(4), Medium, ClusterWide, Works,
        "Largest index file, in bytes.", synonym "log.index.size.max.bytes";
    "segment.jitter.ms" => Long, "0", AtLeast(0), Medium, ClusterWide, Works,
        "Most that is taken off segment.ms at random, in milliseconds.", synonym "log.roll.jitter.ms";
    "segment.ms" => Long, "604800000", AtLeast(1), Medium, ClusterWide, Works,
        "Oldest segment before it is closed, in milliseconds.", synonym "log.roll.ms";
    "unclean.leader.election.enable" => Boolean, "false", Any, Medium, ClusterWide, NoEffect(ONE),
        "Lets a replica that is not in sync become leader, which loses records.", synonym "unclean.leader.election.enable";
    "durability" => String, "persisted", OneOf(&["persisted", "replicated"]), High, ClusterWide, Works,
        "When a record counts as stored: persisted (synced to disk) or replicated (in the page cache of the in-sync replicas, as Kafka). Ours.", synonym "log.durability";
    "validation" => String, "header", OneOf(&["header", "strict"]), Medium, ClusterWide, Works,
        "How much of a batch is checked before it is appended: header, or strict for every record. Ours.", synonym "log.validation";
    "message.format.version" => String, null, Any, Low, ClusterWide, NoEffect(REMOVED),
        "Older version of the record format." [hidden];
    "message.downconversion.enable" => Boolean, "true", Any, Low, ClusterWide, NoEffect(REMOVED),
        "Older switch of conversions for old consumers." [hidden];
    "message.timestamp.difference.max.ms" => Long, "9223372036854775807", Any, Low, ClusterWide, NoEffect(REMOVED),
        "Older limit in both directions of a timestamp, in milliseconds." [hidden];
    "internal.segment.bytes" => Int, null, Any, Medium, ClusterWide, NoEffect(INTERNAL),
        "Segment size in tests, in bytes." [hidden];
};

static TOPIC: ConfigDef = ConfigDef::new("topic config", &[KEYS]);

/// The keys of a topic: all of Kafka 4.3, what old tools still send (hidden), and ours.
#[must_use]
pub fn topic() -> &'static ConfigDef {
    &TOPIC
}
