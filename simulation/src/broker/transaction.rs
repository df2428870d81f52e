//! The shards of the transaction coordinator, one per partition of `__transaction_state`, and the
//! markers that they have written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use milena_cluster::transaction::{
    Config, Coordinator, Effect, Event, Filter, Markers, Request, State, Token, Waiter,
};
use milena_log::Log;
use milena_log::producer_state::Marker;
use milena_log::validate::ValidBatch;
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::stored::transaction::{Record, partition_for};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, Timestamp, TopicPartition};

use super::replay::for_each_record;
use super::{Broker, COMMIT_TIMEOUT_MS, Done, Input, Stored, for_each_batch};
use crate::layout::{self, INTERNAL_PARTITIONS, OFFSETS, TRANSACTIONS};
use crate::message::Response;

/// Requests of the broker itself have numbers from here on.
pub(super) const OWN: u64 = 1 << 63;
/// Longest way of a message between brokers, in milliseconds.
const WAY_MS: i64 = 30;
/// So many percent of the requests for markers are lost on their way, and as many answers.
const LOST_PERCENT: u64 = 3;
/// So many percent of the answers about transactions take long.
const SLOW_PERCENT: u64 = 2;
/// Their longest way, in milliseconds: longer than clients wait.
const SLOW_WAY_MS: i64 = 4_000;
/// Leaders of partitions to which markers go by requests of their own.
const LEADERS: u64 = 2;

#[derive(Debug)]
struct InFlight {
    number: u64,
    token: Token,
    result: Option<Stored>,
}

/// One coordinator.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) core: Coordinator,
    incarnation: u64,
    in_flight: VecDeque<InFlight>,
    next_number: u64,
    loading_until: Option<Offset>,
    tick_at: Option<Timestamp>,
}

/// Markers that are being written for a coordinator.
#[derive(Debug)]
pub(crate) struct Job {
    shard: i32,
    incarnation: u64,
    markers: Markers,
    left: BTreeSet<TopicPartition>,
    results: Vec<(TopicPartition, ErrorCode)>,
}

fn config() -> Config {
    Config {
        expiration_ms: 600_000,
        ..Config::default()
    }
}

/// A coordinator that has read a log of its partition up to `end`.
///
/// # Errors
/// The log holds what no coordinator writes.
pub(crate) fn load(log: &Log, epoch: LeaderEpoch, end: Offset) -> Result<Coordinator, String> {
    let mut core = Coordinator::new(config(), epoch.0);
    for_each_batch(log, (Offset(0), end), &mut |header, batch| {
        for_each_record(header, batch, &mut |_, key, value| {
            let record = Record::decode(key, value).map_err(|error| error.to_string())?;
            core.apply(record);
            Ok(())
        })
    })?;
    Ok(core)
}

fn partition_of(shard: i32) -> TopicPartition {
    layout::partition(TRANSACTIONS, shard)
}

impl Broker {
    pub(super) fn start_transactions(&mut self) {
        for shard in 0..INTERNAL_PARTITIONS {
            self.load_transaction_shard(shard);
        }
    }

    /// The partition of a shard gets a new leadership of the same broker.
    pub(super) fn reload_transaction_shard(&mut self, shard: i32) {
        let partition = partition_of(shard);
        let epoch = self.next_leader_epoch(&partition);
        let now = self.clock.wall();
        if let Some(found) = self.partitions.get_mut(&partition) {
            found.lead(epoch, now);
        }
        if let Some(mut resigned) = self.transactions.remove(&shard) {
            let mut effects = Vec::new();
            resigned.core.resign(&mut effects);
            for effect in effects {
                if let Effect::Reply { waiter, response } = effect {
                    self.transaction_answer(waiter.0, response);
                }
            }
        }
        self.load_transaction_shard(shard);
    }

    fn load_transaction_shard(&mut self, shard: i32) {
        let Some(found) = self.partitions.get(&partition_of(shard)) else {
            return;
        };
        let end = found.log.log_end();
        let core = match load(&found.log, found.core.leader_epoch(), end) {
            Ok(core) => core,
            Err(error) => return self.fail(format!("load transactions {shard}: {error}")),
        };
        self.incarnations += 1;
        let loaded = Shard {
            core,
            incarnation: self.incarnations,
            in_flight: VecDeque::new(),
            next_number: 0,
            loading_until: Some(end),
            tick_at: None,
        };
        self.transactions.insert(shard, loaded);
        self.transactions_committed(&partition_of(shard));
    }

    /// The high watermark of a partition has moved: a shard that was read may begin to serve.
    pub(super) fn transactions_committed(&mut self, partition: &TopicPartition) {
        if &*partition.topic != TRANSACTIONS {
            return;
        }
        let number = Self::index_of(partition);
        let found = self.partitions.get(partition);
        let high_watermark = found.map_or(Offset(0), |found| found.log.high_watermark());
        let now = self.clock.steady();
        let Some(shard) = self.transactions.get_mut(&number) else {
            return;
        };
        if shard.loading_until.is_none_or(|end| high_watermark < end) {
            return;
        }
        shard.loading_until = None;
        let mut effects = Vec::new();
        shard.core.finish_loading(now, &mut effects);
        self.carry_out_transactions(number, effects);
    }

