//! A broker without sockets and threads: the real logs and cores, and around them in plain calls what
//! the shells of package `broker` do with tasks.

mod clean;
mod clock;
mod data;
mod group;
mod open;
mod partition;
mod replay;
mod transaction;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_cluster::group::{Coordinator, Token};
use milena_log::handle::Handles;
use milena_log::producer_state::VerificationGuard;
use milena_log::storage::FaultyStorage;
use milena_log::validate::ValidBatch;
use milena_protocol::{ErrorCode, Offset, PartitionIndex, ProducerId, TopicPartition};

use self::clock::Clock;
use self::group::Shard;
pub(crate) use self::partition::{Partition, Stored};
pub(crate) use self::replay::{for_each_batch, for_each_record, walk};
use crate::layout::{self, Layout};
use crate::message::{Request, Response};
use crate::random::Random;

/// Milliseconds between two checkpoints.
const CHECKPOINT_MS: i64 = 4000;
/// Open files at most.
const FILES_MAX: usize = 64;
/// Milliseconds after which a broker says that an append of a coordinator takes too long.
const COMMIT_TIMEOUT_MS: i64 = 5000;

/// Who is told of the end of an append.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// A producer that asked.
    Produce { request: u64 },
    /// A shard of the group coordinator, of this incarnation.
    Group {
        shard: i32,
        incarnation: u64,
        number: u64,
    },
    /// A shard of the transaction coordinator, of this incarnation.
    Transaction {
        shard: i32,
        incarnation: u64,
        number: u64,
    },
    /// Markers of a coordinator; those of groups go through their shard.
    Marker { job: u64, partition: TopicPartition },
}

/// What happens to a broker.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A client asks; the number names the request.
    Request { id: u64, request: Box<Request> },
    /// A sync begins.
    BeginSync(TopicPartition),
    /// It ends.
    EndSync(TopicPartition),
    /// Checkpoints are due.
    Checkpoint,
    /// Compaction is due.
    Clean,
    /// A timer of a group coordinator may be due.
    GroupTick(i32),
    /// An append of a group coordinator takes too long.
    GroupTimeout {
        shard: i32,
        incarnation: u64,
        token: Token,
    },
    /// A partition leader asks a transaction coordinator.
    Ask {
        id: u64,
        request: milena_cluster::transaction::Request,
    },
    /// It has answered.
    Verified {
        id: u64,
        response: milena_cluster::transaction::Response,
    },
    /// A timer of a transaction coordinator may be due.
    TransactionTick(i32),
    /// An append of a transaction coordinator takes too long.
    TransactionTimeout {
        shard: i32,
        incarnation: u64,
        token: milena_cluster::transaction::Token,
    },
    /// The controller has given a producer id.
    NewProducerId {
        shard: i32,
        incarnation: u64,
        id: ProducerId,
    },
    /// WriteTxnMarkers arrives.
    WriteMarkers(u64),
    /// Its answer arrives.
    MarkersWritten(u64),
}

impl Input {
    /// True for what brokers say to each other.
    pub(crate) const fn is_message(&self) -> bool {
        matches!(
            self,
            Self::Ask { .. }
                | Self::Verified { .. }
                | Self::NewProducerId { .. }
                | Self::WriteMarkers(_)
                | Self::MarkersWritten(_)
        )
    }
}

/// What a broker wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// An answer leaves.
    Reply { id: u64, response: Response },
    /// The broker wants to be told this later, unless it has stopped by then.
    Later { after_ms: i64, input: Input },
}

/// What the controller remembers, which no crash of a broker takes away.
#[derive(Debug, Default)]
pub(crate) struct Controller {
    pub(crate) leader_epochs: BTreeMap<TopicPartition, i32>,
    pub(crate) next_producer_id: i64,
}

