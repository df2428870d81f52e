//! ConsumerGroupHeartbeat (key 68): join, heartbeat, leave (KIP-848).

use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::stored::group::{ConsumerMember, ConsumerRecord};

use super::draft::{Context, Draft, MemberTimer, Refusal, TimerChange};
use super::expression::Expression;
use super::member::{
    Assignment, LEAVE_EPOCH, Member, MemberState, Partitions, STATIC_LEAVE_EPOCH, stored_target,
    without_epochs,
};
use super::reconcile::Reconciliation;
use super::request::{ConsumerHeartbeat, ConsumerHeartbeatResult};
use super::state::State;
use crate::group::assignor::Assignor;

/// Who sends a heartbeat.
#[derive(Debug)]
pub(super) enum Sender {
    /// Nobody that is known.
    New,
    /// The member with the id of the request.
    Known(Arc<Member>),
    /// The static member that the request replaces, with its id.
    Replaced(Arc<str>, Arc<Member>),
}

/// What makes no sense whatever the group is.
pub(in crate::group) fn validate(
    request: &ConsumerHeartbeat,
    assignors: &[Assignor],
) -> Result<(), Refusal> {
    let epoch = request.member_epoch;
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let is_empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
    let needs_id = request.makes_member_id || epoch > 0 || epoch == LEAVE_EPOCH;
    if needs_id && request.member_id.trim().is_empty() {
        return invalid("member id is empty");
    }
    if request.group.trim().is_empty() {
        return invalid("group id is empty");
    }
    if is_empty(&request.group_instance_id) {
        return invalid("instance id is empty");
    }
    if is_empty(&request.rack_id) {
        return invalid("rack id is empty");
    }
    if epoch == 0 {
        if request.rebalance_timeout_ms == -1 && request.owned_partitions.is_none() {
            // librdkafka sends this where it has left and takes itself for a member, and ends with
            // a fatal error if it is told that the request is not valid.
            return Err(Refusal::new(
                ErrorCode::UnknownMemberId,
                "a member without an epoch has to say everything that it is to be",
            ));
        }
        if request.rebalance_timeout_ms == -1 {
            return invalid("a member that joins has no rebalance timeout");
        }
        let owned = request.owned_partitions.as_ref();
        if owned.is_none_or(|owned| !owned.is_empty()) {
            return invalid("a member that joins must report an empty list of partitions");
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return invalid("a member that joins has neither topic names nor a regular expression");
        }
    } else if epoch == STATIC_LEAVE_EPOCH && request.group_instance_id.is_none() {
        return invalid("member epoch -2 is for members with an instance id");
    } else if epoch < STATIC_LEAVE_EPOCH {
        return invalid("member epoch is below -2");
    }
    let Some(wanted) = &request.server_assignor else {
        return Ok(());
    };
    if assignors.iter().any(|assignor| assignor.name() == wanted) {
        return Ok(());
    }
    let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
    Err(Refusal::new(
        ErrorCode::UnsupportedAssignor,
        format!("assignor {wanted} is not one of {}", names.join(", ")),
    ))
}