    /// A client or this broker itself asks.
    pub(super) fn transaction_request(&mut self, id: u64, request: Request) {
        let shard = partition_for(request.transactional_id(), INTERNAL_PARTITIONS).0;
        let waiter = Waiter(id);
        self.transaction_step(shard, Event::Request { waiter, request });
    }

    pub(super) fn transaction_tick(&mut self, shard: i32) {
        let now = self.clock.steady();
        let Some(found) = self.transactions.get_mut(&shard) else {
            return;
        };
        if found.tick_at.is_some_and(|at| at <= now) {
            found.tick_at = None;
        }
        if found.core.next_deadline().is_some_and(|at| at <= now) {
            self.transaction_step(shard, Event::Tick);
        } else {
            self.schedule_transaction_tick(shard);
        }
    }

    pub(super) fn transaction_timeout(&mut self, shard: i32, incarnation: u64, token: Token) {
        let Some(found) = self.transactions.get(&shard) else {
            return;
        };
        let waits = |batch: &InFlight| batch.token == token;
        if found.incarnation == incarnation && found.in_flight.iter().any(waits) {
            self.transaction_step(shard, Event::TimedOut { token });
        }
    }

    fn transaction_step(&mut self, shard: i32, event: Event) {
        self.has_asked_coordinators = true;
        let now = self.clock.steady();
        let mut effects = Vec::new();
        if let Some(found) = self.transactions.get_mut(&shard) {
            found.core.step(now, event, &mut effects);
        }
        self.carry_out_transactions(shard, effects);
    }

    fn carry_out_transactions(&mut self, shard: i32, effects: Vec<Effect>) {
        let incarnation = self.transactions.get(&shard).map_or(0, |it| it.incarnation);
        for effect in effects {
            match effect {
                Effect::Reply { waiter, response } => self.transaction_answer(waiter.0, response),
                Effect::Append { token, records } => {
                    self.append_of_transactions(shard, token, &records);
                }
                Effect::NewProducerId => {
                    let id = self.allocate_producer_id();
                    let input = Input::NewProducerId {
                        shard,
                        incarnation,
                        id,
                    };
                    let after_ms = self.random.between(0, WAY_MS);
                    self.later(after_ms, input);
                }
                Effect::WriteMarkers(markers) => {
                    let job = self.next_own();
                    let left = markers.partitions.clone();
                    let of_job = Job {
                        shard,
                        incarnation,
                        markers,
                        left,
                        results: Vec::new(),
                    };
                    self.jobs.insert(job, of_job);
                    let after_ms = self.random.between(0, WAY_MS);
                    self.later(after_ms, Input::WriteMarkers(job));
                }
            }
        }
        self.schedule_transaction_tick(shard);
    }

    fn schedule_transaction_tick(&mut self, shard: i32) {
        let now = self.clock.steady();
        let Some(found) = self.transactions.get_mut(&shard) else {
            return;
        };
        let Some(deadline) = found.core.next_deadline() else {
            return;
        };
        if found.tick_at.is_none_or(|at| deadline < at) {
            found.tick_at = Some(deadline);
            let after_ms = deadline.ms_since(now).max(0);
            self.later(after_ms, Input::TransactionTick(shard));
        }
    }

    pub(super) fn new_producer_id(
        &mut self,
        shard: i32,
        incarnation: u64,
        id: milena_protocol::ProducerId,
    ) {
        let current = self.transactions.get(&shard).map(|it| it.incarnation);
        if current == Some(incarnation) {
            self.transaction_step(shard, Event::ProducerId(Ok(id)));
        }
    }

    fn append_of_transactions(&mut self, shard: i32, token: Token, records: &[Record]) {
        let Some(found) = self.transactions.get_mut(&shard) else {
            return;
        };
        let (number, incarnation) = (found.next_number, found.incarnation);
        let version = found.core.record_version();
        found.next_number += 1;
        found.in_flight.push_back(InFlight {
            number,
            token,
            result: None,
        });
        let done = Done::Transaction {
            shard,
            incarnation,
            number,
        };
        let timeout = Input::TransactionTimeout {
            shard,
            incarnation,
            token,
        };
        self.later(COMMIT_TIMEOUT_MS, timeout);
        match build(records, version, self.clock.steady()) {
            Ok(batch) => self.append(&partition_of(shard), batch, done),
            Err(error) => self.ended.push((done, Err(error))),
        }
    }

    pub(super) fn transaction_appended(
        &mut self,
        shard: i32,
        incarnation: u64,
        number: u64,
        stored: Stored,
    ) {
        let Some(found) = self.transactions.get_mut(&shard) else {
            return;
        };
        if found.incarnation != incarnation {
            return;
        }
        for batch in &mut found.in_flight {
            if batch.number == number {
                batch.result = Some(stored);
            }
        }
        while let Some(found) = self.transactions.get_mut(&shard) {
            let is_done = |batch: &mut InFlight| batch.result.is_some();
            let Some(batch) = found.in_flight.pop_front_if(is_done) else {
                return;
            };
            if let Some(result) = batch.result {
                let token = batch.token;
                self.transaction_step(shard, Event::Appended { token, result });
            }
        }
    }

