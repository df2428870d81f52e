//! Tests of the coordinator: what they share. Every step is followed by `check_invariants`.

mod consumer;
mod join;
mod load;
mod offset;
mod property;
mod removal;
mod table;

use std::collections::{BTreeMap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use milena_protocol::stored::group::Record;
use milena_protocol::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerId, Timestamp, TopicId,
};
use uuid::Uuid;

use super::*;

/// A coordinator with a log and clients.
struct Harness {
    core: Coordinator,
    now: Timestamp,
    /// What is committed: the offset of a record is its index.
    log: Vec<(ProducerId, Record)>,
    appends: VecDeque<(Token, Vec<Record>, Option<Producer>)>,
    /// Members that were removed since their time had ended.
    expired: Vec<ExpiredMember>,
    replies: BTreeMap<u64, Response>,
    requests: u64,
    /// True where appends are committed at once.
    is_fast: bool,
    /// True where the log is not one of a coordinator.
    is_foreign: bool,
}

fn loaded(config: Config, log: Vec<(ProducerId, Record)>) -> Harness {
    let mut core = Coordinator::new(config);
    for (offset, (producer, record)) in (0..).zip(&log) {
        core.apply(Offset(offset), *producer, record.clone());
    }
    let mut harness = Harness {
        core,
        now: Timestamp(1_000_000),
        log,
        appends: VecDeque::new(),
        expired: Vec::new(),
        replies: BTreeMap::new(),
        requests: 0,
        is_fast: true,
        is_foreign: false,
    };
    let mut effects = Vec::new();
    harness.core.finish_loading(harness.now, &mut effects);
    harness.absorb(effects);
    harness
}

fn harness() -> Harness {
    loaded(Config::default(), Vec::new())
}

impl Harness {
    fn absorb(&mut self, effects: Vec<Effect>) {
        self.core.check_invariants();
        for (id, entry) in &self.core.groups {
            if let (Some(group), false) = (entry.consumer(), self.is_foreign) {
                group.live.check_ownership(id);
            }
        }
        for effect in effects {
            match effect {
                Effect::Append {
                    token,
                    records,
                    producer,
                } => {
                    self.appends.push_back((token, records.to_vec(), producer));
                }
                Effect::Reply { waiter, response } => {
                    let before = self.replies.insert(waiter.0, response);
                    assert_eq!(before, None, "{waiter:?} was answered twice");
                }
                Effect::Expired(expired) => self.expired.push(expired),
            }
        }
        while self.is_fast && !self.appends.is_empty() {
            self.commit_next();
        }
    }

    fn step(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.core.step(self.now, event, &mut effects);
        self.absorb(effects);
    }

    fn commit_next(&mut self) {
        let (token, records, producer) = self.appends.pop_front().expect("an append");
        let first = Offset(i64::try_from(self.log.len()).unwrap());
        let producer = producer.map_or(ProducerId::NONE, |producer| producer.id);
        self.log
            .extend(records.into_iter().map(|record| (producer, record)));
        self.step(Event::Appended {
            token,
            result: Ok(first),
        });
    }

    fn fail_next(&mut self, error: ErrorCode) {
        let (token, _, _) = self.appends.pop_front().expect("an append");
        self.step(Event::Appended {
            token,
            result: Err(error),
        });
    }

    /// Sends a request and returns its number.
    fn send(&mut self, request: Request) -> u64 {
        self.requests += 1;
        let waiter = Waiter(self.requests);
        self.step(Event::Request { waiter, request });
        self.requests
    }

    /// The answer to a request, which must be there.
    fn answer(&mut self, waiter: u64) -> Response {
        self.replies.remove(&waiter).expect("an answer")
    }

    fn ask(&mut self, request: Request) -> Response {
        let waiter = self.send(request);
        self.answer(waiter)
    }

    fn joined(&mut self, waiter: u64) -> Joined {
        match self.answer(waiter) {
            Response::Join(joined) => joined,
            other => panic!("{other:?}"),
        }
    }

