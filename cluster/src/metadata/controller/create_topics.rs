//! CreateTopics.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::metadata::{Config, Topic};
use milena_protocol::{BrokerId, ErrorCode, PartitionIndex, TopicId};

use super::placement::place;
use super::topic_name::check_new_name;
use super::{Draft, Operation, TopicPlan, alter_configs};
use crate::metadata::{ConfigResource, Error, Image, Partition, directory};

/// Name of the topic that the metadata log is.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// Most partitions of one request.
pub(super) const PARTITIONS_MAX: usize = 10_000;

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NewTopic {
    /// Name of the topic.
    pub name: String,
    /// Id for the topic, new and random.
    pub id: TopicId,
    /// Count of partitions; -1 for the default, or where assignments are given.
    pub num_partitions: i32,
    /// Replicas of each partition; -1 for the default, or where assignments are given.
    pub replication_factor: i16,
    /// Index and replicas of each partition; empty where the controller is to place them.
    pub assignments: Vec<(PartitionIndex, Vec<BrokerId>)>,
    /// Configurations of the topic.
    pub configs: Vec<(String, Option<String>)>,
}

/// Creates topics (KIP-4, KIP-464).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CreateTopics {
    /// The topics, each name once.
    pub topics: Vec<NewTopic>,
    /// True where nothing is to be created.
    pub validate_only: bool,
    /// Decides where replicas go; new and random.
    pub seed: u64,
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Id of the topic.
    pub id: TopicId,
    /// Count of its partitions.
    pub num_partitions: i32,
    /// Replicas of each partition.
    pub replication_factor: i16,
}

/// What became of a topic of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicResult {
    /// Name of the topic.
    pub name: String,
    /// The topic, or why it was not created.
    pub result: Result<CreatedTopic, Error>,
}

impl Operation for CreateTopics {
    /// One for each name of the request, in its order.
    type Response = Vec<TopicResult>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        check_partition_count(&self.topics, draft.config().num_partitions)?;
        // Names are checked against what was there before the request.
        let before = draft.image().clone();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in &self.topics {
            *names.entry(&topic.name).or_default() += 1;
        }
        let mut seen = BTreeSet::new();
        let mut results = Vec::with_capacity(names.len());
        for (index, topic) in self.topics.iter().enumerate() {
            if !seen.insert(topic.name.as_str()) {
                continue;
            }
            let is_duplicate = names
                .get(topic.name.as_str())
                .is_some_and(|&count| count > 1);
            let result = if is_duplicate {
                Err(Error::new(
                    ErrorCode::InvalidRequest,
                    "Duplicate topic name.",
                ))
            } else {
                // Equal topics of one request are not placed alike.
                let step = u64::try_from(index).unwrap_or(0);
                create(draft, &before, topic, self.seed.wrapping_add(step))
            };
            results.push(TopicResult {
                name: topic.name.clone(),
                result,
            });
        }
        if self.validate_only {
            draft.drop_records();
        }
        Ok(results)
    }
}

fn check_partition_count(topics: &[NewTopic], default: i32) -> Result<(), Error> {
    let count = topics
        .iter()
        .map(|topic| match topic.num_partitions {
            -1 if topic.assignments.is_empty() => usize::try_from(default).unwrap_or(0),
            -1 => topic.assignments.len(),
            count => usize::try_from(count).unwrap_or(0),
        })
        .fold(0, usize::saturating_add);
    if count > PARTITIONS_MAX {
        return Err(Error::new(
            ErrorCode::PolicyViolation,
            "Excessively large number of partitions per request.",
        ));
    }
    Ok(())
}

fn create(
    draft: &mut Draft<'_>,
    before: &Image,
    topic: &NewTopic,
    seed: u64,
) -> Result<CreatedTopic, Error> {
    if topic.name == METADATA_TOPIC {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("Creation of internal topic {METADATA_TOPIC} is prohibited."),
        ));
    }
    check_new_name(before, &topic.name)?;
    let configs = checked_configs(draft, topic)?;
    let partitions = partitions(draft, topic, seed)?;
    let assignments: Vec<_> = partitions.iter().map(|p| p.replicas.clone()).collect();
    let plan = TopicPlan {
        name: &topic.name,
        assignments: &assignments,
        is_manual: !topic.assignments.is_empty(),
        configs: &configs,
    };
    draft
        .rules()
        .check_topic(&plan)
        .map_err(|message| Error::new(ErrorCode::PolicyViolation, message))?;
    check_id(draft, topic.id)?;
    draft.push(Topic {
        name: topic.name.clone(),
        topic_id: topic.id,
    });
    for (name, value) in configs {
        draft.push(Config {
            resource_type: crate::metadata::ResourceKind::Topic.code(),
            resource_name: topic.name.clone(),
            name,
            value: Some(value),
        });
    }
    for (index, partition) in (0..).zip(&partitions) {
        draft.push(partition.to_record(topic.id, PartitionIndex(index)));
    }
    Ok(CreatedTopic {
        id: topic.id,
        num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        replication_factor: assignments.first().map_or(0, |replicas| {
            i16::try_from(replicas.len()).unwrap_or(i16::MAX)
        }),
    })
}

fn check_id(draft: &Draft<'_>, id: TopicId) -> Result<(), Error> {
    if id.is_zero() || id == TopicId::METADATA || draft.image().topic_by_id(id).is_some() {
        return Err(Error::new(
            ErrorCode::UnknownServerError,
            format!("topic id {id} is reserved or taken"),
        ));
    }
    Ok(())
}

