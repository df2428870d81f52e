//! Log.

use crate::config::broker::{CHECKPOINT, CLEANER, INTERNAL, LIST, ONE, REMOVED, SOME_LIST};
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{
    Any, AtLeast, Between, Distinct, GzipLevel, OneOf, Ratio,
};

pub(super) const KEYS: &[Key] = keys! {
    "log.dirs" => List, null, SOME_LIST, High, ReadOnly, Works,
        "Directories of the logs; log.dir where null.";
    "log.dir" => List, "milena-data", SOME_LIST, High, ReadOnly, Works,
        "Directory of the logs, where log.dirs is not set.";
    "cordoned.log.dirs" => List, "", LIST, Medium, PerBroker, Works,
        "Directories that get no new partitions; * for all.";
    "log.dir.failure.timeout.ms" => Long, "30000", AtLeast(1), Low, ReadOnly, NoEffect(ONE),
        "A broker that cannot report a failed directory stops after this, in milliseconds.";
    "log.dir.reserve.bytes" => Long, "1073741824", AtLeast(0), Medium, ClusterWide, Works,
        "Bytes that stay free in each log directory; appends are refused before they are used. Ours.";
    "log.durability" => String, "persisted", OneOf(&["persisted", "replicated"]), High, ClusterWide, Works,
        "When a record counts as stored: persisted (synced to disk) or replicated (in the page cache of the in-sync replicas, as Kafka). Ours.";
    "log.validation" => String, "header", OneOf(&["header", "strict"]), Medium, ClusterWide, Works,
        "How much of a batch is checked before it is appended: header, or strict for every record. Ours.";
    "log.segment.bytes" => Int, "1073741824", AtLeast(1_048_576), High, ClusterWide, Works,
        "Largest segment file, in bytes.";
    "log.roll.ms" => Long, null, Any, High, ClusterWide, Works,
        "Oldest segment before it is closed, in milliseconds; log.roll.hours where null.";
    "log.roll.hours" => Int, "168", AtLeast(1), High, ReadOnly, Works,
        "Oldest segment before it is closed, in hours.";
    "log.roll.jitter.ms" => Long, null, Any, High, ClusterWide, Works,
        "Most that is taken off log.roll.ms at random, in milliseconds; log.roll.jitter.hours where null.";
    "log.roll.jitter.hours" => Int, "0", AtLeast(0), High, ReadOnly, Works,
        "Most that is taken off log.roll.hours at random, in hours.";
    "log.retention.ms" => Long, null, Any, High, ClusterWide, Works,
        "Age of records above which a segment may go, in milliseconds, -1 for ever; log.retention.minutes where null.";
    "log.retention.minutes" => Int, null, Any, High, ReadOnly, Works,
        "Age of records above which a segment may go, in minutes; log.retention.hours where null.";
    "log.retention.hours" => Int, "168", Any, High, ReadOnly, Works,
        "Age of records above which a segment may go, in hours.";
    "log.retention.bytes" => Long, "-1", Any, High, ClusterWide, Works,
        "Size of a partition above which its oldest segments go, in bytes; -1 without limit.";
    "log.retention.check.interval.ms" => Long, "300000", AtLeast(1), Medium, ReadOnly, Works,
        "Time between looks for segments that may go, in milliseconds.";
    "log.cleanup.policy" => List, "delete", Distinct { allowed: Some(&["compact", "delete"]), may_be_empty: true }, Medium, ClusterWide, Works,
        "What happens to old records: delete, compact, both, or nothing.";
    "log.segment.delete.delay.ms" => Long, "60000", AtLeast(0), High, ClusterWide, Works,
        "Time between marking a file as deleted and unlinking it, in milliseconds.";
    "log.index.interval.bytes" => Int, "4096", AtLeast(0), Medium, ClusterWide, Works,
        "Bytes of records for each entry of an index.";
    "log.index.size.max.bytes" => Int, "10485760", AtLeast(4), Medium, ClusterWide, Works,
        "Largest index file, in bytes.";
    "log.preallocate" => Boolean, "false", Any, Medium, ClusterWide, Works,
        "Reserves the space of a segment when it is made.";
    "log.flush.interval.messages" => Long, "9223372036854775807", AtLeast(1), High, ClusterWide, Works,
        "Records after which a partition is synced.";
    "log.flush.interval.ms" => Long, null, Any, High, ClusterWide, Works,
        "Milliseconds after which a partition is synced; log.flush.scheduler.interval.ms where null.";
    "log.flush.scheduler.interval.ms" => Long, "9223372036854775807", Any, High, ReadOnly, Works,
        "Time between looks for partitions to sync, in milliseconds.";
    "log.flush.offset.checkpoint.interval.ms" => Int, "60000", AtLeast(0), High, ReadOnly, Works,
        "Time between writes of the recovery points, in milliseconds.";
    "log.flush.start.offset.checkpoint.interval.ms" => Int, "60000", AtLeast(0), High, ReadOnly, NoEffect(CHECKPOINT),
        "Time between writes of the log start offsets, in milliseconds.";
    "log.message.timestamp.type" => String, "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Medium, ClusterWide, Works,
        "Whose clock stamps a record: CreateTime (the producer's) or LogAppendTime (the broker's).";
    "log.message.timestamp.before.max.ms" => Long, "9223372036854775807", AtLeast(0), Medium, ClusterWide, Works,
        "How far a record may lie in the past, in milliseconds.";
    "log.message.timestamp.after.max.ms" => Long, "3600000", AtLeast(0), Medium, ClusterWide, Works,
        "How far a record may lie in the future, in milliseconds.";
    "message.max.bytes" => Int, "1048588", AtLeast(0), High, ClusterWide, Works,
        "Largest record batch, in bytes.";
    "compression.type" => String, "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), High, ClusterWide, Works,
        "Codec in which batches are stored; producer keeps what the producer chose.";
    "compression.gzip.level" => Int, "-1", GzipLevel, Medium, ClusterWide, Works,
        "Level of gzip; -1 is the default of the codec.";
    "compression.lz4.level" => Int, "9", Between(1, 17), Medium, ClusterWide, Works,
        "Level of lz4.";
    "compression.zstd.level" => Int, "3", Between(-131_072, 22), Medium, ClusterWide, Works,
        "Level of zstd.";
    "log.cleaner.enable" => Boolean, "true", Any, Medium, ReadOnly, NoEffect(CLEANER),
        "Older switch of the log cleaner; it always runs.";
    "log.cleaner.threads" => Int, "1", AtLeast(0), Medium, ClusterWide, Works,
        "Threads that compact logs.";
    "log.cleaner.dedupe.buffer.size" => Long, "134217728", Any, Medium, ClusterWide, Works,
        "Memory for the key maps of all cleaner threads, in bytes.";
    "log.cleaner.io.buffer.size" => Int, "524288", AtLeast(0), Medium, ClusterWide, Works,
        "Memory for the reads and writes of all cleaner threads, in bytes.";
    "log.cleaner.io.buffer.load.factor" => Double, "0.9", Any, Medium, ClusterWide, Works,
        "Share of a key map that is filled, 0 to 1.";
    "log.cleaner.io.max.bytes.per.second" => Double, "1.7976931348623157E308", Any, Medium, ClusterWide, Works,
        "Bytes that the cleaner reads and writes per second at most.";
    "log.cleaner.backoff.ms" => Long, "15000", AtLeast(0), Medium, ClusterWide, Works,
        "Pause of a cleaner that finds nothing to do, in milliseconds.";
    "log.cleaner.min.cleanable.ratio" => Double, "0.5", Ratio(0.0, 1.0), Medium, ClusterWide, Works,
        "Share of bytes not yet compacted from which a log is compacted, 0 to 1.";
    "log.cleaner.min.compaction.lag.ms" => Long, "0", AtLeast(0), Medium, ClusterWide, Works,
        "Younger records are not compacted, in milliseconds.";
    "log.cleaner.max.compaction.lag.ms" => Long, "9223372036854775807", AtLeast(1), Medium, ClusterWide, Works,
        "Older records make a log due for compaction, in milliseconds.";
    "log.cleaner.delete.retention.ms" => Long, "86400000", AtLeast(0), Medium, ClusterWide, Works,
        "How long a tombstone stays in a compacted log, in milliseconds.";
    "num.recovery.threads.per.data.dir" => Int, "2", AtLeast(1), High, ClusterWide, Works,
        "Threads for each log directory that open logs at start and close them at the end.";
    "num.replica.alter.log.dirs.threads" => Int, null, Any, High, ReadOnly, NoEffect(ONE),
        "Threads that move replicas between directories.";
    "log.initial.task.delay.ms" => Long, "30000", AtLeast(0), Low, ReadOnly, NoEffect(INTERNAL),
        "Time from start to the first work in the background, in milliseconds." [hidden];
    "log.message.format.version" => String, null, Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older version of the record format." [hidden];
    "log.message.downconversion.enable" => Boolean, "true", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older switch of conversions for old consumers." [hidden];
    "log.message.timestamp.difference.max.ms" => Long, "9223372036854775807", Any, Low, ReadOnly, NoEffect(REMOVED),
        "Older limit in both directions of a timestamp, in milliseconds." [hidden];
};
