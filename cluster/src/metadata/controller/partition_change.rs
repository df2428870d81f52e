//! How one partition changes: elections, in-sync and eligible replicas, end of a reassignment
//! (`PartitionChangeBuilder`).

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::metadata::PartitionChange;
use milena_protocol::{BrokerId, PartitionIndex, TopicId};
use uuid::Uuid;

use super::draft::Turn;
use crate::metadata::{Image, Partition, RecoveryState, directory};

/// Who may be elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The preferred replica where it is in sync, otherwise as `Online`.
    Preferred,
    /// A replica that is in sync; the leader stays where it may.
    Online,
    /// As `Online`, and any replica where there is no other.
    Unclean,
}

/// A change of a partition: what it is to become.
pub(super) struct Proposal<'a> {
    image: &'a Image,
    topic_id: TopicId,
    index: PartitionIndex,
    partition: &'a Partition,
    min_isr: usize,
    pub(super) election: Election,
    pub(super) turn: Turn,
    pub(super) isr: Vec<BrokerId>,
    pub(super) replicas: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
    pub(super) recovery: RecoveryState,
    /// Directories that replace those of the partition.
    pub(super) directories: BTreeMap<BrokerId, Uuid>,
    elr: Vec<BrokerId>,
}

impl<'a> Proposal<'a> {
    pub(super) fn new(
        image: &'a Image,
        (topic_id, index): (TopicId, PartitionIndex),
        partition: &'a Partition,
        min_isr: usize,
    ) -> Self {
        Self {
            image,
            topic_id,
            index,
            partition,
            min_isr,
            election: Election::Online,
            turn: Turn::default(),
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing.clone(),
            adding: partition.adding.clone(),
            recovery: partition.recovery,
            directories: BTreeMap::new(),
            elr: partition.elr.clone(),
        }
    }

    /// The record of the change; none where nothing changes.
    pub(super) fn build(mut self) -> Option<PartitionChange> {
        let mut record = PartitionChange {
            partition: self.index,
            topic_id: self.topic_id,
            ..PartitionChange::default()
        };
        self.complete_reassignment();
        self.populate_elr();
        self.elect(&mut record);
        self.bump_epoch_where_replicas_leave(&mut record);
        self.set_elr(&mut record);
        // Without eligible replicas the last in-sync replica stays, though it does not lead.
        let may_be_empty = self.image.has_elr();
        if record.isr.is_none()
            && (!self.isr.is_empty() || may_be_empty)
            && self.isr != self.partition.isr
        {
            record.isr = Some(self.isr.clone());
        }
        self.bump_epoch_where_isr_shrinks(&mut record);
        self.set_last_leader(&mut record);
        self.set_assignment(&mut record);
        if self.recovery != self.partition.recovery {
            record.leader_recovery_state = self.recovery.code();
        }
        (!record.is_empty()).then_some(record)
    }

    /// True where the broker may lead the partition.
    fn is_acceptable(&self, id: BrokerId) -> bool {
        if Some(id) == self.turn.leaves || Some(id) == self.turn.unclean {
            return false;
        }
        let Some(broker) = self.image.broker(id) else {
            return false;
        };
        let directory = match self.directories.get(&id) {
            Some(&directory) => directory,
            None => self
                .partition
                .directory(id)
                .unwrap_or(directory::UNASSIGNED),
        };
        broker.is_active() && broker.has_online_directory(directory)
    }

    fn is_valid_leader(&self, id: BrokerId) -> bool {
        let has_all = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        has_all && self.is_acceptable(id)
    }

    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let stays = |id: &BrokerId| !self.removing.contains(id);
        let isr: Vec<_> = self.isr.iter().copied().filter(stays).collect();
        let replicas: Vec<_> = self.replicas.iter().copied().filter(stays).collect();
        if isr.is_empty() || replicas.is_empty() || !replicas.iter().all(|id| isr.contains(id)) {
            return;
        }
        self.isr = isr;
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    /// A replica that leaves an ISR below the minimum stays eligible: it has all records that
    /// were acknowledged (KIP-966).
    fn populate_elr(&mut self) {
        if !self.image.has_elr() {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.elr.clear();
            return;
        }
        let candidates: BTreeSet<BrokerId> = self
            .elr
            .iter()
            .chain(&self.partition.isr)
            .copied()
            .collect();
        self.elr = candidates
            .into_iter()
            .filter(|id| !self.isr.contains(id) && self.replicas.contains(id))
            .filter(|&id| Some(id) != self.turn.unclean)
            .collect();
    }