/// A broker that leads all partitions.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) layout: Arc<Layout>,
    pub(crate) controller: Controller,
    pub(crate) storage: FaultyStorage,
    handles: Arc<Handles>,
    pub(crate) partitions: BTreeMap<TopicPartition, Partition>,
    pub(crate) groups: BTreeMap<i32, Shard>,
    pub(crate) transactions: BTreeMap<i32, transaction::Shard>,
    verifications: transaction::Verifications,
    /// Of offsets whose transaction was verified, by shard and producer.
    guards: BTreeMap<(i32, ProducerId), VerificationGuard>,
    jobs: BTreeMap<u64, transaction::Job>,
    own: u64,
    /// Up to where logs were compacted.
    cleaned: BTreeMap<TopicPartition, Offset>,
    /// A group coordinator has heard of an append or a timer in the last step.
    pub(crate) has_changed_groups: bool,
    /// A coordinator has heard of anything in the last step.
    pub(crate) has_asked_coordinators: bool,
    pub(crate) clock: Clock,
    random: Random,
    /// Longest duration of a sync in milliseconds.
    pub(crate) sync_ms_max: i64,
    incarnations: u64,
    /// Why the log directory is offline.
    pub(crate) failure: Option<String>,
    ended: Vec<(Done, Stored)>,
    outputs: Vec<Output>,
}

/// A coordinator of groups as the log of its partition has it now; none where the partition is not
/// there, or has records that are not committed.
pub(crate) fn load_groups(broker: &Broker, shard: i32) -> Option<Result<Coordinator, String>> {
    let partition = layout::partition(layout::OFFSETS, shard);
    let log = &broker.partitions.get(&partition)?.log;
    (log.high_watermark() == log.log_end()).then(|| group::load(log, log.log_end()))
}

/// The same of a coordinator of transactions.
pub(crate) fn load_transactions(
    broker: &Broker,
    shard: i32,
) -> Option<Result<milena_cluster::transaction::Coordinator, String>> {
    let partition = layout::partition(layout::TRANSACTIONS, shard);
    let found = broker.partitions.get(&partition)?;
    let log = &found.log;
    let epoch = found.core.leader_epoch();
    (log.high_watermark() == log.log_end()).then(|| transaction::load(log, epoch, log.log_end()))
}

