//! A transactional producer: begins, writes to several partitions, ends, over and over. It may copy:
//! what it reads goes out in the same transaction as the offsets (KIP-98, KIP-447, KIP-890).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use milena_cluster::transaction as txn;
use milena_protocol::error_code::Class;
use milena_protocol::{ErrorCode, Sequence, TopicPartition};

use super::source::Source;
use super::{Client, Context};
use crate::checker::Kind;
use crate::layout::{self, OUTPUT};
use crate::message::{Request, Response, Transactional};
use crate::truth::{Fate, Writer, batch};

/// After so many percent of its transactions with a lost request an old client rests.
const RESTS_PERCENT: u64 = 40;
/// Its longest rest in milliseconds, before it counts its epoch up.
const REST_MS: i64 = 4_000;
const INIT: u64 = 0;
const WORK: u64 = 1;
const END: u64 = 2;
const SOURCE: u64 = 3;
const ADD: u64 = 4;
/// Tags from here on: the partition of this number retries.
const RETRY: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// InitProducerId is asked.
    Initialising,
    /// No transaction is open.
    Idle,
    /// Batches are sent.
    Open,
    /// EndTxn is asked.
    Ending { is_commit: bool },
}

#[derive(Debug)]
struct Batch {
    values: Vec<u64>,
    sequence: Sequence,
    call: Option<u64>,
}

/// How a transactor works.
#[derive(Clone, Debug)]
pub(crate) struct Habit {
    pub(crate) transactional_id: String,
    /// Version of the protocol of transactions: 2, or 1 for a client of old.
    pub(crate) version: i16,
    pub(crate) timeout_ms: i32,
    /// Nobody else has the transactional id.
    pub(crate) is_alone: bool,
    pub(crate) transactions: u64,
    /// Copies from here.
    pub(crate) source: Option<TopicPartition>,
}

/// The producer.
#[derive(Debug)]
pub(crate) struct Transactor {
    name: String,
    habit: Habit,
    process: u64,
    phase: Phase,
    producer: Option<txn::Producer>,
    call: Option<u64>,
    lanes: BTreeMap<TopicPartition, VecDeque<Batch>>,
    sequences: BTreeMap<TopicPartition, i32>,
    /// Partitions that a client of old has added to its transaction.
    added: Vec<TopicPartition>,
    /// What it is adding.
    adding: Option<TopicPartition>,
    number: Option<u64>,
    began_at: i64,
    /// Batches that the transaction still wants to send.
    left: i64,
    must_abort: bool,
    /// The epoch has to be counted up before the next transaction.
    must_init: bool,
    /// A request of this epoch to a coordinator got no answer: it may still arrive.
    has_lost: bool,
    source: Option<Source>,
    is_stopped: bool,
    /// Pauses before retries that are under way, by tag: one of each is enough.
    waits: BTreeSet<u64>,
}

impl Transactor {
    /// A producer with this habit.
    pub(crate) fn new(name: String, habit: Habit) -> Self {
        let source = habit.source.clone();
        let source = source.map(|partition| Source::new(&habit.transactional_id, partition));
        Self {
            name,
            habit,
            process: 0,
            phase: Phase::Idle,
            producer: None,
            call: None,
            lanes: BTreeMap::new(),
            sequences: BTreeMap::new(),
            added: Vec::new(),
            adding: None,
            number: None,
            began_at: 0,
            left: 0,
            must_abort: false,
            must_init: false,
            has_lost: false,
            source,
            is_stopped: false,
            waits: BTreeSet::new(),
        }
    }

    fn back_off(&mut self, tag: u64, ctx: &mut Context<'_>) {
        if self.waits.insert(tag) {
            ctx.back_off(tag);
        }
    }

    /// The work goes on after a pause: whoever works does one thing at a time.
    fn go_on(&mut self, after_ms: i64, ctx: &mut Context<'_>) {
        if self.waits.insert(WORK) {
            ctx.pause(after_ms, WORK);
        }
    }

    /// Nothing more is done for the transaction.
    fn give_up(&mut self, ctx: &mut Context<'_>) {
        if let Some(number) = self.number.take() {
            ctx.truth.give_up(number);
        }
    }

    fn by(&self) -> Transactional {
        Transactional {
            id: self.habit.transactional_id.clone(),
            version: self.habit.version,
        }
    }

