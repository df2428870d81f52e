//! Groups that change their protocol while they live.

use std::collections::BTreeMap;

use milena_protocol::wire::{Reader, Writer};
use proptest::prelude::*;

use super::*;

/// A consumer of the classic protocol: it gives up everything before it joins, as the eager
/// protocol wants it.
#[derive(Clone, Debug)]
struct Classic {
    client: String,
    instance: Option<String>,
    id: String,
    generation: i32,
    owned: Vec<(String, Vec<i32>)>,
    step: Step,
    counts: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Out,
    Joining(u64),
    Syncing(u64),
    In,
}

fn string(out: &mut BytesMut, text: &str) {
    Writer::new(out).put_string(text).unwrap();
}

fn partitions_bytes(version: i16, partitions: &[(String, Vec<i32>)]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(version);
    put_partitions(&mut out, partitions);
    out.put_i32(-1);
    out.freeze()
}

fn put_partitions(out: &mut BytesMut, partitions: &[(String, Vec<i32>)]) {
    out.put_i32(i32::try_from(partitions.len()).unwrap());
    for (topic, indexes) in partitions {
        string(out, topic);
        out.put_i32(i32::try_from(indexes.len()).unwrap());
        for index in indexes {
            out.put_i32(*index);
        }
    }
}

fn subscription_of(topics: &[&str], owned: &[(String, Vec<i32>)]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(1);
    out.put_i32(i32::try_from(topics.len()).unwrap());
    for topic in topics {
        string(&mut out, topic);
    }
    out.put_i32(-1);
    put_partitions(&mut out, owned);
    out.freeze()
}

fn read_partitions(bytes: &[u8]) -> Vec<(String, Vec<i32>)> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut reader = Reader::new(bytes);
    reader.i16().unwrap();
    let mut partitions = Vec::new();
    for _ in 0..reader.array_len(6).unwrap() {
        let topic = reader.string().unwrap().to_owned();
        let mut indexes = Vec::new();
        for _ in 0..reader.array_len(4).unwrap() {
            indexes.push(reader.i32().unwrap());
        }
        partitions.push((topic, indexes));
    }
    partitions
}

impl Classic {
    fn new(client: &str, counts: &[(&str, usize)]) -> Self {
        Self {
            client: client.into(),
            instance: None,
            id: String::new(),
            generation: -1,
            owned: Vec::new(),
            step: Step::Out,
            counts: counts
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
        }
    }

    fn topics(&self) -> Vec<&str> {
        self.counts.keys().map(String::as_str).collect()
    }

    fn member(&self) -> MemberRef {
        MemberRef {
            group_instance_id: self.instance.clone(),
            ..member(&self.id, self.generation)
        }
    }

    fn start(&mut self, harness: &mut Harness) {
        self.owned.clear();
        let mut request = join(&self.client, &self.id);
        request.group_instance_id.clone_from(&self.instance);
        request.session_timeout_ms = 45_000;
        for protocol in &mut request.protocols {
            protocol.metadata = subscription_of(&self.topics(), &[]);
        }
        request.new_member_uuid = Uuid::from_u128(u128::from(harness.requests));
        self.step = Step::Joining(harness.send(Request::Join(request)));
    }

    fn reset(&mut self) {
        self.owned.clear();
        self.generation = -1;
        self.step = Step::Out;
    }

    /// Does what comes next. True where something has happened.
    fn tick(&mut self, harness: &mut Harness) -> bool {
        match self.step {
            Step::Out => self.start(harness),
            Step::Joining(waiter) if harness.replies.contains_key(&waiter) => {
                let joined = harness.joined(waiter);
                self.joined(harness, joined);
            }
            Step::Syncing(waiter) if harness.replies.contains_key(&waiter) => {
                let synced = harness.synced(waiter);
                match synced.error {
                    ErrorCode::None => {
                        self.owned = read_partitions(&synced.assignment);
                        self.step = Step::In;
                    }
                    error => self.failed(error),
                }
            }
            Step::Joining(_) | Step::Syncing(_) => return false,
            Step::In => {
                let waiter = harness.send(Request::Heartbeat(self.member()));
                let Some(Response::Heartbeat(error)) = harness.replies.remove(&waiter) else {
                    return false;
                };
                if error == ErrorCode::None {
                    return false;
                }
                self.failed(error);
            }
        }
        true
    }

