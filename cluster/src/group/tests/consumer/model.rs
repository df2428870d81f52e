//! A group with clients that come, go, lose answers and crash, on topics that change, with appends
//! that are refused and a coordinator that crashes: no partition ever has two owners, and when all
//! is quiet every partition has one.

use std::collections::BTreeMap;

use milena_protocol::stored::group::ConsumerRecord;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["a", "b", "ab"];
const CLIENTS: usize = 5;

#[derive(Clone, Debug)]
enum Op {
    /// A client heartbeats; it joins where it is none.
    Beat(usize),
    /// The same, and the answer is lost.
    BeatLost(usize),
    /// The same, and the request comes twice.
    BeatTwice(usize),
    /// A heartbeat whose answer comes later.
    Send(usize),
    /// A client says what it is subscribed to anew.
    Subscribe(usize, Vec<usize>, Option<usize>),
    Leave(usize),
    /// A static member leaves for a while.
    LeaveStatic(usize),
    /// A client forgets everything; a static one comes back with another id.
    Crash(usize),
    Topics(Vec<usize>),
    Advance(i64),
    Commit,
    Refuse,
    /// The coordinator is loaded from what is committed.
    Reload,
}

fn op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    prop_oneof![
        8 => client.clone().prop_map(Op::Beat),
        2 => client.clone().prop_map(Op::BeatLost),
        1 => client.clone().prop_map(Op::BeatTwice),
        4 => client.clone().prop_map(Op::Send),
        1 => (client.clone(), proptest::collection::vec(0..3_usize, 0..3), proptest::option::of(0..2_usize))
            .prop_map(|(client, names, regex)| Op::Subscribe(client, names, regex)),
        1 => client.clone().prop_map(Op::Leave),
        1 => client.clone().prop_map(Op::LeaveStatic),
        1 => client.prop_map(Op::Crash),
        1 => proptest::collection::vec(0..5_usize, 3).prop_map(Op::Topics),
        2 => prop_oneof![Just(100), Just(10_000), Just(46_000)].prop_map(Op::Advance),
        6 => Just(Op::Commit),
        1 => Just(Op::Refuse),
        1 => Just(Op::Reload),
    ]
}

struct World {
    harness: Harness,
    clients: Vec<Client>,
    /// Requests whose answers will be taken, by client.
    waiting: BTreeMap<usize, u64>,
    counts: Vec<usize>,
    version: i64,
    incarnation: u32,
    /// The group epoch that was committed last.
    epoch: i32,
    /// How much of the log was looked at.
    seen: usize,
}

impl World {
    fn new() -> Self {
        let mut harness = with_topics(&[("a", 3), ("b", 2), ("ab", 1)]);
        harness.is_fast = false;
        let clients = (0..CLIENTS).map(|index| {
            let mut client = Client::new(&format!("m{index}"), &["a"]);
            // The last two are static.
            client.instance = (index >= CLIENTS - 2).then(|| format!("i{index}"));
            client
        });
        Self {
            harness,
            clients: clients.collect(),
            waiting: BTreeMap::new(),
            counts: vec![3, 2, 1],
            version: 1,
            incarnation: 0,
            epoch: 0,
            seen: 0,
        }
    }

