//! How a request changes the metadata of the cluster.
//!
//! Every request is a plain struct that implements [`Operation`]; [`Controller::decide`]
//! evaluates it on an [`Image`](super::Image) and gives the records that carry it out. One file
//! holds one operation:
//!
//! | operation | file | Kafka class |
//! |---|---|---|
//! | [`CreateTopics`] | `create_topics` | `ReplicationControlManager` |
//! | [`DeleteTopics`] | `delete_topics` | `ControllerApis`, `ReplicationControlManager` |
//! | [`CreatePartitions`] | `create_partitions` | `ReplicationControlManager` |
//! | [`IncrementalAlterConfigs`], [`AlterConfigs`] | `alter_configs` | `ConfigurationControlManager` |
//! | [`AlterClientQuotas`] | `client_quotas` | `ClientQuotaControlManager` |
//! | [`UpdateFeatures`], [`Bootstrap`] | `features` | `FeatureControlManager` |
//! | [`AllocateProducerIds`] | `producer_ids` | `ProducerIdControlManager` |
//! | [`RegisterBroker`], [`UnregisterBroker`] | `brokers` | `ClusterControlManager` |
//! | [`Heartbeat`], [`FenceBroker`] | `heartbeat` | `BrokerHeartbeatManager` |
//! | [`ElectLeaders`], [`ElectUncleanLeaders`], [`BalanceLeaders`] | `elections` | `ReplicationControlManager` |
//! | [`AlterPartition`] | `alter_partition` | `ReplicationControlManager` |
//! | [`AlterPartitionReassignments`], [`ListPartitionReassignments`] | `reassignments` | `ReplicationControlManager` |
//! | [`AssignReplicasToDirs`] | `directories` | `ReplicationControlManager` |

mod alter_configs;
mod alter_partition;
mod brokers;
mod client_quotas;
mod config_tables;
mod create_partitions;
mod create_topics;
mod decide;
mod delete_topics;
mod directories;
mod draft;
mod elections;
mod features;
mod heartbeat;
mod partition_change;
mod placement;
mod producer_ids;
mod reassignments;
mod rules;
mod session;
mod topic_name;

#[cfg(test)]
mod tests;

pub use alter_configs::{
    AlterConfigs, ConfigChange, ConfigOperation, IncrementalAlterConfigs, ResourceChange,
    ResourceConfigs, ResourceResult,
};
pub use alter_partition::{AlterPartition, AlteredPartition, IsrChange, PartitionStatus};
pub use brokers::{RegisterBroker, UnregisterBroker};
pub use client_quotas::{AlterClientQuotas, QuotaAlteration, QuotaChange, QuotaResult};
pub use config_tables::ConfigTables;
pub use create_partitions::{CreatePartitions, MorePartitions};
pub use create_topics::{CreateTopics, CreatedTopic, NewTopic, TopicResult};
pub use decide::{Config, Controller, Decision, Operation};
pub use delete_topics::{DeleteTopics, DeletedTopic, TopicReference};
pub use directories::{AssignReplicasToDirs, AssignedReplica, DirectoryAssignment};
pub use draft::Draft;
pub use elections::{
    BalanceLeaders, ElectLeaders, ElectUncleanLeaders, ElectedPartition, ElectionKind,
};
pub use features::{Bootstrap, FeatureUpdate, UpdateFeatures, UpgradeKind};
pub use heartbeat::{FenceBroker, Heartbeat, HeartbeatResponse};
pub use producer_ids::{AllocateProducerIds, ProducerIdBlock};
pub use reassignments::{
    AlterPartitionReassignments, ListPartitionReassignments, OngoingReassignment, Reassignment,
    ReassignmentResult,
};
pub use rules::{Rules, TopicPlan, Unchecked};
pub use topic_name::check_topic_name;
