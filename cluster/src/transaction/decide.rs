//! What a request means, as a function of the committed state of its transactional id.

use std::collections::BTreeMap;

use milena_protocol::bug::{self, Bug};
use milena_protocol::stored::transaction::State;
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Timestamp, TopicPartition};

use super::config::Config;
use super::request::{
    AddPartitions, EndTransaction, InitProducerId, Producer, Request, VerifyPartitions,
};
use super::response::{Ended, Initialized, Response};
use super::transition::{BUMPS_FROM, EPOCH_MAX, End, Transaction};

/// What is to be done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer; nothing changes.
    Reply(Response),
    /// Store these states one after the other, then answer.
    Store(Vec<Transaction>, Response),
    /// Store this state, and decide on the request when what it begins has ended.
    StoreAndWait(Transaction),
    /// Decide when the transaction has ended whose markers are being written.
    Wait,
    /// Decide when a new producer id is there.
    NeedsProducerId,
}

/// Everything that a decision depends on besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Settings.
    pub config: &'a Config,
    /// The present instant.
    pub now: Timestamp,
    /// The transactional id; none where it is not known.
    pub transaction: Option<&'a Transaction>,
    /// A producer id that nobody has; it is used up where the verdict shows it.
    pub spare_producer_id: Option<ProducerId>,
}

/// Decides on a request; see the table of the module.
#[must_use]
pub fn decide(circumstances: &Circumstances<'_>, request: &Request) -> Verdict {
    let verdict = match request {
        _ if request.transactional_id().is_empty() => Err(ErrorCode::InvalidRequest),
        Request::Init(request) => init(circumstances, request),
        Request::Add(request) => add(circumstances, request),
        Request::Verify(request) => verify(circumstances, request),
        Request::End(request) => end(circumstances, request),
    };
    verdict.unwrap_or_else(|error| Verdict::Reply(request.refused(error)))
}

