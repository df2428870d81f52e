//! What administrators see of a group of the consumer protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::{ErrorCode, PartitionIndex, TopicId};

use super::member::{Member, without_epochs};
use super::request::{DescribedConsumerGroup, DescribedConsumerMember, DescribedPartitions};
use super::state::State;
use crate::group::topics::TopicView;

impl DescribedConsumerGroup {
    /// The answer that says nothing but this error.
    pub(in crate::group) fn refused(
        group: &str,
        error: ErrorCode,
        message: Option<String>,
    ) -> Self {
        Self {
            group: group.to_owned(),
            error,
            error_message: message,
            state: "",
            group_epoch: 0,
            assignment_epoch: 0,
            assignor: String::new(),
            members: Vec::new(),
        }
    }

    pub(in crate::group) fn of(
        group: &str,
        state: &State,
        default_assignor: &str,
        topics: &TopicView,
    ) -> Self {
        let assignor = state.preferred_assignor().unwrap_or(default_assignor);
        let members = state.members().iter();
        Self {
            group: group.to_owned(),
            error: ErrorCode::None,
            error_message: None,
            state: state.phase().name(),
            group_epoch: state.epoch(),
            assignment_epoch: state.assignment_epoch(),
            assignor: assignor.to_owned(),
            members: members
                .map(|(id, member)| described(id, member, state, topics))
                .collect(),
        }
    }
}

fn described(
    id: &Arc<str>,
    member: &Member,
    state: &State,
    topics: &TopicView,
) -> DescribedConsumerMember {
    // The member is responsible for what it has not given up yet.
    let mut assignment = without_epochs(&member.assigned);
    for (topic, partitions) in &member.pending_revocation {
        let of_topic = assignment.entry(*topic).or_default();
        of_topic.extend(partitions.keys().copied());
    }
    let target = state.target(id).cloned().unwrap_or_default();
    let metadata = &member.metadata;
    DescribedConsumerMember {
        member_id: id.to_string(),
        group_instance_id: metadata.instance_id.clone(),
        rack_id: metadata.rack_id.clone(),
        member_epoch: member.epoch,
        client_id: metadata.client_id.clone(),
        client_host: metadata.client_host.clone(),
        subscribed_topic_names: metadata.subscribed_topic_names.clone(),
        subscribed_topic_regex: metadata.subscribed_topic_regex.clone(),
        assignment: named(&assignment, topics),
        target_assignment: named(&target, topics),
        is_classic: member.uses_classic_protocol(),
    }
}

fn named(
    assignment: &BTreeMap<TopicId, std::collections::BTreeSet<PartitionIndex>>,
    topics: &TopicView,
) -> Vec<DescribedPartitions> {
    let existing = assignment.iter().filter_map(|(id, partitions)| {
        let topic = topics.topic_of_id(*id)?;
        Some(DescribedPartitions {
            topic_id: *id,
            topic_name: topic.name.clone(),
            partitions: partitions.iter().copied().collect(),
        })
    });
    existing.collect()
}
