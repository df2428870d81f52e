//! Who was fenced has no effect any more.

use std::collections::BTreeMap;

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::history::{Function, Step};
use crate::checker::index::{Effect, Index};

/// The initialisations of one transactional id.
#[derive(Debug, Default)]
struct Owners {
    /// End to the latest begin of all that had ended by then.
    begins: BTreeMap<u64, u64>,
    /// Process and end, to the same end: when a process was initialised.
    ends: BTreeMap<(u64, u64), u64>,
}

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    let mut owners = BTreeMap::<&str, Owners>::new();
    for (_, operation) in index.done(Function::Init) {
        let Some(id) = operation.transactional_id else {
            continue;
        };
        let owners = owners.entry(id).or_default();
        owners.begins.insert(operation.end, operation.begin);
        let process = (operation.process, operation.end);
        owners.ends.insert(process, operation.end);
    }
    for owners in owners.values_mut() {
        let mut latest = 0;
        for begin in owners.begins.values_mut() {
            latest = latest.max(*begin);
            *begin = latest;
        }
    }
    for (at, operation) in index.operations.iter().enumerate() {
        // Clients commit what is empty without asking anybody.
        let has_effect = operation
            .steps
            .iter()
            .any(|step| matches!(step, Step::Send(..) | Step::Commit(..)));
        if !operation.is_txn() || !has_effect || index.effects[at] != Effect::Certain {
            continue;
        }
        let Some((id, owners)) = operation
            .transactional_id
            .and_then(|id| owners.get_key_value(id))
        else {
            continue;
        };
        let own = owners
            .ends
            .range((operation.process, 0)..(operation.process, operation.begin))
            .next_back();
        let fence = owners.begins.range(..operation.prepare).next_back();
        if let (Some((_, own)), Some((_, fence))) = (own, fence)
            && fence > own
        {
            found.push(Anomaly {
                class: Class::StaleFence,
                key: (*id).to_owned(),
                text: format!(
                    "initialised until {own}, fenced from {fence} on: {}",
                    operation.name()
                ),
            });
        }
    }
}
