//! A consumer in a group: of the classic protocol, or of the one of KIP-848. It reads what it is
//! assigned from the committed offset on, and commits as it goes.

use std::collections::{BTreeMap, BTreeSet};

use milena_cluster::group::{
    CommitOffsets, FetchOffsets, FetchingMember, MemberRef, PartitionCommit,
    Request as GroupRequest, Response as GroupResponse, TopicCommits, TopicPartitions,
};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex};

use super::membership::{Membership, News};
use super::{Client, Context};
use crate::layout::{self, INPUT};
use crate::message::{Fetched, Request, Response};
use crate::view::visible;

const MEMBERSHIP: u64 = 0;
const READ: u64 = 1;
/// Milliseconds between two commits at most: whoever was stopped commits as soon as it goes on.
const COMMIT_MS: i64 = 800;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Committed,
    Fetch(PartitionIndex),
    /// In this generation or member epoch.
    Commit(i32, BTreeMap<PartitionIndex, Offset>),
}

/// The consumer.
#[derive(Debug)]
pub(crate) struct Member {
    name: String,
    group: String,
    membership: Membership,
    is_committed: bool,
    positions: BTreeMap<PartitionIndex, Offset>,
    /// The epoch since which the member has each of its partitions without a break.
    held: BTreeMap<PartitionIndex, i32>,
    /// The smallest offset of those commits since then that may be on their way still.
    late: BTreeMap<PartitionIndex, Offset>,
    doing: Doing,
    call: Option<u64>,
    turn: usize,
    committed_at: i64,
    quiet: usize,
    is_reading: bool,
    is_stopped: bool,
    /// Commits of the group that were acknowledged when the offsets were asked for.
    floor: BTreeMap<PartitionIndex, Offset>,
}

impl Member {
    /// A member of a group.
    pub(crate) fn new(name: String, group: String, is_classic: bool, is_committed: bool) -> Self {
        Self {
            membership: Membership::new(&name, &group, is_classic),
            name,
            group,
            is_committed,
            positions: BTreeMap::new(),
            held: BTreeMap::new(),
            late: BTreeMap::new(),
            doing: Doing::Nothing,
            call: None,
            turn: 0,
            committed_at: 0,
            quiet: 0,
            is_reading: false,
            is_stopped: false,
            floor: BTreeMap::new(),
        }
    }

    fn on_news(&mut self, news: News, ctx: &mut Context<'_>) {
        match news {
            News::Nothing => {}
            News::Lost => {
                self.positions.clear();
                self.hold(&BTreeSet::new());
                self.quiet = 0;
            }
            News::Fenced => {
                self.positions.clear();
                self.quiet = 0;
            }
            News::Assigned => {
                let assigned = self.membership.assigned();
                self.positions
                    .retain(|partition, _| assigned.contains(partition));
                self.hold(&assigned);
                self.quiet = 0;
                if !self.is_reading {
                    self.is_reading = true;
                    ctx.pause(5, READ);
                }
            }
        }
    }

    /// The member has these partitions from now on.
    fn hold(&mut self, assigned: &BTreeSet<PartitionIndex>) {
        let epoch = self.membership.member().generation;
        self.held
            .retain(|partition, _| assigned.contains(partition));
        self.late
            .retain(|partition, _| assigned.contains(partition));
        for partition in assigned {
            self.held.entry(*partition).or_insert(epoch);
        }
    }

    /// A commit was acknowledged. One from before may come after it, also from before the epoch of
    /// this one: the broker takes every epoch since which the member has the partition (KIP-1251).
    fn committed(&self, generation: i32, at: (PartitionIndex, Offset), ctx: &mut Context<'_>) {
        ctx.truth.commit(&self.group, generation, at);
        if let Some(late) = self.late.get(&at.0) {
            ctx.truth.may_commit(&self.group, generation, (at.0, *late));
        }
    }

    /// Nobody knows what becomes of a commit. It may be on its way still, and come after later ones
    /// of this member.
    fn may_commit(&mut self, generation: i32, at: (PartitionIndex, Offset), ctx: &mut Context<'_>) {
        ctx.truth.may_commit(&self.group, generation, at);
        if self
            .held
            .get(&at.0)
            .is_some_and(|since| *since <= generation)
        {
            let late = self.late.entry(at.0).or_insert(at.1);
            *late = at.1.min(*late);
        }
    }

    /// One step of reading.
    fn read(&mut self, ctx: &mut Context<'_>) {
        if self.doing != Doing::Nothing {
            return;
        }
        let assigned = self.membership.assigned();
        let has_all = assigned
            .iter()
            .all(|partition| self.positions.contains_key(partition));
        if assigned.is_empty() {
            self.quiet += 1;
            return ctx.pause(100, READ);
        }
        self.turn += 1;
        self.doing = if !has_all {
            Doing::Committed
        } else if self.turn.is_multiple_of(5) || self.committed_at + COMMIT_MS < ctx.now {
            self.committed_at = ctx.now;
            Doing::Commit(self.membership.member().generation, self.positions.clone())
        } else {
            let at = self.turn % assigned.len();
            let partition = assigned.iter().nth(at).copied();
            Doing::Fetch(partition.unwrap_or(PartitionIndex(0)))
        };
        let request = self.request(ctx);
        self.call = Some(ctx.send(request));
    }

