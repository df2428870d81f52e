//! What is asked of a coordinator, without the versions of the APIs.

use std::collections::BTreeSet;

use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};

use super::response::{Ended, Initialized, Response};

/// A producer as it names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// InitProducerId (key 22) with a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitProducerId {
    /// The transactional id.
    pub transactional_id: String,
    /// Milliseconds after which a transaction of the producer is aborted.
    pub timeout_ms: i32,
    /// What the producer was before, where it only wants a new epoch (KIP-360).
    pub expected: Option<Producer>,
    /// Its transactions take part in a two-phase commit and have no timeout (KIP-939).
    pub two_phase_commit: bool,
    /// The open transaction is kept (KIP-939). As in Kafka 4.3 it is refused.
    pub keep_prepared: bool,
}

/// AddPartitionsToTxn (key 24), AddOffsetsToTxn (key 25), and what a Produce or TxnOffsetCommit of
/// transaction version 2 adds by itself (KIP-890).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPartitions {
    /// The transactional id.
    pub transactional_id: String,
    /// Who asks.
    pub producer: Producer,
    /// What to add; for AddOffsetsToTxn the partition of `__consumer_offsets`.
    pub partitions: BTreeSet<TopicPartition>,
    /// Version of the protocol of the transaction: 0 from clients of old, 2 where the partition
    /// leader asks.
    pub transaction_version: i16,
}

/// Whether partitions are part of the open transaction: what a partition leader asks for clients of
/// versions 0 and 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPartitions {
    /// The transactional id.
    pub transactional_id: String,
    /// Who produces.
    pub producer: Producer,
    /// The partitions.
    pub partitions: BTreeSet<TopicPartition>,
}

/// EndTxn (key 26).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// The transactional id.
    pub transactional_id: String,
    /// Who asks.
    pub producer: Producer,
    /// True for commit, false for abort.
    pub is_commit: bool,
    /// Version of the protocol: 2 from version 5 of the API on.
    pub transaction_version: i16,
}

/// A request. Every kind has its [`Response`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// InitProducerId.
    Init(InitProducerId),
    /// AddPartitionsToTxn and the like.
    Add(AddPartitions),
    /// Verification.
    Verify(VerifyPartitions),
    /// EndTxn.
    End(EndTransaction),
}

impl Request {
    /// Whose transaction it is.
    #[must_use]
    pub fn transactional_id(&self) -> &str {
        match self {
            Self::Init(request) => &request.transactional_id,
            Self::Add(request) => &request.transactional_id,
            Self::Verify(request) => &request.transactional_id,
            Self::End(request) => &request.transactional_id,
        }
    }

    /// The answer with which the request is refused.
    #[must_use]
    pub fn refused(&self, error: ErrorCode) -> Response {
        match self {
            Self::Init(_) => Response::Init(Initialized::refused(error)),
            Self::Add(_) => Response::Add(error),
            Self::Verify(request) => {
                let partitions = request.partitions.iter();
                Response::Verify(partitions.map(|of| (of.clone(), error)).collect())
            }
            Self::End(_) => Response::End(Ended::refused(error)),
        }
    }
}
