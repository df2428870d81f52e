//! The reading half of a copier: records of one partition from the offset that its group has
//! committed, and the offsets that go into the transaction.

use milena_cluster::group::{
    CommitOffsets, FetchOffsets, MemberRef, PartitionCommit, Producer, Request as GroupRequest,
    Response as GroupResponse, TopicCommits, TopicPartitions,
};
use milena_cluster::transaction as txn;
use milena_protocol::stored::group::partition_for;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, TopicPartition};

use super::Context;
use crate::checker::Step;
use crate::layout::{self, INTERNAL_PARTITIONS, OFFSETS};
use crate::message::{Request, Response, Transactional};
use crate::record::{key, poll};
use crate::view::visible;

/// Values of one transaction at most.
const VALUES_MAX: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    /// The committed offset is asked for.
    Committed,
    /// Records are asked for.
    Fetch,
    /// Offsets are put into the transaction.
    Commit(Box<(txn::Producer, String, i16)>),
}

/// What a copier reads.
#[derive(Debug)]
pub(crate) struct Source {
    group: String,
    number: u64,
    partition: TopicPartition,
    /// Where the next transaction begins to read; none until it is known.
    position: Option<Offset>,
    /// What was read and is not sent, with the offset behind it.
    input: Vec<u64>,
    /// The same with offsets, as it was polled.
    polled: Vec<(Offset, u64)>,
    next: Offset,
    is_committed: bool,
    /// A client of old has added the offsets to its transaction.
    is_added: bool,
    doing: Doing,
    call: Option<u64>,
}

impl Source {
    /// The partition, read for the transactional id.
    pub(crate) fn new(transactional_id: &str, partition: TopicPartition) -> Self {
        let number = u64::try_from(partition.partition.0).unwrap_or(0);
        Self {
            group: format!("copy-{transactional_id}"),
            number,
            partition,
            position: None,
            input: Vec::new(),
            polled: Vec::new(),
            next: Offset(0),
            is_committed: false,
            is_added: false,
            doing: Doing::Nothing,
            call: None,
        }
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Some of what was read.
    pub(crate) fn take(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.input)
    }

    pub(crate) const fn is_committed(&self) -> bool {
        self.is_committed
    }

    /// What was polled, for the history.
    pub(crate) fn poll(&self) -> Step {
        poll(&self.partition, &self.polled)
    }

    /// The offsets that are part of the transaction, for the history.
    pub(crate) fn commit_step(&self) -> Option<Step> {
        let step = Step::Commit(self.group.clone(), key(&self.partition), self.next.0);
        self.is_committed.then_some(step)
    }

    /// The position goes back.
    pub(crate) fn seek(&self, process: u64, ctx: &mut Context<'_>) {
        ctx.truth.seek(process, &self.partition);
    }

    /// True where no offsets are on their way.
    pub(crate) const fn is_idle(&self) -> bool {
        !matches!(self.doing, Doing::Commit(_))
    }

    /// Begins anew from what is committed.
    pub(crate) fn restart(&mut self, ctx: &mut Context<'_>) {
        self.position = None;
        self.input.clear();
        self.is_committed = false;
        self.doing = Doing::Committed;
        self.again(ctx);
    }

    /// The transaction is committed.
    pub(crate) fn advance(&mut self) {
        self.position = Some(self.next);
        self.is_committed = false;
    }

    /// Reads.
    pub(crate) fn fetch(&mut self, ctx: &mut Context<'_>) {
        self.doing = if self.position.is_some() {
            Doing::Fetch
        } else {
            Doing::Committed
        };
        self.again(ctx);
    }

    /// Puts the offsets into the transaction.
    pub(crate) fn commit(
        &mut self,
        producer: txn::Producer,
        by: Transactional,
        ctx: &mut Context<'_>,
    ) {
        self.doing = Doing::Commit(Box::new((producer, by.id, by.version)));
        self.is_added = false;
        self.again(ctx);
    }