    /// WriteTxnMarkers has come to where the partitions are.
    pub(super) fn write_markers(&mut self, job: u64) {
        let Some(found) = self.jobs.get(&job) else {
            return;
        };
        let markers = found.markers.clone();
        let marker = Marker {
            producer_id: markers.producer_id,
            producer_epoch: markers.producer_epoch,
            is_commit: markers.is_commit,
            coordinator_epoch: markers.coordinator_epoch,
            timestamp: self.clock.wall(),
        };
        let lost = self.lost_request();
        for partition in &markers.partitions {
            if lost.is_some_and(|leader| leader == Self::leader_of(partition)) {
                self.marker_written(job, partition, Err(ErrorCode::NetworkException));
                continue;
            }
            let batch = ValidBatch::of_marker(&marker, markers.transaction_version);
            if &*partition.topic == OFFSETS {
                self.append_marker_of_group(partition, batch, &marker, job);
            } else {
                let done = Done::Marker {
                    job,
                    partition: partition.clone(),
                };
                self.append(partition, batch, done);
            }
        }
    }

    /// The leader whose request does not come, where that happens.
    fn lost_request(&mut self) -> Option<u64> {
        let is_lost = self.random.chance(LOST_PERCENT);
        is_lost.then(|| self.random.below(LEADERS))
    }

    /// One of the leaders of the partitions of data.
    fn leader_of(partition: &TopicPartition) -> u64 {
        u64::try_from(Self::index_of(partition)).unwrap_or(0) % LEADERS
    }

    /// One of the markers has come to its end.
    pub(super) fn marker_written(&mut self, job: u64, partition: &TopicPartition, stored: Stored) {
        let Some(found) = self.jobs.get_mut(&job) else {
            return;
        };
        let code = match stored {
            Ok(_) => ErrorCode::None,
            Err(error) => error,
        };
        found.left.remove(partition);
        found.results.push((partition.clone(), code));
        if found.left.is_empty() {
            let after_ms = self.random.between(0, WAY_MS);
            self.later(after_ms, Input::MarkersWritten(job));
        }
    }

    /// The answer to WriteTxnMarkers has come to the coordinator.
    pub(super) fn markers_written(&mut self, job: u64) {
        let Some(found) = self.jobs.remove(&job) else {
            return;
        };
        let current = self.transactions.get(&found.shard).map(|it| it.incarnation);
        if current != Some(found.incarnation) {
            return;
        }
        let mut results = found.results;
        if self.random.chance(LOST_PERCENT) {
            for (_, code) in &mut results {
                *code = ErrorCode::NetworkException;
            }
        }
        let event = Event::MarkersWritten {
            transactional_id: found.markers.transactional_id,
            producer_id: found.markers.producer_id,
            producer_epoch: found.markers.producer_epoch,
            results,
        };
        self.transaction_step(found.shard, event);
    }

    /// Number of a request of the broker itself.
    pub(super) fn next_own(&mut self) -> u64 {
        self.own += 1;
        OWN | self.own
    }

    fn transaction_answer(&mut self, id: u64, response: milena_cluster::transaction::Response) {
        if id & OWN == 0 {
            return self.reply(id, Response::Transaction(response));
        }
        // A client may have gone on when the answer comes at last.
        let is_slow = self.random.chance(SLOW_PERCENT);
        let longest = if is_slow { SLOW_WAY_MS } else { WAY_MS };
        let after_ms = self.random.between(0, longest);
        self.later(after_ms, Input::Verified { id, response });
    }

    /// Transactional ids with a transaction that is not at its end.
    pub(crate) fn open_transactions(&self) -> Vec<String> {
        let now = self.clock.steady();
        let states = [State::Ongoing, State::PrepareCommit, State::PrepareAbort];
        let filter = Filter {
            states: states.to_vec(),
            ..Filter::default()
        };
        let shards = self.transactions.values();
        shards
            .flat_map(|shard| shard.core.list(&filter, now).unwrap_or_default())
            .map(|listed| format!("{} {:?}", listed.transactional_id, listed.state))
            .collect()
    }
}

/// Records of a coordinator as one batch.
fn build(records: &[Record], version: i16, now: Timestamp) -> Result<ValidBatch, ErrorCode> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    for record in records {
        let encoded: (Bytes, Option<Bytes>) = record
            .encode(version)
            .map_err(|_| ErrorCode::MessageTooLarge)?;
        builder
            .append(now, Some(&encoded.0), encoded.1.as_deref(), [])
            .map_err(|_| ErrorCode::RecordListTooLarge)?;
    }
    ValidBatch::of_broker(BytesMut::from(builder.finish(Offset(0)).as_slice()))
        .map_err(|invalid| invalid.code)
}

/// What waits for the answer of a coordinator.
pub(super) type Verifications = BTreeMap<u64, super::verify::Pending>;
