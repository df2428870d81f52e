//! One group of the classic protocol: its members and what follows from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use milena_protocol::stored::group::GroupMetadata;
use milena_protocol::wire::Reader;
use milena_protocol::{ErrorCode, Timestamp};

use super::member::{self, Member};
use super::state::State;
use crate::group::config::CONSUMER;
use crate::group::event::Waiter;
use crate::group::request::{MemberRef, Protocol};
use crate::group::response::JoinedMember;

/// A group as its coordinator has it in memory.
#[derive(Clone, Debug)]
pub(in crate::group) struct Group {
    pub(super) state: State,
    pub(in crate::group) previous_state: State,
    /// When the group came into its state; -1 where it is not known.
    state_timestamp: Timestamp,
    pub(in crate::group) protocol_type: Option<String>,
    pub(in crate::group) protocol_name: Option<String>,
    pub(in crate::group) generation: i32,
    pub(in crate::group) leader: Option<Arc<str>>,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    /// Member ids by instance id.
    pub(super) static_members: BTreeMap<String, Arc<str>>,
    /// Ids that were given out by MEMBER_ID_REQUIRED and have not joined yet.
    pub(in crate::group) pending_joins: BTreeSet<Arc<str>>,
    /// Members that have not sent SyncGroup in this generation.
    pub(in crate::group) pending_syncs: BTreeSet<Arc<str>>,
    /// Members whose JoinGroup waits.
    pub(super) waiting_join_count: usize,
    /// How many members support a protocol.
    pub(super) supporters: BTreeMap<String, usize>,
    /// Topics of all members; none where they are not known.
    subscribed_topics: Option<BTreeSet<String>>,
    /// True where a member came during the initial delay.
    pub(in crate::group) new_member_added: bool,
    /// The initial delay that runs: its length and what may follow it, in milliseconds.
    pub(in crate::group) initial_delay: Option<(i64, i64)>,
    /// True while the assignment of this generation is being stored.
    pub(in crate::group) is_assigning: bool,
}

impl Group {
    /// An empty group; `now` is -1 for one that has only offsets.
    pub(in crate::group) fn new(now: Timestamp) -> Self {
        Self {
            state: State::Empty,
            previous_state: State::Dead,
            state_timestamp: now,
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            waiting_join_count: 0,
            supporters: BTreeMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay: None,
            is_assigning: false,
        }
    }

    /// The group that was stored. Members that cannot be are left out: the bytes are from outside.
    pub(in crate::group) fn loaded(metadata: &GroupMetadata) -> Self {
        let mut group = Self::new(metadata.current_state_timestamp);
        group.generation = metadata.generation;
        group.protocol_name.clone_from(&metadata.protocol);
        if !metadata.protocol_type.is_empty() {
            group.protocol_type = Some(metadata.protocol_type.clone());
        }
        if let (Some(protocol), Some(_)) = (&metadata.protocol, &group.protocol_type) {
            for stored in &metadata.members {
                let instance = stored.group_instance_id.as_ref();
                let is_twice = group.has_member(&stored.member_id)
                    || instance.is_some_and(|instance| group.static_members.contains_key(instance));
                if !is_twice {
                    let id = Arc::from(stored.member_id.as_str());
                    group.insert(id, Member::loaded(stored, protocol));
                }
            }
        }
        group.leader = metadata
            .leader
            .as_ref()
            .and_then(|leader| group.members.get_key_value(leader.as_str()))
            .or_else(|| group.members.first_key_value())
            .map(|(id, _)| id.clone());
        if group.members.is_empty() {
            group.protocol_name = None;
        } else {
            group.state = State::Stable;
        }
        group.subscribed_topics = group.subscriptions();
        group
    }

    /// A stable group of these members, which have assignments. None where they have no protocol
    /// in common, or are none, or where two have one instance id: records of others may say so.
    pub(in crate::group) fn converted(
        generation: i32,
        now: Timestamp,
        members: Vec<(Arc<str>, Member)>,
    ) -> Option<Self> {
        let mut group = Self::new(now);
        group.generation = generation;
        group.protocol_type = Some(CONSUMER.to_owned());
        for (id, member) in members {
            let instance = member.group_instance_id.as_ref();
            if instance.is_some_and(|instance| group.static_members.contains_key(instance)) {
                return None;
            }
            group.insert(id, member);
        }
        group.protocol_name = Some(group.select_protocol()?);
        group.subscribed_topics = group.subscriptions();
        group.previous_state = State::CompletingRebalance;
        group.state = State::Stable;
        Some(group)
    }

    pub(in crate::group) const fn state(&self) -> State {
        self.state
    }

    /// True where the group has no members and is not being deleted.
    pub(in crate::group) fn is_vacant(&self) -> bool {
        self.state == State::Empty
    }

    pub(in crate::group) const fn state_timestamp(&self) -> Timestamp {
        self.state_timestamp
    }

    pub(in crate::group) fn transition_to(&mut self, state: State, now: Timestamp) {
        assert!(
            self.state.may_become(state),
            "a group does not go from {} to {state}",
            self.state
        );
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp = now;
        self.is_assigning = false;
    }

