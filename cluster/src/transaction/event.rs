//! What happens to a coordinator, and what it wants done.

use std::collections::BTreeSet;

use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, Offset, ProducerEpoch, ProducerId, TopicPartition};

use super::request::Request;
use super::response::Response;

/// Names a request that waits for its answer; the caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter(pub u64);

/// Names an append that is under way; counted up by the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What happens to a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client, or a partition leader for it, asks.
    Request {
        /// Who gets the answer.
        waiter: Waiter,
        /// What is asked.
        request: Request,
    },
    /// An [`Effect::Append`] has come to its end. Those that went well come in the order of the
    /// log.
    Appended {
        /// Which one.
        token: Token,
        /// Offset of the first record, which is committed; or why the records are certainly not in
        /// the log.
        result: Result<Offset, ErrorCode>,
    },
    /// An append takes too long: who waits for it gets an error; its [`Event::Appended`] still
    /// comes.
    TimedOut {
        /// Which one.
        token: Token,
    },
    /// The answer to an [`Effect::NewProducerId`]; an id comes to one coordinator only.
    ProducerId(Result<ProducerId, ErrorCode>),
    /// The markers of an [`Effect::WriteMarkers`] were tried.
    MarkersWritten {
        /// The transactional id.
        transactional_id: String,
        /// The producer of the markers.
        producer_id: ProducerId,
        /// Their epoch.
        producer_epoch: ProducerEpoch,
        /// What became of each: NONE where it is committed, `UNKNOWN_TOPIC_OR_PARTITION` where the
        /// topic is deleted; everything else is tried again. What is missing is tried again too.
        results: Vec<(TopicPartition, ErrorCode)>,
    },
    /// The feature `transaction.version` has another level.
    TransactionVersion(i16),
    /// [`Coordinator::next_deadline`](super::Coordinator::next_deadline) has come.
    Tick,
}

/// The markers that end one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// The transactional id.
    pub transactional_id: String,
    /// Its producer.
    pub producer_id: ProducerId,
    /// Epoch that the markers carry.
    pub producer_epoch: ProducerEpoch,
    /// True for commit, false for abort.
    pub is_commit: bool,
    /// Leader epoch of the coordinator's partition.
    pub coordinator_epoch: i32,
    /// Version of the protocol of the transaction, for the rule of the epoch (KIP-1228).
    pub transaction_version: i16,
    /// Where they go; at least one.
    pub partitions: BTreeSet<TopicPartition>,
}

/// What a coordinator wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Append the records as one batch with acks=all, then feed [`Event::Appended`].
    Append {
        /// Name of the append.
        token: Token,
        /// The records; at least one.
        records: Vec<Record>,
    },
    /// Answer a request.
    Reply {
        /// Which one.
        waiter: Waiter,
        /// The answer.
        response: Response,
    },
    /// Take a new producer id from the cluster and feed [`Event::ProducerId`].
    NewProducerId,
    /// Write the markers with acks=all and feed [`Event::MarkersWritten`] when all are done or
    /// refused.
    WriteMarkers(Markers),
}
