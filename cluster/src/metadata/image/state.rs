//! The image and what is read from it.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use milena_protocol::stored::metadata::{Identity, MetadataVersion, Other, ProducerIds};
use milena_protocol::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerId, TopicId,
};

use super::Digest;
use crate::metadata::{
    Broker, ConfigResource, ControllerRegistration, Partition, QuotaEntity, Topic,
};

/// Where an entry stands in the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Offset of the entry.
    pub offset: Offset,
    /// Epoch of the controller that wrote it.
    pub epoch: LeaderEpoch,
}

impl Position {
    /// Before the first entry.
    pub const NONE: Self = Self {
        offset: Offset::NONE,
        epoch: LeaderEpoch::NONE,
    };
}

/// What records change.
#[derive(Clone, Debug, PartialEq, Default)]
pub(in crate::metadata) struct State {
    pub(in crate::metadata) topics: OrdMap<TopicId, Arc<Topic>>,
    pub(in crate::metadata) names: OrdMap<Arc<str>, TopicId>,
    /// Topics with `.` or `_` in their names, by the name with `_` for `.`.
    pub(in crate::metadata) similar: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    pub(in crate::metadata) brokers: OrdMap<BrokerId, Arc<Broker>>,
    pub(in crate::metadata) controllers: OrdMap<BrokerId, Arc<ControllerRegistration>>,
    pub(in crate::metadata) configs: OrdMap<ConfigResource, OrdMap<Arc<str>, Arc<str>>>,
    pub(in crate::metadata) features: OrdMap<Arc<str>, i16>,
    pub(in crate::metadata) quotas: OrdMap<QuotaEntity, OrdMap<Arc<str>, f64>>,
    pub(in crate::metadata) producer_ids: Option<ProducerIds>,
    pub(in crate::metadata) zk_migration_state: Option<i8>,
    pub(in crate::metadata) others: OrdMap<Identity, Other>,
}

/// What is known of the cluster at one offset of the metadata log.
///
/// A clone is cheap and independent. Equality is that of what records change: position and digest
/// are left out, which lets an image be compared with the one that its snapshot gives.
#[derive(Clone, Debug)]
pub struct Image {
    pub(super) cluster_id: Arc<str>,
    pub(super) state: State,
    /// Where each broker was registered; where a snapshot was read, its position.
    pub(super) registered: OrdMap<BrokerId, Offset>,
    pub(super) position: Position,
    pub(super) features_epoch: Offset,
    pub(super) digest: Digest,
    /// State before the transaction that is open.
    pub(super) before_transaction: Option<Box<State>>,
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.cluster_id == other.cluster_id
            && self.state == other.state
            && self.before_transaction == other.before_transaction
    }
}

