//! Producer state and transactions.

use crate::config::broker::TXN;
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast};

pub(super) const KEYS: &[Key] = keys! {
    "producer.id.expiration.ms" => Int, "86400000", AtLeast(1), Low, ClusterWide, Works,
        "An idle producer id is forgotten after this, in milliseconds.";
    "transaction.max.timeout.ms" => Int, "900000", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "Longest transaction timeout that a producer may ask for, in milliseconds.";
    "transactional.id.expiration.ms" => Int, "604800000", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "An idle transactional id is forgotten after this, in milliseconds.";
    "transaction.state.log.num.partitions" => Int, "50", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "Partitions of __transaction_state.";
    "transaction.state.log.replication.factor" => Short, "3", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "Replicas of __transaction_state.";
    "transaction.state.log.min.isr" => Int, "2", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "In-sync replicas that __transaction_state needs.";
    "transaction.state.log.segment.bytes" => Int, "104857600", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "Segment size of __transaction_state, in bytes.";
    "transaction.state.log.load.buffer.size" => Int, "5242880", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "Bytes that are read at once when transactions are loaded.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" => Int, "10000", AtLeast(1), Low, ReadOnly, NoEffect(TXN),
        "Time between looks for transactions that timed out, in milliseconds.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" => Int, "3600000", AtLeast(1), Low, ReadOnly, NoEffect(TXN),
        "Time between looks for transactional ids that expired, in milliseconds.";
    "transaction.partition.verification.enable" => Boolean, "true", Any, Low, ClusterWide, NoEffect(TXN),
        "Checks that a partition was added to the transaction of a batch.";
    "transaction.two.phase.commit.enable" => Boolean, "false", Any, Low, ReadOnly, NoEffect(TXN),
        "Allows transactions that are coordinated from outside and do not time out.";
    "add.partitions.to.txn.retry.backoff.ms" => Int, "20", AtLeast(1), High, ReadOnly, NoEffect(TXN),
        "Pause before a partition is added to a transaction again, in milliseconds.";
    "add.partitions.to.txn.retry.backoff.max.ms" => Int, "100", AtLeast(0), High, ReadOnly, NoEffect(TXN),
        "Longest wait for an earlier transaction of the same producer, in milliseconds.";
    "producer.id.expiration.check.interval.ms" => Int, "600000", AtLeast(1), Low, ReadOnly, Works,
        "Time between looks for idle producer ids, in milliseconds." [hidden];
};
