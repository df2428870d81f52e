//! What always holds of a group of the classic protocol.

use std::collections::BTreeMap;

use super::group::Group;
use super::member::Member;
use super::state::State;

impl Group {
    pub(in crate::group) fn check_invariants(&self, id: &str) {
        let waiting = self
            .members
            .values()
            .filter(|member| member.join_waiter.is_some());
        assert_eq!(
            waiting.count(),
            self.waiting_join_count,
            "{id}: waiting joins"
        );
        let mut supporters = BTreeMap::<String, usize>::new();
        for name in self.members.values().flat_map(Member::protocol_names) {
            *supporters.entry(name.to_owned()).or_default() += 1;
        }
        assert_eq!(supporters, self.supporters, "{id}: supporters of protocols");
        let instances = self
            .members
            .iter()
            .filter_map(|(id, member)| Some((member.group_instance_id.clone()?, id.clone())));
        assert_eq!(
            instances.collect::<BTreeMap<_, _>>(),
            self.static_members,
            "{id}: static members"
        );
        assert_eq!(
            self.leader.is_none(),
            self.members.is_empty(),
            "{id}: leader"
        );
        if let Some(leader) = &self.leader {
            assert!(
                self.has_member(leader),
                "{id}: leader {leader} is no member"
            );
        }
        for pending in &self.pending_joins {
            assert!(!self.has_member(pending), "{id}: {pending} has joined");
        }
        for pending in &self.pending_syncs {
            assert!(self.has_member(pending), "{id}: {pending} is no member");
        }
        self.check_state(id);
    }

    fn check_state(&self, id: &str) {
        let is_waiting = self
            .members
            .values()
            .any(|member| member.sync_waiter.is_some());
        match self.state {
            State::Empty | State::Dead => {
                assert!(self.members.is_empty(), "{id}: members in {}", self.state);
            }
            State::PreparingRebalance => {
                assert!(
                    self.pending_syncs.is_empty(),
                    "{id}: pending syncs while joining"
                );
                assert!(!is_waiting, "{id}: waiting syncs while joining");
            }
            State::CompletingRebalance | State::Stable => {
                assert!(
                    !self.members.is_empty(),
                    "{id}: no members in {}",
                    self.state
                );
                let protocol = self.protocol_name.as_deref().unwrap_or_default();
                let count = self.supporters.get(protocol).copied();
                assert_eq!(
                    count,
                    Some(self.members.len()),
                    "{id}: supporters of {protocol}"
                );
                let is_stable = self.state == State::Stable;
                assert!(!(is_stable && is_waiting), "{id}: waiting syncs in Stable");
                assert!(
                    !(is_stable && self.is_assigning),
                    "{id}: assigning in Stable"
                );
            }
        }
    }
}
