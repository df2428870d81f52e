//! A history looked up by key, value and offset.

use std::collections::{BTreeMap, BTreeSet};

use super::anomaly::{Anomaly, Class};
use super::history::{Function, History, Isolation, Step};
use super::operation::{self, Operation, Outcome};

/// What is known of the effect of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It has one: it is acknowledged, or somebody saw it.
    Certain,
    /// It has none.
    None,
    /// Nobody knows.
    Unknown,
}

/// One value of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Value {
    /// The operation that sent it, where that was recorded.
    pub(super) writer: Option<usize>,
    /// Where it was seen or acknowledged.
    pub(super) offsets: BTreeSet<i64>,
    pub(super) is_read: bool,
    /// By somebody who reads only what is committed.
    pub(super) is_read_committed: bool,
}

/// One partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition<'a> {
    pub(super) name: &'a str,
    pub(super) values: BTreeMap<u64, Value>,
    /// Offset to the values that were seen there.
    pub(super) offsets: BTreeMap<i64, BTreeSet<u64>>,
    /// Below this offset records may have been deleted.
    pub(super) deleted_below: i64,
}

impl<'a> Partition<'a> {
    fn place(&mut self, value: u64, offset: i64) -> &mut Value {
        self.offsets.entry(offset).or_default().insert(value);
        let known = self.values.entry(value).or_default();
        known.offsets.insert(offset);
        known
    }

    pub(super) fn anomaly(&self, class: Class, text: String) -> Anomaly {
        let key = self.name.to_owned();
        Anomaly { class, key, text }
    }
}

/// A read of one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub(super) reader: usize,
    pub(super) partition: usize,
    pub(super) offset: i64,
    pub(super) value: u64,
}

/// The whole history.
#[derive(Debug)]
pub(super) struct Index<'a> {
    /// In the order of their begin.
    pub(super) operations: Vec<Operation<'a>>,
    /// Effect of each operation.
    pub(super) effects: Vec<Effect>,
    pub(super) partitions: Vec<Partition<'a>>,
    /// All reads in the order of operations and steps.
    pub(super) reads: Vec<Read>,
    /// What the recorder did wrong.
    pub(super) malformed: Vec<Anomaly>,
    names: BTreeMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut malformed = Vec::new();
        let operations = operation::pair(history, &mut malformed);
        let mut index = Self {
            operations,
            effects: Vec::new(),
            partitions: Vec::new(),
            reads: Vec::new(),
            malformed,
            names: BTreeMap::new(),
        };
        for at in 0..index.operations.len() {
            index.add(at);
        }
        index.effects = (0..index.operations.len())
            .map(|at| index.effect_of(at))
            .collect();
        index
    }

    fn add(&mut self, at: usize) {
        let operation = &self.operations[at];
        let (steps, isolation) = (operation.steps, operation.isolation);
        for key in operation.keys {
            self.partition_mut(&key.0);
        }
        for step in steps {
            match step {
                Step::Send(key, value, offset) => self.add_send(at, &key.0, *value, *offset),
                Step::Poll(rows) => {
                    for (key, rows) in rows {
                        self.add_reads(at, &key.0, rows, isolation);
                    }
                }
                Step::Delete(key, offset) => {
                    let partition = self.partition_mut(&key.0);
                    let partition = &mut self.partitions[partition];
                    partition.deleted_below = partition.deleted_below.max(*offset);
                }
                Step::Commit(_, key, _) | Step::Committed(_, key, _) | Step::End(key, _) => {
                    self.partition_mut(&key.0);
                }
            }
        }
    }

    fn add_send(&mut self, at: usize, key: &'a str, value: u64, offset: Option<i64>) {
        let partition = self.partition_mut(key);
        let partition = &mut self.partitions[partition];
        let known = partition.values.entry(value).or_default();
        let earlier = known.writer.replace(at);
        if earlier.is_some() {
            let text = format!("value {value} was sent twice");
            self.malformed
                .push(partition.anomaly(Class::Malformed, text));
        }
        if let Some(offset) = offset {
            partition.place(value, offset);
        }
    }

    fn add_reads(&mut self, at: usize, key: &'a str, rows: &[(i64, u64)], isolation: Isolation) {
        let partition = self.partition_mut(key);
        for &(offset, value) in rows {
            let known = self.partitions[partition].place(value, offset);
            known.is_read = true;
            known.is_read_committed |= isolation == Isolation::ReadCommitted;
            self.reads.push(Read {
                reader: at,
                partition,
                offset,
                value,
            });
        }
    }

    fn partition_mut(&mut self, name: &'a str) -> usize {
        let next = self.partitions.len();
        let at = *self.names.entry(name).or_insert(next);
        if at == next {
            self.partitions.push(Partition {
                name,
                ..Partition::default()
            });
        }
        at
    }

    /// The partition of a key of this history.
    pub(super) fn partition(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The values that an operation sent, with their partitions.
    pub(super) fn sent(&self, at: usize) -> impl Iterator<Item = (usize, u64, &Value)> {
        let steps = self.operations[at].steps.iter();
        steps.filter_map(move |step| {
            let Step::Send(key, value, _) = step else {
                return None;
            };
            let partition = self.partition(&key.0)?;
            let known = self.partitions[partition].values.get(value)?;
            Some((partition, *value, known))
        })
    }

    fn effect_of(&self, at: usize) -> Effect {
        let operation = &self.operations[at];
        match operation.outcome {
            Outcome::Ok => Effect::Certain,
            Outcome::Fail => Effect::None,
            Outcome::Info => {
                let is_txn = operation.is_txn();
                let is_seen = self
                    .sent(at)
                    .any(|(_, _, value)| value.is_read_committed || (!is_txn && value.is_read));
                if is_seen {
                    Effect::Certain
                } else {
                    Effect::Unknown
                }
            }
        }
    }

    /// Effect of whoever wrote a value; unknown where that was not recorded.
    pub(super) fn effect_of_writer(&self, value: &Value) -> Effect {
        value
            .writer
            .map_or(Effect::Unknown, |writer| self.effects[writer])
    }

    /// Whether a consumer of this isolation must get this value if it passes its offset.
    pub(super) fn is_due(&self, value: &Value, isolation: Isolation) -> bool {
        match self.effect_of_writer(value) {
            Effect::Certain => true,
            Effect::Unknown if value.is_read_committed => true,
            // Whether a transaction is open or aborted makes no difference to who reads everything.
            Effect::None | Effect::Unknown => {
                isolation == Isolation::ReadUncommitted && value.is_read
            }
        }
    }

    /// Whether the writer of a value is a transaction of which a committed reader saw another value.
    pub(super) fn is_partly_seen(&self, value: &Value) -> bool {
        value.writer.is_some_and(|writer| {
            self.operations[writer].is_txn()
                && self
                    .sent(writer)
                    .any(|(_, _, other)| other.is_read_committed)
        })
    }

    /// Operations of a function that took place.
    pub(super) fn done(&self, function: Function) -> impl Iterator<Item = (usize, &Operation<'a>)> {
        self.operations
            .iter()
            .enumerate()
            .filter(move |(_, one)| one.function == function && one.outcome == Outcome::Ok)
    }
}
