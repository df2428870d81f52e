//! A transaction is seen as a whole, with its offsets; each input counts once.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::{Function, Isolation, Step};
use crate::checker::index::{Effect, Index, Value};
use crate::checker::operation::Outcome;

/// A group and a partition.
type Seat<'a> = (&'a str, usize);

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    half_visible(index, found);
    offsets(index, found);
    inputs(index, found);
}

/// Where committed readers got to, and in which partitions one read to the end.
fn progress(index: &Index<'_>) -> (Vec<i64>, BTreeSet<usize>) {
    let mut bounds = vec![-1; index.partitions.len()];
    for read in &index.reads {
        if index.operations[read.reader].isolation == Isolation::ReadCommitted {
            let bound = &mut bounds[read.partition];
            *bound = (*bound).max(read.offset);
        }
    }
    let finished = index
        .done(Function::Finish)
        .filter(|(_, operation)| operation.isolation == Isolation::ReadCommitted)
        .flat_map(|(_, operation)| operation.keys)
        .filter_map(|key| index.partition(&key.0))
        .collect();
    (bounds, finished)
}

fn half_visible(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let (bounds, finished) = progress(index);
    for (at, operation) in index.operations.iter().enumerate() {
        let is_seen = operation.is_txn()
            && index.effects[at] == Effect::Certain
            && index.sent(at).any(|(_, _, value)| value.is_read_committed);
        if !is_seen {
            continue;
        }
        let is_passed = |partition: usize, value: &Value| match value.offsets.last() {
            Some(offset) => *offset < bounds[partition],
            None => false,
        };
        for (partition, number, value) in index.sent(at) {
            let name = &index.partitions[partition];
            let is_kept = value.offsets.last().copied().unwrap_or(0) >= name.deleted_below;
            let is_due = finished.contains(&partition) || is_passed(partition, value);
            if !value.is_read_committed && is_kept && is_due {
                let text = format!(
                    "value {number} at {:?} is missing, others of the {} were read",
                    value.offsets,
                    operation.name()
                );
                found.push(name.anomaly(Class::HalfVisible, text));
            }
        }
    }
}

/// What is known of one offset of a seat.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    may_be_committed: bool,
    is_aborted: bool,
}

/// Offsets of committed transactions are there, those of aborted ones are not.
fn offsets(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let mut sources = BTreeMap::<(Seat<'_>, i64), Source>::new();
    // Ends of committed transactions with their offsets; the highest so far at each end.
    let mut floors = BTreeMap::<Seat<'_>, BTreeMap<u64, i64>>::new();
    for (at, operation) in index.operations.iter().enumerate() {
        for step in operation.steps {
            let Step::Commit(group, key, offset) = step else {
                continue;
            };
            let Some(partition) = index.partition(&key.0) else {
                continue;
            };
            let seat = (group.as_str(), partition);
            let source = sources.entry((seat, *offset)).or_default();
            source.may_be_committed |= index.effects[at] != Effect::None;
            source.is_aborted |= index.effects[at] == Effect::None;
            if operation.is_txn() && operation.outcome == Outcome::Ok {
                let highest = floors.entry(seat).or_default();
                let highest = highest.entry(operation.end).or_insert(*offset);
                *highest = (*highest).max(*offset);
            }
        }
    }
    for rows in floors.values_mut() {
        let mut highest = i64::MIN;
        for offset in rows.values_mut() {
            highest = highest.max(*offset);
            *offset = highest;
        }
    }
    for (_, operation) in index.done(Function::Committed) {
        for step in operation.steps {
            let Step::Committed(group, key, offset) = step else {
                continue;
            };
            let Some(partition) = index.partition(&key.0) else {
                continue;
            };
            let seat = (group.as_str(), partition);
            let floor = floors
                .get(&seat)
                .and_then(|rows| rows.range(..operation.begin).next_back());
            let source = sources.get(&(seat, *offset)).copied().unwrap_or_default();
            let (class, text) = if let Some((_, floor)) = floor
                && offset < floor
            {
                (
                    Class::HalfVisible,
                    format!("a transaction committed {floor}"),
                )
            } else if source.is_aborted && !source.may_be_committed {
                (
                    Class::DirtyOffset,
                    "only aborted transactions sent it".to_owned(),
                )
            } else {
                continue;
            };
            found.push(Anomaly {
                class,
                key: format!("{group} {key}"),
                text: format!("offset {offset} is fetched; {text}: {}", operation.name()),
            });
        }
    }
}

/// What the transactions of a group made of one partition.
#[derive(Debug, Default)]
struct Consumed {
    /// Offset to the committed transaction that consumed it.
    certain: BTreeMap<i64, usize>,
    /// Offsets of transactions of which nobody knows.
    possible: BTreeSet<i64>,
    /// The highest offset that a committed transaction committed.
    end: i64,
    /// Whether offsets were committed without a transaction too.
    is_mixed: bool,
}

fn inputs(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let mut seats = BTreeMap::<Seat<'_>, Consumed>::new();
    for (at, operation) in index.operations.iter().enumerate() {
        for step in operation.steps {
            let Step::Commit(group, key, end) = step else {
                continue;
            };
            let (Some(partition), true) =
                (index.partition(&key.0), index.effects[at] != Effect::None)
            else {
                continue;
            };
            let consumed = seats.entry((group.as_str(), partition)).or_default();
            consumed.is_mixed |= !operation.is_txn();
            if index.effects[at] == Effect::Certain {
                consumed.end = consumed.end.max(*end);
            }
            let polled = operation.steps.iter().filter_map(|step| match step {
                Step::Poll(rows) => rows.get(key),
                _ => None,
            });
            for (offset, _) in polled.flatten().filter(|(offset, _)| offset < end) {
                if index.effects[at] == Effect::Unknown {
                    consumed.possible.insert(*offset);
                    continue;
                }
                let earlier = consumed.certain.insert(*offset, at);
                if let Some(earlier) = earlier.filter(|earlier| *earlier != at) {
                    found.push(Anomaly {
                        class: Class::ConsumedTwice,
                        key: format!("{group} {key}"),
                        text: format!(
                            "offset {offset} by the {} and the {}",
                            index.operations[earlier].name(),
                            operation.name()
                        ),
                    });
                }
            }
        }
    }
    for ((group, partition), consumed) in &seats {
        if !consumed.is_mixed && !consumed.certain.is_empty() {
            never_consumed(index, (group, *partition), consumed, found);
        }
    }
}

fn never_consumed(
    index: &Index<'_>,
    (group, at): Seat<'_>,
    consumed: &Consumed,
    found: &mut Vec<Anomaly>,
) {
    let partition = &index.partitions[at];
    for (number, value) in &partition.values {
        let Some(offset) = value.offsets.last() else {
            continue;
        };
        let is_missing = *offset < consumed.end
            && *offset >= partition.deleted_below
            && index.effect_of_writer(value) == Effect::Certain
            && !consumed.certain.contains_key(offset)
            && !consumed.possible.contains(offset);
        if is_missing {
            found.push(Anomaly {
                class: Class::NeverConsumed,
                key: format!("{group} {}", partition.name),
                text: format!("value {number} at offset {offset}, below {}", consumed.end),
            });
        }
    }
}