    /// Takes back the transition to `Dead`, with the time of the state before.
    pub(in crate::group) fn revive(&mut self) {
        if self.state == State::Dead {
            self.state = State::Empty;
        }
    }

    /// Marks the group as being deleted. It keeps the time of its state for [`Group::revive`].
    pub(in crate::group) fn condemn(&mut self) {
        assert!(
            self.state == State::Empty,
            "a group in {} is deleted",
            self.state
        );
        self.state = State::Dead;
    }

    pub(in crate::group) fn members(&self) -> &BTreeMap<Arc<str>, Member> {
        &self.members
    }

    pub(in crate::group) fn member_ids(&self) -> Vec<Arc<str>> {
        self.members.keys().cloned().collect()
    }

    pub(in crate::group) fn has_member(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    pub(in crate::group) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// A member, to change what neither counts nor names it.
    pub(in crate::group) fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(in crate::group) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    pub(in crate::group) fn leader_name(&self) -> String {
        self.leader.as_deref().unwrap_or_default().to_owned()
    }

    pub(in crate::group) fn static_member_id(&self, instance: &str) -> Option<Arc<str>> {
        self.static_members.get(instance).cloned()
    }

    pub(in crate::group) fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    pub(in crate::group) const fn knows_subscriptions(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    /// The longest rebalance timeout of a member in milliseconds; 0 without members.
    pub(in crate::group) fn rebalance_timeout_ms(&self) -> i64 {
        let timeouts = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms);
        timeouts
            .max()
            .map_or(0, |timeout| i64::from(timeout.max(0)))
    }

    pub(in crate::group) fn has_all_joined(&self) -> bool {
        self.members.len() == self.waiting_join_count && self.pending_joins.is_empty()
    }

    /// True where `group.max.size` leaves room for a join of `member_id`.
    pub(in crate::group) fn has_room_for(&self, member_id: &str, size_max: usize) -> bool {
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                let member = self.member(member_id);
                member.is_some_and(|member| member.join_waiter.is_some())
                    || self.waiting_join_count < size_max
            }
            State::CompletingRebalance | State::Stable => {
                self.has_member(member_id) || self.members.len() < size_max
            }
        }
    }

    /// True where a member with these protocols can be in the group.
    pub(in crate::group) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        // During an initial rebalance all members may have left again.
        if self.members.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && member::names(protocols)
                .iter()
                .any(|name| self.supporters.get(*name) == Some(&self.members.len()))
    }

    /// The id and instance id are those of a member.
    pub(in crate::group) fn validate(&self, member: &MemberRef) -> Result<(), ErrorCode> {
        self.validate_ids(&member.member_id, member.group_instance_id.as_deref())
    }

    pub(in crate::group) fn validate_ids(
        &self,
        member_id: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(known) if &**known != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.has_member(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// May this member commit offsets?
    pub(in crate::group) fn validate_commit(
        &self,
        member: &MemberRef,
        is_transactional: bool,
    ) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if member.generation < 0 && self.state == State::Empty {
            // A consumer that uses the group for nothing but its offsets.
            return Ok(());
        }
        if member.generation >= 0
            || !member.member_id.is_empty()
            || member.group_instance_id.is_some()
        {
            self.validate(member)?;
            if member.generation != self.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !is_transactional && self.state != State::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        if !is_transactional && self.state == State::CompletingRebalance {
            // In PreparingRebalance a member may commit before it joins; now it is too late.
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Adds a member that is none yet.
    pub(in crate::group) fn add(&mut self, id: Arc<str>, protocol_type: &str, member: Member) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        self.insert(id, member);
    }

    fn insert(&mut self, id: Arc<str>, member: Member) {
        assert!(!self.has_member(&id), "{id} is a member already");
        if let Some(instance) = &member.group_instance_id {
            let old = self.static_members.insert(instance.clone(), id.clone());
            assert!(old.is_none(), "{instance} is a member already");
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.count_supporters(&member, true);
        if member.join_waiter.is_some() {
            self.waiting_join_count += 1;
        }
        self.pending_joins.remove(&id);
        self.members.insert(id, member);
    }

    /// Removes a member, or a pending one. The caller answers who waits for it.
    pub(in crate::group) fn remove(&mut self, id: &str) -> Option<Member> {
        self.pending_joins.remove(id);
        self.pending_syncs.remove(id);
        let member = self.members.remove(id)?;
        self.count_supporters(&member, false);
        if member.join_waiter.is_some() {
            self.waiting_join_count -= 1;
        }
        if let Some(instance) = &member.group_instance_id {
            self.static_members.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Gives a static member another id, and returns it as it was. Whoever waited for it is taken
    /// off.
    pub(in crate::group) fn rename_static(&mut self, old: &str, new: &Arc<str>) -> Option<Member> {
        let was_leader = self.is_leader(old);
        let was_pending_sync = self.pending_syncs.contains(old);
        let member = self.remove(old)?;
        let mut renamed = member.clone();
        renamed.join_waiter = None;
        renamed.sync_waiter = None;
        self.insert(new.clone(), renamed);
        if was_leader {
            self.leader = Some(new.clone());
        }
        if was_pending_sync {
            self.pending_syncs.insert(new.clone());
        }
        Some(member)
    }

    /// Takes over what a member says when it joins again, and returns who waited before.
    pub(in crate::group) fn update(
        &mut self,
        id: &str,
        protocols: Vec<Protocol>,
        timeouts_ms: (i32, i32),
        waiter: Option<Waiter>,
    ) -> Option<Waiter> {
        let mut member = self.members.remove_entry(id)?;
        self.count_supporters(&member.1, false);
        member.1.protocols = protocols;
        (member.1.rebalance_timeout_ms, member.1.session_timeout_ms) = timeouts_ms;
        self.count_supporters(&member.1, true);
        let before = std::mem::replace(&mut member.1.join_waiter, waiter);
        self.waiting_join_count += usize::from(waiter.is_some());
        self.waiting_join_count -= usize::from(before.is_some());
        self.members.insert(member.0, member.1);
        before
    }

    /// Who waits for the end of the join phase of a member; it waits no longer.
    pub(in crate::group) fn take_join_waiter(&mut self, id: &str) -> Option<Waiter> {
        let waiter = self.members.get_mut(id)?.join_waiter.take()?;
        self.waiting_join_count -= 1;
        Some(waiter)
    }

    fn count_supporters(&mut self, member: &Member, is_added: bool) {
        for name in member.protocol_names() {
            let count = self.supporters.entry(name.to_owned()).or_default();
            if is_added {
                *count += 1;
            } else {
                *count -= 1;
                if *count == 0 {
                    self.supporters.remove(name);
                }
            }
        }
    }

    /// Makes a member leader that has joined again, where the leader has not. False where none has
    /// joined.
    pub(in crate::group) fn elect_joined_leader(&mut self) -> bool {
        let leader = self
            .leader
            .as_deref()
            .and_then(|leader| self.member(leader));
        if leader.is_some_and(|leader| leader.join_waiter.is_some()) {
            return true;
        }
        let joined = self
            .members
            .iter()
            .find(|(_, member)| member.join_waiter.is_some());
        let Some((id, _)) = joined else { return false };
        self.leader = Some(id.clone());
        true
    }

    /// The protocol that most members want of those that all support. Of equals the first by name.
    pub(in crate::group) fn select_protocol(&self) -> Option<String> {
        let candidates: BTreeSet<&str> = self
            .supporters
            .iter()
            .filter(|(_, count)| **count == self.members.len())
            .map(|(name, _)| name.as_str())
            .collect();
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            if let Some(name) = member.vote(&candidates) {
                *votes.entry(name).or_default() += 1;
            }
        }
        // `max_by_key` returns the last of equals.
        let chosen = votes.iter().rev().max_by_key(|(_, count)| **count);
        chosen.map(|(name, _)| (*name).to_owned())
    }

    /// Begins the next generation with those who have joined.
    pub(in crate::group) fn next_generation(&mut self, now: Timestamp) {
        // Java would go on with negative numbers, which mean something else.
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.subscriptions();
        self.pending_syncs.clear();
        self.new_member_added = false;
        if self.members.is_empty() {
            self.transition_to(State::Empty, now);
        } else {
            assert!(
                self.protocol_name.is_some(),
                "members without a common protocol"
            );
            self.transition_to(State::CompletingRebalance, now);
        }
    }

    /// Topics of all members; none where the group has other protocols or a member's metadata
    /// cannot be read.
    fn subscriptions(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer_group() {
            return None;
        }
        let mut topics = BTreeSet::new();
        if self.members.is_empty() {
            return Some(topics);
        }
        let protocol = self.protocol_name.as_deref()?;
        for member in self.members.values() {
            read_subscription(&member.metadata(protocol), &mut topics)?;
        }
        Some(topics)
    }

    /// The members with their metadata, for the leader.
    pub(in crate::group) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        self.members
            .iter()
            .map(|(id, member)| JoinedMember {
                member_id: id.to_string(),
                group_instance_id: member.group_instance_id.clone(),
                metadata: member.metadata(protocol),
            })
            .collect()
    }

    /// What is to be stored of the group, with the members' assignments or those given.
    pub(in crate::group) fn metadata(
        &self,
        assignments: Option<&BTreeMap<String, Bytes>>,
    ) -> GroupMetadata {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| {
            let assignment = match assignments {
                Some(assignments) => assignments.get(&**id).cloned().unwrap_or_default(),
                None => member.assignment.clone(),
            };
            member.stored(id, protocol, assignment)
        });
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol_name.clone(),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp: self.state_timestamp,
            members: members.collect(),
        }
    }
}

/// Adds the topics of a consumer's subscription: version int16, then an array of strings. Later
/// versions only add to that. None where it cannot be read.
fn read_subscription(metadata: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let mut reader = Reader::new(metadata);
    if reader.i16().ok()? < 0 {
        return None;
    }
    for _ in 0..reader.array_len(2).ok()? {
        topics.insert(reader.string().ok()?.to_owned());
    }
    Some(())
}