    fn init(&mut self, ctx: &mut Context<'_>) {
        self.phase = Phase::Initialising;
        self.give_up(ctx);
        self.process = ctx.truth.process();
        let id = &self.habit.transactional_id;
        ctx.truth.recorder.init(self.process, Kind::Invoke, id);
        self.lanes.clear();
        self.added.clear();
        let request = txn::Request::Init(txn::InitProducerId {
            transactional_id: self.habit.transactional_id.clone(),
            timeout_ms: self.habit.timeout_ms,
            expected: None,
            two_phase_commit: false,
            keep_prepared: false,
        });
        self.call = Some(ctx.send(Request::Transaction(request)));
    }

    fn initialised(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let result = match response {
            Response::Transaction(txn::Response::Init(result)) => *result,
            _ => {
                // It may still arrive, and fence what comes after it.
                self.habit.is_alone = false;
                return self.back_off(INIT, ctx);
            }
        };
        if result.error.is_err() {
            if result.error.class() != Class::Retriable {
                let error = result.error.name();
                ctx.truth
                    .violation(format!("{}: InitProducerId is refused: {error}", self.name));
            }
            return self.back_off(INIT, ctx);
        }
        self.producer = Some(result.producer);
        let id = &self.habit.transactional_id;
        ctx.truth.recorder.init(self.process, Kind::Ok, id);
        self.sequences.clear();
        self.must_init = false;
        self.has_lost = false;
        self.phase = Phase::Idle;
        match &mut self.source {
            Some(source) => source.restart(ctx),
            None => self.go_on(1, ctx),
        }
    }

    /// One step of work: begins a transaction, sends a batch, or ends it.
    fn work(&mut self, ctx: &mut Context<'_>) {
        match self.phase {
            Phase::Idle if self.must_init => self.init(ctx),
            Phase::Idle => self.begin(ctx),
            Phase::Open if self.must_abort || self.left <= 0 => self.end(ctx),
            Phase::Open => {
                self.left -= 1;
                self.send_batch(ctx);
                let after_ms = ctx.random.between(1, 60);
                self.go_on(after_ms, ctx);
            }
            Phase::Initialising | Phase::Ending { .. } => {}
        }
    }

    fn begin(&mut self, ctx: &mut Context<'_>) {
        if self.is_stopped || self.habit.transactions == 0 {
            return;
        }
        if let Some(source) = &mut self.source
            && !source.has_input()
        {
            return source.fetch(ctx);
        }
        self.habit.transactions -= 1;
        let number = ctx.truth.begin(self.process, &self.habit.transactional_id);
        self.number = Some(number);
        if let Some(source) = &self.source {
            ctx.truth.recorder.add(number, source.poll());
        }
        self.began_at = ctx.now;
        self.phase = Phase::Open;
        self.must_abort = false;
        self.added.clear();
        self.left = ctx.random.between(1, 4);
        self.work(ctx);
    }

    fn send_batch(&mut self, ctx: &mut Context<'_>) {
        let index = i32::try_from(ctx.random.index(3)).unwrap_or(0);
        let partition = layout::partition(OUTPUT, index % layout::PARTITIONS);
        let inputs = self.source.as_mut().map(Source::take);
        let count = match &inputs {
            Some(inputs) if inputs.is_empty() => return,
            Some(inputs) => inputs.len(),
            None => 1 + ctx.random.index(3),
        };
        let values: Vec<u64> = (0..count)
            .map(|_| ctx.truth.send(self.process, &partition, self.number))
            .collect();
        for (input, output) in inputs.into_iter().flatten().zip(&values) {
            ctx.truth.copy(self.group_of_source(), input, *output);
        }
        let next = self.sequences.entry(partition.clone()).or_insert(0);
        let sequence = Sequence(*next);
        *next += i32::try_from(count).unwrap_or(0);
        let lane = self.lanes.entry(partition.clone()).or_default();
        lane.push_back(Batch {
            values,
            sequence,
            call: None,
        });
        self.transmit(&partition, ctx);
    }

    fn group_of_source(&self) -> u64 {
        self.source.as_ref().map_or(0, Source::number)
    }

    fn transmit(&mut self, partition: &TopicPartition, ctx: &mut Context<'_>) {
        let (Some(producer), by) = (self.producer, self.by()) else {
            return;
        };
        if self.habit.version < 2 && !self.added.contains(partition) {
            return self.add(partition, ctx);
        }
        // One batch in flight: the transaction is verified with the first.
        let lane = self.lanes.get_mut(partition);
        let Some(first) = lane.and_then(|lane| lane.front_mut()) else {
            return;
        };
        if first.call.is_some() {
            return;
        }
        let writer = Writer {
            id: producer.id,
            epoch: producer.epoch,
            sequence: first.sequence,
            is_transactional: true,
        };
        let records = batch(&first.values, writer, ctx.random.index(80));
        first.call = Some(ctx.send(Request::Produce {
            partition: partition.clone(),
            records,
            by: Some(by),
        }));
    }