impl Draft<'_> {
    /// A heartbeat of a member that is or comes. Nothing is changed where it is refused, but that
    /// of an unknown state (see [`Reconciliation::of`]).
    pub(in crate::group) fn heartbeat(
        &mut self,
        context: &Context<'_>,
        request: &ConsumerHeartbeat,
    ) -> Result<ConsumerHeartbeatResult, Refusal> {
        let member_id = request.effective_member_id();
        let has_room = self.state.members().len() < context.config.max_size;
        if !has_room && self.state.member(&member_id).is_none() {
            return Err(Refusal::new(
                ErrorCode::GroupMaxSizeReached,
                format!(
                    "group {} has {} members, which is all it may have",
                    self.id, context.config.max_size
                ),
            ));
        }
        let sender = self.sender(request, &member_id)?;
        let before = match &sender {
            Sender::New => Arc::default(),
            Sender::Known(member) | Sender::Replaced(_, member) => Arc::clone(member),
        };
        let metadata = request.metadata(&before.metadata);
        if metadata.subscribed_topic_regex != before.metadata.subscribed_topic_regex {
            check_regex(metadata.subscribed_topic_regex.as_deref())?;
        }
        if let Sender::Replaced(old_id, _) = &sender {
            self.replace(old_id, &member_id, &before);
        }
        let has_subscription_changed =
            self.subscribe(context, &member_id, metadata, matches!(sender, Sender::New));
        let before = self.state.member(&member_id).cloned().unwrap_or_default();
        self.update_target(context);
        let owned = request.owned();
        self.reconcile(
            context,
            &member_id,
            has_subscription_changed,
            owned.as_ref(),
        )?;
        self.renew_session(&member_id, context.session_timeout_ms());
        let member = self.state.member(&member_id).cloned().unwrap_or_default();
        // Whoever has not got an answer says everything once more.
        let is_told =
            request.member_epoch == 0 || request.is_full() || before.assigned != member.assigned;
        Ok(ConsumerHeartbeatResult {
            error: ErrorCode::None,
            error_message: None,
            member_id: Some(member_id),
            member_epoch: member.epoch,
            heartbeat_interval_ms: context.heartbeat_interval_ms(self.state),
            assignment: is_told.then(|| without_epochs(&member.assigned)),
        })
    }

    /// Stores what a member says about itself, resolves its expression and counts the group epoch
    /// up where the subscription of the group has changed. True where that of the member has.
    ///
    /// An expression beside names waits for the next heartbeat: clients get the topics that they
    /// named first, as from Kafka.
    pub(super) fn subscribe(
        &mut self,
        context: &Context<'_>,
        member_id: &str,
        metadata: ConsumerMember,
        is_new: bool,
    ) -> bool {
        let before = self.state.member(member_id).cloned().unwrap_or_default();
        let names_changed =
            metadata.subscribed_topic_names != before.metadata.subscribed_topic_names;
        if is_new || metadata != before.metadata {
            self.put(ConsumerRecord::Member(member_id.to_owned(), Some(metadata)));
        }
        let member = self.state.member(member_id).cloned().unwrap_or_default();
        let regex_changed = member.regex() != before.regex();
        if let (true, Some(regex)) = (regex_changed, before.regex()) {
            self.forget_expression(regex);
        }
        let waits =
            (names_changed || regex_changed) && !member.metadata.subscribed_topic_names.is_empty();
        let is_resolved = !waits && self.resolve_new(context, member.regex());
        let others_changed = self.is_stale && self.resolve_all(context);
        let has_changed = names_changed || regex_changed || is_resolved;
        let is_forced = has_changed || others_changed;
        if is_forced || self.is_stale {
            self.update_epoch(context, is_forced);
            self.is_stale = false;
        }
        has_changed
    }

    /// Resolves an expression of a member where nobody had it so far. True where that was done.
    fn resolve_new(&mut self, context: &Context<'_>, regex: Option<&str>) -> bool {
        let is_unresolved = |regex: &&str| !self.state.expressions().contains_key(*regex);
        match regex.filter(is_unresolved) {
            Some(regex) => self.resolve(context, regex),
            None => false,
        }
    }

    /// Counts the group epoch up where topics have changed since that was looked at.
    pub(super) fn follow_topics(&mut self, context: &Context<'_>) {
        if self.is_stale {
            let has_changed = self.resolve_all(context);
            self.update_epoch(context, has_changed);
            self.is_stale = false;
        }
    }

    /// Takes a member towards its target assignment.
    ///
    /// # Errors
    /// See [`Reconciliation::of`].
    pub(super) fn reconcile(
        &mut self,
        context: &Context<'_>,
        member_id: &str,
        has_subscription_changed: bool,
        owned: Option<&Assignment>,
    ) -> Result<(), Refusal> {
        let Some(member) = self.state.member(member_id).cloned() else {
            return Ok(());
        };
        let target_epoch = self.state.assignment_epoch();
        if !has_subscription_changed && member.is_reconciled_to(target_epoch) {
            return Ok(());
        }
        let nothing = Arc::default();
        let target = Arc::clone(self.state.target(member_id).unwrap_or(&nothing));
        let next = Reconciliation {
            state: self.state,
            topics: context.topics,
            target_epoch,
            target: &target,
            has_subscription_changed,
            owned,
        }
        .of(&member)?;
        if next == *member {
            return Ok(());
        }
        self.put_current(member_id, &next);
        if !next.uses_classic_protocol() {
            let change = if next.state == MemberState::UnrevokedPartitions {
                TimerChange::Set(i64::from(next.metadata.rebalance_timeout_ms))
            } else {
                TimerChange::Cancel
            };
            self.set_timer(MemberTimer::Rebalance, member_id, change);
        }
        Ok(())
    }

    /// Who sends, where it may.
    fn sender(&self, request: &ConsumerHeartbeat, member_id: &str) -> Result<Sender, Refusal> {
        let joins = request.member_epoch == 0;
        let Some(instance) = request.group_instance_id.as_deref() else {
            let Some(member) = self.state.member(member_id) else {
                return if joins {
                    Ok(Sender::New)
                } else {
                    Err(unknown_member(self.id, member_id))
                };
            };
            check_epoch(member, request)?;
            return Ok(Sender::Known(Arc::clone(member)));
        };
        let known = static_member(self.state, instance);
        match known {
            None if joins => Ok(match self.state.member(member_id) {
                Some(member) => Sender::Known(Arc::clone(member)),
                None => Sender::New,
            }),
            None => Err(unknown_instance(instance)),
            Some((old_id, member)) if joins => {
                let has_left = member.epoch == STATIC_LEAVE_EPOCH;
                if &**old_id == member_id && !has_left {
                    // Its answer was lost, or it was fenced; it is no other.
                    return Ok(Sender::Known(Arc::clone(member)));
                }
                if !member.uses_classic_protocol() && !has_left {
                    return Err(Refusal::new(
                        ErrorCode::UnreleasedInstanceId,
                        format!(
                            "instance id {instance} is in use by member {old_id}, not by {member_id}"
                        ),
                    ));
                }
                Ok(Sender::Replaced(Arc::clone(old_id), Arc::clone(member)))
            }
            Some((old_id, member)) => {
                check_instance(instance, old_id, member_id)?;
                check_epoch(member, request)?;
                Ok(Sender::Known(Arc::clone(member)))
            }
        }
    }

    /// Puts a new member into the place of a static one.
    pub(super) fn replace(&mut self, old_id: &str, new_id: &str, old: &Member) {
        let target = self.state.target(old_id).cloned().unwrap_or_default();
        self.remove_member(old_id);
        let new = Member {
            epoch: 0,
            previous_epoch: 0,
            ..old.clone()
        };
        self.put(ConsumerRecord::Member(
            new_id.to_owned(),
            Some(new.metadata.clone()),
        ));
        self.put(ConsumerRecord::TargetMember(
            new_id.to_owned(),
            Some(stored_target(&target)),
        ));
        self.put_current(new_id, &new);
    }

    /// A member leaves: for good, or a static one for a while. None where the answer waits for
    /// nothing but the records; true where members were removed.
    pub(in crate::group) fn leave(
        &mut self,
        context: &Context<'_>,
        request: &ConsumerHeartbeat,
    ) -> Result<ConsumerHeartbeatResult, Refusal> {
        let id = request.member_id.as_str();
        let member = match request.group_instance_id.as_deref() {
            None => self.state.member(id),
            Some(instance) => {
                let (known_id, member) = static_member(self.state, instance)
                    .ok_or_else(|| unknown_instance(instance))?;
                check_instance(instance, known_id, id)?;
                Some(member)
            }
        };
        let Some(member) = member.cloned() else {
            return Err(unknown_member(self.id, id));
        };
        if request.member_epoch == STATIC_LEAVE_EPOCH {
            let zero = |partitions: &Partitions| -> Partitions {
                let zeros = |partitions: &std::collections::BTreeMap<_, i32>| {
                    partitions.keys().map(|partition| (*partition, 0)).collect()
                };
                partitions
                    .iter()
                    .map(|(topic, partitions)| (*topic, zeros(partitions)))
                    .collect()
            };
            // With epoch 0 the partitions belong to whoever comes back from the start, and commits
            // of the old id are fenced.
            let away = Member {
                epoch: STATIC_LEAVE_EPOCH,
                assigned: zero(&member.assigned),
                pending_revocation: Partitions::new(),
                ..(*member).clone()
            };
            self.put_current(id, &away);
            // It has nothing to give up any more, and its session says how long it may be away.
            self.set_timer(MemberTimer::Rebalance, id, TimerChange::Cancel);
        } else {
            self.fence(context, &[Arc::from(id)]);
        }
        Ok(ConsumerHeartbeatResult {
            error: ErrorCode::None,
            error_message: None,
            member_id: Some(id.to_owned()),
            member_epoch: request.member_epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        })
    }

    /// Removes members, and counts the group epoch up. Members that are not there are passed over.
    pub(in crate::group) fn fence(&mut self, context: &Context<'_>, members: &[Arc<str>]) {
        let mut is_any = false;
        for id in members {
            let Some(member) = self.state.member(id).cloned() else {
                continue;
            };
            is_any = true;
            self.remove_member(id);
            if let Some(regex) = member.regex() {
                self.forget_expression(regex);
            }
        }
        if is_any {
            self.update_epoch(context, true);
        }
    }
}

