//! Runs the coordinators of groups and committed offsets (`milena_cluster::group`).
//!
//! A [`Shard`] is the coordinator of one partition of `__consumer_offsets` that this broker leads.
//! Requests step it under its lock; one task per shard feeds it what becomes of its appends, in the
//! order of the log, and its timers. A partition that is newly led is read first, off the runtime.

mod appends;
mod batch;
mod load;
mod shard;
mod steady;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use milena_cluster::group::{Config, DeletedTopic, DescribedGroup, ListedGroup, Request, Response};
use milena_log::validate::ValidBatch;
use milena_protocol::batch::Compression;
use milena_protocol::config::BrokerValues;
use milena_protocol::stored::group::partition_for;
use milena_protocol::{ErrorCode, PartitionIndex, ProducerId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::shard::Shard;
use crate::broker::Broker;
use crate::partition::Partition;
use crate::replicas::Followed;
use crate::topics::CONSUMER_OFFSETS;

/// What every shard is made with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Settings of the coordinator itself.
    pub(crate) config: Config,
    /// `offsets.commit.timeout.ms`: who waits for an append is told after it that it failed.
    pub(crate) commit_timeout: Duration,
    /// `offsets.load.buffer.size`: bytes of one read of a load.
    pub(crate) load_bytes: usize,
    /// `offsets.topic.compression.codec`.
    pub(crate) compression: Compression,
}

impl Settings {
    fn new(values: &BrokerValues) -> Self {
        let ms = |key| Duration::from_millis(u64::try_from(values.int(key)).unwrap_or(0));
        let size = |key| usize::try_from(values.int(key)).unwrap_or(1).max(1);
        let codec = i16::try_from(values.int("offsets.topic.compression.codec")).unwrap_or(0);
        Self {
            config: Config {
                initial_rebalance_delay_ms: i64::from(
                    values.int("group.initial.rebalance.delay.ms").max(0),
                ),
                min_session_timeout_ms: values.int("group.min.session.timeout.ms"),
                max_session_timeout_ms: values.int("group.max.session.timeout.ms"),
                max_size: size("group.max.size"),
                offset_metadata_max_bytes: size("offset.metadata.max.bytes"),
                offsets_retention_ms: i64::from(values.int("offsets.retention.minutes")) * 60_000,
                offsets_retention_check_interval_ms: values
                    .long("offsets.retention.check.interval.ms"),
                ..Config::default()
            },
            commit_timeout: ms("offsets.commit.timeout.ms"),
            load_bytes: size("offsets.load.buffer.size"),
            compression: Compression::from_bits(codec).unwrap_or(Compression::None),
        }
    }
}

/// The groups that this broker coordinates.
#[derive(Debug)]
pub(crate) struct Groups {
    settings: RwLock<Settings>,
    /// Partitions of `__consumer_offsets`; 0 where the topic does not exist.
    partition_count: AtomicI32,
    shards: RwLock<BTreeMap<PartitionIndex, Arc<Shard>>>,
}

impl Groups {
    /// Coordinates nothing yet.
    pub(crate) fn new(values: &BrokerValues) -> Self {
        Self {
            settings: RwLock::new(Settings::new(values)),
            partition_count: AtomicI32::new(0),
            shards: RwLock::default(),
        }
    }

    /// Takes over other values. Shards that exist keep theirs: Kafka changes none of these keys at
    /// run time.
    pub(crate) fn configure(&self, values: &BrokerValues) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Settings::new(values);
    }

    /// Follows the metadata: loads what this broker leads from now on, gives up what it does not
    /// lead any more, and forgets the offsets of deleted topics. It does not wait for loads.
    pub(crate) async fn follow(&self, broker: &Arc<Broker>, followed: Followed) {
        let image = broker.image();
        let count = image
            .topic(CONSUMER_OFFSETS)
            .map_or(0, |topic| topic.partition_count());
        self.partition_count.store(count, Ordering::Release);
        self.give_up();
        let deleted: Vec<DeletedTopic> = followed
            .deleted
            .iter()
            .map(|(name, id)| DeletedTopic {
                name: name.to_string(),
                id: *id,
            })
            .collect();
        if !deleted.is_empty() {
            for shard in self.shards() {
                shard.topics_deleted(&deleted);
            }
        }
        for partition in followed.led {
            if &*partition.topic_partition().topic == CONSUMER_OFFSETS {
                self.take(partition, broker.tracker(), broker.stopping());
            }
        }
    }

    /// Begins to coordinate the groups of a partition.
    fn take(&self, partition: Arc<Partition>, tracker: &TaskTracker, stopping: CancellationToken) {
        let index = partition.topic_partition().partition;
        let settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let shard = Shard::new(partition, settings);
        let before = self
            .shards
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(index, Arc::clone(&shard));
        if let Some(before) = before {
            before.resign();
        }
        shard.start(tracker, stopping);
    }

    /// Gives up shards whose partitions are closed or led by others.
    fn give_up(&self) {
        let is_lost = |shard: &Shard| {
            let partition = shard.partition();
            partition.closed().is_some() || !partition.is_leader()
        };
        for shard in self.shards().into_iter().filter(|shard| is_lost(shard)) {
            shard.resign();
            let index = shard.partition().topic_partition().partition;
            self.shards
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&index);
        }
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        shards.values().map(Arc::clone).collect()
    }

    /// The coordinator of a group, if it is here.
    fn shard_of(&self, group: &str) -> Option<Arc<Shard>> {
        let count = self.partition_count.load(Ordering::Acquire);
        let index = (count > 0).then(|| partition_for(group, count))?;
        self.shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
            .map(Arc::clone)
    }

    /// Asks the coordinator of `group`. A join or sync may wait for other members, a commit for its
    /// durability.
    pub(crate) async fn request(&self, group: &str, request: Request) -> Response {
        match self.shard_of(group) {
            Some(shard) => shard.request(request).await,
            None => request.refused(ErrorCode::NotCoordinator),
        }
    }

    /// Appends the end of a transaction to a partition of `__consumer_offsets`, and waits until the
    /// coordinator there has applied it.
    ///
    /// # Errors
    /// `NOT_COORDINATOR`, `COORDINATOR_LOAD_IN_PROGRESS`, and why the marker is not stored.
    pub(crate) async fn write_marker(
        &self,
        partition: PartitionIndex,
        batch: ValidBatch,
        producer: ProducerId,
        is_commit: bool,
    ) -> Result<(), ErrorCode> {
        let shard = {
            let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
            shards.get(&partition).map(Arc::clone)
        };
        let shard = shard.ok_or(ErrorCode::NotCoordinator)?;
        shard.write_marker(batch, producer, is_commit).await
    }

    /// Deletes groups, each by its coordinator. Every group is answered, in the order of the request.
    pub(crate) async fn delete(&self, groups: &[String]) -> Vec<(String, ErrorCode)> {
        let mut by_partition: BTreeMap<PartitionIndex, Vec<String>> = BTreeMap::new();
        let count = self.partition_count.load(Ordering::Acquire).max(1);
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
            let shard = self.shard_of(group)?;
            shard
                .with_core(|core| core.describe(std::slice::from_ref(group)))
                .pop()
        };
        groups
            .iter()
            .map(|group| describe(group).unwrap_or_else(|| not_here(group)))
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
        for shard in self.shards() {
            match shard.with_core(|core| core.list(states, types)) {
                Ok(listed) => all.extend(listed),
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
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
