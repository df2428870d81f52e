//! No partition has two owners in one epoch of a group, and epochs only grow.

use std::collections::BTreeMap;

use super::Memory;
use crate::broker::Broker;

/// Epochs of groups as they were seen last.
pub(super) type Epochs = BTreeMap<String, i32>;

pub(super) fn check(broker: &Broker, memory: &mut Memory) -> Result<(), String> {
    if !broker.has_changed_groups {
        return Ok(());
    }
    for shard in broker.groups.values() {
        if !shard.is_serving() {
            continue;
        }
        let listed = shard.core.list(&[], &["consumer".to_owned()]);
        let ids: Vec<String> = listed
            .unwrap_or_default()
            .into_iter()
            .map(|group| group.group)
            .collect();
        for group in shard.core.describe_consumer(&ids) {
            if group.error.is_err() {
                continue;
            }
            let id = &group.group;
            if group.group_epoch < group.assignment_epoch {
                return Err(format!(
                    "{id}: assignment epoch {} above {}",
                    group.assignment_epoch, group.group_epoch
                ));
            }
            let before = memory.epochs.insert(id.clone(), group.group_epoch);
            if before.is_some_and(|before| group.group_epoch < before) {
                return Err(format!("{id}: epoch {before:?}, now {}", group.group_epoch));
            }
            let mut owners = BTreeMap::new();
            for member in &group.members {
                if group.group_epoch < member.member_epoch {
                    return Err(format!("{id}: member of epoch {}", member.member_epoch));
                }
                for of in &member.assignment {
                    for partition in &of.partitions {
                        let place = (of.topic_name.clone(), *partition);
                        if let Some(other) = owners.insert(place, &member.member_id) {
                            return Err(format!(
                                "{id}: {partition} belongs to {other} and to {}",
                                member.member_id
                            ));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
