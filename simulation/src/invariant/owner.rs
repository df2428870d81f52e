//! No partition has two owners in one epoch of a group, epochs only grow, and a group goes only by
//! the records that remove it. One that was removed may come again, and its epochs begin anew: as in
//! Kafka, a group that has neither members nor offsets is removed.

use std::collections::BTreeMap;

use milena_cluster::group::DescribedConsumerGroup;
use milena_protocol::stored::group::GroupMetadata;

use super::Memory;
use crate::broker::Broker;

/// A group as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its epoch; its generation in the classic protocol.
    epoch: i32,
    /// Of the classic protocol: the member that has a partition in this generation. An assignment is
    /// one byte for each partition.
    owners: BTreeMap<u8, String>,
}

/// Groups as they were seen last, by shard.
pub(super) type Epochs = BTreeMap<i32, BTreeMap<String, Group>>;

pub(super) fn check(broker: &Broker, memory: &mut Memory) -> Result<(), String> {
    if !broker.has_changed_groups {
        return Ok(());
    }
    for (number, shard) in &broker.groups {
        if !shard.is_serving() {
            continue;
        }
        let mut groups = BTreeMap::new();
        for (id, metadata) in &shard.logged.classic {
            groups.insert(id.clone(), of_classic(id, metadata)?);
        }
        let listed = shard.core.list(&[], &["consumer".to_owned()]);
        let ids: Vec<String> = listed
            .unwrap_or_default()
            .into_iter()
            .map(|group| group.group)
            .collect();
        for group in shard.core.describe_consumer(&ids) {
            if !group.error.is_err() {
                groups.insert(group.group.clone(), of_consumer(&group)?);
            }
        }
        let seen = memory.epochs.entry(*number).or_default();
        for (id, before) in std::mem::take(seen) {
            if let Some(now) = groups.get_mut(&id) {
                follow(&id, before, now)?;
            } else if !shard.logged.removed.contains(&id) {
                return Err(format!(
                    "{id}: gone in epoch {}, and nothing removed it",
                    before.epoch
                ));
            }
        }
        *seen = groups;
    }
    Ok(())
}

/// A group goes on.
fn follow(id: &str, before: Group, now: &mut Group) -> Result<(), String> {
    if now.epoch < before.epoch {
        return Err(format!("{id}: epoch {}, now {}", before.epoch, now.epoch));
    }
    if before.epoch < now.epoch {
        return Ok(());
    }
    for (partition, owner) in before.owners {
        own(id, now, partition, &owner)?;
    }
    Ok(())
}

fn own(id: &str, group: &mut Group, partition: u8, member: &str) -> Result<(), String> {
    let owners = &mut group.owners;
    let owner = owners.entry(partition).or_insert_with(|| member.to_owned());
    if owner == member {
        return Ok(());
    }
    Err(format!(
        "{id} generation {}: {partition} belongs to {owner} and to {member}",
        group.epoch
    ))
}

fn of_classic(id: &str, metadata: &GroupMetadata) -> Result<Group, String> {
    let mut group = Group {
        epoch: metadata.generation,
        owners: BTreeMap::new(),
    };
    for member in &metadata.members {
        for partition in &member.assignment {
            own(id, &mut group, *partition, &member.member_id)?;
        }
    }
    Ok(group)
}

fn of_consumer(group: &DescribedConsumerGroup) -> Result<Group, String> {
    let id = &group.group;
    if group.group_epoch < group.assignment_epoch {
        return Err(format!(
            "{id}: assignment epoch {} above {}",
            group.assignment_epoch, group.group_epoch
        ));
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
    Ok(Group {
        epoch: group.group_epoch,
        owners: BTreeMap::new(),
    })
}
