//! The coordinators of one internal topic that are on this broker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use milena_cluster::metadata::Image;
use milena_protocol::PartitionIndex;
use milena_protocol::stored::group::partition_for;

use crate::partition::Partition;

/// The coordinator of one partition.
pub(crate) trait Coordinates {
    /// Its partition.
    fn partition(&self) -> &Arc<Partition>;

    /// Gives it up: everybody is answered with NOT_COORDINATOR from now on.
    fn resign(&self);
}

type ByPartition<S> = BTreeMap<PartitionIndex, Arc<S>>;

/// The coordinators, by their partitions.
#[derive(Debug)]
pub(crate) struct Shards<S> {
    /// Name of the topic.
    topic: &'static str,
    /// Partitions of the topic; 0 where it does not exist.
    partition_count: AtomicI32,
    by_partition: RwLock<ByPartition<S>>,
}

impl<S: Coordinates> Shards<S> {
    /// None yet.
    pub(crate) fn new(topic: &'static str) -> Self {
        Self {
            topic,
            partition_count: AtomicI32::new(0),
            by_partition: RwLock::default(),
        }
    }

    /// Follows the metadata: gives up what this broker does not lead any more.
    pub(crate) fn follow(&self, image: &Image) {
        let count = image
            .topic(self.topic)
            .map_or(0, |topic| topic.partition_count());
        self.partition_count.store(count, Ordering::Release);
        let is_lost = |shard: &S| {
            let partition = shard.partition();
            partition.closed().is_some() || !partition.is_leader()
        };
        for shard in self.all().into_iter().filter(|shard| is_lost(shard)) {
            shard.resign();
            let index = shard.partition().topic_partition().partition;
            self.write().remove(&index);
        }
    }

    /// True for a partition of the topic.
    pub(crate) fn is_of_topic(&self, partition: &Partition) -> bool {
        &*partition.topic_partition().topic == self.topic
    }

    /// Takes a new one in; one of the same partition gives up.
    pub(crate) fn take(&self, shard: &Arc<S>) {
        let index = shard.partition().topic_partition().partition;
        let before = self.write().insert(index, Arc::clone(shard));
        if let Some(before) = before {
            before.resign();
        }
    }

    /// Partitions of the topic; 0 where it does not exist.
    pub(crate) fn partition_count(&self) -> i32 {
        self.partition_count.load(Ordering::Acquire)
    }

    /// All that are here, in order.
    pub(crate) fn all(&self) -> Vec<Arc<S>> {
        self.read().values().map(Arc::clone).collect()
    }

    /// That of a partition, if it is here.
    pub(crate) fn at(&self, index: PartitionIndex) -> Option<Arc<S>> {
        self.read().get(&index).map(Arc::clone)
    }

    /// That of a group or a transactional id, if it is here.
    pub(crate) fn of(&self, id: &str) -> Option<Arc<S>> {
        let count = self.partition_count();
        (count > 0)
            .then(|| partition_for(id, count))
            .and_then(|index| self.at(index))
    }

    /// Hands a value to `f` while this coordinator is there and no other can come; gives it back
    /// where it is not. `f` must not wait for a coordinator.
    pub(crate) fn while_there<T>(
        &self,
        shard: &Arc<S>,
        value: T,
        f: impl FnOnce(T),
    ) -> Result<(), T> {
        let index = shard.partition().topic_partition().partition;
        let by_partition = self.read();
        let is_there = by_partition
            .get(&index)
            .is_some_and(|found| Arc::ptr_eq(found, shard));
        if is_there {
            f(value);
            Ok(())
        } else {
            Err(value)
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, ByPartition<S>> {
        self.by_partition
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, ByPartition<S>> {
        self.by_partition
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
