//! Producer state and transactions.

use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast};

const EXACT: &str = "a transaction is aborted as soon as its timeout ends";
const WAITS: &str = "batches wait in the coordinator for the end of the transaction before";

pub(super) const KEYS: &[Key] = keys! {
    "producer.id.expiration.ms" => Int, "86400000", AtLeast(1), Low, ClusterWide, Works,
        "An idle producer id is forgotten after this, in milliseconds.";
    "transaction.max.timeout.ms" => Int, "900000", AtLeast(1), High, ReadOnly, Works,
        "Longest transaction timeout that a producer may ask for, in milliseconds.";
    "transactional.id.expiration.ms" => Int, "604800000", AtLeast(1), High, ReadOnly, Works,
        "An idle transactional id is forgotten after this, in milliseconds.";
    "transaction.state.log.num.partitions" => Int, "50", AtLeast(1), High, ReadOnly, Works,
        "Partitions of __transaction_state.";
    "transaction.state.log.replication.factor" => Short, "3", AtLeast(1), High, ReadOnly, Works,
        "Replicas of __transaction_state.";
    "transaction.state.log.min.isr" => Int, "2", AtLeast(1), High, ReadOnly, Works,
        "In-sync replicas that __transaction_state needs.";
    "transaction.state.log.segment.bytes" => Int, "104857600", AtLeast(1), High, ReadOnly, Works,
        "Segment size of __transaction_state, in bytes.";
    "transaction.state.log.load.buffer.size" => Int, "5242880", AtLeast(1), High, ReadOnly, Works,
        "Bytes that are read at once when transactions are loaded.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" => Int, "10000", AtLeast(1), Low, ReadOnly, NoEffect(EXACT),
        "Time between looks for transactions that timed out, in milliseconds.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" => Int, "3600000", AtLeast(1), Low, ReadOnly, Works,
        "Time between looks for transactional ids that expired, in milliseconds.";
    "transaction.partition.verification.enable" => Boolean, "true", Any, Low, ClusterWide, Works,
        "Checks that a partition was added to the transaction of a batch.";
    "transaction.two.phase.commit.enable" => Boolean, "false", Any, Low, ReadOnly, Works,
        "Allows transactions that are coordinated from outside and do not time out.";
    "add.partitions.to.txn.retry.backoff.ms" => Int, "20", AtLeast(1), High, ReadOnly, NoEffect(WAITS),
        "Pause before a partition is added to a transaction again, in milliseconds.";
    "add.partitions.to.txn.retry.backoff.max.ms" => Int, "100", AtLeast(0), High, ReadOnly, NoEffect(WAITS),
        "Longest wait for an earlier transaction of the same producer, in milliseconds.";
    "producer.id.expiration.check.interval.ms" => Int, "600000", AtLeast(1), Low, ReadOnly, Works,
        "Time between looks for idle producer ids, in milliseconds." [hidden];
};
