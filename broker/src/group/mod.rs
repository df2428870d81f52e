//! Runs the coordinators of groups and committed offsets (`milena_cluster::group`).
//!
//! A [`Shard`] is the coordinator of one partition of `__consumer_offsets` that this broker leads.
//! Requests step it under its lock; one task per shard feeds it what becomes of its appends, in the
//! order of the log, and its timers. A partition that is newly led is read first, off the runtime.

mod appends;
mod expiry;
mod load;
mod rate;
mod settings;
mod shard;
mod surroundings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use milena_cluster::group::{
    DeletedTopic, DescribedConsumerGroup, DescribedGroup, Event, ListedGroup, Request, Response,
};
use milena_cluster::metadata::Image;
use milena_log::producer_state::VerificationGuard;
use milena_log::validate::ValidBatch;
use milena_protocol::config::BrokerValues;
use milena_protocol::stored::group::partition_for;
use milena_protocol::{ErrorCode, PartitionIndex, ProducerId};

pub(crate) use self::appends::MarkerWay;
use self::appends::Unwritten;
use self::settings::Settings;
use self::shard::Shard;
use self::surroundings::{Changes, Surroundings};
use crate::broker::Broker;
use crate::coordinator::Shards;
use crate::metrics::GroupCounts;
use crate::partition::Partition;
use crate::replicas::Followed;
use crate::topics::CONSUMER_OFFSETS;

/// The groups that this broker coordinates.
#[derive(Debug)]
pub(crate) struct Groups {
    settings: RwLock<Settings>,
    /// Taken after the lock of a shard.
    surroundings: Arc<RwLock<Surroundings>>,
    /// ConsumerGroupHeartbeats so far.
    heartbeats: AtomicU64,
    shards: Shards<Shard>,
}

impl Groups {
    /// Coordinates nothing yet.
    pub(crate) fn new(values: &BrokerValues) -> Self {
        Self {
            settings: RwLock::new(Settings::new(values)),
            surroundings: Arc::default(),
            heartbeats: AtomicU64::new(0),
            shards: Shards::new(CONSUMER_OFFSETS),
        }
    }

    /// Takes over other values. Of those that concern shards which exist, only settings of consumer
    /// groups change at run time.
    pub(crate) fn configure(&self, values: &BrokerValues) {
        let settings = Settings::new(values);
        let changed = self
            .surroundings
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .set_consumer(&settings.config.consumer);
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        if let Some(event) = changed {
            for shard in self.shards.all() {
                shard.feed(event.clone());
            }
        }
    }

    /// Follows the metadata: loads what this broker leads from now on, gives up what it does not
    /// lead any more, and forgets the offsets of deleted topics. It does not wait for loads.
    pub(crate) async fn follow(&self, broker: &Arc<Broker>, followed: Followed) {
        let image = broker.image();
        self.shards.follow(&image);
        self.tell(broker, image).await;
        let deleted: Vec<DeletedTopic> = followed
            .deleted
            .iter()
            .map(|(name, id)| DeletedTopic {
                name: name.to_string(),
                id: *id,
            })
            .collect();
        if !deleted.is_empty() {
            for shard in self.shards.all() {
                shard.topics_deleted(&deleted);
            }
        }
        for partition in followed.led {
            if self.shards.is_of_topic(&partition) {
                self.take(broker, partition);
            }
        }
    }

    /// Tells the shards what has changed around them.
    async fn tell(&self, broker: &Arc<Broker>, image: Arc<Image>) {
        let surroundings = Arc::clone(&self.surroundings);
        let values = broker.values();
        let changes = broker
            .blocking(move || {
                let known = surroundings
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let changes = Changes::between(&known, &image, &values);
                surroundings
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(image, &changes);
                changes
            })
            .await;
        if let Some(view) = changes.view {
            for shard in self.shards.all() {
                shard.feed(Event::TopicsChanged(view.clone()));
            }
        }
        for (group, config) in changes.configs {
            if let Some(shard) = self.shards.of(&group) {
                shard.feed(surroundings::changed(&group, config));
            }
        }
    }

    /// Begins to coordinate the groups of a partition.
    fn take(&self, broker: &Broker, partition: Arc<Partition>) {
        let settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let count = self.shards.partition_count();
        let shard = Shard::new(
            partition,
            settings,
            Arc::clone(&self.surroundings),
            Arc::clone(broker.metrics()),
            count,
        );
        self.shards.take(&shard);
        shard.start(broker.tracker(), broker.stopping());
    }

    /// Asks the coordinator of `group`. A join or sync may wait for other members, a commit for its
    /// durability.
    pub(crate) async fn request(&self, group: &str, request: Request) -> Response {
        match self.shards.of(group) {
            Some(shard) => shard.request(request).await,
            None => request.refused(ErrorCode::NotCoordinator),
        }
    }

