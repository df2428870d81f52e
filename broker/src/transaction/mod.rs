//! Runs the coordinators of transactions (`milena_cluster::transaction`).
//!
//! A [`Shard`] is the coordinator of one partition of `__transaction_state` that this broker leads.
//! Requests step it under its lock; one task per shard feeds it what becomes of its appends, in the
//! order of the log, and its timers. Markers are written by tasks of their own ([`markers`]). A
//! partition that is newly led is read first, off the runtime; one that cannot be read is not
//! served, and the others are.

mod appends;
mod load;
mod markers;
mod settings;
mod shard;
mod verify;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI16, AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use milena_cluster::transaction::{Described, Filter, Listed, Request, Response};
use milena_protocol::config::BrokerValues;
use milena_protocol::stored::transaction::{TOPIC, partition_for};
use milena_protocol::{ErrorCode, PartitionIndex};

pub(crate) use self::markers::Writing;
use self::settings::Settings;
use self::shard::Shard;
pub(crate) use self::verify::{Admission, admit};
use crate::broker::Broker;
use crate::metrics::TransactionCounts;
use crate::partition::Partition;

/// The feature whose level says how transactions are served (KIP-890).
const FEATURE: &str = "transaction.version";

/// The transactional ids that this broker coordinates.
#[derive(Debug)]
pub(crate) struct Transactions {
    settings: RwLock<Settings>,
    /// Level of the feature `transaction.version`.
    version: AtomicI16,
    /// Partitions of `__transaction_state`; 0 where the topic does not exist.
    partition_count: AtomicI32,
    shards: RwLock<BTreeMap<PartitionIndex, Arc<Shard>>>,
}

impl Transactions {
    /// Coordinates nothing yet.
    pub(crate) fn new(values: &BrokerValues) -> Self {
        Self {
            settings: RwLock::new(Settings::new(values)),
            version: AtomicI16::new(0),
            partition_count: AtomicI32::new(0),
            shards: RwLock::default(),
        }
    }

    /// Takes over other values. Shards that exist keep theirs: Kafka changes none of these keys at
    /// run time but the one that is read with every request.
    pub(crate) fn configure(&self, values: &BrokerValues) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Settings::new(values);
    }

    /// True where the batches of older clients are checked with the coordinator.
    pub(crate) fn verifies(&self) -> bool {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .verifies
    }

    /// Follows the metadata: loads those of the partitions that this broker leads from now on, and
    /// gives up what it does not lead any more. It does not wait for loads.
    pub(crate) fn follow(&self, broker: &Arc<Broker>, led: &[Arc<Partition>]) {
        let image = broker.image();
        let count = image
            .topic(TOPIC)
            .map_or(0, |topic| topic.partition_count());
        self.partition_count.store(count, Ordering::Release);
        let version = image.feature(FEATURE);
        let is_other = self.version.swap(version, Ordering::AcqRel) != version;
        self.give_up();
        if is_other {
            for shard in self.shards() {
                shard.set_version(version);
            }
        }
        for partition in led {
            if &*partition.topic_partition().topic == TOPIC {
                self.take(broker, Arc::clone(partition), version);
            }
        }
    }

    /// Begins to coordinate the transactional ids of a partition.
    fn take(&self, broker: &Arc<Broker>, partition: Arc<Partition>, version: i16) {
        let index = partition.topic_partition().partition;
        let mut settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        settings.config.transaction_version = version;
        let shard = Shard::new(Arc::downgrade(broker), partition, settings);
        let before = self
            .shards
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(index, Arc::clone(&shard));
        if let Some(before) = before {
            before.resign();
        }
        shard.start(broker);
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

    /// The coordinator of a transactional id, if it is here.
    fn shard_of(&self, transactional_id: &str) -> Option<Arc<Shard>> {
        let count = self.partition_count.load(Ordering::Acquire);
        let index = (count > 0).then(|| partition_for(transactional_id, count))?;
        self.shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
            .map(Arc::clone)
    }

    /// Asks the coordinator of a transactional id and waits until what it answers is durable.
    pub(crate) async fn request(&self, request: Request) -> Response {
        match self.shard_of(request.transactional_id()) {
            Some(shard) => shard.request(request).await,
            None if request.transactional_id().is_empty() => {
                request.refused(ErrorCode::InvalidRequest)
            }
            None => request.refused(ErrorCode::NotCoordinator),
        }
    }

    /// What is known of a transactional id.
    ///
    /// # Errors
    /// `NOT_COORDINATOR` where its coordinator is elsewhere, and what the coordinator says.
    pub(crate) fn describe(&self, transactional_id: &str) -> Result<Described, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let shard = self
            .shard_of(transactional_id)
            .ok_or(ErrorCode::NotCoordinator)?;
        shard.with_core(|core, _| core.describe(transactional_id))
    }

    /// How many there are.
    pub(crate) fn counts(&self) -> TransactionCounts {
        let mut counts = TransactionCounts::default();
        for shard in self.shards() {
            shard.count(&mut counts);
        }
        counts
    }

    /// The transactional ids of this broker that the filter lets through.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS` where a shard is not loaded yet.
    pub(crate) fn list(&self, filter: &Filter) -> Result<Vec<Listed>, ErrorCode> {
        let mut all = Vec::new();
        for shard in self.shards() {
            match shard.with_core(|core, now| core.list(filter, now)) {
                Ok(listed) => all.extend(listed),
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}
