//! What the group manager of Apache Kafka 4.3.1 answers to the same requests, and what it has after
//! each of them.
//!
//! | line | meaning |
//! |---|---|
//! | `run` | a new coordinator |
//! | `topics VERSION NAME:ID=PARTITIONS...` | the topics of the cluster |
//! | `pass MS` | time passes; beside that, 1 ms after each line that shows the group |
//! | `beat MEMBER EPOCH INSTANCE TIMEOUT NAMES OWNED` | a heartbeat; `-` is empty, `~` not said |
//! | `join NEW-MEMBER MEMBER NAMES OWNED`, `sync MEMBER EPOCH`, `alive MEMBER EPOCH`, `leave MEMBER` | requests of the classic protocol |
//! | `= ERROR EPOCH ASSIGNMENT` | the answer, as much of it as there is |
//! | `: EPOCH ASSIGNMENT-EPOCH STATE MEMBER...` | the group; of a member its id, epoch, previous epoch, state, what it has and gives up with epochs, what it is to have |

use std::fmt::Write as _;

use bytes::Buf as _;

use super::*;
use crate::group::consumer::{Member, MemberState};

const LINES: &str = include_str!("kafka.txt");

fn id(number: &str) -> TopicId {
    TopicId(Uuid::from_u128(number.parse().unwrap()))
}

fn read_topics(words: &[&str]) -> TopicView {
    let topics = words[1..].iter().map(|word| {
        let (name, rest) = word.split_once(':').unwrap();
        let (number, count) = rest.split_once('=').unwrap();
        Topic {
            name: name.into(),
            id: id(number),
            racks: vec![BTreeSet::new(); count.parse().unwrap()],
        }
    });
    TopicView::new(words[0].parse().unwrap(), topics)
}

fn read_partitions(text: &str) -> Option<Assignment> {
    if text == "~" {
        return None;
    }
    let topics = text.split(';').filter(|it| *it != "-");
    let read = topics.map(|it| {
        let (number, partitions) = it.split_once(':').unwrap();
        let partitions = partitions
            .split(',')
            .map(|it| PartitionIndex(it.parse().unwrap()));
        (id(number), partitions.collect())
    });
    Some(read.collect())
}

fn read_beat(words: &[&str]) -> ConsumerHeartbeat {
    let names = words[4]
        .split(',')
        .filter(|it| *it != "-")
        .map(str::to_owned);
    ConsumerHeartbeat {
        group_instance_id: (words[2] != "-").then(|| words[2].to_owned()),
        rebalance_timeout_ms: words[3].parse().unwrap(),
        subscribed_topic_names: (words[4] != "~").then(|| names.collect()),
        owned_partitions: read_partitions(words[5]).as_ref().and_then(owned),
        ..beat(words[0], words[1].parse().unwrap())
    }
}

fn show<T>(partitions: &BTreeMap<TopicId, T>, of_topic: impl Fn(&T) -> Vec<String>) -> String {
    let topics: Vec<String> = partitions
        .iter()
        .map(|(topic, partitions)| (topic.0.as_u128(), of_topic(partitions)))
        .filter(|(_, partitions)| !partitions.is_empty())
        .map(|(topic, partitions)| format!("{topic}:{}", partitions.join(",")))
        .collect();
    if topics.is_empty() {
        "-".to_owned()
    } else {
        topics.join(";")
    }
}

fn show_assignment(assignment: &Assignment) -> String {
    show(assignment, |it| {
        it.iter().map(|it| it.0.to_string()).collect()
    })
}

fn show_member(id: &str, member: &Member, target: &Assignment) -> String {
    let state = match member.state {
        MemberState::Stable => "STABLE",
        MemberState::UnrevokedPartitions => "UNREVOKED_PARTITIONS",
        MemberState::UnreleasedPartitions => "UNRELEASED_PARTITIONS",
        MemberState::Unknown(_) => "UNKNOWN",
    };
    let with_epochs = |it: &BTreeMap<PartitionIndex, i32>| {
        it.iter()
            .map(|(partition, epoch)| format!("{}@{epoch}", partition.0))
            .collect()
    };
    format!(
        "{id}/{}/{}/{state}/{}/{}/{}",
        member.epoch,
        member.previous_epoch,
        show(&member.assigned, with_epochs),
        show(&member.pending_revocation, with_epochs),
        show_assignment(target),
    )
}

