//! How records change the image.

use std::sync::Arc;

use bytes::BytesMut;
use imbl::OrdMap;
use milena_protocol::stored::metadata::{
    BrokerRegistrationChange, ClearElr, ClientQuota, Config, FeatureLevel, Other, Partition,
    PartitionChange, Record, RegisterBroker, RemoveTopic, Topic,
};
use milena_protocol::{BrokerEpoch, BrokerId, TopicId};

use super::{Image, Position};
use crate::metadata::{
    Broker, ConfigResource, ControllerRegistration, QuotaEntity, ResourceKind, Topic as TopicImage,
    topic,
};

impl Image {
    /// Moves to the entry whose records are applied next. Its offset is the epoch of brokers that
    /// are registered in it.
    pub const fn advance(&mut self, position: Position) {
        self.position = position;
    }

    /// Applies a record of the entry that [`Image::advance`] named last. A record about something
    /// that does not exist has no effect but on the digest.
    pub fn apply(&mut self, record: &Record) {
        self.digest = self.digest.then(&canonical(record));
        match record {
            Record::RegisterBroker(record) => self.register_broker(record),
            Record::UnregisterBroker(record) => {
                if self.has_epoch(record.broker_id, record.broker_epoch) {
                    self.state.brokers.remove(&record.broker_id);
                    self.registered.remove(&record.broker_id);
                }
            }
            Record::FenceBroker(record) => {
                self.change_fencing(record.broker_id, record.broker_epoch, 1);
            }
            Record::UnfenceBroker(record) => {
                self.change_fencing(record.broker_id, record.broker_epoch, -1);
            }
            Record::BrokerRegistrationChange(record) => self.change_broker(record),
            Record::RegisterController(record) => {
                let controller = Arc::new(ControllerRegistration::from_record(record));
                self.state
                    .controllers
                    .insert(record.controller_id, controller);
            }
            Record::Topic(record) => self.create_topic(record),
            Record::RemoveTopic(record) => self.remove_topic(record),
            Record::Partition(record) => self.set_partition(record),
            Record::PartitionChange(record) => self.change_partition(record),
            Record::ClearElr(record) => self.clear_elr(record),
            Record::Config(record) => self.set_config(record),
            Record::FeatureLevel(record) => self.set_feature(record),
            Record::ClientQuota(record) => self.set_quota(record),
            Record::ProducerIds(record) => self.state.producer_ids = Some(record.clone()),
            Record::ZkMigrationState(record) => {
                self.state.zk_migration_state = Some(record.zk_migration_state);
            }
            Record::BeginTransaction(_) => {
                // A second begin without an end would be a fault of the writer: the first counts.
                if self.before_transaction.is_none() {
                    self.before_transaction = Some(Box::new(self.state.clone()));
                }
            }
            Record::EndTransaction(_) => self.before_transaction = None,
            Record::AbortTransaction(_) => {
                if let Some(state) = self.before_transaction.take() {
                    self.state = *state;
                }
            }
            Record::NoOp(_) => {}
            Record::Other(record) => self.set_other(record),
        }
    }

    fn has_epoch(&self, id: BrokerId, epoch: BrokerEpoch) -> bool {
        self.broker(id).is_some_and(|broker| broker.epoch == epoch)
    }

    fn register_broker(&mut self, record: &RegisterBroker) {
        let epoch = match record.broker_epoch {
            BrokerEpoch::NONE => self.next_broker_epoch(),
            epoch => epoch,
        };
        let broker = Broker::from_record(record, epoch);
        self.registered.insert(broker.id, self.position.offset);
        self.state.brokers.insert(broker.id, Arc::new(broker));
    }

    fn change_fencing(&mut self, broker_id: BrokerId, broker_epoch: BrokerEpoch, fenced: i8) {
        self.change_broker(&BrokerRegistrationChange {
            broker_id,
            broker_epoch,
            fenced,
            ..BrokerRegistrationChange::default()
        });
    }

    fn change_broker(&mut self, record: &BrokerRegistrationChange) {
        let Some(broker) = self.state.brokers.get(&record.broker_id) else {
            return;
        };
        if broker.epoch != record.broker_epoch {
            return;
        }
        let changed = Arc::new(broker.changed(record));
        self.state.brokers.insert(record.broker_id, changed);
    }

    fn create_topic(&mut self, record: &Topic) {
        let name: Arc<str> = Arc::from(record.name.as_str());
        // Keeps names and ids one to one whatever a log says.
        if let Some(&former) = self.state.names.get(&name) {
            self.remove_topic_by_id(former);
        }
        self.remove_topic_by_id(record.topic_id);
        if name.contains(['.', '_']) {
            let unified: Arc<str> = Arc::from(name.replace('.', "_"));
            self.state
                .similar
                .entry(unified)
                .or_default()
                .insert(name.clone());
        }
        self.state.names.insert(name.clone(), record.topic_id);
        let topic = TopicImage {
            name,
            id: record.topic_id,
            partitions: OrdMap::new(),
        };
        self.state.topics.insert(record.topic_id, Arc::new(topic));
    }

