//! Records of configurations, features, quotas and producer ids.

use super::field::structure;
use crate::id::{BrokerEpoch, BrokerId, ProducerId};

structure! {
    /// A dynamic configuration was set or deleted.
    Config, bytes_min 5 {
        /// Kind of the resource: 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8 = 0, since 0;
        /// Name of the resource; empty for the default of all brokers.
        resource_name: String = String::new(), since 0;
        /// Key of the configuration.
        name: String = String::new(), since 0;
        /// Its value; none where it was deleted.
        value: Option<String> = None, since 0;
    } tagged {}
}

structure! {
    /// A feature was finalized at a level (KIP-584, KIP-778).
    FeatureLevel, bytes_min 4 {
        /// Name of the feature.
        name: String = String::new(), since 0;
        /// Level; 0 removes the feature.
        feature_level: i16 = 0, since 0;
    } tagged {}
}

structure! {
    /// One part of the entity of a client quota.
    EntityPart, bytes_min 3 {
        /// `user`, `client-id` or `ip`.
        entity_type: String = String::new(), since 0;
        /// Name of the entity; none for the default of its type.
        entity_name: Option<String> = None, since 0;
    } tagged {}
}

structure! {
    /// A client quota was set or removed (KIP-546).
    ClientQuota, bytes_min 12 {
        /// Parts of the entity; each type at most once.
        entity: Vec<EntityPart> = Vec::new(), since 0;
        /// Key of the quota, such as `producer_byte_rate`.
        key: String = String::new(), since 0;
        /// Value of the quota; without meaning where it is removed.
        value: f64 = 0.0, since 0;
        /// True where the quota is removed.
        remove: bool = false, since 0;
    } tagged {}
}

structure! {
    /// A block of producer ids was given to a broker (KIP-730).
    ProducerIds, bytes_min 21 {
        /// Id of the broker.
        broker_id: BrokerId = BrokerId(0), since 0;
        /// Epoch of the broker.
        broker_epoch: BrokerEpoch = BrokerEpoch::NONE, since 0;
        /// First producer id of the next block.
        next_producer_id: ProducerId = ProducerId(0), since 0;
    } tagged {}
}