fn show_group(harness: &Harness, classic: &Classic) -> String {
    let Some(state) = harness.core.durable.consumer_groups().get(GROUP) else {
        let is_classic = harness.core.classic(GROUP).is_some();
        return if is_classic { ": classic" } else { ": none" }.to_owned();
    };
    let mut text = format!(
        ": {} {} {}",
        state.epoch(),
        state.assignment_epoch(),
        state.phase().name()
    );
    for (id, member) in state.members() {
        let target = state.target(id).cloned().unwrap_or_default();
        let id = classic.shown(id);
        write!(text, " {}", show_member(id, member, &target)).unwrap();
    }
    text
}

fn show_answer(result: &ConsumerHeartbeatResult) -> String {
    let assignment = result.assignment.as_ref();
    format!(
        "= {} {} {}",
        result.error.code(),
        result.member_epoch,
        assignment.map_or("~".to_owned(), show_assignment),
    )
}

/// True where a member comes with another epoch than it has.
fn comes_late(harness: &Harness, request: &ConsumerHeartbeat) -> bool {
    let groups = harness.core.durable.consumer_groups();
    let member = groups
        .get(GROUP)
        .and_then(|state| state.member(&request.member_id));
    member.is_some_and(|member| member.epoch != request.member_epoch)
}

/// A subscription of version 1.
fn subscription_of(names: &[&str], owned: &[(String, Vec<i32>)]) -> Bytes {
    let all = subscription(names);
    // The number of owned topics stands last.
    let mut out = BytesMut::from(&all[..all.len() - 4]);
    out.put_i32(i32::try_from(owned.len()).unwrap());
    for (name, partitions) in owned {
        out.put_i16(i16::try_from(name.len()).unwrap());
        out.put_slice(name.as_bytes());
        out.put_i32(i32::try_from(partitions.len()).unwrap());
        for partition in partitions {
            out.put_i32(*partition);
        }
    }
    out.freeze()
}

/// Topics and partitions of an assignment.
fn read_stored(mut bytes: &[u8]) -> Vec<(String, Vec<i32>)> {
    let bytes = &mut bytes;
    bytes.advance(2);
    let mut topics = Vec::new();
    for _ in 0..bytes.get_i32() {
        let length = usize::try_from(bytes.get_i16()).unwrap();
        let name = String::from_utf8(bytes[..length].to_vec()).unwrap();
        bytes.advance(length);
        let partitions = (0..bytes.get_i32()).map(|_| bytes.get_i32()).collect();
        topics.push((name, partitions));
    }
    topics
}

/// Members of the classic protocol.
#[derive(Default)]
struct Classic {
    /// Ids of members by what they are called in the lines.
    ids: BTreeMap<String, String>,
    /// Names of topics that are there.
    names: BTreeMap<TopicId, String>,
}

impl Classic {
    fn id(&self, shown: &str) -> String {
        let known = self.ids.get(shown);
        known.cloned().unwrap_or_else(|| shown.to_owned())
    }

    fn shown<'a>(&'a self, id: &'a str) -> &'a str {
        let known = self.ids.iter().find(|(_, known)| *known == id);
        known.map_or(id, |(shown, _)| shown.as_str())
    }

    fn who(&self, words: &[&str]) -> MemberRef {
        let generation = words.get(2).map_or(-1, |epoch| epoch.parse().unwrap());
        member(&self.id(words[1]), generation)
    }

