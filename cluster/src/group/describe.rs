//! What administrators see: ListGroups and DescribeGroups.

use bytes::Bytes;
use milena_protocol::ErrorCode;

use super::classic::{Group, State};
use super::consumer::DescribedConsumerGroup;
use super::coordinator::{Coordinator, Phase};
use super::entry::Entry;
use super::response::{DescribedGroup, DescribedMember, ListedGroup};

impl Coordinator {
    /// The groups in one of these states and of one of these types, which are compared without
    /// regard to case; all where a list is empty.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS`; `NOT_COORDINATOR`, which the caller passes over.
    pub fn list(&self, states: &[String], types: &[String]) -> Result<Vec<ListedGroup>, ErrorCode> {
        self.serves()?;
        let is_any = |wanted: &[String], name: &str| {
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let committed = self.durable.consumer_groups();
        let listed = self.groups.iter().filter_map(|(id, entry)| {
            let (group_type, protocol_type, state) = entry.listed(id, committed)?;
            let is_wanted = is_any(types, group_type) && is_any(states, state);
            is_wanted.then(|| ListedGroup {
                group: id.to_string(),
                protocol_type,
                state,
                group_type,
            })
        });
        Ok(listed.collect())
    }

    /// Every group of the consumer protocol asked for, in that order, as it is committed
    /// (ConsumerGroupDescribe, key 69).
    #[must_use]
    pub fn describe_consumer(&self, groups: &[String]) -> Vec<DescribedConsumerGroup> {
        if let Err(error) = self.serves() {
            let refused = |id: &String| DescribedConsumerGroup::refused(id, error, None);
            return groups.iter().map(refused).collect();
        }
        let default = self.config.consumer.assignors.first();
        let default = default.map_or("", |assignor| assignor.name());
        let committed = self.durable.consumer_groups();
        let described = groups.iter().map(|id| match committed.get(id) {
            Some(state) => DescribedConsumerGroup::of(id, state, default, &self.topics),
            None => {
                let message = if self.groups.contains_key(id.as_str()) {
                    format!("group {id} is not of the consumer protocol")
                } else {
                    format!("there is no group {id}")
                };
                DescribedConsumerGroup::refused(id, ErrorCode::GroupIdNotFound, Some(message))
            }
        });
        described.collect()
    }

    /// Every group asked for, in that order.
    #[must_use]
    pub fn describe(&self, groups: &[String]) -> Vec<DescribedGroup> {
        if let Err(error) = self.serves() {
            let refused = |id: &String| nothing(id, error, "");
            return groups.iter().map(refused).collect();
        }
        groups
            .iter()
            .map(|id| match self.groups.get(id.as_str()) {
                Some(Entry::Classic(group)) if group.state() != State::Dead => described(id, group),
                entry => DescribedGroup {
                    error_message: Some(match entry {
                        Some(Entry::Consumer(_)) => {
                            format!("group {id} is not of the classic protocol")
                        }
                        _ => format!("there is no group {id} of the classic protocol"),
                    }),
                    ..nothing(id, ErrorCode::GroupIdNotFound, State::Dead.name())
                },
            })
            .collect()
    }

    fn serves(&self) -> Result<(), ErrorCode> {
        match self.phase {
            Phase::Loading => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Active => Ok(()),
            Phase::Resigned => Err(ErrorCode::NotCoordinator),
        }
    }
}

fn nothing(id: &str, error: ErrorCode, state: &'static str) -> DescribedGroup {
    DescribedGroup {
        group: id.to_owned(),
        error,
        error_message: None,
        state,
        protocol_type: String::new(),
        protocol: String::new(),
        members: Vec::new(),
    }
}

fn described(id: &str, group: &Group) -> DescribedGroup {
    let protocol = match group.state() {
        State::Stable => group.protocol_name.clone(),
        _ => None,
    };
    let members = group
        .members()
        .iter()
        .map(|(member_id, member)| DescribedMember {
            member_id: member_id.to_string(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: match &protocol {
                Some(protocol) => member.metadata(protocol),
                None => Bytes::new(),
            },
            assignment: member.assignment.clone(),
        });
    DescribedGroup {
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        members: members.collect(),
        protocol: protocol.unwrap_or_default(),
        ..nothing(id, ErrorCode::None, group.state().name())
    }
}
