//! The partitions that this broker hosts, by topic: what requests look up, and what follows the
//! metadata.
//!
//! Lookups take a read lock for a moment and leave with an `Arc`. Changes come from one task, which
//! compares each committed image with the one before ([`Replicas::follow`]).

mod checkpoint;
mod follow;
mod future;
mod open;
mod relocate;
mod shutdown;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use milena_cluster::metadata::Image;
use milena_log::handle::Handles;
use milena_protocol::{BrokerId, ErrorCode, PartitionIndex, TopicId, TopicPartition};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use self::checkpoint::Written;
use crate::metrics::Metrics;
use crate::partition::{Directories, Partition};

pub(crate) use follow::{Followed, overrides};
pub(crate) use future::{Interrupted, settle_futures};
pub(crate) use open::{Found, scan};
pub(crate) use relocate::{resume, spawn as spawn_relocation};

/// Topics that the broker itself keeps.
const INTERNAL_TOPICS: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// True for a topic that the broker itself keeps.
pub(crate) fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

/// Where a replica of this broker stands.
#[derive(Clone, Debug)]
enum Slot {
    /// Here, with an open log.
    Hosted(Arc<Partition>),
    /// Here, but its directory is offline or its log could not be opened.
    Offline,
    /// On other brokers only.
    Elsewhere,
}

/// A topic as this broker sees it. Replaced as a whole when its partitions change.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    /// Its id.
    pub(crate) id: TopicId,
    /// Its name.
    pub(crate) name: Arc<str>,
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: HashMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

/// The hosted partitions.
#[derive(Debug)]
pub(crate) struct Replicas {
    id: BrokerId,
    directories: Directories,
    /// Open files, one table per directory in the order of `directories`.
    handles: BTreeMap<Uuid, Arc<Handles>>,
    metrics: Arc<Metrics>,
    topics: RwLock<Topics>,
    /// Folders that were found at start and no partition has claimed yet.
    found: Mutex<BTreeMap<TopicPartition, Found>>,
    /// The image that was followed last.
    followed: Mutex<Option<Arc<Image>>>,
    written: Mutex<Written>,
    /// Bounds the moves between directories that copy at once.
    movers: Semaphore,
    /// Number of directories whose partitions were closed for a failure.
    failed: watch::Sender<usize>,
}

impl Replicas {
    /// Hosts nothing yet. `found` is what [`scan`] found in the directories.
    pub(crate) fn new(
        id: BrokerId,
        directories: Directories,
        handles_max: usize,
        metrics: Arc<Metrics>,
        found: BTreeMap<TopicPartition, Found>,
    ) -> Self {
        let movers = directories.iter().count();
        let handles = directories
            .iter()
            .map(|directory| {
                (
                    directory.id(),
                    Handles::new(Arc::clone(directory.storage()), handles_max),
                )
            })
            .collect();
        Self {
            id,
            directories,
            handles,
            metrics,
            topics: RwLock::default(),
            found: Mutex::new(found),
            followed: Mutex::new(None),
            written: Mutex::default(),
            movers: Semaphore::new(movers),
            failed: watch::Sender::new(0),
        }
    }

    fn topics(&self) -> std::sync::RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics().by_name.get(name).map(Arc::clone)
    }

    /// The topic of this id.
    pub(crate) fn topic_by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.topics().by_id.get(&id).map(Arc::clone)
    }

    /// The partition of a topic, if it is here.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `NOT_LEADER_OR_FOLLOWER` or `KAFKA_STORAGE_ERROR`.
    pub(crate) fn partition(
        &self,
        topic: &Topic,
        index: PartitionIndex,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let slot = usize::try_from(index.0)
            .ok()
            .and_then(|index| topic.slots.get(index));
        match slot {
            Some(Slot::Hosted(partition)) => Ok(Arc::clone(partition)),
            Some(Slot::Offline) => Err(ErrorCode::KafkaStorageError),
            Some(Slot::Elsewhere) => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// The partition of the topic of this id.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_ID`, and those of [`Replicas::partition`].
    pub(crate) fn find(
        &self,
        id: TopicId,
        index: PartitionIndex,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let topics = self.topics();
        let topic = topics.by_id.get(&id).ok_or(ErrorCode::UnknownTopicId)?;
        self.partition(topic, index)
    }

    /// The partition of the topic of this name.
    ///
    /// # Errors
    /// Those of [`Replicas::partition`].
    pub(crate) fn named(
        &self,
        topic: &str,
        index: PartitionIndex,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let topics = self.topics();
        let topic = topics
            .by_name
            .get(topic)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.partition(topic, index)
    }

    /// The log directories.
    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }

    /// Every hosted partition, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics();
        let slots = topics.by_name.values().flat_map(|topic| &topic.slots);
        slots
            .filter_map(|slot| match slot {
                Slot::Hosted(partition) => Some(Arc::clone(partition)),
                Slot::Offline | Slot::Elsewhere => None,
            })
            .collect()
    }

    /// The hosted partitions of one topic, by index.
    pub(crate) fn of_topic(&self, name: &str) -> Vec<Arc<Partition>> {
        let Some(topic) = self.topic(name) else {
            return Vec::new();
        };
        topic
            .slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::Hosted(partition) => Some(Arc::clone(partition)),
                Slot::Offline | Slot::Elsewhere => None,
            })
            .collect()
    }

    /// Closes the partitions of directories that have failed.
    pub(crate) fn close_failed(&self) {
        let is_failed = |partition: &Partition| partition.directory().is_failed();
        for partition in self.all().iter().filter(|partition| is_failed(partition)) {
            if partition.closed().is_none() {
                partition.close(ErrorCode::KafkaStorageError);
            }
        }
        let failed = self
            .directories
            .iter()
            .filter(|directory| directory.is_failed())
            .count();
        self.failed.send_replace(failed);
    }

    /// Follows the number of failed directories.
    pub(crate) fn failures(&self) -> watch::Receiver<usize> {
        self.failed.subscribe()
    }

    /// Partitions whose logs are damaged and read-only.
    pub(crate) fn damaged(&self) -> Vec<TopicPartition> {
        let is_damaged =
            |partition: &Arc<Partition>| partition.with_log(|log| log.damage().is_some());
        let partitions = self.all().into_iter().filter(is_damaged);
        partitions
            .map(|partition| partition.topic_partition().clone())
            .collect()
    }

    /// Partitions of online directories whose logs could not be opened.
    pub(crate) fn unopened(&self) -> Vec<TopicPartition> {
        if self
            .directories
            .iter()
            .any(|directory| directory.is_failed())
        {
            // They may be those of the failed directory, which is said instead.
            return Vec::new();
        }
        let topics = self.topics();
        let mut found = Vec::new();
        for topic in topics.by_name.values() {
            for (index, slot) in (0..).zip(&topic.slots) {
                if matches!(slot, Slot::Offline) {
                    found.push(TopicPartition::new(
                        Arc::clone(&topic.name),
                        PartitionIndex(index),
                    ));
                }
            }
        }
        found
    }

    /// True where no directory is online.
    pub(crate) fn all_failed(&self) -> bool {
        self.directories
            .iter()
            .all(|directory| directory.is_failed())
    }
}
