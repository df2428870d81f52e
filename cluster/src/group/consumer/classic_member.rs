//! Members of the classic protocol in a group of the consumer protocol: while a group migrates,
//! they are served JoinGroup, SyncGroup, Heartbeat and LeaveGroup here. Their generation is the
//! member epoch, and the coordinator assigns.

use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::ErrorCode;
use milena_protocol::stored::group::{ClassicMember, ConsumerMember};

use super::draft::{Context, Draft, MemberTimer, Refusal, TimerChange};
use super::heartbeat::{check_instance, static_member, unknown_instance, unknown_member};
use super::member::{Member, MemberState, without_epochs};
use super::subscription::{Subscription, write_assignment};
use crate::group::config::CONSUMER;
use crate::group::request::{Join, Leave, LeavingMember, MemberRef, Sync};
use crate::group::response::{Joined, Left, Synced};

/// What follows a join.
#[derive(Debug)]
pub(in crate::group) struct JoinOutcome {
    pub(in crate::group) joined: Joined,
    /// True where nobody of the consumer protocol is left, because the member took the place of
    /// the last one.
    pub(in crate::group) is_last_replaced: bool,
}

impl Draft<'_> {
    /// JoinGroup of a member of the classic protocol.
    pub(in crate::group) fn classic_join(
        &mut self,
        context: &Context<'_>,
        join: &Join,
    ) -> Result<JoinOutcome, Refusal> {
        let is_unknown = join.member_id.is_empty();
        let member_id = join.effective_member_id();
        let subscription = self.check_join(context, join, &member_id)?;
        if is_unknown && join.requires_known_member_id && join.group_instance_id.is_none() {
            return Ok(JoinOutcome {
                joined: Joined::refused(member_id, ErrorCode::MemberIdRequired),
                is_last_replaced: false,
            });
        }
        let mut is_new = self.state.member(&member_id).is_none();
        let mut is_last_replaced = false;
        if let Some(instance) = join.group_instance_id.as_deref() {
            let known = static_member(self.state, instance)
                .map(|(id, member)| (Arc::clone(id), Arc::clone(member)));
            match known {
                None if is_unknown => {}
                None => return Err(unknown_instance(instance)),
                Some((old_id, old)) if is_unknown => {
                    self.replace(&old_id, &member_id, &old);
                    is_new = false;
                    is_last_replaced = !old.uses_classic_protocol();
                }
                Some((old_id, _)) => check_instance(instance, &old_id, &member_id)?,
            }
        }
        let before = self.state.member(&member_id).cloned().unwrap_or_default();
        let metadata = join_metadata(join, &subscription, &before);
        let has_changed = self.subscribe(context, &member_id, metadata, is_new);
        is_last_replaced &= self.may_downgrade(context);
        if !is_last_replaced {
            self.update_target(context);
            let owned = subscription.owned(context.topics);
            self.reconcile(context, &member_id, has_changed, Some(&owned))?;
            self.set_timer(MemberTimer::Join, &member_id, TimerChange::Cancel);
            let sync = TimerChange::Set(i64::from(join.rebalance_timeout_ms));
            self.set_timer(MemberTimer::Sync, &member_id, sync);
        }
        self.renew_session(&member_id, join.session_timeout_ms);
        // The group that it goes on in has the epoch of this one as its generation.
        let epoch = match self.state.member(&member_id) {
            _ if is_last_replaced => self.state.epoch(),
            Some(member) => member.epoch,
            None => 0,
        };
        Ok(JoinOutcome {
            joined: Joined {
                generation: epoch,
                protocol_type: Some(CONSUMER.to_owned()),
                protocol_name: join.protocols.first().map(|it| it.name.clone()),
                ..Joined::refused(member_id, ErrorCode::None)
            },
            is_last_replaced,
        })
    }

    fn check_join(
        &self,
        context: &Context<'_>,
        join: &Join,
        member_id: &str,
    ) -> Result<Subscription, Refusal> {
        use super::config::MigrationPolicy;
        let inconsistent =
            |message: &str| Refusal::new(ErrorCode::InconsistentGroupProtocol, message);
        if context.config.migration == MigrationPolicy::Disabled {
            return Err(inconsistent("group migration is disabled"));
        }
        let is_full = self.state.members().len() >= context.config.max_size;
        if is_full && self.state.member(member_id).is_none() {
            return Err(Refusal::new(
                ErrorCode::GroupMaxSizeReached,
                "group is full",
            ));
        }
        let names = join.protocols.iter().map(|it| it.name.as_str()).collect();
        if join.protocol_type != CONSUMER || !self.state.supports_one_of(&names) {
            return Err(inconsistent("protocols are not supported"));
        }
        // All protocols of a consumer have the same subscription.
        let first = join.protocols.first();
        let read = first.map(|protocol| Subscription::read(&protocol.metadata));
        match read {
            Some(Ok(subscription)) => Ok(subscription),
            _ => Err(inconsistent("subscription cannot be read")),
        }
    }

    /// SyncGroup: the assignment of the member.
    pub(in crate::group) fn classic_sync(
        &mut self,
        context: &Context<'_>,
        sync: &Sync,
    ) -> Result<Synced, Refusal> {
        let member = self.classic_member(&sync.member)?;
        let protocol = first_protocol(&member);
        let differs = |asked: &Option<String>, known: &str| {
            asked.as_deref().is_some_and(|asked| asked != known)
        };
        let name = protocol.map_or("", |(name, _)| name.as_str());
        if differs(&sync.protocol_type, CONSUMER) || differs(&sync.protocol_name, name) {
            return Err(Refusal::new(
                ErrorCode::InconsistentGroupProtocol,
                "protocol differs",
            ));
        }
        let member_id = sync.member.member_id.as_str();
        if self.state.assignment_epoch() > member.epoch
            && member.state != MemberState::UnrevokedPartitions
        {
            return Err(self.join_again(member_id, &member));
        }
        self.set_timer(MemberTimer::Sync, member_id, TimerChange::Cancel);
        self.renew_classic_session(member_id, &member);
        let metadata = protocol.map_or(&[][..], |(_, metadata)| metadata);
        let version = Subscription::read(metadata).map_or(0, |subscription| subscription.version);
        Ok(Synced {
            error: ErrorCode::None,
            protocol_type: sync.protocol_type.clone(),
            protocol_name: sync.protocol_name.clone(),
            assignment: write_assignment(
                &without_epochs(&member.assigned),
                version,
                context.topics,
            ),
        })
    }

    /// Heartbeat (key 12). The group may have nobody of the consumer protocol, whose heartbeats
    /// would follow its epoch and topics.
    pub(in crate::group) fn classic_heartbeat(
        &mut self,
        context: &Context<'_>,
        who: &MemberRef,
    ) -> Result<(), Refusal> {
        let member = self.classic_member(who)?;
        self.renew_classic_session(&who.member_id, &member);
        self.follow_topics(context);
        self.update_target(context);
        let has_to_join = member.epoch < self.state.assignment_epoch()
            || member.state == MemberState::UnrevokedPartitions
            || (member.state == MemberState::UnreleasedPartitions
                && !self.waits_for_others(&who.member_id, &member));
        if has_to_join {
            return Err(self.join_again(&who.member_id, &member));
        }
        Ok(())
    }

    /// LeaveGroup: of members of both protocols.
    pub(in crate::group) fn classic_leave(&mut self, context: &Context<'_>, leave: Leave) -> Left {
        let mut leaving = Vec::new();
        let mut members = Vec::with_capacity(leave.members.len());
        for member in leave.members {
            let error = match self.leaving_id(&member) {
                Ok(id) => {
                    leaving.push(id);
                    ErrorCode::None
                }
                Err(refusal) => refusal.error,
            };
            members.push((member, error));
        }
        self.fence(context, &leaving);
        Left {
            error: ErrorCode::None,
            members,
        }
    }

    fn leaving_id(&self, member: &LeavingMember) -> Result<Arc<str>, Refusal> {
        let id = member.member_id.as_str();
        match member.group_instance_id.as_deref() {
            None => match self.state.members().get_key_value(id) {
                Some((id, _)) => Ok(Arc::clone(id)),
                None => Err(unknown_member(self.id, id)),
            },
            Some(instance) => {
                let (known_id, _) = static_member(self.state, instance)
                    .ok_or_else(|| unknown_instance(instance))?;
                // Administrators know the instance id only.
                if !id.is_empty() {
                    check_instance(instance, known_id, id)?;
                }
                Ok(Arc::clone(known_id))
            }
        }
    }

    /// The member of the classic protocol that asks, where its generation is right.
    fn classic_member(&self, who: &MemberRef) -> Result<Arc<Member>, Refusal> {
        let member = match who.group_instance_id.as_deref() {
            None => self.state.member(&who.member_id),
            Some(instance) => {
                let (known_id, member) = static_member(self.state, instance)
                    .ok_or_else(|| unknown_instance(instance))?;
                check_instance(instance, known_id, &who.member_id)?;
                Some(member)
            }
        };
        let member = member.filter(|member| member.uses_classic_protocol());
        let member = member.ok_or_else(|| unknown_member(self.id, &who.member_id))?;
        if member.epoch == who.generation {
            Ok(Arc::clone(member))
        } else {
            Err(Refusal::new(
                ErrorCode::IllegalGeneration,
                "generation differs",
            ))
        }
    }

    /// Sends a member to JoinGroup; it has its rebalance timeout for that.
    fn join_again(&mut self, member_id: &str, member: &Member) -> Refusal {
        let timeout_ms = i64::from(member.metadata.rebalance_timeout_ms);
        self.set_timer(
            MemberTimer::Join,
            member_id,
            TimerChange::SetIfAbsent(timeout_ms),
        );
        Refusal::new(ErrorCode::RebalanceInProgress, "member has to join again")
    }

    fn renew_classic_session(&mut self, member_id: &str, member: &Member) {
        if let Some(classic) = &member.metadata.classic {
            self.renew_session(member_id, classic.session_timeout_ms);
        }
    }

    /// True where somebody else still has a partition that is to be the member's.
    fn waits_for_others(&self, member_id: &str, member: &Member) -> bool {
        let target = self.state.target(member_id).into_iter();
        target
            .flat_map(|target| target.iter())
            .any(|(topic, partitions)| {
                let assigned = member.assigned.get(topic);
                partitions.iter().any(|partition| {
                    !assigned.is_some_and(|assigned| assigned.contains_key(partition))
                        && self.state.owner(*topic, *partition).is_some()
                })
            })
    }
}

