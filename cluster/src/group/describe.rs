//! What administrators see: ListGroups and DescribeGroups.

use bytes::Bytes;
use milena_protocol::ErrorCode;

use super::classic::{Group, State};
use super::coordinator::{Coordinator, Phase};
use super::response::{DescribedGroup, DescribedMember, ListedGroup};

/// Type of all groups here.
const CLASSIC: &str = "classic";

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
        if !is_any(types, CLASSIC) {
            return Ok(Vec::new());
        }
        let listed = self
            .groups
            .iter()
            .filter(|(_, group)| is_any(states, group.state().name()))
            .map(|(id, group)| ListedGroup {
                group: id.to_string(),
                protocol_type: group.protocol_type.clone().unwrap_or_default(),
                state: group.state(),
                group_type: CLASSIC,
            });
        Ok(listed.collect())
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
                Some(group) if group.state() != State::Dead => described(id, group),
                _ => DescribedGroup {
                    error_message: Some(format!("Group {id} not found.")),
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
