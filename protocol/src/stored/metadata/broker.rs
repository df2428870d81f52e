//! Records of brokers and controllers.

use uuid::Uuid;

use super::field::structure;
use crate::id::{BrokerEpoch, BrokerId};

structure! {
    /// A listener of a broker or controller. The name is unique within its node.
    Endpoint, bytes_min 7 {
        /// Name of the listener.
        name: String = String::new(), since 0;
        /// Host that clients connect to.
        host: String = String::new(), since 0;
        /// Port that clients connect to.
        port: u16 = 0, since 0;
        /// Security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16 = 0, since 0;
    } tagged {}
}

structure! {
    /// Levels of a feature that a node supports, both ends inclusive.
    FeatureRange, bytes_min 6 {
        /// Name of the feature.
        name: String = String::new(), since 0;
        /// Lowest level.
        min_supported_version: i16 = 0, since 0;
        /// Highest level.
        max_supported_version: i16 = 0, since 0;
    } tagged {}
}

structure! {
    /// A broker registered itself (KIP-631); replaces its former registration.
    RegisterBroker, bytes_min 33 {
        /// Id of the broker.
        broker_id: BrokerId = BrokerId(0), since 0;
        /// True for a broker in migration from ZooKeeper; always false from Kafka 4.0 on.
        is_migrating_zk_broker: bool = false, since 2;
        /// Id of the process.
        incarnation_id: Uuid = Uuid::nil(), since 0;
        /// Epoch that the controller gave to the registration.
        broker_epoch: BrokerEpoch = BrokerEpoch(0), since 0;
        /// Listeners of the broker.
        endpoints: Vec<Endpoint> = Vec::new(), since 0;
        /// Features that the broker supports.
        features: Vec<FeatureRange> = Vec::new(), since 0;
        /// Rack of the broker.
        rack: Option<String> = None, since 0;
        /// True where the broker is fenced, as it is at first.
        fenced: bool = true, since 0;
        /// True where the broker is in controlled shutdown (KIP-841).
        in_controlled_shutdown: bool = false, since 1;
    } tagged {
        /// Ids of the log directories that are online (KIP-858).
        0 log_dirs: Vec<Uuid> = Vec::new(), since 3;
        /// Ids of the log directories that take no new replicas (KIP-1066); none before the
        /// broker said so in a heartbeat.
        1 cordoned_log_dirs: Option<Vec<Uuid>> = None, since 4;
    }
}

structure! {
    /// The registration of a broker was removed.
    UnregisterBroker, bytes_min 13 {
        /// Id of the broker.
        broker_id: BrokerId = BrokerId(0), since 0;
        /// Epoch of the registration.
        broker_epoch: BrokerEpoch = BrokerEpoch(0), since 0;
    } tagged {}
}

structure! {
    /// A broker was fenced; written below level 3.3 of `metadata.version` only.
    FenceBroker, bytes_min 13 {
        /// Id of the broker.
        broker_id: BrokerId = BrokerId(0), since 0;
        /// Epoch of the registration.
        broker_epoch: BrokerEpoch = BrokerEpoch(0), since 0;
    } tagged {}
}

structure! {
    /// A broker was unfenced; written below level 3.3 of `metadata.version` only.
    UnfenceBroker, bytes_min 13 {
        /// Id of the broker.
        broker_id: BrokerId = BrokerId(0), since 0;
        /// Epoch of the registration.
        broker_epoch: BrokerEpoch = BrokerEpoch(0), since 0;
    } tagged {}
}

structure! {
    /// The registration of a broker changed.
    BrokerRegistrationChange, bytes_min 13 {
        /// Id of the broker.
        broker_id: BrokerId = BrokerId(0), since 0;
        /// Epoch of the registration.
        broker_epoch: BrokerEpoch = BrokerEpoch(0), since 0;
    } tagged {
        /// -1 unfenced, 0 no change, 1 fenced.
        0 fenced: i8 = 0, since 0;
        /// 0 no change, 1 in controlled shutdown.
        1 in_controlled_shutdown: i8 = 0, since 1;
        /// Log directories that are online now; empty where they did not change.
        2 log_dirs: Vec<Uuid> = Vec::new(), since 2;
        /// Log directories that take no new replicas now; none where they did not change.
        3 cordoned_log_dirs: Option<Vec<Uuid>> = None, since 3;
    }
}

structure! {
    /// A controller registered itself (KIP-919).
    RegisterController, bytes_min 24 {
        /// Id of the controller.
        controller_id: BrokerId = BrokerId(0), since 0;
        /// Id of the process.
        incarnation_id: Uuid = Uuid::nil(), since 0;
        /// True where the controller is set up for the migration from ZooKeeper.
        zk_migration_ready: bool = false, since 0;
        /// Listeners of the controller.
        endpoints: Vec<Endpoint> = Vec::new(), since 0;
        /// Features that the controller supports.
        features: Vec<FeatureRange> = Vec::new(), since 0;
    } tagged {}
}