    fn synced(&mut self, waiter: u64) -> Synced {
        match self.answer(waiter) {
            Response::Sync(synced) => synced,
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &MemberRef) -> ErrorCode {
        match self.ask(Request::Heartbeat(member.clone())) {
            Response::Heartbeat(error) => error,
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Left {
        match self.ask(Request::Leave(leave(members))) {
            Response::Leave(left) => left,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: &MemberRef, offset: i64) -> ErrorCode {
        match self.ask(Request::CommitOffsets(commit(member, offset))) {
            Response::CommitOffsets(topics) => topics[0].partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn fetch(&mut self, group: &str) -> i64 {
        match self.ask(Request::FetchOffsets(fetch(group))) {
            Response::FetchOffsets(fetched) => fetched.topics[0].partitions[0].offset.0,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, with a tick at every deadline.
    fn advance(&mut self, ms: i64) {
        let end = self.now.plus_ms(ms);
        while let Some(deadline) = self.core.next_deadline() {
            if deadline > end {
                break;
            }
            self.now = self.now.max(deadline);
            self.step(Event::Tick);
        }
        self.now = end;
    }

    fn state(&self) -> Option<State> {
        self.core.classic(GROUP).map(classic::Group::state)
    }

    fn generation(&self) -> i32 {
        self.core.classic(GROUP).expect("a group").generation
    }

    /// Joins a member that wants the range assignor; its id starts with `client`.
    fn join_new(&mut self, client: &str) -> u64 {
        let first = self.send(Request::Join(join(client, "")));
        let member_id = self.joined(first).member_id;
        self.send(Request::Join(join(client, &member_id)))
    }

    /// A stable group of these clients; the first one leads.
    fn stable(&mut self, clients: &[&str]) -> Vec<MemberRef> {
        let waiters: Vec<u64> = clients.iter().map(|client| self.join_new(client)).collect();
        while !waiters
            .iter()
            .all(|waiter| self.replies.contains_key(waiter))
        {
            self.advance(1_000);
        }
        let mut members = Vec::new();
        for waiter in waiters {
            let joined = self.joined(waiter);
            assert_eq!(joined.error, ErrorCode::None);
            members.push(member(&joined.member_id, joined.generation));
        }
        self.sync_all(&members);
        members
    }

    fn sync_all(&mut self, members: &[MemberRef]) {
        let waiters: Vec<u64> = members
            .iter()
            .map(|member| self.send(Request::Sync(sync(member, members))))
            .collect();
        for (waiter, member) in waiters.into_iter().zip(members) {
            let synced = self.synced(waiter);
            assert_eq!(synced.error, ErrorCode::None);
            assert_eq!(synced.assignment, assignment(&member.member_id));
        }
        assert_eq!(self.state(), Some(State::Stable));
    }

    /// A replay of the log gives what this coordinator has.
    fn check_replay(&self) {
        let mut core = Coordinator::new(Config::default());
        for (offset, (producer, record)) in (0..).zip(&self.log) {
            core.apply(Offset(offset), *producer, record.clone());
        }
        assert_eq!(core.durable, self.core.durable);
    }
}

const GROUP: &str = "group";
const TOPIC: &str = "topic";

fn topic_id() -> TopicId {
    TopicId(Uuid::from_u128(7))
}

/// A consumer's metadata: subscription to these topics.
fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    bytes.put_i32(i32::try_from(topics.len()).unwrap());
    for topic in topics {
        bytes.put_i16(i16::try_from(topic.len()).unwrap());
        bytes.put_slice(topic.as_bytes());
    }
    // User data and owned partitions follow.
    bytes.put_i32(-1);
    bytes.put_i32(0);
    bytes.freeze()
}

fn assignment(member_id: &str) -> Bytes {
    Bytes::from(format!("for {member_id}"))
}

fn protocol(name: &str) -> Protocol {
    Protocol {
        name: name.into(),
        metadata: subscription(&[TOPIC]),
    }
}

fn join(client: &str, member_id: &str) -> Join {
    Join {
        group: GROUP.into(),
        member_id: member_id.into(),
        group_instance_id: None,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range"), protocol("roundrobin")],
        new_member_uuid: Uuid::nil(),
        requires_known_member_id: true,
        supports_skip_assignment: true,
    }
}

fn join_static(client: &str, instance: &str) -> Join {
    Join {
        group_instance_id: Some(instance.into()),
        ..join(client, "")
    }
}

fn member(member_id: &str, generation: i32) -> MemberRef {
    MemberRef {
        group: GROUP.into(),
        generation,
        member_id: member_id.into(),
        group_instance_id: None,
    }
}

/// Nobody: a consumer without a group.
fn nobody() -> MemberRef {
    member("", -1)
}

/// A sync that assigns to all of `members`, as a leader sends it.
fn sync(member: &MemberRef, members: &[MemberRef]) -> Sync {
    Sync {
        member: member.clone(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: members
            .iter()
            .map(|member| (member.member_id.clone(), assignment(&member.member_id)))
            .collect(),
    }
}

fn leave(members: &[(&str, Option<&str>)]) -> Leave {
    let members = members.iter().map(|(member_id, instance)| LeavingMember {
        member_id: (*member_id).into(),
        group_instance_id: instance.map(Into::into),
    });
    Leave {
        group: GROUP.into(),
        members: members.collect(),
    }
}

fn commit(member: &MemberRef, offset: i64) -> CommitOffsets {
    CommitOffsets {
        member: member.clone(),
        retention_ms: -1,
        understands_group_id_not_found: false,
        supports_member_epoch: false,
        producer: None,
        topics: vec![TopicCommits {
            name: TOPIC.into(),
            id: topic_id(),
            partitions: vec![PartitionCommit {
                partition: PartitionIndex(0),
                offset: Offset(offset),
                leader_epoch: LeaderEpoch(3),
                metadata: Some("note".into()),
            }],
        }],
    }
}

fn partitions(topic: &str, id: TopicId) -> TopicPartitions {
    TopicPartitions {
        name: topic.into(),
        id,
        partitions: vec![PartitionIndex(0)],
    }
}

fn fetch(group: &str) -> FetchOffsets {
    FetchOffsets {
        group: group.into(),
        topics: Some(vec![partitions(TOPIC, topic_id())]),
        member: None,
        require_stable: false,
    }
}

fn delete_offsets(topic: &str) -> Request {
    Request::DeleteOffsets(DeleteOffsets {
        group: GROUP.into(),
        topics: vec![partitions(topic, TopicId::ZERO)],
    })
}