impl Broker {
    /// A broker with an empty disk; it has to be started.
    pub(crate) fn new(layout: Layout, random: &mut Random) -> Self {
        let storage = FaultyStorage::new(random.next());
        let handles = Handles::new(Arc::new(storage.clone()), FILES_MAX);
        Self {
            layout: Arc::new(layout),
            controller: Controller::default(),
            storage,
            handles,
            partitions: BTreeMap::new(),
            groups: BTreeMap::new(),
            transactions: BTreeMap::new(),
            verifications: BTreeMap::new(),
            guards: BTreeMap::new(),
            jobs: BTreeMap::new(),
            own: 0,
            cleaned: BTreeMap::new(),
            has_changed_groups: false,
            has_asked_coordinators: false,
            clock: Clock::default(),
            random: random.fork(),
            sync_ms_max: 4,
            incarnations: 0,
            failure: None,
            ended: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Handles what happened at `now` of the world.
    pub(crate) fn step(&mut self, now: i64, input: Input) -> Vec<Output> {
        self.clock.advance(now);
        self.has_changed_groups = false;
        self.has_asked_coordinators = false;
        match input {
            Input::Request { id, request } => self.request(id, *request),
            Input::BeginSync(partition) => self.begin_sync(&partition),
            Input::EndSync(partition) => self.end_sync(&partition),
            Input::Checkpoint => {
                self.checkpoint();
                self.later(CHECKPOINT_MS, Input::Checkpoint);
            }
            Input::Clean => {
                self.clean();
                let after_ms = self.random.between(300, 3000);
                self.later(after_ms, Input::Clean);
            }
            Input::GroupTick(shard) => self.group_tick(shard),
            Input::GroupTimeout {
                shard,
                incarnation,
                token,
            } => self.group_timeout(shard, incarnation, token),
            input => self.step_transactions(input),
        }
        self.settle();
        std::mem::take(&mut self.outputs)
    }

    fn step_transactions(&mut self, input: Input) {
        match input {
            Input::Ask { id, request } => self.transaction_request(id, request),
            Input::Verified { id, response } => self.verified(id, &response),
            Input::TransactionTick(shard) => self.transaction_tick(shard),
            Input::TransactionTimeout {
                shard,
                incarnation,
                token,
            } => self.transaction_timeout(shard, incarnation, token),
            Input::NewProducerId {
                shard,
                incarnation,
                id,
            } => self.new_producer_id(shard, incarnation, id),
            Input::WriteMarkers(job) => self.write_markers(job),
            Input::MarkersWritten(job) => self.markers_written(job),
            _ => {}
        }
    }

    fn request(&mut self, id: u64, request: Request) {
        match request {
            Request::Produce {
                partition,
                records,
                by: Some(by),
            } => self.produce_transactional(id, &partition, &records, &by),
            Request::Produce {
                partition, records, ..
            } => self.produce(id, &partition, &records),
            Request::CommitInTransaction { commit, by } => {
                self.commit_transactional(id, commit, &by);
            }
            Request::Transaction(request) => self.transaction_request(id, request),
            Request::Fetch {
                partition,
                offset,
                is_committed,
            } => {
                let response = self.fetch(&partition, offset, is_committed);
                self.reply(id, response);
            }
            Request::ProducerId => {
                let producer_id = self.allocate_producer_id();
                self.reply(
                    id,
                    Response::ProducerId {
                        error: ErrorCode::None,
                        id: producer_id,
                        epoch: milena_protocol::ProducerEpoch(0),
                    },
                );
            }
            Request::DeleteRecords { partition, before } => {
                let response = self.delete_records(&partition, before);
                self.reply(id, response);
            }
            Request::Group { group, request } => self.group_request(id, &group, request),
        }
    }

    fn reply(&mut self, id: u64, response: Response) {
        self.outputs.push(Output::Reply { id, response });
    }

    fn later(&mut self, after_ms: i64, input: Input) {
        self.outputs.push(Output::Later { after_ms, input });
    }

    /// Tells those whose appends have ended, until nobody has appended anew.
    fn settle(&mut self) {
        while !self.ended.is_empty() {
            for (done, stored) in std::mem::take(&mut self.ended) {
                match done {
                    Done::Produce { request } => self.reply(request, Response::Produced(stored)),
                    Done::Group {
                        shard,
                        incarnation,
                        number,
                    } => self.group_appended(shard, incarnation, number, stored),
                    Done::Transaction {
                        shard,
                        incarnation,
                        number,
                    } => self.transaction_appended(shard, incarnation, number, stored),
                    Done::Marker { job, partition } => {
                        self.marker_written(job, &partition, stored);
                    }
                }
            }
        }
    }

    /// Appends a batch to a partition of this broker.
    fn append(&mut self, partition: &TopicPartition, batch: ValidBatch, done: Done) {
        let now = self.clock.wall();
        if self.failure.is_some() {
            self.ended.push((done, Err(ErrorCode::KafkaStorageError)));
            return;
        }
        let Some(found) = self.partitions.get_mut(partition) else {
            let error = ErrorCode::UnknownTopicOrPartition;
            return self.ended.push((done, Err(error)));
        };
        if let Err(error) = found.append(batch, done, now, &mut self.ended) {
            return self.fail(error.to_string());
        }
        if found.is_behind() && !found.is_queued {
            found.is_queued = true;
            let after_ms = self.random.between(0, 1);
            self.later(after_ms, Input::BeginSync(partition.clone()));
        }
    }

    fn begin_sync(&mut self, partition: &TopicPartition) {
        let Some(found) = self.partitions.get_mut(partition) else {
            return;
        };
        if found.begin_sync() {
            let after_ms = self.random.between(0, self.sync_ms_max);
            self.later(after_ms, Input::EndSync(partition.clone()));
        } else {
            found.is_queued = false;
        }
    }

    fn end_sync(&mut self, partition: &TopicPartition) {
        let Some(found) = self.partitions.get_mut(partition) else {
            return;
        };
        match found.end_sync(&mut self.ended) {
            Ok(true) => self.begin_sync(partition),
            Ok(false) => found.is_queued = false,
            Err(error) => return self.fail(error),
        }
        self.groups_committed(partition);
        self.transactions_committed(partition);
    }

    /// The log directory goes offline, for good.
    fn fail(&mut self, error: String) {
        self.failure.get_or_insert(error);
    }

    /// Number of the partition of `__consumer_offsets` or `__transaction_state` with this name.
    fn index_of(partition: &TopicPartition) -> i32 {
        let PartitionIndex(index) = partition.partition;
        index
    }
}