fn checked_configs(draft: &Draft<'_>, topic: &NewTopic) -> Result<BTreeMap<String, String>, Error> {
    let mut configs = BTreeMap::new();
    let mut nulls = Vec::new();
    for (name, value) in &topic.configs {
        match value {
            Some(value) => {
                configs.insert(name.clone(), value.clone());
            }
            None => nulls.push(name.as_str()),
        }
    }
    if !nulls.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidConfig,
            format!(
                "Null value not supported for topic configs: {}",
                nulls.join(",")
            ),
        ));
    }
    if !configs.is_empty() {
        let resource = ConfigResource::topic(topic.name.as_str());
        let changes = configs
            .iter()
            .map(|(key, value)| (key.clone(), Some(value.clone())));
        draft
            .rules()
            .check_configs(&resource, &configs, &BTreeMap::new())?;
        alter_configs::check_policy(draft, &resource, &changes.collect())?;
    }
    Ok(configs)
}

fn partitions(draft: &Draft<'_>, topic: &NewTopic, seed: u64) -> Result<Vec<Partition>, Error> {
    if !topic.assignments.is_empty() {
        return assigned(draft, topic);
    }
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        return Err(Error::new(
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ));
    }
    if topic.num_partitions < -1 || topic.num_partitions == 0 {
        return Err(Error::new(
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ));
    }
    let or_default = |given: i32, default: i32| if given == -1 { default } else { given };
    let count = or_default(topic.num_partitions, draft.config().num_partitions);
    let replicas = match topic.replication_factor {
        -1 => draft.config().default_replication_factor,
        given => given,
    };
    let prefix = format!("Unable to replicate the partition {replicas} time(s): ");
    placed(draft, seed, usize::try_from(count).unwrap_or(0), replicas).map_err(|error| {
        let message = error.message.unwrap_or_default();
        Error::new(error.code, format!("{prefix}{message}"))
    })
}

/// New partitions where the controller chooses.
pub(super) fn placed(
    draft: &Draft<'_>,
    seed: u64,
    count: usize,
    replicas: i16,
) -> Result<Vec<Partition>, Error> {
    place(draft.image(), seed, count, replicas)?
        .into_iter()
        .map(|replicas| {
            registration(draft.image(), replicas).ok_or_else(|| {
                Error::new(
                    ErrorCode::InvalidReplicationFactor,
                    "All brokers are currently fenced or in controlled shutdown.",
                )
            })
        })
        .collect()
}

fn assigned(draft: &Draft<'_>, topic: &NewTopic) -> Result<Vec<Partition>, Error> {
    let manual = "A manual partition assignment was specified, but ";
    if topic.replication_factor != -1 {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("{manual}replication factor was not set to -1."),
        ));
    }
    if topic.num_partitions != -1 {
        return Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("{manual}numPartitions was not set to -1."),
        ));
    }
    let mut partitions = BTreeMap::new();
    let mut replication_factor = None;
    for (index, replicas) in &topic.assignments {
        if partitions.contains_key(index) {
            return Err(Error::new(
                ErrorCode::InvalidReplicaAssignment,
                format!("Found multiple manual partition assignments for partition {index}"),
            ));
        }
        check_assignment(draft.image(), replicas, replication_factor)?;
        replication_factor = Some(replicas.len());
        partitions.insert(*index, assigned_partition(draft.image(), *index, replicas)?);
    }
    let is_dense = (0..)
        .zip(partitions.keys())
        .all(|(expected, index)| index.0 == expected);
    if !is_dense {
        return Err(Error::new(
            ErrorCode::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ));
    }
    Ok(partitions.into_values().collect())
}

/// A new partition with given replicas.
pub(super) fn assigned_partition(
    image: &Image,
    index: PartitionIndex,
    replicas: &[BrokerId],
) -> Result<Partition, Error> {
    registration(image, replicas.to_vec()).ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidReplicaAssignment,
            format!(
                "All brokers specified in the manual partition assignment for partition {index} \
                 are fenced or in controlled shutdown."
            ),
        )
    })
}

/// A new partition whose active replicas are in sync; none where no replica is active.
fn registration(image: &Image, replicas: Vec<BrokerId>) -> Option<Partition> {
    let isr: Vec<_> = replicas
        .iter()
        .copied()
        .filter(|&id| image.is_active(id))
        .collect();
    let directories = replicas
        .iter()
        .map(|&id| {
            let broker = image.broker(id);
            broker.map_or(directory::UNASSIGNED, |broker| broker.default_directory())
        })
        .collect();
    (!isr.is_empty()).then(|| Partition::created(replicas, directories, isr))
}

/// Checks replicas that a request gives.
pub(super) fn check_assignment(
    image: &Image,
    replicas: &[BrokerId],
    replication_factor: Option<usize>,
) -> Result<(), Error> {
    let refused = |what: String| {
        let message = format!("The manual partition assignment includes {what}");
        Err(Error::new(ErrorCode::InvalidReplicaAssignment, message))
    };
    if replicas.is_empty() {
        return refused("an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut former = None;
    for id in sorted {
        if image.broker(id).is_none() {
            return refused(format!("broker {id}, but no such broker is registered."));
        }
        if former == Some(id) {
            return refused(format!("the broker {id} more than once."));
        }
        former = Some(id);
    }
    match replication_factor {
        Some(expected) if expected != replicas.len() => refused(format!(
            "a partition with {} replica(s), but this is not consistent with previous \
             partitions, which have {expected} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}