    /// Appends the end of a transaction to a partition of `__consumer_offsets`, and waits until the
    /// coordinator there has applied it. Where the coordinator has given up and no other has come,
    /// `pass` appends it: whoever serves these groups next reads it, and the transaction need not
    /// wait for that.
    ///
    /// # Errors
    /// There is no coordinator, it loads, or the marker is not stored.
    pub(crate) async fn write_marker(
        &self,
        partition: PartitionIndex,
        mut batch: ValidBatch,
        (producer, is_commit): (ProducerId, bool),
        pass: impl Fn(ValidBatch) + Sync,
    ) -> Result<MarkerWay, ErrorCode> {
        loop {
            let shard = self.shards.at(partition);
            let shard = shard.ok_or(ErrorCode::NotCoordinator)?;
            let back = match shard.write_marker(batch, producer, is_commit).await {
                Ok(()) => return Ok(MarkerWay::Applied),
                Err(Unwritten::Refused(error)) => return Err(error),
                Err(Unwritten::Resigned(back)) => back,
            };
            // A successor is there already, and is asked; or it comes later, and reads this.
            match self.shards.while_there(&shard, back, &pass) {
                Ok(()) => return Ok(MarkerWay::Past),
                Err(back) => batch = back,
            }
        }
    }

    /// Remembers that the transaction of a producer was verified for the partition of a group, until
    /// its next batch or its end is written there.
    pub(crate) fn note_verified(
        &self,
        group: &str,
        producer: ProducerId,
        guard: VerificationGuard,
    ) {
        if let Some(shard) = self.shards.of(group) {
            shard.lock().appends.note_verified(producer, guard);
        }
    }

    /// Deletes groups, each by its coordinator. Every group is answered, in the order of the request.
    pub(crate) async fn delete(&self, groups: &[String]) -> Vec<(String, ErrorCode)> {
        let mut by_partition: BTreeMap<PartitionIndex, Vec<String>> = BTreeMap::new();
        let count = self.shards.partition_count().max(1);
        for group in groups {
            by_partition
                .entry(partition_for(group, count))
                .or_default()
                .push(group.clone());
        }
        let mut errors: BTreeMap<String, ErrorCode> = BTreeMap::new();
        for of_one in by_partition.into_values() {
            let Some(first) = of_one.first().cloned() else {
                continue;
            };
            let response = self.request(&first, Request::DeleteGroups(of_one)).await;
            if let Response::DeleteGroups(deleted) = response {
                errors.extend(deleted);
            }
        }
        groups
            .iter()
            .map(|group| {
                let error = errors.get(group).copied();
                (group.clone(), error.unwrap_or(ErrorCode::NotCoordinator))
            })
            .collect()
    }

    /// Every group asked for, in that order.
    pub(crate) fn describe(&self, groups: &[String]) -> Vec<DescribedGroup> {
        let describe = |group: &String| {
            let shard = self.shards.of(group)?;
            shard
                .with_core(|core| core.describe(std::slice::from_ref(group)))
                .pop()
        };
        groups
            .iter()
            .map(|group| describe(group).unwrap_or_else(|| not_here(group)))
            .collect()
    }

    /// Every group of the consumer protocol asked for, in that order.
    pub(crate) fn describe_consumer(&self, groups: &[String]) -> Vec<DescribedConsumerGroup> {
        let describe = |group: &String| {
            if group.is_empty() {
                return Some(undescribed(group, ErrorCode::InvalidGroupId));
            }
            let shard = self.shards.of(group)?;
            shard
                .with_core(|core| core.describe_consumer(std::slice::from_ref(group)))
                .pop()
        };
        let or_not_here = |group: &String| undescribed(group, ErrorCode::NotCoordinator);
        groups
            .iter()
            .map(|group| describe(group).unwrap_or_else(|| or_not_here(group)))
            .collect()
    }

    /// The groups in these states and of these types; see `Coordinator::list`.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS` where a shard is not loaded yet.
    pub(crate) fn list(
        &self,
        states: &[String],
        types: &[String],
    ) -> Result<Vec<ListedGroup>, ErrorCode> {
        let mut all = Vec::new();
        for shard in self.shards.all() {
            match shard.with_core(|core| core.list(states, types)) {
                Ok(listed) => all.extend(listed),
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// How many groups and coordinators there are.
    pub(crate) fn counts(&self) -> GroupCounts {
        let mut counts = GroupCounts::default();
        for shard in self.shards.all() {
            match shard.with_core(|core| core.list(&[], &[])) {
                Ok(listed) => {
                    counts.active += 1;
                    for group in listed {
                        let key = (group.group_type, group.state);
                        *counts.groups.entry(key).or_default() += 1;
                    }
                }
                Err(ErrorCode::CoordinatorLoadInProgress) => counts.loading += 1,
                Err(_) => counts.failed += 1,
            }
        }
        counts
    }
}

fn not_here(group: &str) -> DescribedGroup {
    DescribedGroup {
        group: group.to_owned(),
        error: ErrorCode::NotCoordinator,
        error_message: None,
        state: "",
        protocol_type: String::new(),
        protocol: String::new(),
        members: Vec::new(),
    }
}

fn undescribed(group: &str, error: ErrorCode) -> DescribedConsumerGroup {
    DescribedConsumerGroup {
        group: group.to_owned(),
        error,
        error_message: None,
        state: "",
        group_epoch: 0,
        assignment_epoch: 0,
        assignor: String::new(),
        members: Vec::new(),
    }
}
