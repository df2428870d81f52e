//! At the end groups with members are stable.

use crate::broker::Broker;
use crate::truth::Truth;

pub(super) fn check(broker: &Broker, _truth: &Truth) -> Result<(), String> {
    match broker.restless_groups().first() {
        None => Ok(()),
        Some(group) => Err(group.clone()),
    }
}
