//! What clients know for certain: the values that were sent, what became of them, and what was read.

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::{Function, Kind, Step};
use crate::record::{Note, Recorder, key, poll};
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{
    Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicPartition,
};

/// What has become of something as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody knows.
    Unknown,
    /// It was acknowledged.
    Done,
    /// It certainly did not come about.
    Failed,
}

/// A value that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) partition: TopicPartition,
    /// The process that sent it, and its place among the values of that process in the partition.
    pub(crate) process: u64,
    pub(crate) place: u64,
    pub(crate) fate: Fate,
    pub(crate) offset: Option<Offset>,
    /// The transaction it belongs to.
    pub(crate) transaction: Option<u64>,
}

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) sent: BTreeMap<u64, Sent>,
    pub(crate) transactions: BTreeMap<u64, Fate>,
    /// Every value that was read, by its place.
    pub(crate) read: BTreeMap<(TopicPartition, Offset), u64>,
    /// Values that a read_committed reader has seen.
    pub(crate) read_committed: BTreeMap<u64, Offset>,
    /// Outputs of copiers by the number of what they copy: input by output.
    pub(crate) copies: BTreeMap<u64, BTreeMap<u64, u64>>,
    /// The last acknowledged offset of groups, with its generation or member epoch.
    committed: BTreeMap<(String, PartitionIndex), (i32, Offset)>,
    /// The smallest offset that a request that nobody knows of may still commit, likewise.
    maybe_committed: BTreeMap<(String, PartitionIndex), (i32, Offset)>,
    /// Owners of partitions by group and generation.
    owners: BTreeMap<(String, i32, PartitionIndex), String>,
    /// The wall clock of the broker was set.
    pub(crate) is_clock_wrong: bool,
    /// Log starts that DeleteRecords asked for, whatever became of it.
    pub(crate) deleted: BTreeMap<TopicPartition, Offset>,
    /// What must not be.
    pub(crate) violations: Vec<String>,
    /// The same for the checker.
    pub(crate) recorder: Recorder,
    /// Processes of sends outside of transactions, by their first value.
    senders: BTreeMap<u64, u64>,
    /// Values by transaction.
    values: BTreeMap<u64, Vec<u64>>,
    places: BTreeMap<(u64, TopicPartition), u64>,
    next_process: u64,
}

impl Truth {
    /// Something is wrong.
    pub(crate) fn violation(&mut self, text: String) {
        if self.violations.len() < 20 {
            self.violations.push(text);
        }
    }