fn first_protocol(member: &Member) -> Option<&(String, Bytes)> {
    member
        .metadata
        .classic
        .as_ref()?
        .supported_protocols
        .first()
}

/// What a member says about itself by JoinGroup.
fn join_metadata(join: &Join, subscription: &Subscription, before: &Member) -> ConsumerMember {
    let mut names = subscription.topics.clone();
    names.sort_unstable();
    names.dedup();
    let before = &before.metadata;
    let protocols = join.protocols.iter();
    ConsumerMember {
        instance_id: join
            .group_instance_id
            .clone()
            .or_else(|| before.instance_id.clone()),
        rack_id: subscription
            .rack_id
            .clone()
            .or_else(|| before.rack_id.clone()),
        client_id: join.client_id.clone(),
        client_host: join.client_host.clone(),
        subscribed_topic_names: names,
        subscribed_topic_regex: Some(String::new()),
        rebalance_timeout_ms: if join.rebalance_timeout_ms == -1 {
            before.rebalance_timeout_ms
        } else {
            join.rebalance_timeout_ms
        },
        server_assignor: before.server_assignor.clone(),
        classic: Some(ClassicMember {
            session_timeout_ms: join.session_timeout_ms,
            supported_protocols: protocols
                .map(|protocol| (protocol.name.clone(), protocol.metadata.clone()))
                .collect(),
        }),
    }
}
