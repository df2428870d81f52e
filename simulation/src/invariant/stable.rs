//! At the end groups with members are stable.

use crate::broker::Broker;
use crate::truth::Truth;

pub(super) fn check(broker: &Broker, _truth: &Truth) -> Result<(), String> {
    for shard in broker.groups.values() {
        for group in shard.core.list(&[], &[]).unwrap_or_default() {
            let state = group.state.to_ascii_lowercase();
            if state != "stable" && state != "empty" && state != "dead" {
                return Err(format!("{} is {state}", group.group));
            }
        }
    }
    Ok(())
}
