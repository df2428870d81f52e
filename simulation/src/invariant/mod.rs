//! What must hold: after every step of the broker, after every start, and at the end. Adding one is a
//! file and a line in a table.

mod atomic;
mod coordinator;
mod copied;
mod durable;
mod order;
mod owner;
mod positions;
mod replayed;
mod stable;

use milena_protocol::{Offset, TopicPartition};

use crate::broker::Broker;
use crate::truth::Truth;
use positions::Seen;

/// What invariants remember from step to step.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    seen: Seen,
    epochs: owner::Epochs,
}

/// Offsets and values by partition.
type LastReads = Vec<(TopicPartition, Vec<(Offset, u64)>)>;
type OfStep = fn(&Broker, &mut Memory) -> Result<(), String>;
type OfStart = fn(&Broker, &Truth) -> Result<(), String>;

/// After every step.
const STEPS: &[(&str, OfStep)] = &[
    ("positions", positions::check),
    ("coordinator", coordinator::check),
    ("owner", owner::check),
];

/// After every start of the broker, and at the end.
const STARTS: &[(&str, OfStart)] = &[
    ("durable", durable::check),
    ("order", order::check),
    ("replayed", replayed::check),
];

/// At the end, when everything has come to rest.
const ENDS: &[(&str, OfStart)] = &[
    ("atomic", atomic::check),
    ("copied", copied::check),
    ("stable", stable::check),
];

/// Checks what holds after every step.
///
/// # Errors
/// Which invariant does not hold, and why.
pub(crate) fn after_step(broker: &Broker, memory: &mut Memory) -> Result<(), String> {
    STEPS.iter().try_for_each(|(name, check)| {
        check(broker, memory).map_err(|error| format!("{name}: {error}"))
    })
}

/// Checks what holds after every start.
///
/// # Errors
/// As [`after_step`].
pub(crate) fn after_start(broker: &Broker, truth: &Truth) -> Result<(), String> {
    check_all(STARTS, broker, truth)
}

/// Checks what holds at the end.
///
/// # Errors
/// As [`after_step`].
pub(crate) fn at_end(broker: &Broker, truth: &Truth) -> Result<(), String> {
    check_all(STARTS, broker, truth)?;
    check_all(ENDS, broker, truth)
}

/// Every partition with what a reader of committed records sees of it.
pub(crate) fn last_reads(broker: &Broker) -> Result<LastReads, String> {
    let partitions = broker.layout.data();
    partitions
        .map(|partition| {
            Ok((
                partition.clone(),
                atomic::read_committed(broker, partition)?,
            ))
        })
        .collect()
}

fn check_all(table: &[(&str, OfStart)], broker: &Broker, truth: &Truth) -> Result<(), String> {
    table.iter().try_for_each(|(name, check)| {
        check(broker, truth).map_err(|error| format!("{name}: {error}"))
    })
}
