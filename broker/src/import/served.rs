//! What this broker can do with the records it has read.
//!
//! Kafka 4.3 finalizes features that are not served here. What they allow is in topics of the
//! broker's own, which are kept, and so the levels can be lowered; that of `metadata.version` says
//! which records there are and never is. A topic of which a part is elsewhere, on other brokers or
//! in remote storage, would be served without that part.

use milena_cluster::metadata::{ConfigResource, Digest, Image, Position, Topic};
use milena_protocol::stored::metadata::{
    FeatureLevel, FeatureRange, Identity, MetadataVersion, PartitionChange, ProducerIds, Record,
    UnregisterBroker,
};
use milena_protocol::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, ProducerId, Timestamp};
use tracing::warn;

use super::{Error, Source};

const REMOTE_STORAGE: &str = "remote.storage.enable";
/// The year 2020 in seconds since 1970.
const YEAR_2020_SECONDS: i64 = 1_577_836_800;
const IDS_PER_SECOND: i64 = 1 << 20;

/// Lowers the levels of features to what is served, lets ids of producers begin where nobody has
/// been, and refuses what cannot be served.
pub(super) fn adapt(source: &Source<'_>, records: &mut Vec<Record>) -> Result<(), Error> {
    let position = Position {
        offset: Offset(0),
        epoch: LeaderEpoch(0),
    };
    let image = Image::from_records("", &*records, position, Digest(0));
    check_version(source, &image)?;
    if source.is_forced {
        stay_alone(source, &image, records);
    } else {
        for topic in image.topics() {
            check_topic(source, &image, topic)?;
        }
    }
    for (name, level) in image.features() {
        if let Some(served) = lowered(name, level, source.served) {
            warn!(
                feature = name.as_ref(),
                level, served, "level of a feature is lowered to what is served"
            );
            records.push(Record::FeatureLevel(FeatureLevel {
                name: name.to_string(),
                feature_level: served,
            }));
        }
    }
    records.push(Record::ProducerIds(ProducerIds {
        broker_id: source.node_id,
        broker_epoch: BrokerEpoch::NONE,
        next_producer_id: image.next_producer_id().max(first_producer_id(source.now)),
    }));
    tell_what_has_no_effect(&image);
    Ok(())
}

/// First id of a producer after an import at `now`. Kafka counts on where it was if it is started on
/// the directory again, and would give the ids once more that were given here meanwhile; the logs
/// know those, and the first records of such a producer could pass for repeated ones. The same holds
/// for a later import. Each import therefore begins at a number of its own: that of its second times
/// a million, which nobody reaches by counting, and which has less than 53 bits for clients that
/// count in floating point.
fn first_producer_id(now: Timestamp) -> ProducerId {
    let seconds = (now.0 / 1000).saturating_sub(YEAR_2020_SECONDS).max(0);
    ProducerId(seconds.saturating_mul(IDS_PER_SECOND))
}

/// The level that is served instead of `level`; none where that is served itself, or nothing lower.
fn lowered(name: &str, level: i16, served: &[FeatureRange]) -> Option<i16> {
    let range = served.iter().find(|range| range.name == name);
    let max = range.map_or(0, |range| range.max_supported_version);
    (name != MetadataVersion::FEATURE && max < level).then_some(max)
}

fn check_version(source: &Source<'_>, image: &Image) -> Result<(), Error> {
    let level = image.metadata_version().0;
    let is_version = |range: &&FeatureRange| range.name == MetadataVersion::FEATURE;
    let Some(range) = source.served.iter().find(is_version) else {
        return Ok(());
    };
    let (min, max) = (range.min_supported_version, range.max_supported_version);
    if (min..=max).contains(&level) {
        Ok(())
    } else {
        Err(Error::MetadataVersion {
            folder: source.folder(),
            level,
            min,
            max,
        })
    }
}

fn check_topic(source: &Source<'_>, image: &Image, topic: &Topic) -> Result<(), Error> {
    let is_other = |broker: &&BrokerId| **broker != source.node_id;
    for (&partition, registered) in &topic.partitions {
        if let Some(&broker) = registered.replicas.iter().find(is_other) {
            let topic = topic.name.to_string();
            return Err(Error::OtherReplica {
                folder: source.folder(),
                topic,
                partition,
                broker,
            });
        }
    }
    let resource = ConfigResource::topic(&*topic.name);
    let remote = image.config(&resource, REMOTE_STORAGE);
    if remote.is_some_and(|value| value.as_ref() == "true") {
        let topic = topic.name.to_string();
        return Err(Error::RemoteStorage {
            folder: source.folder(),
            topic,
        });
    }
    Ok(())
}

