//! From what a member has towards what it is to have (`CurrentAssignmentBuilder`).
//!
//! | state | what it waits for | next |
//! |---|---|---|
//! | stable | a target assignment of another epoch | any |
//! | unrevoked | that it no longer reports what it is to give up | any |
//! | unreleased | that others give up what is assigned to it | any |
//!
//! A member gives up first: while it reports partitions that the target does not have, it stays in
//! its epoch. Then it goes to the epoch of the target and gets what nobody else has.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::bug::{self, Bug};
use milena_protocol::{ErrorCode, TopicId};

use super::draft::Refusal;
use super::member::{Assignment, Member, MemberState, Partitions};
use super::state::State;
use crate::group::topics::TopicView;

/// What a member is reconciled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reconciliation<'a> {
    /// The group; it knows the member's subscription already.
    pub(super) state: &'a State,
    pub(super) topics: &'a TopicView,
    /// Epoch of the target assignment.
    pub(super) target_epoch: i32,
    pub(super) target: &'a Assignment,
    /// True where the member has changed its subscription in this step.
    pub(super) has_subscription_changed: bool,
    /// What the member says that it has; none where it does not say.
    pub(super) owned: Option<&'a Assignment>,
}

impl Reconciliation<'_> {
    /// The member after this step; it may be as it was.
    ///
    /// # Errors
    /// `FENCED_MEMBER_EPOCH` where its state is one of a later release and it still has partitions.
    pub(super) fn of(&self, member: &Member) -> Result<Member, Refusal> {
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => {
                Ok(self.next(member, member.epoch))
            }
            MemberState::Stable if self.has_subscription_changed => Ok(self.unsubscribed(member)),
            MemberState::Stable => Ok(member.clone()),
            MemberState::UnrevokedPartitions if self.owns_any(&member.pending_revocation) => {
                if self.has_subscription_changed {
                    Ok(self.unsubscribed(member))
                } else {
                    Ok(member.clone())
                }
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                Ok(self.next(member, member.epoch))
            }
            MemberState::Unknown(_) => {
                if self.owned.is_none_or(|owned| !owned.is_empty()) {
                    return Err(Refusal::new(
                        ErrorCode::FencedMemberEpoch,
                        "state of the member is of a later release: give up all partitions and join again",
                    ));
                }
                Ok(self.next(member, self.target_epoch))
            }
        }
    }

    /// True where the member has one of these, or does not say what it has.
    fn owns_any(&self, partitions: &Partitions) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|(topic, owned)| {
            partitions
                .get(topic)
                .is_some_and(|wanted| owned.iter().any(|partition| wanted.contains_key(partition)))
        })
    }

    fn subscribed(&self, member: &Member) -> BTreeSet<TopicId> {
        self.state
            .topics_of(member)
            .into_iter()
            .filter_map(|name| self.topics.topic(name))
            .map(|topic| topic.id)
            .collect()
    }

    /// Takes away the topics that the member is no longer subscribed to, in the epoch that it has.
    fn unsubscribed(&self, member: &Member) -> Member {
        let subscribed = self.subscribed(member);
        let is_gone = |topic: &TopicId| !subscribed.contains(topic);
        if !member.assigned.keys().any(is_gone) {
            return member.clone();
        }
        let mut next = member.clone();
        let gone: Partitions = member
            .assigned
            .iter()
            .filter(|(topic, _)| is_gone(topic))
            .map(|(topic, partitions)| (*topic, partitions.clone()))
            .collect();
        next.assigned.retain(|topic, _| subscribed.contains(topic));
        next.advance_to(member.epoch);
        let mut pending = member.pending_revocation.clone();
        for (topic, partitions) in gone {
            pending.entry(topic).or_default().extend(partitions);
        }
        if self.owns_any(&pending) {
            next.state = MemberState::UnrevokedPartitions;
            next.pending_revocation = pending;
        }
        next
    }

    /// The next step towards the target.
    fn next(&self, member: &Member, epoch: i32) -> Member {
        let subscribed = self.subscribed(member);
        let mut parts = Parts::default();
        let topics: BTreeSet<&TopicId> = self.target.keys().chain(member.assigned.keys()).collect();
        for topic in topics {
            self.divide(member, *topic, subscribed.contains(topic), &mut parts);
        }
        let mut next = member.clone();
        if !parts.revoked.is_empty() && self.owns_any(&parts.revoked) {
            next.advance_to(epoch);
            next.state = MemberState::UnrevokedPartitions;
            next.assigned = parts.kept;
            next.pending_revocation = parts.revoked;
            return next;
        }
        next.advance_to(self.target_epoch);
        next.state = if parts.has_unreleased {
            MemberState::UnreleasedPartitions
        } else {
            MemberState::Stable
        };
        for (topic, partitions) in parts.added {
            let epochs = partitions.into_iter().map(|it| (it, self.target_epoch));
            parts.kept.entry(topic).or_default().extend(epochs);
        }
        next.assigned = parts.kept;
        next.pending_revocation = Partitions::new();
        next
    }

    /// Divides the partitions of one topic.
    fn divide(&self, member: &Member, topic: TopicId, is_subscribed: bool, parts: &mut Parts) {
        let nothing = BTreeSet::new();
        let target = self.target.get(&topic).filter(|_| is_subscribed);
        let target = target.unwrap_or(&nothing);
        let none = BTreeMap::new();
        let assigned = member.assigned.get(&topic).unwrap_or(&none);
        let pending = member.pending_revocation.get(&topic).unwrap_or(&none);
        let (kept, revoked): (BTreeMap<_, _>, BTreeMap<_, _>) = assigned
            .iter()
            .map(|(partition, epoch)| (*partition, *epoch))
            .partition(|(partition, _)| target.contains(partition));
        let mut added = BTreeSet::new();
        for partition in target {
            if kept.contains_key(partition) {
                continue;
            }
            // What the member itself is giving up is free for it: only one has a partition.
            let has_owner = self.state.owner(topic, *partition).is_some();
            if has_owner && !pending.contains_key(partition) && !bug::is(Bug::OwnedTwice) {
                parts.has_unreleased = true;
            } else {
                added.insert(*partition);
            }
        }
        if !kept.is_empty() {
            parts.kept.insert(topic, kept);
        }
        if !revoked.is_empty() {
            parts.revoked.insert(topic, revoked);
        }
        if !added.is_empty() {
            parts.added.insert(topic, added);
        }
    }
}

/// The partitions of a member in a step.
#[derive(Debug, Default)]
struct Parts {
    /// It has them and keeps them.
    kept: Partitions,
    /// It has them and is to give them up.
    revoked: Partitions,
    /// It gets them.
    added: Assignment,
    /// True where it is to get partitions that others have.
    has_unreleased: bool,
}
