//! Groups of the consumer protocol: what the tests share.

mod bounds;
mod codes;
mod kafka;
mod migration;
mod model;
mod scenario;
mod stored;

use std::collections::BTreeSet;

use super::*;

/// A topic of the tests: its name is its id.
fn topic(name: &str, partition_count: usize) -> Topic {
    Topic {
        name: name.into(),
        id: id_of(name),
        racks: vec![BTreeSet::new(); partition_count],
    }
}

fn id_of(name: &str) -> TopicId {
    let id = name.bytes().fold(0, |id, byte| id * 256 + u128::from(byte));
    TopicId(Uuid::from_u128(id))
}

fn topics(version: i64, topics: &[(&str, usize)]) -> TopicView {
    let topics = topics.iter().map(|(name, count)| topic(name, *count));
    TopicView::new(version, topics)
}

/// Partitions as `topic-index`.
fn assignment_of(partitions: &[&str]) -> Assignment {
    let mut assignment = Assignment::new();
    for partition in partitions {
        let (name, index) = partition.rsplit_once('-').expect("topic-index");
        let index = PartitionIndex(index.parse().expect("an index"));
        assignment.entry(id_of(name)).or_default().insert(index);
    }
    assignment
}

fn owned(assignment: &Assignment) -> Option<Vec<(TopicId, Vec<PartitionIndex>)>> {
    let partitions = assignment
        .iter()
        .map(|(topic, partitions)| (*topic, partitions.iter().copied().collect()));
    Some(partitions.collect())
}

/// A heartbeat that says nothing but who sends it.
fn beat(member_id: &str, member_epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: GROUP.into(),
        member_id: member_id.into(),
        member_epoch,
        group_instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: -1,
        subscribed_topic_names: None,
        subscribed_topic_regex: None,
        server_assignor: None,
        owned_partitions: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        new_member_uuid: Uuid::nil(),
        makes_member_id: true,
    }
}

fn joining(member_id: &str, names: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        owned_partitions: Some(Vec::new()),
        ..beat(member_id, 0)
    }
}

fn joining_static(member_id: &str, instance: &str, names: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_instance_id: Some(instance.into()),
        ..joining(member_id, names)
    }
}

fn joining_regex(member_id: &str, regex: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some(regex.into()),
        ..joining(member_id, &[])
    }
}

/// A harness with these topics.
fn with_topics(list: &[(&str, usize)]) -> Harness {
    with_config(Config::default(), list)
}

fn with_config(config: Config, list: &[(&str, usize)]) -> Harness {
    let mut harness = loaded(config, Vec::new());
    harness.step(Event::TopicsChanged(topics(1, list)));
    harness
}

impl Harness {
    fn beat(&mut self, request: ConsumerHeartbeat) -> ConsumerHeartbeatResult {
        match self.ask(Request::ConsumerHeartbeat(request)) {
            Response::ConsumerHeartbeat(result) => result,
            other => panic!("{other:?}"),
        }
    }

    fn beat_ok(&mut self, request: ConsumerHeartbeat) -> ConsumerHeartbeatResult {
        let result = self.beat(request);
        assert_eq!(result.error, ErrorCode::None, "{result:?}");
        result
    }

    fn beat_error(&mut self, request: ConsumerHeartbeat) -> ErrorCode {
        let result = self.beat(request);
        assert_eq!(result.member_id, None, "{result:?}");
        result.error
    }

    /// The state of the group as it is committed.
    fn committed(&self) -> &crate::group::consumer::State {
        &self.core.durable.consumer_groups()[GROUP]
    }

    fn described(&self) -> DescribedConsumerGroup {
        let mut described = self.core.describe_consumer(&[GROUP.to_owned()]);
        described.remove(0)
    }

    fn phase(&self) -> &'static str {
        self.described().state
    }

    fn set_topics(&mut self, version: i64, list: &[(&str, usize)]) {
        self.step(Event::TopicsChanged(topics(version, list)));
    }
}

/// A consumer as it behaves: it gives up at once what it no longer has.
#[derive(Clone, Debug)]
struct Client {
    id: String,
    instance: Option<String>,
    epoch: i32,
    owned: Assignment,
    names: Vec<String>,
    regex: Option<String>,
    /// True after an answer was lost: then it says everything once more.
    is_unsure: bool,
}

impl Client {
    fn new(id: &str, names: &[&str]) -> Self {
        Self {
            id: id.into(),
            instance: None,
            epoch: 0,
            owned: Assignment::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            regex: None,
            is_unsure: false,
        }
    }

    fn request(&self) -> ConsumerHeartbeat {
        let is_joining = self.epoch == 0 || self.is_unsure;
        ConsumerHeartbeat {
            group_instance_id: self.instance.clone(),
            rebalance_timeout_ms: if is_joining { 60_000 } else { -1 },
            subscribed_topic_names: is_joining.then(|| self.names.clone()),
            subscribed_topic_regex: self.regex.clone().filter(|_| is_joining),
            owned_partitions: owned(&self.owned),
            ..beat(&self.id, self.epoch)
        }
    }

    /// Learns from an answer. True where something has changed.
    fn learn(&mut self, result: &ConsumerHeartbeatResult) -> bool {
        let before = (self.epoch, self.owned.clone());
        self.is_unsure = false;
        match result.error {
            ErrorCode::None => {
                self.epoch = result.member_epoch;
                if let Some(assignment) = &result.assignment {
                    self.owned.clone_from(assignment);
                }
            }
            ErrorCode::FencedMemberEpoch
            | ErrorCode::UnknownMemberId
            | ErrorCode::GroupIdNotFound => {
                self.epoch = 0;
                self.owned = Assignment::new();
            }
            _ => self.is_unsure = true,
        }
        before != (self.epoch, self.owned.clone())
    }
}

/// Lets all heartbeat until nothing changes any more.
fn settle(harness: &mut Harness, clients: &mut [Client]) {
    for _ in 0..400 {
        let mut has_changed = false;
        for client in clients.iter_mut() {
            let result = harness.beat(client.request());
            has_changed |= client.learn(&result);
        }
        // Those that have gone without a word are members until their sessions end.
        let described = harness.described();
        let is_all = described.members.len() == clients.len()
            && clients.iter().all(|client| client.epoch > 0);
        if !has_changed && is_all && described.state == "Stable" {
            return;
        }
        harness.advance(300);
    }
    panic!("the group does not settle: {:?}", harness.described());
}
