//! CreatePartitions.

use std::collections::BTreeMap;

use milena_protocol::{BrokerId, ErrorCode, PartitionIndex};

use super::create_topics::{assigned_partition, check_assignment, placed};
use super::{Draft, Operation};
use crate::metadata::{Error, Partition};

/// Partitions to be added to a topic.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MorePartitions {
    /// Name of the topic.
    pub topic: String,
    /// Count of partitions that it is to have.
    pub count: i32,
    /// Replicas of each new partition; none where the controller is to place them.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// Adds partitions to topics (KIP-195).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CreatePartitions {
    /// The topics, each once.
    pub topics: Vec<MorePartitions>,
    /// True where nothing is to be created.
    pub validate_only: bool,
    /// Decides where replicas go; new and random.
    pub seed: u64,
}

impl Operation for CreatePartitions {
    /// One for each name of the request, in its order.
    type Response = Vec<(String, Result<(), Error>)>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(&topic.topic).or_default() += 1;
        }
        let mut results = Vec::with_capacity(counts.len());
        for topic in &self.topics {
            let result = match counts.remove(topic.topic.as_str()) {
                None => continue,
                Some(1) => add(draft, topic, self.seed),
                Some(_) => Err(Error::new(
                    ErrorCode::InvalidRequest,
                    "Duplicate topic name.",
                )),
            };
            results.push((topic.topic.clone(), result));
        }
        if self.validate_only {
            draft.drop_records();
        }
        Ok(results)
    }
}

fn add(draft: &mut Draft<'_>, more: &MorePartitions, seed: u64) -> Result<(), Error> {
    let Some(topic) = draft.image().topic(&more.topic).cloned() else {
        return Err(Error::usual(ErrorCode::UnknownTopicOrPartition));
    };
    let has = topic.partition_count();
    if more.count == has {
        return Err(Error::new(
            ErrorCode::InvalidPartitions,
            format!("Topic already has {has} partition(s)."),
        ));
    }
    let Some(additional) = more
        .count
        .checked_sub(has)
        .filter(|&additional| additional > 0)
    else {
        return Err(Error::new(
            ErrorCode::InvalidPartitions,
            format!(
                "The topic {} currently has {has} partition(s); {} would not be an increase.",
                more.topic, more.count
            ),
        ));
    };
    let additional = usize::try_from(additional).unwrap_or(usize::MAX);
    if additional > super::create_topics::PARTITIONS_MAX {
        return Err(Error::new(
            ErrorCode::PolicyViolation,
            "Unable to perform excessively large batch operation.",
        ));
    }
    let replication_factor = topic.replication_factor();
    let partitions: Vec<Partition> = match &more.assignments {
        Some(assignments) => {
            if assignments.len() != additional {
                return Err(Error::new(
                    ErrorCode::InvalidReplicaAssignment,
                    format!(
                        "Attempted to add {additional} additional partition(s), but only {} \
                         assignment(s) were specified.",
                        assignments.len()
                    ),
                ));
            }
            (has..)
                .zip(assignments)
                .map(|(index, replicas)| {
                    check_assignment(draft.image(), replicas, Some(replication_factor))?;
                    assigned_partition(draft.image(), PartitionIndex(index), replicas)
                })
                .collect::<Result<_, _>>()?
        }
        None => {
            let replicas = i16::try_from(replication_factor).unwrap_or(i16::MAX);
            placed(draft, seed, additional, replicas)?
        }
    };
    for (index, partition) in (has..).zip(&partitions) {
        draft.push(partition.to_record(topic.id, PartitionIndex(index)));
    }
    Ok(())
}