    fn joined(&mut self, harness: &mut Harness, joined: Joined) {
        match joined.error {
            ErrorCode::None => {
                self.id.clone_from(&joined.member_id);
                self.generation = joined.generation;
                let request = Sync {
                    member: self.member(),
                    protocol_type: joined.protocol_type.clone(),
                    protocol_name: joined.protocol_name.clone(),
                    assignments: self.assign(&joined.members),
                };
                self.step = Step::Syncing(harness.send(Request::Sync(request)));
            }
            ErrorCode::MemberIdRequired => {
                self.id = joined.member_id;
                self.step = Step::Out;
            }
            error => self.failed(error),
        }
    }

    fn failed(&mut self, error: ErrorCode) {
        let id = match error {
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => String::new(),
            _ => self.id.clone(),
        };
        self.reset();
        self.id = id;
    }

    /// As a leader: every partition to one of all.
    fn assign(&self, members: &[JoinedMember]) -> Vec<(String, Bytes)> {
        let mut assigned: Vec<Vec<(String, Vec<i32>)>> = vec![Vec::new(); members.len()];
        for (topic, count) in &self.counts {
            for index in 0..*count {
                let Some(of_member) = assigned.get_mut(index % members.len().max(1)) else {
                    continue;
                };
                let index = i32::try_from(index).unwrap();
                match of_member.last_mut() {
                    Some((last, indexes)) if last == topic => indexes.push(index),
                    _ => of_member.push((topic.clone(), vec![index])),
                }
            }
        }
        let assigned = assigned.into_iter().zip(members);
        assigned
            .map(|(partitions, member)| {
                (member.member_id.clone(), partitions_bytes(1, &partitions))
            })
            .collect()
    }

    fn owned(&self) -> Assignment {
        let mut owned = Assignment::new();
        for (topic, indexes) in &self.owned {
            let partitions = owned.entry(id_of(topic)).or_default();
            partitions.extend(indexes.iter().copied().map(PartitionIndex));
        }
        owned
    }
}

/// Lets all go on until nothing changes and every one of these partitions has one owner.
fn settle_all(harness: &mut Harness, classics: &mut [Classic], clients: &mut [Client]) {
    let mut quiet = 0;
    for _ in 0..400 {
        let mut has_changed = false;
        for client in clients.iter_mut() {
            let result = harness.beat(client.request());
            has_changed |= client.learn(&result);
        }
        for classic in classics.iter_mut() {
            has_changed |= classic.tick(harness);
        }
        let all_in = classics.iter().all(|classic| classic.step == Step::In)
            && clients.iter().all(|client| client.epoch > 0);
        quiet = if has_changed || !all_in { 0 } else { quiet + 1 };
        if quiet > 3 {
            return;
        }
        harness.advance(300);
    }
    panic!("no end: {classics:?} {clients:?} {:?}", harness.described());
}

/// Checks that every partition has one owner.
fn check_owners(classics: &[Classic], clients: &[Client], counts: &[(&str, usize)]) {
    let mut found = Assignment::new();
    let owned = classics.iter().map(Classic::owned);
    for owned in owned.chain(clients.iter().map(|client| client.owned.clone())) {
        for (topic, partitions) in owned {
            for partition in partitions {
                let is_first = found.entry(topic).or_default().insert(partition);
                assert!(is_first, "{partition:?} twice: {classics:?} {clients:?}");
            }
        }
    }
    let mut expected = Assignment::new();
    for (name, count) in counts {
        let all = (0..*count).map(|index| PartitionIndex(i32::try_from(index).unwrap()));
        expected.insert(id_of(name), all.collect());
    }
    assert_eq!(found, expected, "{classics:?} {clients:?}");
}

const COUNTS: [(&str, usize); 2] = [("t", 5), ("u", 2)];

fn type_of(harness: &Harness) -> &'static str {
    harness.core.list(&[], &[]).unwrap()[0].group_type
}

/// A stable classic group of these clients.
fn classic_group(config: Config, names: &[&str]) -> (Harness, Vec<Classic>) {
    let mut harness = with_config(config, &COUNTS);
    let mut classics: Vec<Classic> = names
        .iter()
        .map(|name| Classic::new(name, &COUNTS))
        .collect();
    settle_all(&mut harness, &mut classics, &mut []);
    check_owners(&classics, &[], &COUNTS);
    assert_eq!(type_of(&harness), "classic");
    (harness, classics)
}

