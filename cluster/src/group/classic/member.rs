//! One member of a group.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::stored::group as stored;

use crate::group::event::Waiter;
use crate::group::request::{Join, Protocol};

/// A member of a group of the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct Member {
    pub(in crate::group) group_instance_id: Option<String>,
    pub(in crate::group) client_id: String,
    pub(in crate::group) client_host: String,
    pub(in crate::group) rebalance_timeout_ms: i32,
    pub(in crate::group) session_timeout_ms: i32,
    /// The most wanted first. A member that was loaded knows only the one that was chosen.
    pub(in crate::group) protocols: Vec<Protocol>,
    pub(in crate::group) assignment: Bytes,
    /// Who waits for the end of the join phase.
    pub(in crate::group) join_waiter: Option<Waiter>,
    /// Who waits for the assignment.
    pub(in crate::group) sync_waiter: Option<Waiter>,
    /// True until the member's first rebalance has ended: its session may end while it waits.
    pub(in crate::group) is_new: bool,
}

impl Member {
    pub(in crate::group) fn joining(join: &Join, waiter: Waiter) -> Self {
        Self {
            group_instance_id: join.group_instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            join_waiter: Some(waiter),
            sync_waiter: None,
            is_new: true,
        }
    }

    pub(in crate::group) fn loaded(member: &stored::Member, protocol: &str) -> Self {
        Self {
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: if member.rebalance_timeout_ms == -1 {
                member.session_timeout_ms
            } else {
                member.rebalance_timeout_ms
            },
            session_timeout_ms: member.session_timeout_ms,
            protocols: vec![Protocol {
                name: protocol.to_owned(),
                metadata: member.subscription.clone(),
            }],
            assignment: member.assignment.clone(),
            join_waiter: None,
            sync_waiter: None,
            is_new: false,
        }
    }

    pub(in crate::group) fn stored(
        &self,
        id: &Arc<str>,
        protocol: &str,
        assignment: Bytes,
    ) -> stored::Member {
        stored::Member {
            member_id: id.to_string(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// What the member says about itself for a protocol; empty where it does not support it.
    pub(in crate::group) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|supported| supported.name == protocol)
            .map(|supported| supported.metadata.clone())
            .unwrap_or_default()
    }

    /// Names of the protocols, each once.
    pub(in crate::group) fn protocol_names(&self) -> BTreeSet<&str> {
        names(&self.protocols)
    }

    /// The candidate that the member wants most.
    pub(in crate::group) fn vote<'a>(&'a self, candidates: &BTreeSet<&str>) -> Option<&'a str> {
        self.protocols
            .iter()
            .map(|protocol| protocol.name.as_str())
            .find(|name| candidates.contains(name))
    }

    /// True where the member is known to be alive because its request waits here.
    pub(in crate::group) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.join_waiter.is_some() || self.sync_waiter.is_some())
    }
}

/// Names of protocols, each once.
pub(in crate::group) fn names(protocols: &[Protocol]) -> BTreeSet<&str> {
    protocols
        .iter()
        .map(|protocol| protocol.name.as_str())
        .collect()
}
