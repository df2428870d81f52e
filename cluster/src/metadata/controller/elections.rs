//! Elections of leaders that are asked for or due.

use std::sync::Arc;

use milena_protocol::{ErrorCode, PartitionIndex};

use super::partition_change::Election;
use super::{Draft, Operation};
use crate::metadata::{Error, Topic};

/// Who is to be elected (KIP-460).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica (0).
    Preferred,
    /// Any replica that is alive, where no other may lead (1).
    Unclean,
}

impl ElectionKind {
    /// The kind with this number; none where Kafka has no such kind.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Preferred),
            1 => Some(Self::Unclean),
            _ => None,
        }
    }
}

/// Elects leaders of partitions (KIP-183, KIP-460).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectLeaders {
    /// Who is to be elected.
    pub kind: ElectionKind,
    /// Partitions by topic; none for all.
    pub partitions: Option<Vec<(String, Vec<PartitionIndex>)>>,
}

/// What became of a partition of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectedPartition {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Index of the partition.
    pub partition: PartitionIndex,
    /// Why no leader was elected.
    pub result: Result<(), Error>,
}

impl Operation for ElectLeaders {
    /// One for each partition, in the order of the request. Where all are asked for, those that
    /// need no election are left out.
    type Response = Vec<ElectedPartition>;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<Self::Response, Error> {
        let mut results = Vec::new();
        let Some(partitions) = &self.partitions else {
            let all: Vec<_> = draft
                .image()
                .partitions()
                .map(|(topic, index, _)| (topic.name.clone(), index))
                .collect();
            for (topic, partition) in all {
                let result = elect(draft, &topic, partition, self.kind);
                let is_needed = !matches!(
                    &result,
                    Err(error) if error.code == ErrorCode::ElectionNotNeeded
                );
                if is_needed {
                    results.push(ElectedPartition {
                        topic,
                        partition,
                        result,
                    });
                }
            }
            return Ok(results);
        };
        for (topic, indexes) in partitions {
            for &partition in indexes {
                results.push(ElectedPartition {
                    topic: Arc::from(topic.as_str()),
                    partition,
                    result: elect(draft, topic, partition, self.kind),
                });
            }
        }
        Ok(results)
    }
}

fn elect(
    draft: &mut Draft<'_>,
    name: &str,
    index: PartitionIndex,
    kind: ElectionKind,
) -> Result<(), Error> {
    let unknown = |message| Err(Error::new(ErrorCode::UnknownTopicOrPartition, message));
    let Some(topic) = draft.image().topic(name).cloned() else {
        return unknown(format!("No such topic as {name}"));
    };
    let Some(partition) = topic.partitions.get(&index) else {
        return unknown(format!("No such partition as {name}-{index}"));
    };
    let is_done = match kind {
        ElectionKind::Preferred => partition.has_preferred_leader(),
        ElectionKind::Unclean => partition.leader.is_some(),
    };
    if is_done {
        return Err(Error::usual(ErrorCode::ElectionNotNeeded));
    }
    let election = match kind {
        ElectionKind::Preferred => Election::Preferred,
        ElectionKind::Unclean => Election::Unclean,
    };
    if hold(draft, &topic, index, election) {
        return Ok(());
    }
    Err(Error::usual(match kind {
        ElectionKind::Preferred => ErrorCode::PreferredLeaderNotAvailable,
        ElectionKind::Unclean => ErrorCode::EligibleLeadersNotAvailable,
    }))
}

/// Holds an election; false where nothing changes.
fn hold(draft: &mut Draft<'_>, topic: &Topic, index: PartitionIndex, election: Election) -> bool {
    let Some(partition) = topic.partition(index) else {
        return false;
    };
    let mut proposal = draft.proposal(topic, index, partition);
    proposal.election = election;
    let change = proposal.build();
    draft.push_change(change)
}

/// Partitions for which an election is due.
fn due(
    draft: &Draft<'_>,
    is_due: impl Fn(&crate::metadata::Partition) -> bool,
) -> Vec<(Arc<Topic>, PartitionIndex)> {
    draft
        .image()
        .partitions()
        .filter(|(_, _, partition)| is_due(partition))
        .map(|(topic, index, _)| (topic.clone(), index))
        .collect()
}

/// Elects leaders of partitions without any whose topics allow an unclean election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectUncleanLeaders {
    /// Most elections of one round.
    pub elections_max: usize,
}

impl Operation for ElectUncleanLeaders {
    /// True where more may be due.
    type Response = bool;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<bool, Error> {
        for (topic, index) in due(draft, |partition| partition.leader.is_none()) {
            if draft.record_count() >= self.elections_max {
                return Ok(true);
            }
            if draft.allows_unclean_election(&topic.name) {
                hold(draft, &topic, index, Election::Unclean);
            }
        }
        Ok(false)
    }
}

/// Elects preferred leaders (`auto.leader.rebalance.enable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceLeaders {
    /// Most elections of one round.
    pub elections_max: usize,
}

impl Operation for BalanceLeaders {
    /// True where more may be due.
    type Response = bool;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<bool, Error> {
        for (topic, index) in due(draft, |partition| !partition.has_preferred_leader()) {
            if draft.record_count() >= self.elections_max {
                return Ok(true);
            }
            hold(draft, &topic, index, Election::Preferred);
        }
        Ok(false)
    }
}