fn init(circumstances: &Circumstances<'_>, request: &InitProducerId) -> Result<Verdict, ErrorCode> {
    let Circumstances { config, now, .. } = *circumstances;
    if request.two_phase_commit && !config.two_phase_commit {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if request.keep_prepared {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let is_timeout_allowed = (1..=config.max_timeout_ms).contains(&request.timeout_ms);
    if !request.two_phase_commit && !is_timeout_allowed {
        return Err(ErrorCode::InvalidTransactionTimeout);
    }
    let timeout_ms = if request.two_phase_commit {
        i32::MAX
    } else {
        request.timeout_ms
    };
    let Some(transaction) = circumstances.transaction else {
        let Some(id) = circumstances.spare_producer_id else {
            return Ok(Verdict::NeedsProducerId);
        };
        return Ok(stored_init(Transaction::first(id, timeout_ms, now)));
    };
    let metadata = &transaction.metadata;
    if let Some(expected) = request.expected {
        let was_exhausted =
            expected.id == metadata.previous_producer_id && expected.epoch.0 >= EPOCH_MAX;
        // The end of a transaction tells its producer of a new id before it is complete.
        let is_next = expected == transaction.next_producer();
        if expected.id != metadata.producer_id && !was_exhausted && !is_next {
            return Err(ErrorCode::ProducerFenced);
        }
    }
    match transaction.state() {
        State::PrepareCommit | State::PrepareAbort => Ok(Verdict::Wait),
        State::Ongoing if bug::is(Bug::OpenTransactionKept) => {
            next_epoch(circumstances, transaction, request.expected, timeout_ms)
        }
        State::Ongoing => {
            // A producer of an older epoch must not abort the transaction of a newer one: whoever
            // has begun it has seen its epoch, so this is not the repetition of a lost answer.
            let is_current = |expected: Producer| expected == transaction.producer();
            if !request.expected.is_none_or(is_current) {
                return Err(ErrorCode::ProducerFenced);
            }
            abort(circumstances, transaction).map_or(Ok(Verdict::NeedsProducerId), |aborted| {
                Ok(Verdict::StoreAndWait(aborted))
            })
        }
        State::Empty | State::CompleteCommit | State::CompleteAbort => {
            next_epoch(circumstances, transaction, request.expected, timeout_ms)
        }
        // Nobody stores these.
        State::Dead | State::PrepareEpochFence => Err(ErrorCode::UnknownServerError),
    }
}

fn next_epoch(
    circumstances: &Circumstances<'_>,
    transaction: &Transaction,
    expected: Option<Producer>,
    timeout_ms: i32,
) -> Result<Verdict, ErrorCode> {
    let metadata = &transaction.metadata;
    let is_current = |expected: Producer| expected.epoch == metadata.producer_epoch;
    let now = circumstances.now;
    if transaction.is_exhausted() && expected.is_none_or(is_current) {
        let Some(id) = circumstances.spare_producer_id else {
            return Ok(Verdict::NeedsProducerId);
        };
        let producer = Producer {
            id,
            epoch: ProducerEpoch(0),
        };
        let last = expected.map_or(ProducerEpoch::NONE, |_| metadata.producer_epoch);
        return Ok(stored_init(
            transaction.initialized(producer, last, timeout_ms, now),
        ));
    }
    let bumped = ProducerEpoch(metadata.producer_epoch.0.saturating_add(1));
    let (epoch, last) = match expected {
        None => (bumped, ProducerEpoch::NONE),
        Some(expected) if is_current(expected) => (bumped, metadata.producer_epoch),
        // Its answer was lost.
        Some(expected)
            if expected.epoch == transaction.last_epoch
                && transaction.last_epoch != ProducerEpoch::NONE =>
        {
            (metadata.producer_epoch, transaction.last_epoch)
        }
        Some(_) => return Err(ErrorCode::ProducerFenced),
    };
    let producer = Producer {
        id: metadata.producer_id,
        epoch,
    };
    Ok(stored_init(
        transaction.initialized(producer, last, timeout_ms, now),
    ))
}

fn stored_init(next: Transaction) -> Verdict {
    let response = Response::Init(Initialized {
        error: ErrorCode::None,
        producer: next.producer(),
    });
    Verdict::Store(vec![next], response)
}

/// The state that aborts an open transaction on the coordinator's own account; none where a new
/// producer id is needed for it.
pub(super) fn abort(
    circumstances: &Circumstances<'_>,
    transaction: &Transaction,
) -> Option<Transaction> {
    let version = circumstances.config.transaction_version;
    let mut next_producer_id = ProducerId::NONE;
    if version >= BUMPS_FROM && transaction.is_exhausted() {
        next_producer_id = circumstances.spare_producer_id?;
    }
    let end = End {
        is_commit: false,
        bumps: true,
        transaction_version: version,
        next_producer_id,
    };
    Some(transaction.decided(&end, circumstances.now))
}

/// The state of the transactional id that a producer names.
fn known<'a>(
    circumstances: &Circumstances<'a>,
    producer: Producer,
) -> Result<&'a Transaction, ErrorCode> {
    let transaction = circumstances
        .transaction
        .ok_or(ErrorCode::InvalidProducerIdMapping)?;
    let own = transaction.next_producer();
    if own.id != producer.id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    // With the last epoch producers are fenced: nobody was ever given it.
    if own.epoch != producer.epoch || own.epoch.0 > EPOCH_MAX {
        return Err(ErrorCode::ProducerFenced);
    }
    Ok(transaction)
}

fn add(circumstances: &Circumstances<'_>, request: &AddPartitions) -> Result<Verdict, ErrorCode> {
    let transaction = known(circumstances, request.producer)?;
    if transaction.is_deciding() && bug::is(Bug::AddedWhileDeciding) {
        return Ok(Verdict::Reply(Response::Add(ErrorCode::None)));
    }
    if transaction.is_deciding() {
        return Ok(Verdict::Wait);
    }
    let metadata = &transaction.metadata;
    if metadata.state == State::Ongoing && request.partitions.is_subset(&metadata.partitions) {
        return Ok(Verdict::Reply(Response::Add(ErrorCode::None)));
    }
    let next = transaction.with_partitions(
        &request.partitions,
        request.transaction_version,
        circumstances.now,
    );
    Ok(Verdict::Store(vec![next], Response::Add(ErrorCode::None)))
}

