//! What a coordinator answers.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::transaction::State;
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Timestamp, TopicPartition};

use super::request::Producer;

const NOBODY: Producer = Producer {
    id: ProducerId::NONE,
    epoch: ProducerEpoch::NONE,
};

/// Answer to InitProducerId.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// NONE, or why not.
    pub error: ErrorCode,
    /// Id and epoch to produce with; -1 with an error.
    pub producer: Producer,
}

/// Answer to EndTxn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// NONE, or why not.
    pub error: ErrorCode,
    /// Id and epoch of the next transaction, from transaction version 2 on; -1 with an error.
    pub producer: Producer,
}

impl Initialized {
    pub(super) const fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            producer: NOBODY,
        }
    }
}

impl Ended {
    pub(super) const fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            producer: NOBODY,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To [`Request::Init`](super::Request::Init).
    Init(Initialized),
    /// To [`Request::Add`](super::Request::Add); it holds for every partition.
    Add(ErrorCode),
    /// To [`Request::Verify`](super::Request::Verify): `TRANSACTION_ABORTABLE` where a partition is
    /// not part of the transaction.
    Verify(BTreeMap<TopicPartition, ErrorCode>),
    /// To [`Request::End`](super::Request::End).
    End(Ended),
}

impl Response {
    /// The same kind of answer, as an error; for requests whose records could not be stored.
    pub(super) fn failed(&self, error: ErrorCode) -> Self {
        match self {
            Self::Init(_) => Self::Init(Initialized::refused(error)),
            Self::Add(_) => Self::Add(error),
            Self::Verify(partitions) => {
                Self::Verify(partitions.keys().map(|of| (of.clone(), error)).collect())
            }
            Self::End(_) => Self::End(Ended::refused(error)),
        }
    }
}

/// A transactional id as DescribeTransactions (key 65) shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its state.
    pub state: State,
    /// Its timeout, in milliseconds.
    pub timeout_ms: i32,
    /// When its transaction began; -1 where there is none.
    pub start: Timestamp,
    /// Its producer.
    pub producer: Producer,
    /// Partitions of the transaction.
    pub partitions: BTreeSet<TopicPartition>,
}

/// A transactional id as ListTransactions (key 66) shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The id.
    pub transactional_id: String,
    /// Id of its producer.
    pub producer_id: ProducerId,
    /// Its state.
    pub state: State,
}

/// What ListTransactions asks for; an empty list is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// States.
    pub states: Vec<State>,
    /// Producer ids.
    pub producer_ids: Vec<ProducerId>,
    /// Only transactions that began more than so many milliseconds ago (KIP-994); none for all.
    pub duration_ms: Option<i64>,
}