    fn answer(&mut self, harness: &mut Harness, words: &[&str]) -> String {
        match words[0] {
            "join" => self.join(harness, words),
            "sync" => {
                let request = Sync {
                    assignments: Vec::new(),
                    ..sync(&self.who(words), &[])
                };
                let waiter = harness.send(Request::Sync(request));
                let synced = harness.synced(waiter);
                let assignment = (synced.error == ErrorCode::None)
                    .then(|| self.read_assignment(&synced.assignment));
                let shown = assignment.as_ref().map_or("~".to_owned(), show_assignment);
                format!("= {} {shown}", synced.error.code())
            }
            "alive" => format!("= {}", harness.heartbeat(&self.who(words)).code()),
            _ => {
                let left = harness.leave(&[(self.id(words[1]).as_str(), None)]);
                format!("= {}", left.members[0].1.code())
            }
        }
    }

    fn join(&mut self, harness: &mut Harness, words: &[&str]) -> String {
        let names: Vec<&str> = words[3].split(',').collect();
        let owned = read_partitions(words[4]).unwrap();
        let owned: Vec<(String, Vec<i32>)> = owned
            .iter()
            .filter_map(|(topic, partitions)| {
                let partitions = partitions.iter().map(|it| it.0).collect();
                Some((self.names.get(topic)?.clone(), partitions))
            })
            .collect();
        let is_new = words[2] == "-";
        let request = Join {
            member_id: if is_new {
                String::new()
            } else {
                self.id(words[2])
            },
            session_timeout_ms: 45_000,
            protocols: vec![Protocol {
                name: "range".into(),
                metadata: subscription_of(&names, &owned),
            }],
            requires_known_member_id: false,
            ..join(words[1], "")
        };
        let waiter = harness.send(Request::Join(request));
        let joined = harness.joined(waiter);
        if joined.error == ErrorCode::None {
            self.ids.insert(words[1].to_owned(), joined.member_id);
        }
        format!("= {} {}", joined.error.code(), joined.generation)
    }

    fn read_assignment(&self, bytes: &[u8]) -> Assignment {
        let read = read_stored(bytes).into_iter();
        read.map(|(name, partitions)| {
            let topic = self.names.iter().find(|(_, known)| **known == name);
            let partitions = partitions.into_iter().map(PartitionIndex).collect();
            (*topic.unwrap().0, partitions)
        })
        .collect()
    }
}

#[test]
fn answers_and_state_are_those_of_kafka() {
    let mut harness = harness();
    let mut answer = String::new();
    let mut is_late = false;
    let mut classic = Classic::default();
    let mut trace: Vec<&str> = Vec::new();
    for line in LINES.lines().filter(|line| !line.starts_with('#')) {
        trace.push(line);
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "run" => {
                harness = super::harness();
                classic = Classic::default();
                trace.clear();
            }
            "topics" => {
                let topics = read_topics(&words[1..]);
                let named = topics.names().filter_map(|name| topics.topic(name));
                classic.names = named.map(|it| (it.id, it.name.clone())).collect();
                harness.step(Event::TopicsChanged(topics));
            }
            "pass" => harness.advance(words[1].parse().unwrap()),
            "beat" => {
                let request = read_beat(&words[1..]);
                is_late = comes_late(&harness, &request);
                answer = show_answer(&harness.beat(request));
            }
            // A member that has lost an answer is told here what was in it; Kafka waits until the
            // member asks.
            "=" if is_late && line.ends_with(" ~") => {
                let without = |text: &str| text.rsplit_once(' ').unwrap().0.to_owned();
                assert_eq!(without(&answer), without(line), "{}", trace.join("\n"));
            }
            "=" => assert_eq!(answer, line, "{}", trace.join("\n")),
            ":" => {
                assert_eq!(show_group(&harness, &classic), line, "{}", trace.join("\n"));
                // No two timers end at the same time.
                harness.advance(1);
            }
            "join" | "sync" | "alive" | "leave" => {
                is_late = false;
                answer = classic.answer(&mut harness, &words);
            }
            other => panic!("{other}"),
        }
    }
}
