//! What the group manager of Apache Kafka 4.3.1 answers to the same requests, and what it has after
//! each of them.
//!
//! | line | meaning |
//! |---|---|
//! | `run` | a new coordinator |
//! | `topics VERSION NAME:ID=PARTITIONS...` | the topics of the cluster |
//! | `pass MS` | time passes |
//! | `beat MEMBER EPOCH INSTANCE TIMEOUT NAMES OWNED` | a heartbeat; `-` is empty, `~` not said |
//! | `= ERROR EPOCH ASSIGNMENT` | its answer |
//! | `: EPOCH ASSIGNMENT-EPOCH STATE MEMBER...` | the group; of a member its id, epoch, previous epoch, state, what it has and gives up with epochs, what it is to have |

use std::fmt::Write as _;

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

fn show_group(harness: &Harness) -> String {
    let Some(state) = harness.core.durable.consumer_groups().get(GROUP) else {
        return ": none".to_owned();
    };
    let mut text = format!(
        ": {} {} {}",
        state.epoch(),
        state.assignment_epoch(),
        state.phase().name()
    );
    for (id, member) in state.members() {
        let target = state.target(id).cloned().unwrap_or_default();
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

#[test]
fn answers_and_state_are_those_of_kafka() {
    let mut harness = harness();
    let mut answer = String::new();
    let mut is_late = false;
    let mut trace: Vec<&str> = Vec::new();
    for line in LINES.lines().filter(|line| !line.starts_with('#')) {
        trace.push(line);
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "run" => {
                harness = super::harness();
                trace.clear();
            }
            "topics" => harness.step(Event::TopicsChanged(read_topics(&words[1..]))),
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
            ":" => assert_eq!(show_group(&harness), line, "{}", trace.join("\n")),
            other => panic!("{other}"),
        }
    }
}
