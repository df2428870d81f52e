//! Records of the metadata log `__cluster_metadata` (KIP-500, KIP-746), as Kafka 4.3 writes them.
//!
//! The value of a record of the log, or of a snapshot (`*.checkpoint`), is one frame:
//!
//! | field | type |
//! |---|---|
//! | frame version, always 1 | unsigned varint |
//! | api key, which names the kind of record | unsigned varint |
//! | version of the record | unsigned varint |
//! | body, all versions flexible (KIP-482) | see [`Record`] |
//!
//! The key of such a record is null. Control batches of the same log (leader change, snapshot
//! header and footer, voters) are not frames and are not read here.
//!
//! | key | record | versions | key | record | versions |
//! |---|---|---|---|---|---|
//! | 0 | [`RegisterBroker`] | 0-4 | 15 | [`ProducerIds`] | 0 |
//! | 1 | [`UnregisterBroker`] | 0 | 17 | [`BrokerRegistrationChange`] | 0-3 |
//! | 2 | [`Topic`] | 0 | 18, 19 | ACL, as [`Other`] | 0 |
//! | 3 | [`Partition`] | 0-2 | 20 | [`NoOp`] | 0 |
//! | 4 | [`Config`] | 0 | 21 | [`ZkMigrationState`] | 0 |
//! | 5 | [`PartitionChange`] | 0-2 | 11, 22 | SCRAM credential, as [`Other`] | 0 |
//! | 7, 8 | [`FenceBroker`], [`UnfenceBroker`] | 0 | 23 | [`BeginTransaction`] | 0 |
//! | 9 | [`RemoveTopic`] | 0 | 24 | [`EndTransaction`] | 0 |
//! | 10, 26 | delegation token, as [`Other`] | 0 | 25 | [`AbortTransaction`] | 0 |
//! | 12 | [`FeatureLevel`] | 0 | 27 | [`RegisterController`] | 0 |
//! | 14 | [`ClientQuota`] | 0 | 28 | [`ClearElr`] | 0 |

mod broker;
mod error;
mod field;
mod other;
mod record;
mod setting;
mod topic;
mod transaction;
mod version;

#[cfg(test)]
mod tests;

pub use broker::{
    BrokerRegistrationChange, Endpoint, FeatureRange, FenceBroker, RegisterBroker,
    RegisterController, UnfenceBroker, UnregisterBroker,
};
pub use error::Error;
pub use other::{Identity, Other};
pub use record::Record;
pub use setting::{ClientQuota, Config, EntityPart, FeatureLevel, ProducerIds};
pub use topic::{ClearElr, Partition, PartitionChange, RemoveTopic, Topic};
pub use transaction::{AbortTransaction, BeginTransaction, EndTransaction, NoOp, ZkMigrationState};
pub use version::MetadataVersion;
