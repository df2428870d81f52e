//! How a consumer joins a group and stays in it.

use std::collections::BTreeSet;

use bytes::Bytes;
use milena_cluster::group::{
    ConsumerHeartbeat, ConsumerHeartbeatResult, Join, Joined, MemberRef, Protocol,
    Request as GroupRequest, Response as GroupResponse, Sync,
};
use milena_protocol::{ErrorCode, PartitionIndex};
use uuid::Uuid;

use super::Context;
use crate::layout::{self, INPUT, PARTITIONS};
use crate::message::{Request, Response};

/// Milliseconds between two heartbeats.
const HEARTBEAT_MS: i64 = 300;
/// Milliseconds without a heartbeat after which a member is out.
const SESSION_MS: i32 = 3000;
/// Milliseconds that a member has to join again.
const REBALANCE_MS: i32 = 4000;
/// Milliseconds that a request may wait for the others.
const JOIN_TIMEOUT_MS: i64 = 9000;

/// What a member has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    /// What was assigned is no longer.
    Lost,
    /// The same to the member; to the broker it has what it had until it has joined again.
    Fenced,
    /// The assignment is another one.
    Assigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Join,
    Sync,
    Heartbeat,
}

/// A membership.
#[derive(Debug)]
pub(crate) struct Membership {
    group: String,
    is_classic: bool,
    client_id: String,
    member_id: String,
    /// Generation, or member epoch.
    epoch: i32,
    /// The leader of the generation.
    leader: String,
    assigned: BTreeSet<PartitionIndex>,
    step: Step,
    /// Who gets what, where this member leads.
    plan: Vec<(String, Bytes)>,
    call: Option<u64>,
    /// The broker has to be told of everything (KIP-848).
    tells_all: bool,
    is_stable: bool,
}

impl Membership {
    pub(crate) fn new(name: &str, group: &str, is_classic: bool) -> Self {
        Self {
            group: group.to_owned(),
            is_classic,
            client_id: name.to_owned(),
            member_id: String::new(),
            epoch: -1,
            leader: String::new(),
            assigned: BTreeSet::new(),
            step: Step::Join,
            plan: Vec::new(),
            call: None,
            tells_all: true,
            is_stable: false,
        }
    }

    pub(crate) const fn is_classic(&self) -> bool {
        self.is_classic
    }

    pub(crate) const fn is_stable(&self) -> bool {
        self.is_stable
    }

    pub(crate) fn assigned(&self) -> BTreeSet<PartitionIndex> {
        self.assigned.clone()
    }

    /// How the member names itself.
    pub(crate) fn member(&self) -> MemberRef {
        MemberRef {
            group: self.group.clone(),
            generation: self.epoch,
            member_id: self.member_id.clone(),
            group_instance_id: None,
        }
    }

    /// The process begins.
    pub(crate) fn restart(&mut self, ctx: &mut Context<'_>, tag: u64) {
        self.member_id.clear();
        if !self.is_classic {
            self.member_id = new_uuid(ctx).to_string();
        }
        self.begin_anew();
        ctx.pause(1, tag);
    }

    fn begin_anew(&mut self) {
        self.epoch = if self.is_classic { -1 } else { 0 };
        self.assigned.clear();
        self.step = Step::Join;
        self.call = None;
        self.tells_all = true;
        self.is_stable = false;
    }

    /// The next request is due.
    pub(crate) fn wake(&mut self, ctx: &mut Context<'_>) {
        if self.call.is_some() {
            return;
        }
        let request = match (self.is_classic, self.step) {
            (false, _) => GroupRequest::ConsumerHeartbeat(self.heartbeat(ctx)),
            (true, Step::Join) => GroupRequest::Join(self.join(ctx)),
            (true, Step::Sync) => GroupRequest::Sync(Sync {
                member: self.member(),
                protocol_type: Some("consumer".to_owned()),
                protocol_name: Some("range".to_owned()),
                assignments: self.plan.clone(),
            }),
            (true, Step::Heartbeat) => GroupRequest::Heartbeat(self.member()),
        };
        let request = Request::Group {
            group: self.group.clone(),
            request,
        };
        self.call = Some(ctx.send_for(request, JOIN_TIMEOUT_MS));
    }