#[test]
fn group_goes_over_member_by_member_and_back() {
    let (mut harness, mut classics) = classic_group(Config::default(), &["a", "b"]);
    harness.commit(&classics[0].member(), 7);
    let generation = harness.generation();
    let mut clients = vec![Client::new("x", &["t", "u"])];
    settle_all(&mut harness, &mut classics, &mut clients);
    check_owners(&classics, &clients, &COUNTS);
    assert_eq!(type_of(&harness), "consumer");
    assert!(harness.committed().epoch() > generation);
    harness.check_replay();
    // Its classic members go one by one.
    while let Some(gone) = classics.pop() {
        harness.leave(&[(&gone.id, None)]);
        clients.push(Client::new(&format!("y{}", classics.len()), &["t", "u"]));
        settle_all(&mut harness, &mut classics, &mut clients);
        check_owners(&classics, &clients, &COUNTS);
    }
    assert_eq!(type_of(&harness), "consumer");
    // And back: the last of the consumer protocol takes the group along.
    classics.push(Classic::new("c", &COUNTS));
    settle_all(&mut harness, &mut classics, &mut clients);
    for client in std::mem::take(&mut clients) {
        assert_eq!(type_of(&harness), "consumer");
        harness.beat_ok(beat(&client.id, -1));
    }
    assert_eq!(type_of(&harness), "classic");
    settle_all(&mut harness, &mut classics, &mut []);
    check_owners(&classics, &[], &COUNTS);
    assert_eq!(harness.fetch(GROUP), 7);
    harness.check_replay();
}

#[test]
fn policy_is_obeyed() {
    use MigrationPolicy::{Bidirectional, Disabled, Downgrade, Upgrade};
    for policy in [Bidirectional, Upgrade, Downgrade, Disabled] {
        let mut config = Config::default();
        config.consumer.migration = policy;
        let (mut harness, mut classics) = classic_group(config.clone(), &["a"]);
        let error = harness.beat(joining("x", &["t", "u"])).error;
        let may_go = matches!(policy, Bidirectional | Upgrade);
        assert_eq!(error == ErrorCode::None, may_go, "{policy:?}");
        if !may_go {
            assert_eq!(error, ErrorCode::GroupIdNotFound);
            assert!(!classics[0].tick(&mut harness), "nothing has happened");
        }
        // The other way round.
        let mut harness = with_config(config, &COUNTS);
        let mut clients = [Client::new("x", &["t", "u"])];
        settle(&mut harness, &mut clients);
        let mut classic = Classic::new("a", &COUNTS);
        classic.tick(&mut harness);
        let Step::Joining(waiter) = classic.step else {
            panic!("{classic:?}");
        };
        let error = harness.joined(waiter).error;
        if policy == Disabled {
            assert_eq!(error, ErrorCode::InconsistentGroupProtocol);
            continue;
        }
        assert_eq!(error, ErrorCode::MemberIdRequired);
        classic.step = Step::Out;
        let mut classics = [classic];
        settle_all(&mut harness, &mut classics, &mut clients);
        harness.beat_ok(beat("x", -1));
        let after = if matches!(policy, Bidirectional | Downgrade) {
            "classic"
        } else {
            "consumer"
        };
        assert_eq!(type_of(&harness), after, "{policy:?}");
        settle_all(&mut harness, &mut classics, &mut []);
        check_owners(&classics, &[], &COUNTS);
    }
}

#[test]
fn empty_groups_change_without_migration() {
    let mut config = Config::default();
    config.consumer.migration = MigrationPolicy::Disabled;
    let mut harness = with_config(config, &COUNTS);
    harness.commit(&nobody(), 3);
    let mut clients = [Client::new("x", &["t", "u"])];
    settle(&mut harness, &mut clients);
    harness.beat_ok(beat("x", -1));
    let mut classics = [Classic::new("a", &COUNTS)];
    settle_all(&mut harness, &mut classics, &mut []);
    assert_eq!(type_of(&harness), "classic");
    harness.leave(&[(&classics[0].id, None)]);
    clients[0] = Client::new("x2", &["t", "u"]);
    settle(&mut harness, &mut clients);
    assert_eq!((type_of(&harness), harness.fetch(GROUP)), ("consumer", 3));
    harness.check_replay();
}