    fn request(&mut self, ctx: &mut Context<'_>) -> Request {
        let assigned = self.membership.assigned();
        match &self.doing {
            Doing::Fetch(partition) => Request::Fetch {
                partition: layout::partition(INPUT, partition.0),
                offset: self.positions.get(partition).copied().unwrap_or(Offset(0)),
                is_committed: self.is_committed,
            },
            Doing::Commit(_, positions) => {
                let partitions = positions.iter().map(|(partition, offset)| PartitionCommit {
                    partition: *partition,
                    offset: *offset,
                    leader_epoch: LeaderEpoch::NONE,
                    metadata: None,
                });
                let commit = CommitOffsets {
                    member: self.membership.member(),
                    retention_ms: -1,
                    understands_group_id_not_found: true,
                    supports_member_epoch: true,
                    producer: None,
                    topics: vec![TopicCommits {
                        name: INPUT.to_owned(),
                        id: layout::topic_id(INPUT),
                        partitions: partitions.collect(),
                    }],
                };
                self.group_request(GroupRequest::CommitOffsets(commit))
            }
            Doing::Committed | Doing::Nothing => {
                self.floor = ctx.truth.commits(&self.group);
                let MemberRef {
                    generation,
                    member_id,
                    ..
                } = self.membership.member();
                let fetch = FetchOffsets {
                    group: self.group.clone(),
                    topics: Some(vec![TopicPartitions {
                        name: INPUT.to_owned(),
                        id: layout::topic_id(INPUT),
                        partitions: assigned.into_iter().collect(),
                    }]),
                    member: (!self.membership.is_classic()).then_some(FetchingMember {
                        member_id,
                        member_epoch: generation,
                    }),
                    require_stable: true,
                };
                self.group_request(GroupRequest::FetchOffsets(fetch))
            }
        }
    }

    fn group_request(&self, request: GroupRequest) -> Request {
        Request::Group {
            group: self.group.clone(),
            request,
        }
    }

    fn did(&mut self, response: &Response, ctx: &mut Context<'_>) {
        match (std::mem::replace(&mut self.doing, Doing::Nothing), response) {
            (Doing::Committed, Response::Group(GroupResponse::FetchOffsets(fetched))) => {
                let found = fetched.topics.iter().flat_map(|topic| &topic.partitions);
                for of in found.filter(|of| !of.error.is_err() && !fetched.error.is_err()) {
                    let floor = self.floor.get(&of.partition).copied();
                    if floor.is_some_and(|floor| of.offset < floor) {
                        ctx.truth.violation(format!(
                            "{}: committed offset of {} is {}, and {floor:?} was acknowledged",
                            self.name, of.partition, of.offset
                        ));
                    }
                    let offset = of.offset.max(Offset(0));
                    if !self.membership.assigned().contains(&of.partition) {
                        continue;
                    }
                    self.positions.entry(of.partition).or_insert(offset);
                }
            }
            (Doing::Fetch(partition), Response::Fetched(fetched)) => {
                self.fetched(partition, fetched, ctx);
            }
            (
                Doing::Commit(generation, positions),
                Response::Group(GroupResponse::CommitOffsets(topics)),
            ) => {
                let codes = topics.iter().flat_map(|topic| &topic.partitions);
                let done = codes.filter(|(_, code)| !code.is_err());
                for (partition, _) in done {
                    if let Some(offset) = positions.get(partition) {
                        self.committed(generation, (*partition, *offset), ctx);
                    }
                }
            }
            (Doing::Commit(generation, positions), _) => {
                for at in positions {
                    self.may_commit(generation, at, ctx);
                }
            }
            _ => {}
        }
        let after_ms = ctx.random.between(10, 100);
        ctx.pause(after_ms, READ);
    }

    fn fetched(&mut self, partition: PartitionIndex, answer: &Fetched, ctx: &mut Context<'_>) {
        let Some(position) = self.positions.get(&partition).copied() else {
            return;
        };
        if answer.error == ErrorCode::OffsetOutOfRange {
            self.positions
                .insert(partition, position.max(answer.log_start));
            return;
        }
        if answer.error.is_err() {
            return;
        }
        let of = layout::partition(INPUT, partition.0);
        match visible(answer, position) {
            Ok((values, next)) => {
                self.quiet = if next == position { self.quiet + 1 } else { 0 };
                for (offset, value) in values {
                    ctx.truth.note_read(&of, offset, value, self.is_committed);
                }
                self.positions.insert(partition, next);
            }
            Err(error) => ctx.truth.violation(format!("{}: {of}: {error}", self.name)),
        }
    }
}

impl Client for Member {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self, ctx: &mut Context<'_>) {
        self.positions.clear();
        self.held.clear();
        self.late.clear();
        self.doing = Doing::Nothing;
        self.call = None;
        self.is_reading = false;
        self.quiet = 0;
        self.membership.restart(ctx, MEMBERSHIP);
    }

    fn wake(&mut self, tag: u64, ctx: &mut Context<'_>) {
        match tag {
            MEMBERSHIP => self.membership.wake(ctx),
            _ => self.read(ctx),
        }
    }

    fn answer(&mut self, call: u64, response: Response, ctx: &mut Context<'_>) {
        if self.call.take_if(|known| *known == call).is_some() {
            return self.did(&response, ctx);
        }
        let news = self.membership.answer(call, &response, ctx, MEMBERSHIP);
        self.on_news(news, ctx);
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.quiet = 0;
    }

    fn is_idle(&self) -> bool {
        self.is_stopped && self.membership.is_stable() && self.quiet >= 8
    }
}