    fn join(&self, ctx: &mut Context<'_>) -> Join {
        Join {
            group: self.group.clone(),
            member_id: self.member_id.clone(),
            group_instance_id: None,
            client_id: self.client_id.clone(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".to_owned(),
            protocols: vec![Protocol {
                name: "range".to_owned(),
                metadata: Bytes::from_static(b"\0\0"),
            }],
            new_member_uuid: new_uuid(ctx),
            requires_known_member_id: true,
            supports_skip_assignment: true,
        }
    }

    fn heartbeat(&self, ctx: &mut Context<'_>) -> ConsumerHeartbeat {
        let owned = self.assigned.iter().copied().collect();
        ConsumerHeartbeat {
            group: self.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            group_instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: if self.tells_all { REBALANCE_MS } else { -1 },
            subscribed_topic_names: self.tells_all.then(|| vec![INPUT.to_owned()]),
            subscribed_topic_regex: None,
            server_assignor: None,
            owned_partitions: Some(if self.assigned.is_empty() {
                Vec::new()
            } else {
                vec![(layout::topic_id(INPUT), owned)]
            }),
            client_id: self.client_id.clone(),
            client_host: "/127.0.0.1".to_owned(),
            new_member_uuid: new_uuid(ctx),
            makes_member_id: true,
        }
    }

    /// The answer to a call; it may be of somebody else.
    pub(crate) fn answer(
        &mut self,
        call: u64,
        response: &Response,
        ctx: &mut Context<'_>,
        tag: u64,
    ) -> News {
        if self.call.take_if(|known| *known == call).is_none() {
            return News::Nothing;
        }
        match response {
            Response::Group(GroupResponse::ConsumerHeartbeat(result)) => {
                self.heard(result, ctx, tag)
            }
            Response::Group(GroupResponse::Join(joined)) => self.joined(joined, ctx, tag),
            Response::Group(GroupResponse::Sync(synced)) => {
                if synced.error.is_err() {
                    return self.refused(synced.error, ctx, tag);
                }
                self.assigned = decode(&synced.assignment);
                self.step = Step::Heartbeat;
                self.is_stable = true;
                // A group that was removed comes again with the same generations, but not with the
                // same members.
                let group = format!("{} of {}", self.group, self.leader);
                ctx.truth
                    .own(&group, self.epoch, &self.member_id, &self.assigned);
                ctx.pause(HEARTBEAT_MS, tag);
                News::Assigned
            }
            Response::Group(GroupResponse::Heartbeat(error)) => {
                if error.is_err() {
                    return self.refused(*error, ctx, tag);
                }
                self.is_stable = true;
                ctx.pause(HEARTBEAT_MS, tag);
                News::Nothing
            }
            _ => {
                self.tells_all = true;
                self.is_stable = false;
                ctx.back_off(tag);
                News::Nothing
            }
        }
    }

    fn joined(&mut self, joined: &Joined, ctx: &mut Context<'_>, tag: u64) -> News {
        if joined.error == ErrorCode::MemberIdRequired {
            self.member_id.clone_from(&joined.member_id);
            ctx.pause(1, tag);
            return News::Nothing;
        }
        if joined.error.is_err() {
            return self.refused(joined.error, ctx, tag);
        }
        self.member_id.clone_from(&joined.member_id);
        self.epoch = joined.generation;
        self.leader.clone_from(&joined.leader);
        self.step = Step::Sync;
        self.plan.clear();
        if !joined.members.is_empty() && !joined.skip_assignment {
            let count = joined.members.len();
            for (number, member) in joined.members.iter().enumerate() {
                let share: Vec<u8> = (0..PARTITIONS)
                    .filter_map(|index| u8::try_from(index).ok())
                    .filter(|index| usize::from(*index) % count == number)
                    .collect();
                self.plan
                    .push((member.member_id.clone(), Bytes::from(share)));
            }
        }
        ctx.pause(1, tag);
        News::Nothing
    }

    fn heard(&mut self, result: &ConsumerHeartbeatResult, ctx: &mut Context<'_>, tag: u64) -> News {
        if result.error.is_err() {
            return self.refused(result.error, ctx, tag);
        }
        if result.member_epoch < self.epoch {
            ctx.truth.violation(format!(
                "{}: member epoch went from {} to {}",
                self.client_id, self.epoch, result.member_epoch
            ));
        }
        self.epoch = result.member_epoch;
        self.tells_all = false;
        self.is_stable = true;
        let Some(assignment) = &result.assignment else {
            ctx.pause(HEARTBEAT_MS, tag);
            return News::Nothing;
        };
        self.assigned = assignment.values().flatten().copied().collect();
        // What was given up is told at once.
        ctx.pause(5, tag);
        News::Assigned
    }

    fn refused(&mut self, error: ErrorCode, ctx: &mut Context<'_>, tag: u64) -> News {
        self.is_stable = false;
        self.tells_all = true;
        ctx.back_off(tag);
        match error {
            ErrorCode::RebalanceInProgress => {
                self.step = Step::Join;
                self.assigned.clear();
                News::Lost
            }
            ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::FencedMemberEpoch => {
                if self.is_classic {
                    self.member_id.clear();
                }
                self.begin_anew();
                if error == ErrorCode::FencedMemberEpoch {
                    News::Fenced
                } else {
                    News::Lost
                }
            }
            error => {
                if !is_passing(error) {
                    ctx.truth.violation(format!(
                        "{}: refused with {}",
                        self.client_id,
                        error.name()
                    ));
                }
                News::Nothing
            }
        }
    }
}

/// True for what may be over soon.
const fn is_passing(error: ErrorCode) -> bool {
    error.is_retriable() || matches!(error, ErrorCode::UnreleasedInstanceId)
}

fn new_uuid(ctx: &mut Context<'_>) -> Uuid {
    Uuid::from_u64_pair(ctx.random.next(), ctx.random.next())
}

fn decode(bytes: &Bytes) -> BTreeSet<PartitionIndex> {
    bytes
        .iter()
        .map(|index| PartitionIndex(i32::from(*index)))
        .collect()
}