    fn topics(&self) -> TopicView {
        let list: Vec<(&str, usize)> = NAMES
            .into_iter()
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count > 0)
            .collect();
        topics(self.version, &list)
    }

    fn send(&mut self, index: usize) -> u64 {
        let request = Request::ConsumerHeartbeat(self.clients[index].request());
        self.harness.send(request)
    }

    /// Takes answers that have come.
    fn learn(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for (index, waiter) in waiting {
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

    fn run(&mut self, op: &Op) {
        match op {
            // One request at a time, as clients do.
            Op::Beat(index) | Op::Send(index) if self.waiting.contains_key(index) => {}
            Op::Beat(index) => {
                let waiter = self.send(*index);
                self.waiting.insert(*index, waiter);
                self.commit_all();
            }
            Op::Send(index) => {
                let waiter = self.send(*index);
                self.waiting.insert(*index, waiter);
            }
            Op::BeatLost(index) => {
                self.waiting.remove(index);
                self.send(*index);
                self.clients[*index].is_unsure = true;
            }
            Op::BeatTwice(index) => {
                self.send(*index);
                // The answer to the first one is lost.
                self.clients[*index].is_unsure = true;
                let waiter = self.send(*index);
                self.waiting.insert(*index, waiter);
            }
            Op::Subscribe(index, names, regex) => self.subscribe(*index, names, *regex),
            Op::Leave(index) => {
                let client = &mut self.clients[*index];
                client.owned = Assignment::new();
                let mut request = beat(&client.id, -1);
                request.group_instance_id.clone_from(&client.instance);
                client.epoch = 0;
                self.waiting.remove(index);
                self.harness.send(Request::ConsumerHeartbeat(request));
            }
            Op::LeaveStatic(index) => {
                let client = &mut self.clients[*index];
                if client.instance.is_some() {
                    let mut request = beat(&client.id, -2);
                    request.group_instance_id.clone_from(&client.instance);
                    self.harness.send(Request::ConsumerHeartbeat(request));
                    self.crash(*index);
                }
            }
            Op::Crash(index) => self.crash(*index),
            Op::Topics(counts) => {
                self.counts.clone_from(counts);
                self.version += 1;
                let view = self.topics();
                self.harness.step(Event::TopicsChanged(view));
            }
            Op::Advance(ms) => self.harness.advance(*ms),
            Op::Commit if self.harness.appends.is_empty() => {}
            Op::Commit => self.harness.commit_next(),
            Op::Refuse if self.harness.appends.is_empty() => {}
            Op::Refuse => self.harness.fail_next(ErrorCode::NotEnoughReplicas),
            Op::Reload => self.reload(),
        }
        self.learn();
    }

    fn subscribe(&mut self, index: usize, names: &[usize], regex: Option<usize>) {
        let client = &mut self.clients[index];
        client.names = names.iter().map(|name| NAMES[*name].to_owned()).collect();
        let regex = regex.map_or("", |regex| ["a.*", "b|ab"][regex]);
        client.regex = Some(regex.to_owned());
        if client.epoch > 0 && !self.waiting.contains_key(&index) {
            let mut request = self.clients[index].request();
            request.subscribed_topic_names = Some(self.clients[index].names.clone());
            request.subscribed_topic_regex = Some(regex.to_owned());
            let waiter = self.harness.send(Request::ConsumerHeartbeat(request));
            self.waiting.insert(index, waiter);
        } else {
            // It says so when it joins.
            self.clients[index].epoch = 0;
            self.clients[index].owned = Assignment::new();
            self.waiting.remove(&index);
        }
    }

    fn crash(&mut self, index: usize) {
        self.incarnation += 1;
        self.waiting.remove(&index);
        let client = &mut self.clients[index];
        client.id = format!("m{index}-{}", self.incarnation);
        client.epoch = 0;
        client.owned = Assignment::new();
    }

    fn commit_all(&mut self) {
        while !self.harness.appends.is_empty() {
            self.harness.commit_next();
        }
    }

    fn reload(&mut self) {
        for index in std::mem::take(&mut self.waiting).into_keys() {
            self.clients[index].is_unsure = true;
        }
        let log = std::mem::take(&mut self.harness.log);
        let (now, requests) = (self.harness.now, self.harness.requests);
        let mut harness = loaded(Config::default(), log);
        harness.is_fast = false;
        harness.requests = requests;
        harness.now = now.max(harness.now);
        harness.step(Event::TopicsChanged(self.topics()));
        self.harness = harness;
    }

    fn check(&mut self) {
        self.harness.check_replay();
        for (_, record) in self.harness.log.iter().skip(self.seen) {
            if let Record::Consumer {
                record: ConsumerRecord::Metadata(metadata),
                ..
            } = record
            {
                // An empty group without offsets is removed, and another begins.
                let epoch = metadata.map_or(0, |metadata| metadata.epoch);
                assert!(
                    self.epoch < epoch || epoch == 0,
                    "the group epoch goes back"
                );
                self.epoch = epoch;
            }
        }
        self.seen = self.harness.log.len();
        let Some(state) = self.harness.core.durable.consumer_groups().get(GROUP) else {
            return;
        };
        // Of those that the coordinator takes for members no two have one partition.
        let mut owners = BTreeMap::new();
        for client in &self.clients {
            let known = state.member(&client.id);
            if known.is_none_or(|known| known.epoch < client.epoch) || client.epoch == 0 {
                continue;
            }
            for (topic, partitions) in &client.owned {
                for partition in partitions {
                    let before = owners.insert((*topic, *partition), &client.id);
                    assert_eq!(before, None, "{} and {before:?} have one", client.id);
                }
            }
        }
    }

    /// What everybody is to have when all is quiet.
    fn quiet(&mut self) {
        self.commit_all();
        self.learn();
        self.harness.replies.clear();
        self.harness.is_fast = true;
        settle(&mut self.harness, &mut self.clients);
        let mut expected = Assignment::new();
        for (name, count) in NAMES.into_iter().zip(&self.counts) {
            let is_subscribed = |client: &Client| {
                let by_regex = match client.regex.as_deref() {
                    Some("a.*") => name.starts_with('a'),
                    Some("b|ab") => name == "b" || name == "ab",
                    _ => false,
                };
                by_regex || client.names.iter().any(|it| it == name)
            };
            if self.clients.iter().any(is_subscribed) {
                for index in 0..*count {
                    let index = PartitionIndex(i32::try_from(index).unwrap());
                    expected.entry(id_of(name)).or_default().insert(index);
                }
            }
        }
        let mut found = Assignment::new();
        for client in &self.clients {
            for (topic, partitions) in &client.owned {
                for partition in partitions {
                    let is_first = found.entry(*topic).or_default().insert(*partition);
                    assert!(is_first, "{partition:?} of {topic:?} twice");
                }
            }
        }
        assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_partition_has_one_owner_and_the_group_settles(
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
