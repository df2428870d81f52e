//! What clients did and saw, in the form of the checker.

use std::collections::BTreeMap;

use milena_protocol::{Offset, TopicPartition};

use crate::checker::{Event, Function, History, Isolation, Key, Kind, Step};

const NANOSECONDS: u64 = 1_000_000;

/// A transaction that is not at its end.
#[derive(Debug)]
struct Open {
    process: u64,
    id: String,
    /// Polls and offsets; what was sent comes from whoever knows the offsets.
    steps: Vec<Step>,
}

/// The history of a run.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) history: History,
    now: i64,
    at: u64,
    open: BTreeMap<u64, Open>,
}

/// One event without its instant.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) process: u64,
    pub(crate) kind: Kind,
    pub(crate) function: Function,
    pub(crate) is_committed: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) keys: Vec<Key>,
}

impl Note {
    pub(crate) const fn new(process: u64, kind: Kind, function: Function) -> Self {
        Self {
            process,
            kind,
            function,
            is_committed: false,
            steps: Vec::new(),
            keys: Vec::new(),
        }
    }
}

/// Key of a partition.
pub(crate) fn key(partition: &TopicPartition) -> Key {
    Key(partition.to_string())
}

/// What a poll of one partition returned.
pub(crate) fn poll(partition: &TopicPartition, values: &[(Offset, u64)]) -> Step {
    let values = values.iter().map(|(offset, value)| (offset.0, *value));
    Step::Poll(BTreeMap::from([(key(partition), values.collect())]))
}

impl Recorder {
    /// The world is at `now`.
    pub(crate) const fn advance(&mut self, now: i64) {
        self.now = now;
    }

    pub(crate) fn note(&mut self, note: Note, transactional_id: Option<String>) {
        let begin = u64::try_from(self.now).unwrap_or(0) * NANOSECONDS;
        self.at = (self.at + 1).max(begin);
        let isolation = if note.is_committed {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        };
        self.history.push(Event {
            at: self.at,
            process: note.process,
            kind: note.kind,
            function: note.function,
            isolation,
            transactional_id,
            steps: note.steps,
            keys: note.keys,
        });
    }

    /// Transactional producers are initialised.
    pub(crate) fn init(&mut self, process: u64, kind: Kind, id: &str) {
        let note = Note::new(process, kind, Function::Init);
        self.note(note, Some(id.to_owned()));
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self, number: u64, process: u64, id: &str) {
        let open = Open {
            process,
            id: id.to_owned(),
            steps: Vec::new(),
        };
        self.open.insert(number, open);
        self.end_as(number, Kind::Invoke, Vec::new());
    }

    /// Something besides sends belongs to a transaction.
    pub(crate) fn add(&mut self, number: u64, step: Step) {
        if let Some(open) = self.open.get_mut(&number) {
            open.steps.push(step);
        }
    }

    /// A transaction is about to be committed, or ends.
    pub(crate) fn end_as(&mut self, number: u64, kind: Kind, sends: Vec<Step>) {
        let Some(open) = self.open.get(&number) else {
            return;
        };
        let mut steps = open.steps.clone();
        steps.extend(sends);
        let (process, id) = (open.process, open.id.clone());
        if matches!(kind, Kind::Ok | Kind::Fail | Kind::Info) {
            self.open.remove(&number);
        }
        let note = Note {
            steps,
            is_committed: true,
            ..Note::new(process, kind, Function::Txn)
        };
        self.note(note, Some(id));
    }
}