/// The static member with this instance id.
pub(super) fn static_member<'a>(
    state: &'a State,
    instance: &str,
) -> Option<(&'a Arc<str>, &'a Arc<Member>)> {
    let id = state.static_member(instance)?;
    Some((id, state.member(id)?))
}

pub(super) fn unknown_member(group: &str, member_id: &str) -> Refusal {
    Refusal::new(
        ErrorCode::UnknownMemberId,
        format!("group {group} has no member {member_id}"),
    )
}

pub(super) fn unknown_instance(instance: &str) -> Refusal {
    Refusal::new(
        ErrorCode::UnknownMemberId,
        format!("no member has instance id {instance}"),
    )
}

pub(super) fn check_instance(
    instance: &str,
    known_id: &str,
    member_id: &str,
) -> Result<(), Refusal> {
    if known_id == member_id {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::FencedInstanceId,
        format!("instance id {instance} belongs to member {known_id} now, not to {member_id}"),
    ))
}

fn check_regex(regex: Option<&str>) -> Result<(), Refusal> {
    let invalid = |message| Refusal::new(ErrorCode::InvalidRegularExpression, message);
    match regex {
        None | Some("") => Ok(()),
        Some(regex) => Expression::new(regex).map(drop).map_err(invalid),
    }
}

/// The epoch is that of the member, or the one before where the answer may have been lost and the
/// member has nothing that it should not have.
fn check_epoch(member: &Member, request: &ConsumerHeartbeat) -> Result<(), Refusal> {
    let received = request.member_epoch;
    if received == 0 || received == member.epoch {
        return Ok(());
    }
    if received == member.previous_epoch && has_no_more(request, &member.assigned) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::FencedMemberEpoch,
        format!(
            "member epoch is {received}, expected {}: give up all partitions and join again",
            member.epoch
        ),
    ))
}

/// True where the member says that it has nothing but what is assigned to it.
fn has_no_more(request: &ConsumerHeartbeat, assigned: &Partitions) -> bool {
    let Some(owned) = &request.owned_partitions else {
        return false;
    };
    owned.iter().all(|(topic, partitions)| {
        let known = assigned.get(topic);
        partitions
            .iter()
            .all(|partition| known.is_some_and(|known| known.contains_key(partition)))
    })
}