    /// AddPartitionsToTxn of a client of old.
    fn add(&mut self, partition: &TopicPartition, ctx: &mut Context<'_>) {
        let Some(producer) = self.producer else {
            return;
        };
        if self.call.is_some() {
            let index = u64::try_from(partition.partition.0).unwrap_or(0);
            return self.back_off(RETRY + index, ctx);
        }
        let request = txn::Request::Add(txn::AddPartitions {
            transactional_id: self.habit.transactional_id.clone(),
            producer,
            partitions: [partition.clone()].into(),
            transaction_version: 0,
        });
        self.adding = Some(partition.clone());
        self.call = Some(ctx.send(Request::Transaction(request)));
    }

    fn added(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let error = match response {
            Response::Transaction(txn::Response::Add(error)) => *error,
            _ => {
                self.has_lost = true;
                ErrorCode::RequestTimedOut
            }
        };
        let partition = self.adding.take();
        if error.is_err() {
            if error.class() == Class::Retriable {
                return self.back_off(ADD, ctx);
            }
            return self.refused(error, "AddPartitionsToTxn", ctx);
        }
        if let Some(partition) = partition {
            self.added.push(partition.clone());
            self.transmit(&partition, ctx);
        }
    }

    fn produced(&mut self, partition: &TopicPartition, response: Response, ctx: &mut Context<'_>) {
        let result = match response {
            Response::Produced(result) => result,
            Response::Refused(error) => Err(error),
            _ => Err(ErrorCode::RequestTimedOut),
        };
        let Some(lane) = self.lanes.get_mut(partition) else {
            return;
        };
        let index = u64::try_from(partition.partition.0).unwrap_or(0);
        match result {
            Ok(base) => {
                if let Some(sent) = lane.pop_front() {
                    ctx.truth.acknowledge(&sent.values, base);
                }
                self.transmit(partition, ctx);
            }
            Err(error) => {
                if let Some(first) = lane.front_mut() {
                    first.call = None;
                }
                if error.class() == Class::Retriable {
                    self.back_off(RETRY + index, ctx);
                } else {
                    self.refused(error, "Produce", ctx);
                }
            }
        }
    }

    /// The transaction cannot be committed any more.
    fn refused(&mut self, error: ErrorCode, api: &str, ctx: &mut Context<'_>) {
        let is_young = ctx.now - self.began_at < i64::from(self.habit.timeout_ms) / 2;
        if self.habit.is_alone && is_young && !ctx.truth.is_clock_wrong {
            ctx.truth.violation(format!(
                "{}: {api} is refused with {} and nobody else has the id",
                self.name,
                error.name()
            ));
        }
        self.must_abort = true;
        self.must_init = true;
        self.lanes.clear();
        let is_fenced = matches!(
            error,
            ErrorCode::ProducerFenced
                | ErrorCode::InvalidProducerEpoch
                | ErrorCode::InvalidProducerIdMapping
        ) || matches!(self.phase, Phase::Ending { .. });
        if is_fenced {
            // It was given up by somebody else, who ends it.
            self.phase = Phase::Idle;
            self.give_up(ctx);
            let after_ms = ctx.random.between(50, 3000);
            return self.go_on(after_ms, ctx);
        }
        if self.phase == Phase::Open {
            self.back_off(WORK, ctx);
        }
    }

    fn is_sent(&self) -> bool {
        self.lanes.values().all(VecDeque::is_empty)
    }

    fn end(&mut self, ctx: &mut Context<'_>) {
        if !self.must_abort && !self.is_sent() {
            return self.go_on(10, ctx);
        }
        let is_commit = !self.must_abort && !ctx.random.chance(15);
        if let Some(source) = &mut self.source
            && is_commit
            && !source.is_committed()
        {
            let by = Transactional {
                id: self.habit.transactional_id.clone(),
                version: self.habit.version,
            };
            let Some(producer) = self.producer else {
                return;
            };
            return source.commit(producer, by, ctx);
        }
        self.lanes.clear();
        self.phase = Phase::Ending { is_commit };
        if let (Some(number), true) = (self.number, is_commit) {
            ctx.truth.end(number, Fate::Unknown);
        }
        self.ask_end(ctx);
    }

    fn ask_end(&mut self, ctx: &mut Context<'_>) {
        let (Phase::Ending { is_commit }, Some(producer)) = (self.phase, self.producer) else {
            return;
        };
        let request = txn::Request::End(txn::EndTransaction {
            transactional_id: self.habit.transactional_id.clone(),
            producer,
            is_commit,
            transaction_version: self.habit.version,
        });
        self.call = Some(ctx.send(Request::Transaction(request)));
    }

