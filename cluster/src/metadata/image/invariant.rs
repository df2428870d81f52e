//! What holds of every image.

use super::Image;
use crate::metadata::{Partition, ResourceKind};

impl Image {
    /// Checks what holds of every image that requests gave.
    ///
    /// # Panics
    /// Where it does not hold.
    pub fn check_invariants(&self) {
        assert_eq!(
            self.state.names.len(),
            self.state.topics.len(),
            "names and ids of topics"
        );
        for (name, id) in &self.state.names {
            let topic = self.state.topics.get(id);
            let topic = topic.expect("a name without a topic");
            assert_eq!(&topic.name, name, "name of topic {id}");
            assert!(!topic.partitions.is_empty(), "topic {name} has partitions");
            for (expected, (index, partition)) in topic.partitions.iter().enumerate() {
                assert_eq!(
                    usize::try_from(index.0),
                    Ok(expected),
                    "index within {name}"
                );
                check_partition(&format!("{name}-{index}"), partition);
            }
        }
        for (unified, names) in &self.state.similar {
            assert!(!names.is_empty(), "similar names of {unified}");
            for name in names {
                assert!(self.state.names.contains_key(name), "similar name {name}");
            }
        }
        for (id, broker) in &self.state.brokers {
            assert_eq!(&broker.id, id, "id of broker");
            assert!(
                0 <= broker.epoch.0,
                "epoch of broker {id}: {}",
                broker.epoch
            );
            assert!(
                self.registered.contains_key(id),
                "broker {id} has an offset"
            );
        }
        for (resource, configs) in &self.state.configs {
            assert!(!configs.is_empty(), "configurations of {resource}");
            if resource.kind == ResourceKind::Topic {
                assert!(
                    self.topic(&resource.name).is_some(),
                    "configurations of {resource}"
                );
            }
        }
        for (entity, quotas) in &self.state.quotas {
            assert!(!quotas.is_empty(), "quotas of {entity:?}");
        }
        for (name, &level) in &self.state.features {
            assert!(0 < level, "level of {name}: {level}");
        }
    }
}

fn check_partition(name: &str, partition: &Partition) {
    let replicas = &partition.replicas;
    assert!(!replicas.is_empty(), "{name} has replicas");
    assert_eq!(
        partition.directories.len(),
        replicas.len(),
        "directories of {name}"
    );
    for (index, replica) in replicas.iter().enumerate() {
        assert!(
            !replicas[..index].contains(replica),
            "{name} has replica {replica} once"
        );
    }
    for member in &partition.isr {
        assert!(
            replicas.contains(member),
            "{name}: in-sync replica {member}"
        );
        assert!(
            !partition.elr.contains(member),
            "{name}: {member} in sync and eligible"
        );
    }
    for member in partition
        .elr
        .iter()
        .chain(&partition.removing)
        .chain(&partition.adding)
    {
        assert!(replicas.contains(member), "{name}: replica {member}");
    }
    if let Some(leader) = partition.leader {
        assert!(
            partition.isr.contains(&leader),
            "{name}: leader {leader} in sync"
        );
    }
    assert!(0 <= partition.leader_epoch.0, "{name}: leader epoch");
    assert!(
        partition.leader_epoch.0 <= partition.partition_epoch,
        "{name}: leader epoch {} above partition epoch {}",
        partition.leader_epoch,
        partition.partition_epoch
    );
}
