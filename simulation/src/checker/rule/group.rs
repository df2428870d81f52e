//! Committed offsets of groups, and ends of logs, do not go back.

use std::collections::BTreeMap;

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::{Function, Step};
use crate::checker::index::{Effect, Index};
use crate::checker::operation::{Operation, Outcome};

/// A number that was set or seen.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// It must not be lower than what was there before this.
    begin: u64,
    /// Nothing lower may come after this.
    end: u64,
    value: i64,
    operation: usize,
}

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let mut seats = BTreeMap::<(&str, &str), Vec<Point>>::new();
    let mut ends = BTreeMap::<(String, &str), Vec<Point>>::new();
    for (at, operation) in index.operations.iter().enumerate() {
        for step in operation.steps {
            let (begin, end) = (operation.prepare, known_end(operation));
            let point = |value: i64| Point {
                begin,
                end,
                value,
                operation: at,
            };
            match step {
                Step::Commit(group, key, offset) if index.effects[at] == Effect::Certain => {
                    let seat = (group.as_str(), key.0.as_str());
                    seats.entry(seat).or_default().push(point(*offset));
                }
                Step::Committed(group, key, offset) if operation.outcome == Outcome::Ok => {
                    let seat = (group.as_str(), key.0.as_str());
                    seats.entry(seat).or_default().push(point(*offset));
                }
                Step::End(key, offset) if operation.outcome == Outcome::Ok => {
                    let place = (format!("{:?}", operation.isolation), key.0.as_str());
                    ends.entry(place).or_default().push(point(*offset));
                }
                _ => {}
            }
        }
    }
    for ((group, key), points) in &mut seats {
        let name = format!("{group} {key}");
        back(index, points, (Class::OffsetWentBack, &name), found);
    }
    for ((isolation, key), points) in &mut ends {
        let name = format!("{key} {isolation}");
        back(index, points, (Class::EndWentBack, &name), found);
    }
}

fn known_end(operation: &Operation<'_>) -> u64 {
    match operation.outcome {
        Outcome::Ok => operation.end,
        Outcome::Fail | Outcome::Info => u64::MAX,
    }
}

fn back(
    index: &Index<'_>,
    points: &mut [Point],
    (class, key): (Class, &str),
    found: &mut Vec<Anomaly>,
) {
    points.sort_by_key(|point| point.begin);
    let mut ended: Vec<Point> = points.to_vec();
    ended.sort_by_key(|point| point.end);
    let mut ended = ended.into_iter().peekable();
    let mut highest: Option<Point> = None;
    for point in points.iter() {
        while let Some(earlier) = ended.next_if(|earlier| earlier.end < point.begin) {
            if highest.is_none_or(|highest| earlier.value > highest.value) {
                highest = Some(earlier);
            }
        }
        let Some(highest) = highest.filter(|highest| highest.value > point.value) else {
            continue;
        };
        let (earlier, later) = (
            &index.operations[highest.operation],
            &index.operations[point.operation],
        );
        // A fetch that misses the offsets of a transaction is half a transaction: `atomic` says so.
        if earlier.is_txn() && later.function == Function::Committed {
            continue;
        }
        found.push(Anomaly {
            class,
            key: key.to_owned(),
            text: format!(
                "{} of the {} after {} of the {}",
                point.value,
                later.name(),
                highest.value,
                earlier.name()
            ),
        });
    }
}