fn verify(
    circumstances: &Circumstances<'_>,
    request: &VerifyPartitions,
) -> Result<Verdict, ErrorCode> {
    let transaction = known(circumstances, request.producer)?;
    if transaction.is_deciding() {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    let verified = |partition: &TopicPartition| {
        if transaction.metadata.partitions.contains(partition) {
            ErrorCode::None
        } else {
            ErrorCode::TransactionAbortable
        }
    };
    let results: BTreeMap<_, _> = request
        .partitions
        .iter()
        .map(|partition| (partition.clone(), verified(partition)))
        .collect();
    Ok(Verdict::Reply(Response::Verify(results)))
}

fn ended(producer: Producer) -> Response {
    Response::End(Ended {
        error: ErrorCode::None,
        producer,
    })
}

fn end(circumstances: &Circumstances<'_>, request: &EndTransaction) -> Result<Verdict, ErrorCode> {
    let transaction = circumstances
        .transaction
        .ok_or(ErrorCode::InvalidProducerIdMapping)?;
    // The epoch of the next transaction can only end that one.
    if transaction.is_deciding()
        && request.transaction_version >= BUMPS_FROM
        && request.producer == transaction.next_producer()
    {
        return Ok(Verdict::Wait);
    }
    let is_repeated = match check_end(transaction, request)? {
        Standing::Present => false,
        Standing::Before => true,
    };
    match (transaction.state(), transaction.is_commit()) {
        (State::Ongoing, _) => decided(circumstances, transaction, request),
        (_, Some(is_commit)) if is_repeated && is_commit == request.is_commit => {
            Ok(Verdict::Reply(ended(transaction.next_producer())))
        }
        // The coordinator has aborted while the commit was on its way (KAFKA-20785): the producer
        // is fenced; its application did nothing wrong.
        (_, Some(false)) if is_repeated && request.transaction_version >= BUMPS_FROM => {
            Err(ErrorCode::ProducerFenced)
        }
        // Only the transaction of a version 2 producer can be aborted without any partition: what
        // it has written before it knew of the new epoch is fenced (KAFKA-18401).
        (State::Empty | State::CompleteCommit | State::CompleteAbort, _)
            if !is_repeated && !request.is_commit && request.transaction_version >= BUMPS_FROM =>
        {
            decided(circumstances, transaction, request)
        }
        _ => Err(ErrorCode::InvalidTxnState),
    }
}

/// Which epoch somebody has who ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The present one.
    Present,
    /// That of the transaction that was ended: the request is a repetition.
    Before,
}

fn check_end(transaction: &Transaction, request: &EndTransaction) -> Result<Standing, ErrorCode> {
    let metadata = &transaction.metadata;
    let Producer { id, epoch } = request.producer;
    let is_decided = transaction.is_commit().is_some();
    if request.transaction_version < BUMPS_FROM {
        if metadata.producer_id != id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if metadata.producer_epoch != epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        // Without new epochs a repetition cannot be told from a second end.
        return Ok(if is_decided {
            Standing::Before
        } else {
            Standing::Present
        });
    }
    // After the last epoch the producer has a new id; it may not know yet (KAFKA-18660).
    let has_rotated = is_decided
        && !transaction.is_deciding()
        && metadata.previous_producer_id == id
        && epoch.0 == EPOCH_MAX
        && metadata.producer_epoch == ProducerEpoch(0);
    if has_rotated {
        return Ok(Standing::Before);
    }
    if metadata.producer_id != id {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    // Only an end of version 2 has counted the epoch up: that of an older client is somebody else's.
    let has_bumped = is_decided && metadata.client_transaction_version >= BUMPS_FROM;
    let is_known = has_bumped && !bug::is(Bug::RepeatedEndFenced);
    if is_known && epoch.0.checked_add(1) == Some(metadata.producer_epoch.0) {
        return Ok(Standing::Before);
    }
    let is_current = metadata.producer_epoch == epoch && epoch.0 <= EPOCH_MAX;
    if is_current && !transaction.is_deciding() {
        return Ok(Standing::Present);
    }
    Err(ErrorCode::ProducerFenced)
}

fn decided(
    circumstances: &Circumstances<'_>,
    transaction: &Transaction,
    request: &EndTransaction,
) -> Result<Verdict, ErrorCode> {
    let bumps = request.transaction_version >= BUMPS_FROM;
    let mut next_producer_id = ProducerId::NONE;
    if bumps && transaction.is_exhausted() {
        let Some(id) = circumstances.spare_producer_id else {
            return Ok(Verdict::NeedsProducerId);
        };
        next_producer_id = id;
    }
    let end = End {
        is_commit: request.is_commit,
        bumps,
        transaction_version: request.transaction_version,
        next_producer_id,
    };
    let decided = transaction.decided(&end, circumstances.now);
    let response = ended(decided.next_producer());
    if decided.metadata.partitions.is_empty() {
        // There is nobody to tell.
        let completed = decided.completed(circumstances.now);
        return Ok(Verdict::Store(vec![decided, completed], response));
    }
    Ok(Verdict::Store(vec![decided], response))
}