    /// Asks once more what was asked.
    pub(crate) fn again(&mut self, ctx: &mut Context<'_>) {
        let request = match &self.doing {
            Doing::Nothing => return,
            Doing::Committed => Request::Group {
                group: self.group.clone(),
                request: GroupRequest::FetchOffsets(FetchOffsets {
                    group: self.group.clone(),
                    topics: Some(vec![TopicPartitions {
                        name: self.partition.topic.to_string(),
                        id: layout::topic_id(&self.partition.topic),
                        partitions: vec![self.partition.partition],
                    }]),
                    member: None,
                    require_stable: true,
                }),
            },
            Doing::Fetch => Request::Fetch {
                partition: self.partition.clone(),
                offset: self.position.unwrap_or(Offset(0)),
                is_committed: true,
            },
            Doing::Commit(of) if of.2 < 2 && !self.is_added => {
                let index = partition_for(&self.group, INTERNAL_PARTITIONS);
                Request::Transaction(txn::Request::Add(txn::AddPartitions {
                    transactional_id: of.1.clone(),
                    producer: of.0,
                    partitions: [layout::partition(OFFSETS, index.0)].into(),
                    transaction_version: 0,
                }))
            }
            Doing::Commit(of) => {
                let (producer, id, version) = &**of;
                Request::CommitInTransaction {
                    commit: self.commit_request(*producer),
                    by: Transactional {
                        id: id.clone(),
                        version: *version,
                    },
                }
            }
        };
        self.call = Some(ctx.send(request));
    }

    fn commit_request(&self, producer: txn::Producer) -> CommitOffsets {
        CommitOffsets {
            member: MemberRef {
                group: self.group.clone(),
                generation: -1,
                member_id: String::new(),
                group_instance_id: None,
            },
            retention_ms: -1,
            understands_group_id_not_found: true,
            supports_member_epoch: true,
            producer: Some(Producer {
                id: producer.id,
                epoch: producer.epoch,
            }),
            topics: vec![TopicCommits {
                name: self.partition.topic.to_string(),
                id: layout::topic_id(&self.partition.topic),
                partitions: vec![PartitionCommit {
                    partition: self.partition.partition,
                    offset: self.next,
                    leader_epoch: LeaderEpoch::NONE,
                    metadata: None,
                }],
            }],
        }
    }

    /// The answer to a call; none where the call is not of this source.
    pub(crate) fn answer(
        &mut self,
        call: u64,
        response: &Response,
        ctx: &mut Context<'_>,
    ) -> Option<Result<(), ErrorCode>> {
        self.call.take_if(|known| *known == call)?;
        let outcome = match (&self.doing, response) {
            (Doing::Committed, Response::Group(GroupResponse::FetchOffsets(fetched))) => {
                let topics = fetched.topics.iter();
                let found = topics.flat_map(|topic| &topic.partitions).next();
                match found {
                    _ if fetched.error.is_err() => Err(fetched.error),
                    Some(found) if found.error.is_err() => Err(found.error),
                    Some(found) => {
                        self.position = Some(found.offset.max(Offset(0)));
                        Ok(())
                    }
                    None => Err(ErrorCode::RequestTimedOut),
                }
            }
            (Doing::Fetch, Response::Fetched(fetched)) => {
                let position = self.position.unwrap_or(Offset(0));
                self.fetched(fetched, position, ctx)
            }
            (Doing::Commit(_), Response::Transaction(txn::Response::Add(error))) => {
                if error.is_err() {
                    return Some(Err(*error));
                }
                self.is_added = true;
                self.again(ctx);
                return None;
            }
            (Doing::Commit(_), Response::Group(GroupResponse::CommitOffsets(topics))) => {
                let codes = topics.iter().flat_map(|topic| &topic.partitions);
                let error = codes.map(|(_, code)| *code).find(|code| code.is_err());
                match error {
                    Some(error) => Err(error),
                    None => {
                        self.is_committed = true;
                        Ok(())
                    }
                }
            }
            (_, Response::Refused(error)) => Err(*error),
            _ => Err(ErrorCode::RequestTimedOut),
        };
        if outcome.is_ok() {
            self.doing = Doing::Nothing;
        }
        Some(outcome)
    }

    fn fetched(
        &mut self,
        answer: &crate::message::Fetched,
        position: Offset,
        ctx: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        if answer.error == ErrorCode::OffsetOutOfRange {
            self.position = Some(position.max(answer.log_start));
            return Ok(());
        }
        if answer.error.is_err() {
            return Err(ErrorCode::RequestTimedOut);
        }
        let (mut values, mut next) = match visible(answer, position) {
            Ok(seen) => seen,
            Err(error) => {
                ctx.truth.violation(format!("{}: {error}", self.group));
                return Ok(());
            }
        };
        if VALUES_MAX < values.len() {
            values.truncate(VALUES_MAX);
            next = values.last().map_or(next, |(offset, _)| offset.plus(1));
        }
        for (offset, value) in &values {
            ctx.truth.note_read(&self.partition, *offset, *value, true);
        }
        self.polled.clone_from(&values);
        self.input = values.into_iter().map(|(_, value)| value).collect();
        self.next = next;
        if self.input.is_empty() {
            // Only markers and aborted records: nothing to copy, but the position goes on.
            self.position = Some(next);
        }
        Ok(())
    }
}
