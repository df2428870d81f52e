//! Batches of transactions: the coordinator has to know of a partition before its first batch is
//! appended there (KIP-890; `ReplicaManager.handleProduceAppend`).

use std::collections::BTreeSet;
use std::sync::Arc;

use milena_cluster::transaction::Producer;
use milena_log::producer_state::VerificationGuard;
use milena_log::validate::ValidBatch;
use milena_protocol::ErrorCode;
use milena_protocol::batch::BatchHeader;
use milena_protocol::produce::{Partition as Span, Request};

use super::ALL;
use crate::api::Context;
use crate::broker::Broker;
use crate::completion::{Appended, Completion};
use crate::partition::{Append, Partition};
use crate::transaction::{Admission, admit};

/// First version whose clients know `TRANSACTION_ABORTABLE`.
const ABORTABLE_FROM: i16 = 11;
/// First version whose clients leave it to their batches to add partitions.
const ADDS_FROM: i16 = 12;

/// A batch that waits for the word of the coordinator.
#[derive(Debug)]
struct Asked {
    partition: Arc<Partition>,
    records: ValidBatch,
    slot: usize,
}

/// The transactional batches of one request.
#[derive(Debug)]
pub(super) struct Transaction {
    transactional_id: String,
    admission: Admission,
    /// The coordinator is asked.
    verifies: bool,
    /// None where the batches are of several producers, which no client sends.
    producer: Option<Producer>,
    asked: Vec<Asked>,
}

impl Transaction {
    /// What the transactional batches of a request have in common; none where it names no
    /// transaction, so that nothing is looked at for other producers.
    pub(super) fn of(
        broker: &Broker,
        context: &Context,
        request: &Request<'_>,
        spans: &[Span],
        body: &[u8],
    ) -> Option<Self> {
        let transactional_id = request.transactional_id?.to_owned();
        let mut producers = spans.iter().filter_map(|span| {
            let records = body.get(span.records.clone()?)?;
            let header = BatchHeader::parse(records).ok()?;
            let is_its = header.attributes.is_transactional() && header.has_producer();
            is_its.then_some(Producer {
                id: header.producer_id,
                epoch: header.producer_epoch,
            })
        });
        let first = producers.next()?;
        let admission = match context.version {
            ADDS_FROM.. => Admission::Added,
            ABORTABLE_FROM.. => Admission::VerifiedAbortable,
            _ => Admission::Verified,
        };
        Some(Self {
            transactional_id,
            admission,
            verifies: admission.adds() || broker.transactions().verifies(),
            producer: producers.all(|other| other == first).then_some(first),
            asked: Vec::new(),
        })
    }

    /// Gives the batch back where it can be appended at once, and an error where it cannot be
    /// appended at all. None where the coordinator is asked first.
    pub(super) fn admit(
        &mut self,
        partition: &Arc<Partition>,
        records: ValidBatch,
        slot: usize,
    ) -> Option<Result<ValidBatch, ErrorCode>> {
        if self.producer.is_none() {
            return Some(Err(ErrorCode::InvalidProducerIdMapping));
        }
        if !self.verifies {
            return Some(Ok(records));
        }
        let header = records.header();
        match partition.begin_verification(header, self.admission.adds()) {
            // The transaction may end before the batch is appended, which the log sees.
            None => Some(Ok(records.with_guard(VerificationGuard::NONE))),
            Some(guard) => {
                self.asked.push(Asked {
                    partition: Arc::clone(partition),
                    records: records.with_guard(guard),
                    slot,
                });
                None
            }
        }
    }

    /// True where the coordinator has to be asked.
    pub(super) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Asks the coordinator, and appends what it lets through.
    pub(super) async fn append_admitted(
        self,
        broker: &Arc<Broker>,
        acks: i16,
        completion: &Arc<Completion>,
    ) {
        let Some(producer) = self.producer else {
            return;
        };
        let partitions: BTreeSet<_> = self
            .asked
            .iter()
            .map(|asked| asked.partition.topic_partition().clone())
            .collect();
        let admitted = admit(
            broker,
            self.admission,
            self.transactional_id,
            producer,
            partitions,
        )
        .await;
        for Asked {
            partition,
            records,
            slot,
        } in self.asked
        {
            match admitted.of(partition.topic_partition()) {
                ErrorCode::None => partition.append(Append {
                    records,
                    all: acks == ALL,
                    completion: Arc::clone(completion),
                    slot,
                }),
                error => completion.finish(slot, refused(error, self.admission)),
            }
        }
    }
}

/// What the producer is told. Older clients would not try again after errors of a coordinator, but
/// after `NOT_ENOUGH_REPLICAS` they do, and without looking for another leader.
fn refused(error: ErrorCode, admission: Admission) -> Appended {
    let code = match error {
        ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        ErrorCode::ConcurrentTransactions if !admission.adds() => ErrorCode::NotEnoughReplicas,
        error => error,
    };
    let message = (code != error).then(|| {
        let name = error.name();
        format!("the coordinator of the transaction answered {name}")
    });
    Appended::refused(code, message)
}