impl Image {
    /// An image of an empty log.
    pub fn new(cluster_id: impl Into<Arc<str>>) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            state: State::default(),
            registered: OrdMap::new(),
            position: Position::NONE,
            features_epoch: Offset::NONE,
            digest: Digest::EMPTY,
            before_transaction: None,
        }
    }

    /// Id of the cluster.
    #[must_use]
    pub const fn cluster_id(&self) -> &Arc<str> {
        &self.cluster_id
    }

    /// Where the last applied entry stands.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Digest of all applied records.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// True inside of a transaction of the log (KIP-868); such an image is not to be published.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.state.topics.get(self.state.names.get(name)?)
    }

    /// A topic by its id.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.state.topics.get(&id)
    }

    /// Topics, ascending by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.state
            .names
            .iter()
            .filter_map(|(_, id)| self.state.topics.get(id))
    }

    /// Count of topics.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.state.topics.len()
    }

    /// Partitions of all topics, ascending by the name of the topic and the index.
    pub fn partitions(
        &self,
    ) -> impl Iterator<Item = (&Arc<Topic>, PartitionIndex, &Arc<Partition>)> {
        self.topics().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(move |(&index, partition)| (topic, index, partition))
        })
    }

    /// A partition by the name of its topic.
    #[must_use]
    pub fn partition(&self, topic: &str, index: PartitionIndex) -> Option<&Partition> {
        self.topic(topic)?.partition(index)
    }

    /// A topic with `.` or `_` in its name that cannot be told from `name` in metrics; `name`
    /// itself is one where it exists.
    #[must_use]
    pub fn similar_topic(&self, name: &str) -> Option<&Arc<str>> {
        let similar = self.state.similar.get(name.replace('.', "_").as_str())?;
        similar.get_min()
    }

    /// A broker.
    #[must_use]
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<Broker>> {
        self.state.brokers.get(&id)
    }

    /// Brokers, ascending by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.state.brokers.iter().map(|(_, broker)| broker)
    }

    /// True where the broker is registered, unfenced and not about to stop.
    #[must_use]
    pub fn is_active(&self, id: BrokerId) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// Offset of the registration of a broker, or of the snapshot that had it.
    #[must_use]
    pub fn registered_at(&self, id: BrokerId) -> Option<Offset> {
        self.registered.get(&id).copied()
    }

    /// True where the broker leads some partition.
    #[must_use]
    pub fn has_leaderships(&self, id: BrokerId) -> bool {
        self.partitions()
            .any(|(_, _, partition)| partition.leader == Some(id))
    }

    /// Controllers that registered themselves, ascending by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerRegistration>> {
        self.state
            .controllers
            .iter()
            .map(|(_, controller)| controller)
    }

    /// Dynamic configurations of a resource by key; none where it has none.
    #[must_use]
    pub fn configs(&self, resource: &ConfigResource) -> Option<&OrdMap<Arc<str>, Arc<str>>> {
        self.state.configs.get(resource)
    }

    /// One dynamic configuration of a resource.
    #[must_use]
    pub fn config(&self, resource: &ConfigResource, key: &str) -> Option<&Arc<str>> {
        self.configs(resource)?.get(key)
    }

    /// Resources with dynamic configurations, ascending.
    pub fn config_resources(&self) -> impl Iterator<Item = &ConfigResource> {
        self.state.configs.keys()
    }

    /// Finalized level of a feature; 0 where it is not finalized.
    #[must_use]
    pub fn feature(&self, name: &str) -> i16 {
        self.state.features.get(name).copied().unwrap_or(0)
    }

    /// Finalized features and their levels, ascending by name.
    pub fn features(&self) -> impl Iterator<Item = (&Arc<str>, i16)> {
        self.state
            .features
            .iter()
            .map(|(name, &level)| (name, level))
    }

    /// Epoch of the finalized features: the offset where they changed last, or that of the
    /// snapshot that had them; -1 where there are none.
    #[must_use]
    pub const fn features_epoch(&self) -> Offset {
        self.features_epoch
    }

    /// Level of `metadata.version`; the minimum where it is not finalized.
    #[must_use]
    pub fn metadata_version(&self) -> MetadataVersion {
        MetadataVersion(self.feature(MetadataVersion::FEATURE)).max(MetadataVersion::MINIMUM)
    }

    /// True where eligible leader replicas are kept (KIP-966).
    #[must_use]
    pub fn has_elr(&self) -> bool {
        self.feature("eligible.leader.replicas.version") >= 1 && self.metadata_version().has_elr()
    }

    /// Entities with client quotas and their quotas by key, ascending.
    pub fn client_quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &OrdMap<Arc<str>, f64>)> {
        self.state.quotas.iter()
    }

    /// Quotas of an entity by key.
    #[must_use]
    pub fn client_quota(&self, entity: &QuotaEntity) -> Option<&OrdMap<Arc<str>, f64>> {
        self.state.quotas.get(entity)
    }

    /// First producer id that no block has.
    #[must_use]
    pub fn next_producer_id(&self) -> ProducerId {
        self.state
            .producer_ids
            .as_ref()
            .map_or(ProducerId(0), |record| record.next_producer_id)
    }

    /// Records of ACLs, SCRAM credentials and delegation tokens, as they were read.
    pub fn others(&self) -> impl Iterator<Item = &Other> {
        self.state.others.iter().map(|(_, other)| other)
    }

    pub(in crate::metadata) const fn state(&self) -> &State {
        &self.state
    }

    /// Epoch for a registration that is applied now: its offset, and above all epochs there are
    /// (an import may bring epochs from longer logs).
    pub(super) fn next_broker_epoch(&self) -> BrokerEpoch {
        let above = self
            .brokers()
            .map(|broker| broker.epoch.0.saturating_add(1));
        BrokerEpoch(above.max().unwrap_or(0).max(self.position.offset.0))
    }
}