#[test]
fn groups_that_cannot_be_taken_over_are_left_alone() {
    // Not of consumers, and of consumers with an assignor of their own.
    let other_type = |harness: &mut Harness| {
        let mut request = join_static("a", "i");
        request.protocol_type = "connect".into();
        harness.send(Request::Join(request));
    };
    let custom = |harness: &mut Harness| {
        let mut classics = [Classic::new("a", &COUNTS)];
        classics[0].tick(harness);
        classics[0].tick(harness);
        classics[0].tick(harness);
        harness.advance(3_000);
        let Step::Joining(waiter) = classics[0].step else {
            panic!("{classics:?}");
        };
        let joined = harness.joined(waiter);
        let mut assignment = BytesMut::from(&partitions_bytes(1, &[])[..6]);
        assignment.put_i32(1);
        assignment.put_u8(9);
        let sync = Sync {
            member: member(&joined.member_id, joined.generation),
            protocol_type: None,
            protocol_name: None,
            assignments: vec![(joined.member_id.clone(), assignment.freeze())],
        };
        harness.send(Request::Sync(sync));
        assert_eq!(harness.state(), Some(State::Stable));
    };
    let prepare: [&dyn Fn(&mut Harness); 2] = [&other_type, &custom];
    for prepare in prepare {
        let mut harness = with_topics(&COUNTS);
        prepare(&mut harness);
        let state = harness.state();
        let error = harness.beat_error(joining("x", &["t"]));
        assert_eq!(error, ErrorCode::GroupIdNotFound);
        assert_eq!(harness.state(), state);
        assert_eq!(type_of(&harness), "classic");
    }
}

#[test]
fn classic_static_member_takes_the_place_of_the_last_consumer() {
    let mut harness = with_topics(&COUNTS);
    let mut clients = [Client::new("x", &["t", "u"])];
    clients[0].instance = Some("i".into());
    settle(&mut harness, &mut clients);
    let mut classics = [Classic::new("a", &COUNTS)];
    classics[0].instance = Some("i".into());
    settle_all(&mut harness, &mut classics, &mut []);
    assert_eq!(type_of(&harness), "classic");
    check_owners(&classics, &[], &COUNTS);
    // And the other way round.
    clients[0] = Client::new("x2", &["t", "u"]);
    clients[0].instance = Some("i".into());
    settle_all(&mut harness, &mut [], &mut clients);
    assert_eq!(type_of(&harness), "consumer");
    check_owners(&[], &clients, &COUNTS);
    harness.check_replay();
}

#[test]
fn refused_migration_leaves_the_group_as_it_was() {
    let (mut harness, mut classics) = classic_group(Config::default(), &["a", "b"]);
    harness.is_fast = false;
    let waiter = harness.send(Request::ConsumerHeartbeat(joining("x", &["t", "u"])));
    let waiting = harness.send(Request::Heartbeat(classics[0].member()));
    harness.fail_next(ErrorCode::NotEnoughReplicas);
    let Response::ConsumerHeartbeat(result) = harness.answer(waiter) else {
        panic!("an answer");
    };
    assert_eq!(result.error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(
        harness.answer(waiting),
        Response::Heartbeat(ErrorCode::None)
    );
    harness.is_fast = true;
    settle_all(&mut harness, &mut classics, &mut []);
    check_owners(&classics, &[], &COUNTS);
    assert_eq!(type_of(&harness), "classic");
}

#[derive(Clone, Debug)]
enum Op {
    Classic(usize),
    Consumer(usize),
    ClassicGone(usize, bool),
    ConsumerGone(usize, bool),
    Advance(i64),
    Commit,
    Refuse,
    Reload,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..3_usize).prop_map(Op::Classic),
        6 => (0..3_usize).prop_map(Op::Consumer),
        1 => (0..3_usize, any::<bool>()).prop_map(|(it, leaves)| Op::ClassicGone(it, leaves)),
        2 => (0..3_usize, any::<bool>()).prop_map(|(it, leaves)| Op::ConsumerGone(it, leaves)),
        3 => prop_oneof![Just(300), Just(3_000), Just(46_000)].prop_map(Op::Advance),
        8 => Just(Op::Commit),
        1 => Just(Op::Refuse),
        1 => Just(Op::Reload),
    ]
}

struct World {
    harness: Harness,
    classics: Vec<Classic>,
    clients: Vec<Client>,
    waiting: BTreeMap<usize, u64>,
    incarnation: usize,
}