    fn ended(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let Phase::Ending { is_commit } = self.phase else {
            return;
        };
        let result = match response {
            Response::Transaction(txn::Response::End(result)) => *result,
            _ => {
                self.has_lost = true;
                return self.back_off(END, ctx);
            }
        };
        let error = result.error;
        if error.class() == Class::Retriable {
            return self.back_off(END, ctx);
        }
        if error.is_err() {
            // Whatever it is, only a new epoch goes on from here.
            return self.refused(error, "EndTxn", ctx);
        }
        if let (Some(number), true) = (self.number, is_commit) {
            ctx.truth.end(number, Fate::Done);
        }
        self.give_up(ctx);
        if self.habit.version >= 2 {
            self.producer = Some(result.producer);
            self.sequences.clear();
        } else if self.has_lost {
            // Before version 2 transactions share an epoch: what comes late would end, begin or
            // change the next one, in Kafka too (the reason for KIP-890). Only a new epoch keeps
            // it out.
            self.must_init = true;
        }
        self.phase = Phase::Idle;
        if let Some(source) = &mut self.source {
            // Whoever gets a partition anew asks for its offset while markers may be on their way.
            if is_commit && !ctx.random.chance(15) {
                source.advance();
            } else {
                source.seek(self.process, ctx);
                source.restart(ctx);
                return;
            }
        }
        // What comes late meets a transaction that has ended, and nobody who goes on.
        let rests = self.must_init && ctx.random.chance(RESTS_PERCENT);
        let after_ms = ctx.random.between(1, if rests { REST_MS } else { 150 });
        self.go_on(after_ms, ctx);
    }

    fn source_answer(&mut self, call: u64, response: &Response, ctx: &mut Context<'_>) -> bool {
        let Some(source) = &mut self.source else {
            return false;
        };
        let Some(outcome) = source.answer(call, response, ctx) else {
            return false;
        };
        self.has_lost |= self.phase == Phase::Open && matches!(response, Response::Lost);
        match outcome {
            Ok(()) => {
                if let (Some(number), Some(step)) = (self.number, source.commit_step()) {
                    ctx.truth.recorder.add(number, step);
                }
                let after_ms = ctx.random.between(1, 60);
                self.go_on(after_ms, ctx);
            }
            Err(error) if error.class() == Class::Retriable => self.back_off(SOURCE, ctx),
            Err(error) => self.refused(error, "TxnOffsetCommit", ctx),
        }
        true
    }

    fn source_again(&mut self, ctx: &mut Context<'_>) {
        if self.phase == Phase::Open {
            return self.work(ctx);
        }
        if let Some(source) = &mut self.source {
            source.again(ctx);
        }
    }
}

impl Client for Transactor {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self, ctx: &mut Context<'_>) {
        self.waits.clear();
        // Of a process that is gone nobody knows more.
        self.number = None;
        if self.phase == Phase::Initialising {
            self.habit.is_alone = false;
        }
        self.init(ctx);
    }

    fn wake(&mut self, tag: u64, ctx: &mut Context<'_>) {
        self.waits.remove(&tag);
        match tag {
            INIT if self.phase == Phase::Initialising => self.init(ctx),
            WORK => self.work(ctx),
            END => self.ask_end(ctx),
            SOURCE => self.source_again(ctx),
            ADD => {
                for partition in self.lanes.keys().cloned().collect::<Vec<_>>() {
                    self.transmit(&partition, ctx);
                }
            }
            tag if RETRY <= tag => {
                let index = i32::try_from(tag - RETRY).unwrap_or(0);
                self.transmit(&layout::partition(OUTPUT, index), ctx);
            }
            _ => {}
        }
    }

    fn answer(&mut self, call: u64, response: Response, ctx: &mut Context<'_>) {
        if self.call.take_if(|known| *known == call).is_some() {
            return match self.phase {
                Phase::Initialising => self.initialised(&response, ctx),
                Phase::Ending { .. } => self.ended(&response, ctx),
                Phase::Open => self.added(&response, ctx),
                Phase::Idle => {}
            };
        }
        if self.source_answer(call, &response, ctx) {
            return;
        }
        let found = self.lanes.iter().find_map(|(partition, lane)| {
            (lane.front()?.call == Some(call)).then(|| partition.clone())
        });
        if let Some(partition) = found {
            self.produced(&partition, response, ctx);
        }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn is_idle(&self) -> bool {
        self.phase == Phase::Idle && self.source.as_ref().is_none_or(Source::is_idle)
    }
}
