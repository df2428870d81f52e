//! Registration of brokers.

use std::collections::BTreeSet;

use milena_protocol::stored::metadata::{self as stored, Endpoint, FeatureRange, MetadataVersion};
use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode};
use uuid::Uuid;

use super::draft::Turn;
use super::{Draft, Operation};
use crate::metadata::{Broker, Error, directory};

/// A broker starts (KIP-631). It is fenced until a heartbeat says that it has caught up.
///
/// The epoch of a new incarnation is the offset of its record: it is read from the image after
/// the record was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterBroker {
    /// Id of the broker.
    pub broker_id: BrokerId,
    /// Id of the cluster that its log directories name.
    pub cluster_id: String,
    /// Id of the process, new and random.
    pub incarnation_id: Uuid,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// Features that it supports.
    pub features: Vec<FeatureRange>,
    /// Its rack.
    pub rack: Option<String>,
    /// Ids of its log directories that are online; not empty.
    pub log_dirs: Vec<Uuid>,
    /// Epoch of its former registration where it was shut down cleanly, otherwise -1.
    pub previous_broker_epoch: BrokerEpoch,
}

impl Operation for RegisterBroker {
    /// It touches every partition of the broker, however many there are.
    const IS_BOUNDED: bool = false;

    /// The epoch where a live registration was amended; none where it is a new one.
    type Response = Option<BrokerEpoch>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        if self.cluster_id != draft.image().cluster_id().as_ref() {
            return Err(Error::new(
                ErrorCode::InconsistentClusterId,
                format!(
                    "Expected cluster ID {}, but got cluster ID {}",
                    draft.image().cluster_id(),
                    self.cluster_id
                ),
            ));
        }
        let former = draft.image().broker(self.broker_id).cloned();
        if let Some(former) = &former {
            self.check_incarnation(draft, former)?;
        }
        self.check_directories(draft)?;
        self.check_features(draft)?;
        let mut record = self.record(draft.image().metadata_version());
        match former {
            Some(former) if former.incarnation_id == self.incarnation_id => {
                record.broker_epoch = former.epoch;
                record.fenced = former.fenced;
                record.in_controlled_shutdown = former.in_controlled_shutdown;
                if draft.image().metadata_version().has_cordoned_log_dirs() {
                    record
                        .cordoned_log_dirs
                        .clone_from(&former.cordoned_log_dirs);
                }
                draft.push(record);
                Ok(Some(former.epoch))
            }
            former => {
                self.clean_up(draft, former.as_deref());
                draft.push(record);
                Ok(None)
            }
        }
    }
}

impl RegisterBroker {
    /// A log directory is locked by its process. Another incarnation that has a directory of the
    /// former one is therefore its successor, and registers without waiting for its session to
    /// end; Kafka lets it wait.
    fn check_incarnation(&self, draft: &Draft<'_>, former: &Broker) -> Result<(), Error> {
        let timeout = draft.config().broker_session_timeout_ms;
        let is_alive = draft
            .controller()
            .sessions
            .is_alive(self.broker_id, draft.now(), timeout);
        let is_successor = self.log_dirs.iter().any(|id| former.log_dirs.contains(id));
        if former.incarnation_id == self.incarnation_id || !is_alive || is_successor {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::DuplicateBrokerRegistration,
            "Another broker is registered with that broker id.",
        ))
    }

    fn check_directories(&self, draft: &Draft<'_>) -> Result<(), Error> {
        if !draft.image().metadata_version().has_directories() {
            return Ok(());
        }
        let refused = |message: String| Err(Error::new(ErrorCode::InvalidRegistration, message));
        if self.log_dirs.is_empty() {
            return refused("No directories specified in request".to_owned());
        }
        if self.log_dirs.iter().any(|&id| directory::is_reserved(id)) {
            return refused("Reserved directory ID in request".to_owned());
        }
        if self.log_dirs.iter().collect::<BTreeSet<_>>().len() != self.log_dirs.len() {
            return refused("Duplicate directory ID in request".to_owned());
        }
        for other in draft
            .image()
            .brokers()
            .filter(|other| other.id != self.broker_id)
        {
            if let Some(shared) = other.log_dirs.iter().find(|id| self.log_dirs.contains(id)) {
                let id = milena_protocol::TopicId(*shared);
                return refused(format!(
                    "Broker {} is already registered with directory {id}",
                    other.id
                ));
            }
        }
        Ok(())
    }

    fn check_features(&self, draft: &Draft<'_>) -> Result<(), Error> {
        let supported = |name: &str| {
            let feature = self.features.iter().find(|feature| feature.name == name);
            feature.map_or((0, 0), |feature| {
                (feature.min_supported_version, feature.max_supported_version)
            })
        };
        let level = draft.image().metadata_version().0;
        let features = draft
            .image()
            .features()
            .map(|(name, level)| (name.as_ref(), level));
        for (name, finalized) in features.chain([(MetadataVersion::FEATURE, level)]) {
            let (min, max) = supported(name);
            if !(min..=max).contains(&finalized) {
                return Err(Error::new(
                    ErrorCode::UnsupportedVersion,
                    format!(
                        "Unable to register because the broker does not support finalized \
                         version {finalized} of {name}. The broker wants a version between {min} \
                         and {max}, inclusive."
                    ),
                ));
            }
        }
        Ok(())
    }

    fn record(&self, level: MetadataVersion) -> stored::RegisterBroker {
        stored::RegisterBroker {
            broker_id: self.broker_id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation_id,
            broker_epoch: BrokerEpoch::NONE,
            endpoints: self.endpoints.clone(),
            features: self.features.clone(),
            rack: self.rack.clone(),
            fenced: true,
            in_controlled_shutdown: false,
            log_dirs: if level.has_directories() {
                self.log_dirs.clone()
            } else {
                Vec::new()
            },
            cordoned_log_dirs: None,
        }
    }

    /// Takes a new incarnation out of what the former one was in. One that was not shut down
    /// cleanly may have lost records: with eligible leader replicas it is not eligible either.
    fn clean_up(&self, draft: &mut Draft<'_>, former: Option<&Broker>) {
        let id = self.broker_id;
        let was_clean = former.is_some_and(|former| former.epoch == self.previous_broker_epoch);
        if was_clean || !draft.image().has_elr() {
            let turn = Turn {
                leaves: Some(id),
                ..Turn::default()
            };
            draft.update_partitions(turn, |partition| partition.isr.contains(&id));
        } else {
            let turn = Turn {
                unclean: Some(id),
                ..Turn::default()
            };
            draft.update_partitions(turn, |partition| {
                partition.isr.contains(&id) || partition.elr.contains(&id)
            });
        }
    }
}

/// Removes the registration of a broker that does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnregisterBroker {
    /// Id of the broker.
    pub broker_id: BrokerId,
}

impl Operation for UnregisterBroker {
    /// It touches every partition of the broker, however many there are.
    const IS_BOUNDED: bool = false;

    type Response = ();

    fn decide(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        let id = self.broker_id;
        let Some(broker_epoch) = draft.image().broker(id).map(|broker| broker.epoch) else {
            return Err(Error::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("Broker ID {id} is not currently registered"),
            ));
        };
        let turn = Turn {
            unclean: Some(id),
            ..Turn::default()
        };
        draft.update_partitions(turn, |partition| {
            partition.isr.contains(&id) || partition.elr.contains(&id)
        });
        draft.push(stored::UnregisterBroker {
            broker_id: id,
            broker_epoch,
        });
        Ok(())
    }
}
