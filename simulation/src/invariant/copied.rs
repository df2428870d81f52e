//! Whoever copies in transactions copies everything once: of the values below the committed offset of
//! its group all, each once, and of the others none.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::Offset;

use super::atomic::committed_values;
use crate::broker::Broker;
use crate::layout::{self, INPUT};
use crate::truth::Truth;

pub(super) fn check(broker: &Broker, truth: &Truth) -> Result<(), String> {
    let seen = committed_values(broker)?;
    for (number, copies) in &truth.copies {
        let index = i32::try_from(*number).unwrap_or(0);
        let partition = layout::partition(INPUT, index);
        let Some(found) = broker.partitions.get(&partition) else {
            continue;
        };
        let mut copied = BTreeMap::new();
        for (output, input) in copies {
            if seen.contains_key(output)
                && let Some(before) = copied.insert(*input, *output)
            {
                return Err(format!(
                    "{input} of {partition} was copied twice, as {before} and as {output}"
                ));
            }
        }
        // A deletion that was asked for may show and be forgotten by a crash before it is durable.
        let asked = truth.deleted.get(&partition).copied();
        let start = found.log.log_start().max(asked.unwrap_or(Offset(0)));
        let known: BTreeSet<u64> = truth
            .read
            .range((partition.clone(), Offset(0))..=(partition.clone(), Offset(i64::MAX)))
            .filter(|((_, offset), value)| start <= *offset && seen.contains_key(value))
            .map(|(_, value)| *value)
            .collect();
        let last = known
            .iter()
            .filter(|value| copied.contains_key(*value))
            .filter_map(|value| seen.get(value))
            .max()
            .copied();
        for value in known {
            let Some(offset) = seen.get(&value) else {
                continue;
            };
            if last.is_some_and(|last| *offset < last) && !copied.contains_key(&value) {
                return Err(format!(
                    "{value} at {partition} {offset} was passed over by the copier"
                ));
            }
        }
    }
    Ok(())
}
