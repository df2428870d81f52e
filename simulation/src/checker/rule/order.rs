//! Polls and sends of a process go forward, polls without gaps.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::{Function, Step};
use crate::checker::index::Index;
use crate::checker::operation::{Operation, Outcome};

/// Where a process stands.
#[derive(Debug, Default)]
struct Process {
    /// Partition to the last offset that was polled.
    polled: BTreeMap<usize, i64>,
    /// Partition to the highest offset that a send got.
    sent: BTreeMap<usize, i64>,
    /// Whether a group gives it its partitions.
    is_subscribed: bool,
}

/// The classes of one comparison: values were passed over, or it went back.
#[derive(Clone, Copy, Debug)]
struct Classes {
    skip: Class,
    back: Class,
}

const INTERNAL: Classes = Classes {
    skip: Class::InternalPollSkip,
    back: Class::InternalNonmonotonicPoll,
};
const EXTERNAL: Classes = Classes {
    skip: Class::ExternalPollSkip,
    back: Class::ExternalNonmonotonicPoll,
};
const SUBSCRIBED: Classes = Classes {
    skip: Class::SubscribedPollSkip,
    back: Class::SubscribedNonmonotonicPoll,
};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let mut processes = BTreeMap::<u64, Process>::new();
    for operation in &index.operations {
        let process = processes.entry(operation.process).or_default();
        let keys = || operation.keys.iter().filter_map(|k| index.partition(&k.0));
        match operation.function {
            Function::Assign | Function::Subscribe => {
                process.is_subscribed = operation.function == Function::Subscribe;
                let kept: Vec<usize> = keys().collect();
                process.polled.retain(|key, _| kept.contains(key));
            }
            Function::Seek | Function::Poll | Function::Txn => {
                for key in keys() {
                    process.polled.remove(&key);
                }
            }
            _ => {}
        }
        polls(index, operation, process, found);
        sends(index, operation, process, found);
    }
}

fn polls(
    index: &Index<'_>,
    operation: &Operation<'_>,
    process: &mut Process,
    found: &mut Vec<Anomaly>,
) {
    let mut own = BTreeMap::<usize, i64>::new();
    for step in operation.steps {
        let Step::Poll(rows) = step else { continue };
        for (key, rows) in rows {
            let Some(at) = index.partition(&key.0) else {
                continue;
            };
            let is_rebalanced = operation.keys.contains(key);
            for &(offset, _) in rows {
                let (last, classes) = match own.get(&at) {
                    Some(last) => (Some(*last), INTERNAL),
                    None if process.is_subscribed => (process.polled.get(&at).copied(), SUBSCRIBED),
                    None => (process.polled.get(&at).copied(), EXTERNAL),
                };
                if let Some(last) = last
                    && !is_rebalanced
                {
                    let step = (at, last, offset);
                    found.extend(compare(index, operation, step, classes));
                }
                own.insert(at, offset);
            }
        }
    }
    for (key, offset) in own {
        if operation.outcome == Outcome::Ok {
            process.polled.insert(key, offset);
        } else {
            // Whoever aborts goes back to what is committed.
            process.polled.remove(&key);
        }
    }
}

fn compare(
    index: &Index<'_>,
    operation: &Operation<'_>,
    (at, last, offset): (usize, i64, i64),
    classes: Classes,
) -> Option<Anomaly> {
    let partition = &index.partitions[at];
    if offset <= last {
        let text = format!("offset {offset} after {last}: {}", operation.name());
        return Some(partition.anomaly(classes.back, text));
    }
    let between = (Bound::Excluded(last), Bound::Excluded(offset));
    let skipped = partition
        .offsets
        .range(between)
        .filter(|(between, _)| **between >= partition.deleted_below)
        .find(|(_, values)| {
            values.iter().any(|value| {
                let value = partition.values.get(value);
                value.is_some_and(|value| index.is_due(value, operation.isolation))
            })
        });
    let (skipped, values) = skipped?;
    let text = format!(
        "offset {offset} after {last}, but {values:?} is at {skipped}: {}",
        operation.name()
    );
    Some(partition.anomaly(classes.skip, text))
}

fn sends(
    index: &Index<'_>,
    operation: &Operation<'_>,
    process: &mut Process,
    found: &mut Vec<Anomaly>,
) {
    let mut own = BTreeMap::<usize, i64>::new();
    for step in operation.steps {
        let Step::Send(key, value, Some(offset)) = step else {
            continue;
        };
        let Some(at) = index.partition(&key.0) else {
            continue;
        };
        let (last, class) = match own.get(&at) {
            Some(last) => (Some(*last), Class::InternalNonmonotonicSend),
            None => (
                process.sent.get(&at).copied(),
                Class::ExternalNonmonotonicSend,
            ),
        };
        if let Some(last) = last
            && *offset <= last
        {
            let text = format!(
                "value {value} got offset {offset} after {last}: {}",
                operation.name()
            );
            found.push(index.partitions[at].anomaly(class, text));
        }
        own.insert(at, *offset);
    }
    for (key, offset) in own {
        let last = process.sent.entry(key).or_insert(offset);
        *last = (*last).max(offset);
    }
}
