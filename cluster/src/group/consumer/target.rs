//! The group epoch, and the target assignment that follows it (`TargetAssignmentBuilder`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_protocol::stored::group::{
    ConsumerMetadata, ConsumerRecord, ResolvedExpression, TargetMetadata,
};
use milena_protocol::{Timestamp, TopicId};

use super::draft::{Context, Draft};
use super::expression::Expression;
use super::member::{Assignment, stored_target};
use crate::group::assignor::{Assignor, GroupSpec, MemberSpec};
use crate::group::topics::TopicView;

impl Draft<'_> {
    /// Counts the group epoch up where that is asked for or the subscribed topics have changed.
    pub(in crate::group) fn update_epoch(&mut self, context: &Context<'_>, is_forced: bool) {
        let hash = context.topics.hash(self.state.subscribed_topics());
        if is_forced || hash != self.state.metadata_hash() {
            self.put(ConsumerRecord::Metadata(Some(ConsumerMetadata {
                epoch: self.state.epoch().saturating_add(1),
                metadata_hash: hash,
            })));
        }
        if self.state.has_partition_metadata() {
            // The hash replaces it since 4.1.
            self.put(ConsumerRecord::PartitionMetadata(None));
        }
    }

    /// Resolves an expression where that is not done, or again. True where its topics have
    /// changed.
    pub(in crate::group) fn resolve(&mut self, context: &Context<'_>, regex: &str) -> bool {
        let known = self.state.expressions().get(regex);
        // One that was stored and cannot be compiled here matches nothing.
        let expression = Expression::new(regex).ok();
        let matches = |name: &&str| expression.as_ref().is_some_and(|it| it.matches(name));
        let changed = self
            .seen_version
            .and_then(|seen| context.topics.changed_since(seen));
        let topics: Vec<String> = match (known, changed) {
            // All names are matched once; then only those that come and go.
            (Some(known), Some(changed)) => {
                let kept = known.topics.iter().map(String::as_str);
                let mut names: BTreeSet<&str> =
                    kept.filter(|name| !changed.contains(name)).collect();
                let is_there = |name: &&str| context.topics.topic(name).is_some();
                names.extend(changed.into_iter().filter(is_there).filter(matches));
                names.into_iter().map(str::to_owned).collect()
            }
            _ => context
                .topics
                .names()
                .filter(matches)
                .map(str::to_owned)
                .collect(),
        };
        if known.is_some_and(|known| known.topics == topics) {
            return false;
        }
        self.put(ConsumerRecord::Expression(
            regex.to_owned(),
            Some(ResolvedExpression {
                topics,
                version: context.topics.version(),
                timestamp: context.now,
            }),
        ));
        true
    }

    /// Removes an expression that nobody has any more. True where there was one.
    pub(in crate::group) fn forget_expression(&mut self, regex: &str) -> bool {
        let is_forgotten =
            self.state.regex_count(regex) == 0 && self.state.expressions().contains_key(regex);
        if is_forgotten {
            self.put(ConsumerRecord::Expression(regex.to_owned(), None));
        }
        is_forgotten
    }

    /// Resolves all expressions again, since topics have come or gone. True where that changes
    /// the subscription of somebody.
    pub(in crate::group) fn resolve_all(&mut self, context: &Context<'_>) -> bool {
        let regexes: Vec<String> = self.state.expressions().keys().cloned().collect();
        let mut has_changed = false;
        for regex in regexes {
            has_changed |= self.resolve(context, &regex);
        }
        has_changed
    }

    /// Computes the target assignment anew where it is older than the group and that may be done
    /// now.
    pub(in crate::group) fn update_target(&mut self, context: &Context<'_>) {
        let epoch = self.state.epoch();
        if self.state.assignment_epoch() >= epoch || !context.may_assign(self.state) {
            return;
        }
        let preferred = self.state.preferred_assignor();
        let assignor = preferred
            .and_then(Assignor::from_name)
            .or_else(|| context.config.assignors.first().copied())
            .unwrap_or(Assignor::Uniform);
        let spec = self.spec(context.topics);
        let mut assigned = assignor.assign(&spec);
        let ids: Vec<Arc<str>> = self.state.members().keys().cloned().collect();
        for id in ids {
            let target = assigned.remove(&id).unwrap_or_default();
            if self.state.target(&id).is_none_or(|known| **known != target) {
                self.put(ConsumerRecord::TargetMember(
                    id.to_string(),
                    Some(stored_target(&target)),
                ));
            }
        }
        self.put(ConsumerRecord::TargetMetadata(Some(TargetMetadata {
            assignment_epoch: epoch,
            // 0 means that it is not known.
            assignment_timestamp: Timestamp(context.now.0.max(1)),
        })));
    }

    fn spec(&self, topics: &TopicView) -> GroupSpec {
        let mut spec = GroupSpec {
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            is_homogeneous: self.state.is_homogeneous(),
        };
        for name in self.state.subscribed_topics() {
            if let Some(topic) = topics.topic(name) {
                spec.topics.insert(topic.id, topic.partition_count());
            }
        }
        // Of members that are subscribed to the same it is computed once.
        let all: Arc<BTreeSet<TopicId>> = Arc::new(spec.topics.keys().copied().collect());
        for (id, member) in self.state.members() {
            let subscribed = if spec.is_homogeneous {
                Arc::clone(&all)
            } else {
                let names = self.state.topics_of(member).into_iter();
                let known = names.filter_map(|name| topics.topic(name));
                Arc::new(known.map(|topic| topic.id).collect())
            };
            let target = self.state.target(id);
            spec.members.insert(
                id.clone(),
                MemberSpec {
                    instance_id: member.metadata.instance_id.clone(),
                    topics: subscribed,
                    assigned: target.map_or_else(Assignment::new, |it| Assignment::clone(it)),
                },
            );
        }
        spec
    }
}
