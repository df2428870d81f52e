//! Coordinators hold what they say of themselves.

use super::Memory;
use crate::broker::Broker;

pub(super) fn check(broker: &Broker, _memory: &mut Memory) -> Result<(), String> {
    if !broker.has_asked_coordinators {
        return Ok(());
    }
    for shard in broker.groups.values() {
        shard.core.check_invariants();
    }
    for shard in broker.transactions.values() {
        shard.core.check_invariants();
    }
    Ok(())
}