    /// The leader to be, and whether it may lack acknowledged records.
    fn elected(&self) -> (Option<BrokerId>, bool) {
        let current = self.partition.leader.filter(|&id| self.is_valid_leader(id));
        let first = self
            .replicas
            .iter()
            .copied()
            .find(|&id| self.is_valid_leader(id));
        let clean = match self.election {
            Election::Preferred => {
                let preferred = self.replicas.first().copied();
                preferred
                    .filter(|&id| self.is_valid_leader(id))
                    .or(current)
                    .or(first)
            }
            Election::Online | Election::Unclean => current.or(first),
        };
        if clean.is_some() {
            return (clean, false);
        }
        if let Some(last) = self.last_leader() {
            return (Some(last), true);
        }
        if self.election == Election::Unclean {
            let any = self
                .replicas
                .iter()
                .copied()
                .find(|&id| self.is_acceptable(id));
            return (any, any.is_some());
        }
        (None, false)
    }

    /// The last leader, where no replica is in sync or eligible and it is alive. Kafka before
    /// KAFKA-19522 elected it dead as well.
    fn last_leader(&self) -> Option<BrokerId> {
        if !self.image.has_elr() || !self.elr.is_empty() || !self.isr.is_empty() {
            return None;
        }
        match self.partition.last_known_elr.as_slice() {
            [last] => Some(*last).filter(|&id| self.is_acceptable(id)),
            _ => None,
        }
    }

    fn elect(&mut self, record: &mut PartitionChange) {
        let (leader, is_unclean) = self.elected();
        if leader == self.partition.leader {
            return;
        }
        record.leader = crate::metadata::topic::leader_code(leader);
        let Some(leader) = leader else {
            return;
        };
        if is_unclean {
            record.isr = Some(vec![leader]);
            if self.partition.recovery != RecoveryState::Recovering {
                record.leader_recovery_state = RecoveryState::Recovering.code();
            }
        } else if self.elr.contains(&leader) {
            self.isr = vec![leader];
            self.elr.retain(|&id| id != leader);
        }
    }

    fn bump_epoch_where_replicas_leave(&self, record: &mut PartitionChange) {
        let stay = self
            .partition
            .replicas
            .iter()
            .all(|id| self.replicas.contains(id));
        if record.leader == PartitionChange::LEADER_UNCHANGED && !stay {
            record.leader = crate::metadata::topic::leader_code(self.partition.leader);
        }
    }

    fn bump_epoch_where_isr_shrinks(&self, record: &mut PartitionChange) {
        if !self
            .image
            .metadata_version()
            .bumps_leader_epoch_on_isr_shrink()
            || record.leader != PartitionChange::LEADER_UNCHANGED
        {
            return;
        }
        if let Some(isr) = &record.isr
            && !self.partition.isr.iter().all(|id| isr.contains(id))
        {
            record.leader = crate::metadata::topic::leader_code(self.partition.leader);
        }
    }

    fn set_elr(&mut self, record: &mut PartitionChange) {
        let is_unclean = record.isr.is_some();
        if is_unclean || !self.image.has_elr() {
            self.elr.clear();
        }
        if self.elr != self.partition.elr {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
    }

    /// Remembers the leader where the ISR becomes empty, and forgets it where there is one.
    fn set_last_leader(&self, record: &mut PartitionChange) {
        let partition = self.partition;
        if !self.image.has_elr() {
            if !partition.last_known_elr.is_empty() && record.leader.0 >= 0 {
                record.last_known_elr = Some(Vec::new());
            }
            return;
        }
        let becomes_empty = record.isr.as_ref().is_some_and(Vec::is_empty);
        let known = partition.last_known_elr.as_slice();
        if becomes_empty {
            if let Some(leader) = partition.leader
                && known != [leader]
            {
                record.last_known_elr = Some(vec![leader]);
            }
            return;
        }
        let keeps_leader =
            partition.leader.is_some() && record.leader == PartitionChange::LEADER_UNCHANGED;
        if (record.leader.0 >= 0 || keeps_leader) && !known.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn set_assignment(&self, record: &mut PartitionChange) {
        if self.image.metadata_version().has_directories() {
            let directories: Vec<Uuid> = self
                .replicas
                .iter()
                .map(|&replica| self.directory_of(replica))
                .collect();
            if directories != self.partition.directories {
                record.directories = Some(directories);
            }
        }
        for (target, now, field) in [
            (
                &self.replicas,
                &self.partition.replicas,
                &mut record.replicas,
            ),
            (
                &self.removing,
                &self.partition.removing,
                &mut record.removing_replicas,
            ),
            (
                &self.adding,
                &self.partition.adding,
                &mut record.adding_replicas,
            ),
        ] {
            if target != now {
                *field = Some(target.clone());
            }
        }
    }

    fn directory_of(&self, replica: BrokerId) -> Uuid {
        if let Some(&directory) = self.directories.get(&replica) {
            return directory;
        }
        self.partition.directory(replica).unwrap_or_else(|| {
            let broker = self.image.broker(replica);
            broker.map_or(directory::UNASSIGNED, |broker| broker.default_directory())
        })
    }
}