/// Makes this node the only one. What it has of a partition counts from now on; a partition of which
/// it has nothing stays without leader.
fn stay_alone(source: &Source<'_>, image: &Image, records: &mut Vec<Record>) {
    let id = source.node_id;
    let (mut kept, mut lost) = (0, 0);
    for topic in image.topics() {
        for (&partition, registered) in &topic.partitions {
            if registered.replicas == [id] {
                continue;
            }
            let mut change = PartitionChange {
                topic_id: topic.id,
                partition,
                // As after a stop: this broker is elected once it serves.
                leader: BrokerId::NONE,
                ..PartitionChange::default()
            };
            if registered.replicas.contains(&id) {
                kept += 1;
                change.replicas = Some(vec![id]);
                change.isr = Some(vec![id]);
                change.removing_replicas = Some(Vec::new());
                change.adding_replicas = Some(Vec::new());
                change.eligible_leader_replicas = Some(Vec::new());
                change.last_known_elr = Some(Vec::new());
            } else {
                lost += 1;
            }
            records.push(Record::PartitionChange(change));
        }
    }
    for broker in image.brokers().filter(|broker| broker.id != id) {
        records.push(Record::UnregisterBroker(UnregisterBroker {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
        }));
    }
    if kept + lost > 0 {
        warn!(
            kept,
            lost,
            "this node goes on alone: partitions that other brokers have too, and those that it has not"
        );
    }
}

/// Says which records are kept for nothing.
fn tell_what_has_no_effect(image: &Image) {
    let (mut acls, mut credentials, mut tokens) = (0, 0, 0);
    for other in image.others() {
        match other.identity() {
            Ok(Identity::Acl(_)) => acls += 1,
            Ok(Identity::Scram(..)) => credentials += 1,
            Ok(Identity::DelegationToken(_)) => tokens += 1,
            Err(_) => {}
        }
    }
    if acls + credentials + tokens > 0 {
        warn!(
            acls,
            credentials,
            tokens,
            "nobody is authenticated or authorized: these are kept without effect"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use milena_protocol::stored::metadata::{Config, Partition, Topic};
    use milena_protocol::{PartitionIndex, TopicId};
    use uuid::Uuid;

    use super::*;

    fn range(name: &str, min: i16, max: i16) -> FeatureRange {
        FeatureRange {
            name: name.to_owned(),
            min_supported_version: min,
            max_supported_version: max,
        }
    }

    #[test]
    fn only_what_is_not_served_is_lowered() {
        let served = [
            range("metadata.version", 7, 30),
            range("group.version", 0, 1),
        ];

        assert_eq!(lowered("group.version", 1, &served), None);
        assert_eq!(lowered("group.version", 2, &served), Some(1));
        assert_eq!(lowered("share.version", 1, &served), Some(0));
        assert_eq!(lowered("metadata.version", 31, &served), None);
    }

    #[test]
    fn each_import_has_ids_of_producers_of_its_own() {
        let first = |now| first_producer_id(Timestamp(now)).0;
        let now = 1_800_000_000_000;

        assert_eq!(first(0), 0);
        assert!(first(now) - first(now - 1000) == IDS_PER_SECOND);
        assert!(first(now) < 1 << 53);
    }

    /// What happens to the metadata of one topic, not forced and forced.
    fn check(replicas: &[i32], config: &str) -> [Result<(), Error>; 2] {
        let topic_id = TopicId(Uuid::from_u128(1));
        let records = [
            Record::FeatureLevel(FeatureLevel {
                name: MetadataVersion::FEATURE.to_owned(),
                feature_level: 30,
            }),
            Record::Topic(Topic {
                name: "orders".to_owned(),
                topic_id,
            }),
            Record::Partition(Partition {
                topic_id,
                partition: PartitionIndex(0),
                replicas: replicas.iter().copied().map(BrokerId).collect(),
                ..Partition::default()
            }),
            Record::Config(Config {
                resource_type: 2,
                resource_name: "orders".to_owned(),
                name: config.to_owned(),
                value: Some("true".to_owned()),
            }),
        ];
        let served = [range(MetadataVersion::FEATURE, 7, 30)];
        [false, true].map(|is_forced| {
            let source = Source {
                directory: Path::new("/data"),
                node_id: BrokerId(1),
                is_clean: true,
                is_forced,
                served: &served,
                now: Timestamp(0),
            };
            adapt(&source, &mut records.to_vec())
        })
    }

    #[test]
    fn a_topic_that_is_not_here_as_a_whole_is_refused_unless_forced() {
        assert!(matches!(check(&[1], "preallocate"), [Ok(()), Ok(())]));
        assert!(matches!(
            check(&[1, 2], "preallocate"),
            [
                Err(Error::OtherReplica {
                    partition: PartitionIndex(0),
                    broker: BrokerId(2),
                    ..
                }),
                Ok(())
            ]
        ));
        assert!(matches!(
            check(&[1], REMOTE_STORAGE),
            [Err(Error::RemoteStorage { .. }), Ok(())]
        ));
    }

    #[test]
    fn records_of_an_unknown_version_are_refused_always() {
        let level = |feature_level| {
            let name = MetadataVersion::FEATURE.to_owned();
            vec![Record::FeatureLevel(FeatureLevel {
                name,
                feature_level,
            })]
        };
        let served = [range(MetadataVersion::FEATURE, 7, 30)];
        let source = Source {
            directory: Path::new("/data"),
            node_id: BrokerId(1),
            is_clean: true,
            is_forced: true,
            served: &served,
            now: Timestamp(0),
        };

        assert!(adapt(&source, &mut level(30)).is_ok());
        assert!(matches!(
            adapt(&source, &mut level(31)),
            Err(Error::MetadataVersion {
                level: 31,
                min: 7,
                max: 30,
                ..
            })
        ));
    }
}
