//! What partition leaders ask the coordinator before a transaction begins in a partition (KIP-890;
//! Kafka class `AddPartitionsToTxnManager`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_cluster::transaction::{AddPartitions, Producer, Request, Response, VerifyPartitions};
use milena_protocol::{ErrorCode, TopicPartition};

use crate::broker::Broker;

/// Version of the protocol in which partitions come with their first batch.
const ADDS: i16 = 2;

/// What the client of a batch can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It adds partitions by a request of their own, and does not know `TRANSACTION_ABORTABLE`.
    Verified,
    /// It adds partitions by a request of their own.
    VerifiedAbortable,
    /// Its partitions are added with their first batch; its epoch is counted up with every
    /// transaction.
    Added,
}

impl Admission {
    /// True where the client runs version 2 of the protocol.
    pub(crate) fn adds(self) -> bool {
        self == Self::Added
    }
}

/// Answers of the coordinator.
#[derive(Clone, Debug)]
pub(crate) enum Admitted {
    /// One for all partitions.
    All(ErrorCode),
    /// One for each.
    Each(BTreeMap<TopicPartition, ErrorCode>),
}

impl Admitted {
    /// The answer for one partition.
    pub(crate) fn of(&self, partition: &TopicPartition) -> ErrorCode {
        match self {
            Self::All(error) => *error,
            Self::Each(errors) => errors
                .get(partition)
                .copied()
                .unwrap_or(ErrorCode::CoordinatorNotAvailable),
        }
    }
}

/// Adds partitions to the transaction of a producer, or asks whether they are part of it. The
/// answer is one that a producer understands.
pub(crate) async fn admit(
    broker: &Arc<Broker>,
    admission: Admission,
    transactional_id: String,
    producer: Producer,
    partitions: BTreeSet<TopicPartition>,
) -> Admitted {
    let request = if admission.adds() {
        Request::Add(AddPartitions {
            transactional_id,
            producer,
            partitions,
            transaction_version: ADDS,
        })
    } else {
        Request::Verify(VerifyPartitions {
            transactional_id,
            producer,
            partitions,
        })
    };
    let told = |error| match error {
        // To a producer both say that a newer one is there.
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if admission == Admission::Verified => {
            ErrorCode::InvalidTxnState
        }
        error => error,
    };
    match broker.transactions().request(request).await {
        Response::Add(error) => Admitted::All(told(error)),
        Response::Verify(errors) => Admitted::Each(
            errors
                .into_iter()
                .map(|(partition, error)| (partition, told(error)))
                .collect(),
        ),
        other => unreachable!("an admission is answered with {other:?}"),
    }
}
