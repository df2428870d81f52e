//! What was acknowledged is in the log, where the acknowledgement said.

use std::collections::BTreeMap;

use milena_protocol::Offset;

use crate::broker::{Broker, for_each_batch, for_each_record};
use crate::truth::{Fate, Truth, value_of};

pub(super) fn check(broker: &Broker, truth: &Truth) -> Result<(), String> {
    let mut places = BTreeMap::new();
    for partition in broker.layout.data() {
        let Some(found) = broker.partitions.get(partition) else {
            continue;
        };
        let range = (Offset(0), found.log.log_end());
        for_each_batch(&found.log, range, &mut |header, batch| {
            if header.attributes.is_control() {
                return Ok(());
            }
            for_each_record(header, batch, &mut |offset, _, bytes| {
                let value = value_of(bytes).ok_or("record without a value")?;
                if let Some(before) = places.insert(value, (partition.clone(), offset)) {
                    return Err(format!(
                        "duplicate: {value} at {before:?} and at {partition} {offset}"
                    ));
                }
                Ok(())
            })
        })?;
        let asked = truth.deleted.get(partition).copied().unwrap_or(Offset(0));
        let start = found.log.log_start();
        if asked < start {
            return Err(format!(
                "{partition} starts at {start}, nobody asked for more than {asked}"
            ));
        }
    }
    for (value, sent) in &truth.sent {
        let Some(found) = broker.partitions.get(&sent.partition) else {
            continue;
        };
        let place = places.get(value);
        match (sent.fate, sent.offset) {
            (Fate::Done, Some(offset)) => {
                let is_deleted = offset < found.log.log_start();
                if !is_deleted && place != Some(&(sent.partition.clone(), offset)) {
                    return Err(format!(
                        "lost: {value} was acknowledged at {} {offset} and is at {place:?}",
                        sent.partition
                    ));
                }
            }
            (Fate::Failed, _) => {
                if let Some(place) = place {
                    return Err(format!("{value} was refused and stands at {place:?}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
