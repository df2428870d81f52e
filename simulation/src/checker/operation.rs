//! Operations: an invocation with its end.

use std::collections::BTreeMap;

use super::anomaly::{Anomaly, Class};
use super::history::{Event, Function, History, Isolation, Key, Kind, Step};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It took place.
    Ok,
    /// It did not.
    Fail,
    /// Unknown.
    Info,
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) struct Operation<'a> {
    /// When it began.
    pub(super) begin: u64,
    /// When its commit was asked for; its begin where that was not recorded.
    pub(super) prepare: u64,
    /// When it ended; the end of time where it did not.
    pub(super) end: u64,
    pub(super) process: u64,
    pub(super) outcome: Outcome,
    pub(super) function: Function,
    pub(super) isolation: Isolation,
    pub(super) transactional_id: Option<&'a str>,
    pub(super) steps: &'a [Step],
    pub(super) keys: &'a [Key],
}

impl<'a> Operation<'a> {
    fn begun(event: &'a Event) -> Self {
        Self {
            begin: event.at,
            prepare: event.at,
            end: u64::MAX,
            process: event.process,
            outcome: Outcome::Info,
            function: event.function,
            isolation: event.isolation,
            transactional_id: event.transactional_id.as_deref(),
            steps: &event.steps,
            keys: &event.keys,
        }
    }

    fn take(&mut self, event: &'a Event) {
        if !event.steps.is_empty() {
            self.steps = &event.steps;
        }
        if !event.keys.is_empty() {
            self.keys = &event.keys;
        }
        if event.transactional_id.is_some() {
            self.transactional_id = event.transactional_id.as_deref();
        }
        if event.isolation == Isolation::ReadCommitted {
            self.isolation = Isolation::ReadCommitted;
        }
    }

    pub(super) fn is_txn(&self) -> bool {
        self.function == Function::Txn
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!(
            "{:?} ({:?}) of process {} at {}",
            self.function, self.outcome, self.process, self.begin
        )
    }
}

/// Pairs begins with ends, in the order of begins.
pub(super) fn pair<'a>(history: &'a History, found: &mut Vec<Anomaly>) -> Vec<Operation<'a>> {
    let mut operations: Vec<Operation<'a>> = Vec::new();
    let mut open = BTreeMap::<u64, usize>::new();
    for event in history.events() {
        if event.kind == Kind::Invoke {
            // What is still open there never ended: a client that gave up.
            open.insert(event.process, operations.len());
            operations.push(Operation::begun(event));
            continue;
        }
        let begun = open
            .get(&event.process)
            .and_then(|at| operations.get_mut(*at))
            .filter(|operation| operation.function == event.function);
        let Some(operation) = begun else {
            found.push(Anomaly {
                class: Class::Malformed,
                key: String::new(),
                text: format!(
                    "process {} ends a {:?} at {} that it did not begin",
                    event.process, event.function, event.at
                ),
            });
            continue;
        };
        operation.take(event);
        operation.outcome = match event.kind {
            Kind::Ok => Outcome::Ok,
            Kind::Fail => Outcome::Fail,
            Kind::Info => Outcome::Info,
            Kind::Invoke | Kind::Prepare => {
                operation.prepare = event.at;
                continue;
            }
        };
        operation.end = event.at;
        open.remove(&event.process);
    }
    operations.sort_by_key(|operation| operation.begin);
    operations
}
