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

use std::sync::atomic::{AtomicI16, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use milena_cluster::transaction::{Described, Filter, Listed, Request, Response};
use milena_protocol::ErrorCode;
use milena_protocol::config::BrokerValues;
use milena_protocol::stored::transaction::TOPIC;

pub(crate) use self::markers::Writing;
use self::settings::Settings;
use self::shard::Shard;
pub(crate) use self::verify::{Admission, admit};
use crate::broker::Broker;
use crate::coordinator::Shards;
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
    shards: Shards<Shard>,
}

impl Transactions {
    /// Coordinates nothing yet.
    pub(crate) fn new(values: &BrokerValues) -> Self {
        Self {
            settings: RwLock::new(Settings::new(values)),
            version: AtomicI16::new(0),
            shards: Shards::new(TOPIC),
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
        let version = image.feature(FEATURE);
        let is_other = self.version.swap(version, Ordering::AcqRel) != version;
        self.shards.follow(&image);
        if is_other {
            for shard in self.shards.all() {
                shard.set_version(version);
            }
        }
        for partition in led {
            if self.shards.is_of_topic(partition) {
                self.take(broker, Arc::clone(partition), version);
            }
        }
    }

    /// Begins to coordinate the transactional ids of a partition.
    fn take(&self, broker: &Arc<Broker>, partition: Arc<Partition>, version: i16) {
        let mut settings = self
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        settings.config.transaction_version = version;
        let shard = Shard::new(Arc::downgrade(broker), partition, settings);
        self.shards.take(&shard);
        shard.start(broker);
    }

    /// Asks the coordinator of a transactional id and waits until what it answers is durable.
    pub(crate) async fn request(&self, request: Request) -> Response {
        match self.shards.of(request.transactional_id()) {
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
            .shards
            .of(transactional_id)
            .ok_or(ErrorCode::NotCoordinator)?;
        shard.with_core(|core, _| core.describe(transactional_id))
    }

    /// How many there are.
    pub(crate) fn counts(&self) -> TransactionCounts {
        let mut counts = TransactionCounts::default();
        for shard in self.shards.all() {
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
        for shard in self.shards.all() {
            match shard.with_core(|core, now| core.list(filter, now)) {
                Ok(listed) => all.extend(listed),
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}
