//! Registrations of brokers and controllers.

use std::sync::Arc;

use imbl::OrdMap;
use milena_protocol::stored::metadata::{
    BrokerRegistrationChange, Endpoint, FeatureRange, RegisterBroker, RegisterController,
};
use milena_protocol::{BrokerEpoch, BrokerId};
use uuid::Uuid;

use super::topic::directory;

/// Registration of a broker (KIP-631).
#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    /// Id of the broker.
    pub id: BrokerId,
    /// Epoch of the registration.
    pub epoch: BrokerEpoch,
    /// Id of the process.
    pub incarnation_id: Uuid,
    /// Listeners, in the order of the registration.
    pub endpoints: Vec<Endpoint>,
    /// Levels of each feature that the broker supports, both ends inclusive.
    pub features: OrdMap<Arc<str>, (i16, i16)>,
    /// Rack of the broker.
    pub rack: Option<Arc<str>>,
    /// True where the broker may neither lead nor be in sync.
    pub fenced: bool,
    /// True where the broker is about to stop (KIP-841).
    pub in_controlled_shutdown: bool,
    /// Log directories that are online, ascending; empty where the broker has told none.
    pub log_dirs: Vec<Uuid>,
    /// Log directories that take no new replicas (KIP-1066), none where the broker has not said.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl Eq for Broker {}

impl Broker {
    /// True where the broker may lead and be in sync.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// True where a replica in this directory is readable, as far as is known
    /// (`DirectoryId.isOnline`).
    #[must_use]
    pub fn has_online_directory(&self, id: Uuid) -> bool {
        if id == directory::UNASSIGNED || id == directory::MIGRATING {
            return true;
        }
        if id == directory::LOST {
            return false;
        }
        self.log_dirs.is_empty() || self.log_dirs.contains(&id)
    }

    /// The directory of a new replica: the only one of the broker, otherwise one that the broker
    /// chooses.
    #[must_use]
    pub fn default_directory(&self) -> Uuid {
        match self.log_dirs.as_slice() {
            [] => directory::MIGRATING,
            [only] => *only,
            _ => directory::UNASSIGNED,
        }
    }

    /// True where some directory takes new replicas.
    #[must_use]
    pub fn takes_new_replicas(&self) -> bool {
        match &self.cordoned_log_dirs {
            Some(cordoned) if !self.log_dirs.is_empty() => {
                self.log_dirs.iter().any(|id| !cordoned.contains(id))
            }
            _ => true,
        }
    }

    /// The endpoint of a listener.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name == listener)
    }

    pub(super) fn from_record(record: &RegisterBroker, epoch: BrokerEpoch) -> Self {
        let mut log_dirs = record.log_dirs.clone();
        log_dirs.sort_unstable();
        Self {
            id: record.broker_id,
            epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.endpoints.clone(),
            features: ranges(&record.features),
            rack: record.rack.as_deref().map(Arc::from),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs,
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        }
    }

    pub(super) fn to_record(&self) -> RegisterBroker {
        RegisterBroker {
            broker_id: self.id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            endpoints: self.endpoints.clone(),
            features: features(&self.features),
            rack: self.rack.as_deref().map(str::to_owned),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.log_dirs.clone(),
            cordoned_log_dirs: self.cordoned_log_dirs.clone(),
        }
    }

    pub(super) fn changed(&self, record: &BrokerRegistrationChange) -> Self {
        let mut broker = self.clone();
        match record.fenced {
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == 1 {
            broker.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
            broker.log_dirs.sort_unstable();
        }
        if record.cordoned_log_dirs.is_some() {
            broker
                .cordoned_log_dirs
                .clone_from(&record.cordoned_log_dirs);
        }
        broker
    }
}

/// Registration of a controller (KIP-919).
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerRegistration {
    /// Id of the controller.
    pub id: BrokerId,
    /// Id of the process.
    pub incarnation_id: Uuid,
    /// Listeners, in the order of the registration.
    pub endpoints: Vec<Endpoint>,
    /// Levels of each feature that the controller supports, both ends inclusive.
    pub features: OrdMap<Arc<str>, (i16, i16)>,
    /// True where it was set up for the migration from ZooKeeper.
    pub zk_migration_ready: bool,
}

impl Eq for ControllerRegistration {}

impl ControllerRegistration {
    pub(super) fn from_record(record: &RegisterController) -> Self {
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            endpoints: record.endpoints.clone(),
            features: ranges(&record.features),
            zk_migration_ready: record.zk_migration_ready,
        }
    }

    pub(super) fn to_record(&self) -> RegisterController {
        RegisterController {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            endpoints: self.endpoints.clone(),
            features: features(&self.features),
        }
    }
}

fn ranges(features: &[FeatureRange]) -> OrdMap<Arc<str>, (i16, i16)> {
    features
        .iter()
        .map(|feature| {
            let range = (feature.min_supported_version, feature.max_supported_version);
            (Arc::from(feature.name.as_str()), range)
        })
        .collect()
}

fn features(ranges: &OrdMap<Arc<str>, (i16, i16)>) -> Vec<FeatureRange> {
    ranges
        .iter()
        .map(|(name, &(min, max))| FeatureRange {
            name: name.to_string(),
            min_supported_version: min,
            max_supported_version: max,
        })
        .collect()
}
