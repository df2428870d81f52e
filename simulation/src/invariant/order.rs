//! The values of one producer stand in a partition in the order in which it sent them.

use std::collections::BTreeMap;

use milena_protocol::Offset;

use crate::broker::{Broker, for_each_batch, for_each_record};
use crate::truth::{Truth, value_of};

pub(super) fn check(broker: &Broker, truth: &Truth) -> Result<(), String> {
    for partition in broker.layout.data() {
        let Some(found) = broker.partitions.get(partition) else {
            continue;
        };
        let mut last = BTreeMap::new();
        let range = (Offset(0), found.log.log_end());
        for_each_batch(&found.log, range, &mut |header, batch| {
            if header.attributes.is_control() {
                return Ok(());
            }
            for_each_record(header, batch, &mut |offset, _, bytes| {
                let value = value_of(bytes).ok_or("record without a value")?;
                let sent = truth
                    .sent
                    .get(&value)
                    .ok_or_else(|| format!("{partition} {offset}: {value} was never sent"))?;
                let before = last.insert(sent.process, sent.place).unwrap_or(0);
                if sent.place <= before {
                    return Err(format!(
                        "{partition} {offset}: value {} of process {} behind {before}",
                        sent.place, sent.process
                    ));
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}
