//! Nobody reads what was aborted, or what is not committed yet.

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::Isolation;
use crate::checker::index::{Effect, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    for read in &index.reads {
        let partition = &index.partitions[read.partition];
        let Some(writer) = partition.values.get(&read.value).and_then(|v| v.writer) else {
            continue;
        };
        let (reader, sender) = (&index.operations[read.reader], &index.operations[writer]);
        let is_blind = reader.isolation == Isolation::ReadUncommitted;
        if is_blind && sender.is_txn() {
            continue;
        }
        let class = if index.effects[writer] == Effect::None {
            Class::DirtyRead
        } else if sender.is_txn() && (read.reader == writer || reader.end < sender.prepare) {
            Class::PrecommittedRead
        } else {
            continue;
        };
        let text = format!(
            "value {} at offset {} of the {} was read by the {}",
            read.value,
            read.offset,
            sender.name(),
            reader.name()
        );
        found.push(partition.anomaly(class, text));
    }
}
