//! Assignments that Kafka's own classes made.

use super::*;

const CASES: &str = include_str!("golden.txt");

#[derive(Default)]
struct Case {
    spec: GroupSpec,
    is_signed: bool,
    range: Assignments,
    uniform: Assignments,
}

impl Case {
    fn topic(&self, number: &str) -> TopicId {
        let number: u64 = number.parse().unwrap();
        let high = if self.is_signed && number % 2 == 1 {
            u64::MAX
        } else {
            0
        };
        TopicId(Uuid::from_u64_pair(high, number))
    }

    fn assignment(&self, text: &str) -> Assignment {
        let topics = text.split(';').filter(|it| *it != "-");
        topics
            .map(|it| {
                let (number, found) = it.split_once(':').unwrap();
                let found = found.split(',').map(|it| it.parse().unwrap());
                (self.topic(number), partitions(found))
            })
            .collect()
    }

    fn read_line(&mut self, words: &[&str]) {
        match words {
            ["topic", number, count] => {
                let id = self.topic(number);
                self.spec.topics.insert(id, count.parse().unwrap());
            }
            ["member", id, instance_id, topics, assigned, range, uniform] => {
                let id: Arc<str> = Arc::from(*id);
                let topics = topics.split(',').filter(|it| *it != "-");
                let member = MemberSpec {
                    instance_id: (*instance_id != "-").then(|| (*instance_id).to_owned()),
                    topics: Arc::new(topics.map(|it| self.topic(it)).collect()),
                    assigned: self.assignment(assigned),
                };
                self.spec.members.insert(Arc::clone(&id), member);
                self.range.insert(Arc::clone(&id), self.assignment(range));
                self.uniform.insert(id, self.assignment(uniform));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["case", kind, signed @ ..] => {
                let mut case = Case {
                    is_signed: *signed == ["signed"],
                    ..Case::default()
                };
                case.spec.is_homogeneous = *kind == "homogeneous";
                cases.push(case);
            }
            words => cases.last_mut().unwrap().read_line(words),
        }
    }
    cases
}

#[test]
fn assignments_are_those_of_kafka() {
    let cases = cases();
    assert!(cases.len() >= 20);
    for (index, case) in cases.iter().enumerate() {
        for (assignor, expected) in [
            (Assignor::Range, &case.range),
            (Assignor::Uniform, &case.uniform),
        ] {
            let mut found = assignor.assign(&case.spec);
            for id in case.spec.members.keys() {
                found.entry(Arc::clone(id)).or_default();
            }
            assert_eq!(found, *expected, "case {index}, {}", assignor.name());
            check_complete(&case.spec, &found);
        }
    }
}