    /// A number for a process of a client.
    pub(crate) fn process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process
    }

    /// A new value that is about to be sent.
    pub(crate) fn send(
        &mut self,
        process: u64,
        partition: &TopicPartition,
        transaction: Option<u64>,
    ) -> u64 {
        let value = u64::try_from(self.sent.len()).unwrap_or(0) + 1;
        let place = self.places.entry((process, partition.clone())).or_insert(0);
        *place += 1;
        let sent = Sent {
            partition: partition.clone(),
            process,
            place: *place,
            fate: Fate::Unknown,
            offset: None,
            transaction,
        };
        self.sent.insert(value, sent);
        if let Some(number) = transaction {
            self.values.entry(number).or_default().push(value);
        }
        value
    }

    fn steps(&self, values: &[u64]) -> Vec<Step> {
        let known = values.iter().filter_map(|value| {
            let sent = self.sent.get(value)?;
            let offset = sent.offset.map(|offset| offset.0);
            Some(Step::Send(key(&sent.partition), *value, offset))
        });
        known.collect()
    }

    /// Values leave outside of a transaction, as one batch.
    pub(crate) fn sending(&mut self, values: &[u64]) {
        let Some(first) = values.first() else {
            return;
        };
        // Several batches are on their way at once, and a process does one thing at a time.
        let process = self.process();
        self.senders.insert(*first, process);
        let note = Note {
            steps: self.steps(values),
            ..Note::new(process, Kind::Invoke, Function::Send)
        };
        self.recorder.note(note, None);
    }

    /// A process reads from elsewhere.
    pub(crate) fn seek(&mut self, process: u64, partition: &TopicPartition) {
        for kind in [Kind::Invoke, Kind::Ok] {
            let note = Note {
                keys: vec![key(partition)],
                ..Note::new(process, kind, Function::Seek)
            };
            self.recorder.note(note, None);
        }
    }

    /// One poll of a process; without values it begins.
    pub(crate) fn polled(
        &mut self,
        process: u64,
        (partition, is_committed): (&TopicPartition, bool),
        kind: Kind,
        values: &[(Offset, u64)],
    ) {
        let note = Note {
            is_committed,
            steps: vec![poll(partition, values)],
            ..Note::new(process, kind, Function::Poll)
        };
        self.recorder.note(note, None);
    }

    /// Values were acknowledged, at offsets from `base` on.
    pub(crate) fn acknowledge(&mut self, values: &[u64], base: Offset) {
        let mut offset = base;
        for value in values {
            if let Some(sent) = self.sent.get_mut(value) {
                sent.fate = Fate::Done;
                sent.offset = Some(offset);
            }
            offset = offset.plus(1);
        }
        let process = values.first().and_then(|first| self.senders.remove(first));
        if let Some(process) = process {
            let note = Note {
                steps: self.steps(values),
                ..Note::new(process, Kind::Ok, Function::Send)
            };
            self.recorder.note(note, None);
        }
    }

    /// A new transaction.
    pub(crate) fn begin(&mut self, process: u64, id: &str) -> u64 {
        let number = u64::try_from(self.transactions.len()).unwrap_or(0) + 1;
        // Until somebody asks to commit it, it cannot be committed.
        self.transactions.insert(number, Fate::Failed);
        self.recorder.begin(number, process, id);
        number
    }

    /// A commit of a group was acknowledged, by a member of this generation.
    pub(crate) fn commit(
        &mut self,
        group: &str,
        generation: i32,
        (partition, offset): (PartitionIndex, Offset),
    ) {
        let key = (group.to_owned(), partition);
        let known = self.committed.entry(key).or_insert((generation, offset));
        *known = (generation, offset).max(*known);
    }

    /// A commit of a group was sent, and nobody knows what becomes of it. It may come late, but not
    /// after commits of a later generation.
    pub(crate) fn may_commit(
        &mut self,
        group: &str,
        generation: i32,
        (partition, offset): (PartitionIndex, Offset),
    ) {
        let key = (group.to_owned(), partition);
        let known = self
            .maybe_committed
            .entry(key)
            .or_insert((generation, offset));
        if known.0 < generation {
            *known = (generation, offset);
        } else if known.0 == generation {
            known.1 = offset.min(known.1);
        }
    }

    /// What a group has committed at least, by what was acknowledged so far.
    pub(crate) fn commits(&self, group: &str) -> BTreeMap<PartitionIndex, Offset> {
        let of_group = self.committed.iter().filter(|((of, _), _)| of == group);
        of_group
            .map(|(key, (generation, offset))| {
                let maybe = self.maybe_committed.get(key);
                let late = maybe.filter(|(of, _)| of >= generation);
                (key.1, late.map_or(*offset, |(_, late)| *offset.min(late)))
            })
            .collect()
    }

    /// A member has partitions in a generation.
    pub(crate) fn own(
        &mut self,
        group: &str,
        generation: i32,
        member: &str,
        partitions: &BTreeSet<PartitionIndex>,
    ) {
        for partition in partitions {
            let key = (group.to_owned(), generation, *partition);
            let owner = self.owners.entry(key).or_insert_with(|| member.to_owned());
            if owner != member {
                let text = format!(
                    "{group} generation {generation}: {partition} belongs to {owner} and {member}"
                );
                self.violation(text);
                return;
            }
        }
    }

    /// A value is a copy of another.
    pub(crate) fn copy(&mut self, number: u64, input: u64, output: u64) {
        self.copies.entry(number).or_default().insert(output, input);
    }

    /// Somebody asks to commit a transaction, or it is committed.
    pub(crate) fn end(&mut self, transaction: u64, fate: Fate) {
        self.transactions.insert(transaction, fate);
        let kind = if fate == Fate::Done {
            Kind::Ok
        } else {
            Kind::Prepare
        };
        self.record_end(transaction, kind);
    }

    /// Nobody will commit a transaction any more; perhaps it was.
    pub(crate) fn give_up(&mut self, transaction: u64) {
        let kind = match self.transactions.get(&transaction) {
            Some(Fate::Failed) => Kind::Fail,
            _ => Kind::Info,
        };
        self.record_end(transaction, kind);
    }

    fn record_end(&mut self, transaction: u64, kind: Kind) {
        let values = self.values.get(&transaction).cloned().unwrap_or_default();
        let steps = self.steps(&values);
        self.recorder.end_as(transaction, kind, steps);
    }

    /// A value was read.
    pub(crate) fn note_read(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        value: u64,
        is_committed: bool,
    ) {
        let known = self
            .read
            .insert((partition.clone(), offset), value)
            .unwrap_or(value);
        if known != value {
            self.violation(format!(
                "inconsistent offsets: {partition} {offset} held {known} and then {value}"
            ));
        }
        let is_sent = self
            .sent
            .get(&value)
            .is_some_and(|sent| sent.partition == *partition);
        if !is_sent {
            self.violation(format!(
                "{partition} {offset} holds {value}, never sent there"
            ));
        }
        if is_committed {
            self.read_committed.insert(value, offset);
        }
    }
}

/// Who writes a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) sequence: Sequence,
    pub(crate) is_transactional: bool,
}

/// A batch of values, each with so many bytes behind it.
pub(crate) fn batch(values: &[u64], writer: Writer, padding: usize) -> bytes::Bytes {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(writer.id, writer.epoch, writer.sequence);
    if writer.is_transactional {
        builder.set_transactional();
    }
    for value in values {
        let mut bytes = value.to_be_bytes().to_vec();
        bytes.resize(8 + padding, 0x2a);
        // A few small records always fit.
        let _ = builder.append(Timestamp(1_700_000_000_000), None, Some(&bytes), []);
    }
    bytes::Bytes::from(builder.finish(Offset(0)))
}

/// The value of a record.
pub(crate) fn value_of(bytes: Option<&[u8]>) -> Option<u64> {
    let first = bytes?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*first))
}