    fn remove_topic(&mut self, record: &RemoveTopic) {
        if let Some(name) = self.remove_topic_by_id(record.topic_id) {
            self.state.configs.remove(&ConfigResource::topic(name));
        }
    }

    fn remove_topic_by_id(&mut self, id: TopicId) -> Option<Arc<str>> {
        let topic = self.state.topics.remove(&id)?;
        self.state.names.remove(&topic.name);
        let unified = topic.name.replace('.', "_");
        if let Some(similar) = self.state.similar.get_mut(unified.as_str()) {
            similar.remove(&topic.name);
            if similar.is_empty() {
                self.state.similar.remove(unified.as_str());
            }
        }
        Some(topic.name.clone())
    }

    fn set_partition(&mut self, record: &Partition) {
        if let Some(topic) = self.state.topics.get_mut(&record.topic_id) {
            let partition = Arc::new(topic::Partition::from_record(record));
            Arc::make_mut(topic)
                .partitions
                .insert(record.partition, partition);
        }
    }

    fn change_partition(&mut self, record: &PartitionChange) {
        if let Some(topic) = self.state.topics.get_mut(&record.topic_id)
            && let Some(partition) = topic.partitions.get(&record.partition)
        {
            let changed = Arc::new(partition.changed(record));
            Arc::make_mut(topic)
                .partitions
                .insert(record.partition, changed);
        }
    }

    /// Clears both lists of the partitions that have any (`TopicsDelta.replay(ClearElrRecord)`).
    fn clear_elr(&mut self, record: &ClearElr) {
        let topics: Vec<TopicId> = if record.topic_name.is_empty() {
            self.state.topics.keys().copied().collect()
        } else {
            self.state
                .names
                .get(record.topic_name.as_str())
                .copied()
                .into_iter()
                .collect()
        };
        for id in topics {
            let Some(topic) = self.state.topics.get_mut(&id) else {
                continue;
            };
            let mut cleared = Vec::new();
            for (&index, partition) in &topic.partitions {
                if !partition.elr.is_empty() || !partition.last_known_elr.is_empty() {
                    let change = PartitionChange {
                        eligible_leader_replicas: Some(Vec::new()),
                        last_known_elr: Some(Vec::new()),
                        ..PartitionChange::default()
                    };
                    cleared.push((index, Arc::new(partition.changed(&change))));
                }
            }
            if !cleared.is_empty() {
                Arc::make_mut(topic).partitions.extend(cleared);
            }
        }
    }

    fn set_config(&mut self, record: &Config) {
        let Some(kind) = ResourceKind::from_code(record.resource_type) else {
            return;
        };
        let resource = ConfigResource::new(kind, record.resource_name.as_str());
        let name: Arc<str> = Arc::from(record.name.as_str());
        if let Some(value) = &record.value {
            let value = Arc::from(value.as_str());
            self.state
                .configs
                .entry(resource)
                .or_default()
                .insert(name, value);
        } else if let Some(configs) = self.state.configs.get_mut(&resource) {
            configs.remove(&name);
            if configs.is_empty() {
                self.state.configs.remove(&resource);
            }
        }
    }

    fn set_feature(&mut self, record: &FeatureLevel) {
        let name: Arc<str> = Arc::from(record.name.as_str());
        if record.feature_level == 0 {
            self.state.features.remove(&name);
        } else {
            self.state.features.insert(name, record.feature_level);
        }
        self.features_epoch = self.position.offset;
    }

    fn set_quota(&mut self, record: &ClientQuota) {
        let entity = QuotaEntity::from_parts(&record.entity);
        let key: Arc<str> = Arc::from(record.key.as_str());
        if !record.remove {
            self.state
                .quotas
                .entry(entity)
                .or_default()
                .insert(key, record.value);
        } else if let Some(quotas) = self.state.quotas.get_mut(&entity) {
            quotas.remove(&key);
            if quotas.is_empty() {
                self.state.quotas.remove(&entity);
            }
        }
    }

    fn set_other(&mut self, record: &Other) {
        // A body that does not name what it is about could not be found again by anyone.
        let Ok(identity) = record.identity() else {
            return;
        };
        if record.removes() {
            self.state.others.remove(&identity);
        } else {
            self.state.others.insert(identity, record.clone());
        }
    }
}

/// The bytes of a record that the digest covers: its frame in the highest version. A record that
/// has no frame (its strings are too long) cannot be in a log.
fn canonical(record: &Record) -> BytesMut {
    let mut bytes = BytesMut::new();
    let encoded = record.encode_version(record.latest_version(), &mut bytes);
    debug_assert!(encoded.is_ok(), "{record:?}: {encoded:?}");
    bytes
}