impl World {
    fn new() -> Self {
        let mut harness = with_topics(&COUNTS);
        harness.is_fast = false;
        let classics = (0..3).map(|it| Classic::new(&format!("c{it}"), &COUNTS));
        let clients = (0..3).map(|it| Client::new(&format!("x{it}"), &["t", "u"]));
        Self {
            harness,
            classics: classics.collect(),
            clients: clients.collect(),
            waiting: BTreeMap::new(),
            incarnation: 0,
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Classic(index) => {
                self.classics[*index].tick(&mut self.harness);
            }
            Op::Consumer(index) if self.waiting.contains_key(index) => {}
            Op::Consumer(index) => {
                let request = Request::ConsumerHeartbeat(self.clients[*index].request());
                let waiter = self.harness.send(request);
                self.waiting.insert(*index, waiter);
            }
            Op::ClassicGone(index, leaves) => {
                let name = self.next_name('c');
                let gone =
                    std::mem::replace(&mut self.classics[*index], Classic::new(&name, &COUNTS));
                if *leaves && !gone.id.is_empty() {
                    self.harness
                        .send(Request::Leave(leave(&[(&gone.id, None)])));
                }
            }
            Op::ConsumerGone(index, leaves) => {
                let name = self.next_name('x');
                self.waiting.remove(index);
                let gone =
                    std::mem::replace(&mut self.clients[*index], Client::new(&name, &["t", "u"]));
                if *leaves {
                    self.harness
                        .send(Request::ConsumerHeartbeat(beat(&gone.id, -1)));
                }
            }
            Op::Advance(ms) => self.harness.advance(*ms),
            Op::Commit | Op::Refuse if self.harness.appends.is_empty() => {}
            Op::Commit => self.harness.commit_next(),
            Op::Refuse => self.harness.fail_next(ErrorCode::NotEnoughReplicas),
            Op::Reload => self.reload(),
        }
        self.learn();
    }

    fn next_name(&mut self, prefix: char) -> String {
        self.incarnation += 1;
        format!("{prefix}-{}", self.incarnation)
    }

    fn learn(&mut self) {
        for (index, waiter) in std::mem::take(&mut self.waiting) {
            match self.harness.replies.remove(&waiter) {
                Some(Response::ConsumerHeartbeat(result)) => {
                    self.clients[index].learn(&result);
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    self.waiting.insert(index, waiter);
                }
            }
        }
    }

    fn reload(&mut self) {
        self.waiting.clear();
        let log = std::mem::take(&mut self.harness.log);
        let (now, requests) = (self.harness.now, self.harness.requests);
        let mut harness = loaded(Config::default(), log);
        harness.is_fast = false;
        harness.requests = requests;
        harness.now = now.max(harness.now);
        harness.step(Event::TopicsChanged(topics(1, &COUNTS)));
        self.harness = harness;
        for classic in &mut self.classics {
            if classic.step != Step::In {
                classic.step = Step::Out;
            }
        }
    }

    /// Of those that are members of the consumer group no two have one partition.
    fn check(&self) {
        self.harness.check_replay();
        let Some(state) = self.harness.core.durable.consumer_groups().get(GROUP) else {
            return;
        };
        let mut owners = BTreeMap::new();
        let classics = self.classics.iter().filter(|it| it.step == Step::In);
        let classics = classics.map(|it| (&it.id, it.generation, it.owned()));
        let clients = self.clients.iter().filter(|it| it.epoch > 0);
        let clients = clients.map(|it| (&it.id, it.epoch, it.owned.clone()));
        for (id, epoch, owned) in classics.chain(clients) {
            let is_member = state.member(id).is_some_and(|known| epoch <= known.epoch);
            for (topic, partitions) in owned {
                for partition in partitions {
                    let before = owners.insert((topic, partition), id).filter(|_| is_member);
                    assert_eq!(before, None, "{id} and {before:?} have one");
                    if !is_member {
                        owners.remove(&(topic, partition));
                    }
                }
            }
        }
    }

    fn quiet(&mut self) {
        while !self.harness.appends.is_empty() {
            self.harness.commit_next();
        }
        self.learn();
        self.waiting.clear();
        self.harness.is_fast = true;
        for classic in &mut self.classics {
            if classic.step != Step::In {
                classic.step = Step::Out;
            }
        }
        self.harness.advance(400_000);
        self.harness.replies.clear();
        settle_all(&mut self.harness, &mut self.classics, &mut self.clients);
        check_owners(&self.classics, &self.clients, &COUNTS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn mixed_groups_settle_with_one_owner_of_each_partition(
        ops in proptest::collection::vec(op(), 0..120),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.check();
        }
        world.quiet();
        world.check();
    }
}
