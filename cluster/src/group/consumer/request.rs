//! ConsumerGroupHeartbeat and ConsumerGroupDescribe, without the versions of the APIs.

use std::collections::BTreeSet;

use milena_protocol::stored::group::ConsumerMember;
use milena_protocol::{ErrorCode, PartitionIndex, TopicId};
use uuid::Uuid;

use super::member::Assignment;

/// ConsumerGroupHeartbeat (key 68).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeat {
    /// Id of the group.
    pub group: String,
    /// Id of the member, which it made itself from version 1 on; before, empty where it has none.
    pub member_id: String,
    /// Epoch that the member knows; 0 to join, -1 to leave, -2 where a static member leaves for a
    /// while.
    pub member_epoch: i32,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// `client.rack`; none where it has not changed.
    pub rack_id: Option<String>,
    /// Milliseconds that the member has to give partitions up; -1 where it has not changed.
    pub rebalance_timeout_ms: i32,
    /// Topics by name; none where they have not changed.
    pub subscribed_topic_names: Option<Vec<String>>,
    /// Topics by regular expression, empty for none; none where it has not changed (version 1).
    pub subscribed_topic_regex: Option<String>,
    /// Assignor that the member wants; none where it has not changed.
    pub server_assignor: Option<String>,
    /// What the member has; none where it has not changed.
    pub owned_partitions: Option<Vec<(TopicId, Vec<PartitionIndex>)>>,
    /// Client id of the request header; empty where there is none.
    pub client_id: String,
    /// Address of the client as Java prints it, `/127.0.0.1`.
    pub client_host: String,
    /// A new random UUID: the id of a member of version 0 that has none.
    pub new_member_uuid: Uuid,
    /// True from version 1: the member must have an id.
    pub makes_member_id: bool,
}

/// Answer to ConsumerGroupHeartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatResult {
    /// What went wrong.
    pub error: ErrorCode,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// Id of the member; none with an error.
    pub member_id: Option<String>,
    /// Epoch of the member; 0 with an error.
    pub member_epoch: i32,
    /// Milliseconds until the next heartbeat; 0 with an error and for one that leaves.
    pub heartbeat_interval_ms: i32,
    /// What the member is to have; none where that has not changed.
    pub assignment: Option<Assignment>,
}

/// A group in the answer to ConsumerGroupDescribe (key 69).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// Id of the group.
    pub group: String,
    /// What went wrong.
    pub error: ErrorCode,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// State of the group as Kafka spells it; empty with an error.
    pub state: &'static str,
    /// Epoch of the group.
    pub group_epoch: i32,
    /// Epoch of the group that the target assignment was computed for.
    pub assignment_epoch: i32,
    /// Assignor that is used.
    pub assignor: String,
    /// The members, by id.
    pub members: Vec<DescribedConsumerMember>,
}

/// A member of a [`DescribedConsumerGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    /// Id of the member.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// Epoch of the member.
    pub member_epoch: i32,
    /// Client id of its last request.
    pub client_id: String,
    /// Address of the client.
    pub client_host: String,
    /// Topics by name, in order.
    pub subscribed_topic_names: Vec<String>,
    /// Regular expression; empty or none where there is none.
    pub subscribed_topic_regex: Option<String>,
    /// What it has, with what it has not given up yet: topics that exist.
    pub assignment: Vec<DescribedPartitions>,
    /// What it is to have: topics that exist.
    pub target_assignment: Vec<DescribedPartitions>,
    /// True where it uses the classic protocol (version 1: member type 0, else 1).
    pub is_classic: bool,
}

/// Partitions of a topic in a [`DescribedConsumerMember`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedPartitions {
    /// Id of the topic.
    pub topic_id: TopicId,
    /// Name of the topic.
    pub topic_name: String,
    /// The partitions, in order.
    pub partitions: Vec<PartitionIndex>,
}

impl ConsumerHeartbeatResult {
    pub(in crate::group) fn refused(error: ErrorCode, message: Option<String>) -> Self {
        Self {
            error,
            error_message: message,
            member_id: None,
            member_epoch: 0,
            heartbeat_interval_ms: 0,
            assignment: None,
        }
    }
}

impl ConsumerHeartbeat {
    /// Every text that is stored of the member.
    pub(in crate::group) fn texts(&self) -> Vec<&str> {
        let own = [
            &self.group,
            &self.member_id,
            &self.client_id,
            &self.client_host,
        ];
        let names = self.subscribed_topic_names.iter().flatten();
        own.into_iter()
            .chain(&self.group_instance_id)
            .chain(&self.rack_id)
            .chain(&self.server_assignor)
            .chain(&self.subscribed_topic_regex)
            .chain(names)
            .map(String::as_str)
            .collect()
    }

    /// The id of the member, made where it has none.
    pub(in crate::group) fn effective_member_id(&self) -> String {
        if self.member_id.is_empty() {
            self.new_member_uuid.to_string()
        } else {
            self.member_id.clone()
        }
    }

    pub(in crate::group) const fn is_leave(&self) -> bool {
        self.member_epoch < 0
    }

    /// True where the member says everything, as it does after errors.
    pub(super) const fn is_full(&self) -> bool {
        self.rebalance_timeout_ms != -1
            && (self.subscribed_topic_names.is_some() || self.subscribed_topic_regex.is_some())
            && self.owned_partitions.is_some()
    }

    /// What the member has, by topic.
    pub(super) fn owned(&self) -> Option<Assignment> {
        let mut owned = Assignment::new();
        for (topic, partitions) in self.owned_partitions.as_ref()? {
            let of_topic = owned.entry(*topic).or_default();
            of_topic.extend(partitions.iter().copied());
        }
        owned.retain(|_, partitions: &mut BTreeSet<_>| !partitions.is_empty());
        Some(owned)
    }

    /// What the member says about itself, with `before` for what it does not say.
    pub(super) fn metadata(&self, before: &ConsumerMember) -> ConsumerMember {
        let or_before = |now: &Option<String>, before: &Option<String>| {
            now.as_ref().or(before.as_ref()).cloned()
        };
        let mut names = self
            .subscribed_topic_names
            .clone()
            .unwrap_or_else(|| before.subscribed_topic_names.clone());
        names.sort_unstable();
        names.dedup();
        ConsumerMember {
            instance_id: or_before(&self.group_instance_id, &before.instance_id),
            rack_id: or_before(&self.rack_id, &before.rack_id),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: names,
            subscribed_topic_regex: or_before(
                &self.subscribed_topic_regex,
                &before.subscribed_topic_regex,
            ),
            rebalance_timeout_ms: if self.rebalance_timeout_ms == -1 {
                before.rebalance_timeout_ms
            } else {
                self.rebalance_timeout_ms
            },
            server_assignor: or_before(&self.server_assignor, &before.server_assignor),
            classic: None,
        }
    }
}
