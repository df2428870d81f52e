//! Acknowledged values are among what was read.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::{Function, Isolation};
use crate::checker::index::{Effect, Index, Partition, Value};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    for partition in &index.partitions {
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            below_bound(index, partition, isolation, found);
        }
    }
    after_last_reads(index, found);
}

fn is_read(value: &Value, isolation: Isolation) -> bool {
    match isolation {
        Isolation::ReadUncommitted => value.is_read,
        Isolation::ReadCommitted => value.is_read_committed,
    }
}

/// Whatever lies below the highest value that was read must have been read too.
fn below_bound(
    index: &Index<'_>,
    partition: &Partition<'_>,
    isolation: Isolation,
    found: &mut Vec<Anomaly>,
) {
    let read = partition.values.values().filter(|v| is_read(v, isolation));
    let Some(bound) = read.filter_map(|value| value.offsets.first()).max() else {
        return;
    };
    for (number, value) in &partition.values {
        let Some(last) = value.offsets.last() else {
            continue;
        };
        let is_missing = last <= bound
            && *last >= partition.deleted_below
            && index.effect_of_writer(value) == Effect::Certain
            && !is_read(value, isolation)
            // Else said once, of those who see less.
            && (isolation == Isolation::ReadUncommitted || value.is_read)
            && !index.is_partly_seen(value);
        if is_missing {
            let text = format!(
                "value {number} at offset {last} is not read by {isolation:?}, which got to {bound}; {}",
                writer(index, value)
            );
            found.push(partition.anomaly(Class::LostWrite, text));
        }
    }
}

fn writer(index: &Index<'_>, value: &Value) -> String {
    value.writer.map_or_else(
        || "of an unknown writer".to_owned(),
        |writer| index.operations[writer].name(),
    )
}

/// Who read from the start to the end when all was over got everything, also what others had read.
fn after_last_reads(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let mut seen = BTreeMap::<(u64, usize), BTreeSet<u64>>::new();
    let last = index.done(Function::Finish);
    let wanted: BTreeSet<u64> = last.map(|(_, operation)| operation.process).collect();
    for read in &index.reads {
        let process = index.operations[read.reader].process;
        if wanted.contains(&process) {
            let values = seen.entry((process, read.partition)).or_default();
            values.insert(read.value);
        }
    }
    for (_, operation) in index.done(Function::Finish) {
        for key in operation.keys {
            let Some(at) = index.partition(&key.0) else {
                continue;
            };
            let none = BTreeSet::new();
            let got = seen.get(&(operation.process, at)).unwrap_or(&none);
            unseen(index, at, (operation.isolation, got), found);
        }
    }
}

fn unseen(
    index: &Index<'_>,
    at: usize,
    (isolation, got): (Isolation, &BTreeSet<u64>),
    found: &mut Vec<Anomaly>,
) {
    let partition = &index.partitions[at];
    for (number, value) in &partition.values {
        let is_kept = value.offsets.last().copied().unwrap_or(0) >= partition.deleted_below;
        let is_half = isolation == Isolation::ReadCommitted
            && !value.is_read_committed
            && index.is_partly_seen(value);
        let is_missing =
            is_kept && !is_half && !got.contains(number) && index.is_due(value, isolation);
        if is_missing {
            let text = format!(
                "value {number} at {:?} is missing in the last reads of {isolation:?}; {}",
                value.offsets,
                writer(index, value)
            );
            found.push(partition.anomaly(Class::Unseen, text));
        }
    }
}
