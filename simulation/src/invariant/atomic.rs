//! Of a transaction all values are visible to readers of committed records, or none.

use std::collections::BTreeMap;

use milena_protocol::{Offset, TopicPartition};

use crate::broker::Broker;
use crate::message::Response;
use crate::truth::{Fate, Truth};
use crate::view::visible;

pub(super) fn check(broker: &Broker, truth: &Truth) -> Result<(), String> {
    let seen = committed_values(broker)?;
    check_transactions(broker, truth, &seen)
}

/// Every value that a reader of committed records sees, with its offset.
pub(super) fn committed_values(broker: &Broker) -> Result<BTreeMap<u64, Offset>, String> {
    let mut seen = BTreeMap::new();
    for partition in broker.layout.data() {
        let values = read_committed(broker, partition)?;
        seen.extend(values.into_iter().map(|(offset, value)| (value, offset)));
    }
    Ok(seen)
}

/// What a reader of committed records sees of a partition.
pub(super) fn read_committed(
    broker: &Broker,
    partition: &TopicPartition,
) -> Result<Vec<(Offset, u64)>, String> {
    let mut all = Vec::new();
    let Some(found) = broker.partitions.get(partition) else {
        return Ok(all);
    };
    let log = &found.log;
    if log.last_stable() < log.high_watermark() {
        return Err(format!(
            "{partition}: last stable {} below {}, and nothing is open any more",
            log.last_stable(),
            log.high_watermark()
        ));
    }
    let mut position = log.log_start();
    while position < log.high_watermark() {
        let Response::Fetched(answer) = broker.fetch(partition, position, true) else {
            return Err(format!("{partition} is not read"));
        };
        let (values, next) = visible(&answer, position)?;
        if next <= position {
            return Err(format!("{partition}: a read at {position} does not go on"));
        }
        all.extend(values);
        position = next;
    }
    Ok(all)
}

fn check_transactions(
    broker: &Broker,
    truth: &Truth,
    seen: &BTreeMap<u64, Offset>,
) -> Result<(), String> {
    let mut shown: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
    for (value, sent) in &truth.sent {
        let Some(transaction) = sent.transaction else {
            if sent.fate == Fate::Done
                && !seen.contains_key(value)
                && !is_deleted(broker, truth, *value)
            {
                return Err(format!("{value} was acknowledged and is not visible"));
            }
            continue;
        };
        if is_deleted(broker, truth, *value) {
            continue;
        }
        let is_visible = seen.contains_key(value);
        let fate = truth.transactions.get(&transaction).copied();
        let was_stored = sent.fate != Fate::Failed && (sent.offset.is_some() || is_visible);
        match fate {
            Some(Fate::Done) if !is_visible => {
                return Err(format!(
                    "{value} of the committed transaction {transaction} is missing"
                ));
            }
            Some(Fate::Failed) if is_visible => {
                return Err(format!(
                    "{value} of the aborted transaction {transaction} is visible: {} {:?}, process {}",
                    sent.partition,
                    seen.get(value),
                    sent.process
                ));
            }
            _ if was_stored => {
                let (other, was_visible) =
                    *shown.entry(transaction).or_insert((*value, is_visible));
                if was_visible != is_visible {
                    return Err(format!(
                        "of transaction {transaction} only one of {other} and {value} is visible"
                    ));
                }
            }
            _ => {}
        }
        if !is_visible && truth.read_committed.contains_key(value) {
            return Err(format!("{value} was read as committed and is not visible"));
        }
    }
    Ok(())
}

fn is_deleted(broker: &Broker, truth: &Truth, value: u64) -> bool {
    let Some(sent) = truth.sent.get(&value) else {
        return false;
    };
    let start = broker
        .partitions
        .get(&sent.partition)
        .map_or(Offset(0), |found| found.log.log_start());
    let offset = sent
        .offset
        .or_else(|| truth.read_committed.get(&value).copied());
    match offset {
        Some(offset) => offset < start,
        // Where it would stand is not known.
        None => start > Offset(0),
    }
}
