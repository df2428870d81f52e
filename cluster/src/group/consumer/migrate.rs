//! Groups that change their protocol while they have members (KIP-848, online migration).

use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::Timestamp;
use milena_protocol::stored::group::{
    ClassicMember, ConsumerMember, ConsumerMetadata, ConsumerRecord, Record, TargetMetadata,
};

use super::draft::{Context, Draft, MemberTimer, Refusal, TimerChange};
use super::member::{Assignment, Member, MemberState, at_epoch, stored_target};
use super::subscription::{Subscription, read_assignment, write_assignment};
use crate::group::classic;
use crate::group::request::Protocol;

impl Draft<'_> {
    /// Takes over a group of the classic protocol: its members keep what they have. The draft is
    /// that of a group without records.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND` where the group cannot be taken over.
    pub(in crate::group) fn upgrade(
        &mut self,
        context: &Context<'_>,
        group: &classic::Group,
    ) -> Result<(), Refusal> {
        let refuse = |why: &str| {
            Refusal::new(
                ErrorCode::GroupIdNotFound,
                format!(
                    "classic group {} cannot become a consumer group: {why}",
                    self.id
                ),
            )
        };
        if !context.config.migration.allows_upgrade() {
            return Err(refuse("the migration policy forbids it"));
        }
        if !group.is_consumer_group() {
            return Err(refuse("its protocol type is not consumer"));
        }
        if group.members().len() > context.config.max_size {
            return Err(refuse("it has more members than a consumer group may have"));
        }
        let protocol = group
            .protocol_name
            .clone()
            .or_else(|| group.select_protocol());
        let mut members = Vec::new();
        for (id, member) in group.members() {
            let metadata = member.metadata(protocol.as_deref().unwrap_or_default());
            let subscription = Subscription::read(&metadata)
                .map_err(|_| refuse("a subscription or an assignment cannot be read"))?;
            let assigned = if member.assignment.is_empty() {
                Assignment::new()
            } else {
                read_assignment(&member.assignment, context.topics)
                    .map_err(|_| refuse("a subscription or an assignment cannot be read"))?
                    .ok_or_else(|| {
                        refuse("an assignor of the clients has put data into an assignment")
                    })?
            };
            members.push((Arc::clone(id), taken_over(member, &subscription), assigned));
        }
        self.records.push(group_tombstone(self.id));
        self.put_taken_over(context, group.generation, members);
        Ok(())
    }

    fn put_taken_over(
        &mut self,
        context: &Context<'_>,
        generation: i32,
        mut members: Vec<(Arc<str>, ConsumerMember, Assignment)>,
    ) {
        for (id, metadata, _) in &members {
            let timeout_ms = metadata.classic.as_ref().map(|it| it.session_timeout_ms);
            self.renew_session(id, timeout_ms.unwrap_or(context.session_timeout_ms()));
            self.put(ConsumerRecord::Member(
                id.to_string(),
                Some(metadata.clone()),
            ));
        }
        let metadata_hash = context.topics.hash(self.state.subscribed_topics());
        self.put(ConsumerRecord::Metadata(Some(ConsumerMetadata {
            epoch: generation,
            metadata_hash,
        })));
        for (id, _, assigned) in &mut members {
            // The leader may have given a partition to two; here only one can have it.
            for (topic, partitions) in assigned.iter_mut() {
                partitions.retain(|partition| self.state.owner(*topic, *partition).is_none());
            }
            assigned.retain(|_, partitions| !partitions.is_empty());
            self.put(ConsumerRecord::TargetMember(
                id.to_string(),
                Some(stored_target(assigned)),
            ));
            let member = Member {
                epoch: generation,
                previous_epoch: generation,
                state: MemberState::Stable,
                assigned: at_epoch(assigned, generation),
                ..Member::default()
            };
            self.put_current(id, &member);
        }
        self.put(ConsumerRecord::TargetMetadata(Some(TargetMetadata {
            assignment_epoch: generation,
            assignment_timestamp: Timestamp(0),
        })));
    }

    /// True where the group can go on as a group of the classic protocol: all members use that.
    pub(in crate::group) fn may_downgrade(&self, context: &Context<'_>) -> bool {
        self.state.is_all_classic()
            && context.config.migration.allows_downgrade()
            && self.state.members().len() <= context.classic_size_max
    }

    /// Turns the group into one of the classic protocol: the members are to have what the target
    /// assignment says. None where they have no protocol in common, which records of another
    /// coordinator may say.
    pub(in crate::group) fn downgrade(&mut self, context: &Context<'_>) -> Option<classic::Group> {
        let state = &*self.state;
        let members = state.members().iter().filter_map(|(id, member)| {
            let stored = member.metadata.classic.as_ref()?;
            let first = stored.supported_protocols.first();
            let version = first.and_then(|(_, metadata)| Subscription::read(metadata).ok());
            let target = state.target(id).cloned().unwrap_or_default();
            let assignment =
                write_assignment(&target, version.map_or(0, |it| it.version), context.topics);
            let member = classic::Member {
                group_instance_id: member.metadata.instance_id.clone(),
                client_id: member.metadata.client_id.clone(),
                client_host: member.metadata.client_host.clone(),
                rebalance_timeout_ms: member.metadata.rebalance_timeout_ms,
                session_timeout_ms: stored.session_timeout_ms,
                protocols: stored
                    .supported_protocols
                    .iter()
                    .map(|(name, metadata)| Protocol {
                        name: name.clone(),
                        metadata: metadata.clone(),
                    })
                    .collect(),
                assignment,
                join_waiter: None,
                sync_waiter: None,
                is_new: false,
            };
            Some((Arc::clone(id), member))
        });
        let group = classic::Group::converted(state.epoch(), context.now, members.collect())?;
        for id in self.state.members().keys().cloned().collect::<Vec<_>>() {
            for timer in [MemberTimer::Rebalance, MemberTimer::Join, MemberTimer::Sync] {
                self.set_timer(timer, &id, TimerChange::Cancel);
            }
        }
        for record in self.state.tombstones() {
            self.put(record);
        }
        self.records.push(Record::Group {
            group: self.id.to_owned(),
            metadata: Some(group.metadata(None)),
        });
        Some(group)
    }
}

fn taken_over(member: &classic::Member, subscription: &Subscription) -> ConsumerMember {
    let protocols = member.protocols.iter();
    ConsumerMember {
        instance_id: member.group_instance_id.clone(),
        rack_id: subscription.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: subscription.topics.clone(),
        subscribed_topic_regex: Some(String::new()),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic: Some(ClassicMember {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols: protocols
                .map(|protocol| (protocol.name.clone(), protocol.metadata.clone()))
                .collect(),
        }),
    }
}

/// The record that removes a group of the classic protocol.
pub(in crate::group) fn group_tombstone(id: &str) -> Record {
    Record::Group {
        group: id.to_owned(),
        metadata: None,
    }
}
