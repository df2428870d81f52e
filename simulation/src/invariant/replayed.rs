//! Replaying the records of a coordinator gives its state.

use crate::broker::{Broker, load_groups, load_transactions};
use crate::truth::Truth;

pub(super) fn check(broker: &Broker, _truth: &Truth) -> Result<(), String> {
    for (number, shard) in &broker.groups {
        let Some(loaded) = load_groups(broker, *number) else {
            continue;
        };
        let loaded = loaded?;
        if !shard.core.has_same_records(&loaded) {
            return Err(format!(
                "shard {number} of groups is not what its records say"
            ));
        }
    }
    for (number, shard) in &broker.transactions {
        let Some(loaded) = load_transactions(broker, *number) else {
            continue;
        };
        if !shard.core.has_same_records(&loaded?) {
            return Err(format!(
                "shard {number} of transactions is not what its records say"
            ));
        }
    }
    Ok(())
}
