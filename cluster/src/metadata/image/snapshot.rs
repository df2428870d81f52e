//! The image as records, in Kafka's order.

use std::sync::Arc;

use milena_protocol::stored::metadata::{
    ClientQuota, Config, FeatureLevel, MetadataVersion, Record, Topic, ZkMigrationState,
};

use super::{Digest, Image, Position};

impl Image {
    /// Records that give an equal image: features (`metadata.version` first), brokers,
    /// controllers, topics and their partitions, configurations, quotas, producer ids, others.
    ///
    /// Position and digest are not in them; a snapshot carries both beside the records. An image
    /// inside of a transaction gives the state before it.
    #[must_use]
    pub fn encode_snapshot(&self) -> Vec<Record> {
        let state = self.before_transaction.as_deref().unwrap_or(&self.state);
        let mut records: Vec<Record> = Vec::new();
        let level = |name: &str, feature_level: i16| FeatureLevel {
            name: name.to_owned(),
            feature_level,
        };
        let (first, rest): (Vec<_>, Vec<_>) = state
            .features
            .iter()
            .partition(|(name, _)| name.as_ref() == MetadataVersion::FEATURE);
        let features = first.into_iter().chain(rest);
        records.extend(features.map(|(name, &value)| level(name, value).into()));
        records.extend(
            state
                .brokers
                .values()
                .map(|broker| broker.to_record().into()),
        );
        let controllers = state.controllers.values();
        records.extend(controllers.map(|controller| controller.to_record().into()));
        for topic in state.topics.values() {
            let name = topic.name.to_string();
            records.push(
                Topic {
                    name,
                    topic_id: topic.id,
                }
                .into(),
            );
            for (&index, partition) in &topic.partitions {
                records.push(partition.to_record(topic.id, index).into());
            }
        }
        for (resource, configs) in &state.configs {
            records.extend(configs.iter().map(|(name, value)| {
                Record::from(Config {
                    resource_type: resource.kind.code(),
                    resource_name: resource.name.to_string(),
                    name: name.to_string(),
                    value: Some(value.to_string()),
                })
            }));
        }
        for (entity, quotas) in &state.quotas {
            records.extend(quotas.iter().map(|(key, &value)| {
                Record::from(ClientQuota {
                    entity: entity.to_parts(),
                    key: key.to_string(),
                    value,
                    remove: false,
                })
            }));
        }
        records.extend(state.producer_ids.clone().map(Record::from));
        if let Some(zk_migration_state) = state.zk_migration_state {
            records.push(ZkMigrationState { zk_migration_state }.into());
        }
        records.extend(state.others.values().cloned().map(Record::Other));
        records
    }

    /// The image of a snapshot that was taken at `position` and had the digest `digest`.
    pub fn from_records<'a>(
        cluster_id: impl Into<Arc<str>>,
        records: impl IntoIterator<Item = &'a Record>,
        position: Position,
        digest: Digest,
    ) -> Self {
        let mut image = Self::new(cluster_id);
        image.advance(position);
        for record in records {
            image.apply(record);
        }
        image.digest = digest;
        image
    }
}
