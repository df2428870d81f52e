//! Leading and following, as the metadata says.

use std::sync::Arc;

use milena_cluster::metadata::{self as cluster, Image};
use milena_cluster::replication::{Assignment, Replica};
use milena_protocol::{BrokerEpoch, BrokerId};
use tracing::{debug, warn};

use super::{Partition, State};
use crate::clock;

impl Partition {
    /// Becomes what the metadata says. True where this broker leads in a newer epoch than before.
    pub(crate) fn take_role(
        self: &Arc<Self>,
        own: BrokerId,
        registered: &cluster::Partition,
        image: &Image,
    ) -> bool {
        let assignment = assignment(registered, image);
        let leads = assignment.leader == own;
        let taken = self.with(|state| {
            if leads {
                state.lead(&assignment)
            } else {
                state.follow(&assignment)
            }
        });
        match taken {
            Ok(is_new) => {
                debug!(partition = %self.topic_partition, leader_epoch = assignment.leader_epoch.0,
                    leads, "role of the replica");
                // What was appended as a follower has to be durable, before it counts. The epoch
                // need not be before there are records in it: the sync of a thousand logs at a
                // start would keep the first producers waiting.
                if leads && self.with(|state| state.log.flushed() < state.log.log_end()) {
                    self.queue_sync();
                }
                leads && is_new
            }
            Err(stale) => {
                warn!(partition = %self.topic_partition, %stale, "metadata is older than the replica");
                false
            }
        }
    }
}

impl State {
    fn lead(
        &mut self,
        assignment: &Assignment,
    ) -> Result<bool, milena_cluster::replication::Stale> {
        let transition = self.core.become_leader(assignment, clock::now())?;
        if let Some((epoch, _)) = transition.epoch_start {
            self.log.assign_epoch(epoch);
        }
        if let Some(high_watermark) = transition.high_watermark {
            self.advance(high_watermark);
        }
        Ok(transition.is_new_epoch)
    }

    /// Producers that wait must ask the new leader, and consumers look again.
    fn follow(
        &mut self,
        assignment: &Assignment,
    ) -> Result<bool, milena_cluster::replication::Stale> {
        let transition = self.core.become_follower(assignment)?;
        self.acks
            .fail(milena_protocol::ErrorCode::NotLeaderOrFollower);
        self.fetches.wake_all();
        Ok(transition.is_new_epoch)
    }
}

fn assignment(registered: &cluster::Partition, image: &Image) -> Assignment {
    let replica = |&id: &BrokerId| {
        let broker = image.broker(id);
        Replica {
            id,
            broker_epoch: broker.map_or(BrokerEpoch::NONE, |broker| broker.epoch),
            is_eligible: broker.is_some_and(|broker| broker.is_active()),
        }
    };
    Assignment {
        leader: registered.leader.unwrap_or(BrokerId::NONE),
        leader_epoch: registered.leader_epoch,
        partition_epoch: registered.partition_epoch,
        replicas: registered.replicas.iter().map(replica).collect(),
        isr: registered.isr.clone(),
    }
}
