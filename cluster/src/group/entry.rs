//! A group of either protocol, and what differs between them. Another protocol is a folder of its
//! own, a variant here and an arm in each of these functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::stored::group::{OffsetCommit, Record};
use milena_protocol::{ErrorCode, Timestamp};

use super::classic::{self, State};
use super::config::CONSUMER;
use super::consumer;
use super::request::CommitOffsets;
use super::topics::TopicView;

/// A group as its coordinator has it in memory.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Of the classic protocol, or with nothing but offsets.
    Classic(Box<classic::Group>),
    /// Of the consumer protocol.
    Consumer(Box<consumer::Group>),
}

impl Entry {
    pub(super) fn classic(&self) -> Option<&classic::Group> {
        match self {
            Self::Classic(group) => Some(group),
            Self::Consumer(_) => None,
        }
    }

    pub(super) fn classic_mut(&mut self) -> Option<&mut classic::Group> {
        match self {
            Self::Classic(group) => Some(group),
            Self::Consumer(_) => None,
        }
    }

    pub(super) fn consumer(&self) -> Option<&consumer::Group> {
        match self {
            Self::Classic(_) => None,
            Self::Consumer(group) => Some(group),
        }
    }

    pub(super) fn consumer_mut(&mut self) -> Option<&mut consumer::Group> {
        match self {
            Self::Classic(_) => None,
            Self::Consumer(group) => Some(group),
        }
    }

    /// True where the group is being deleted: to clients it is gone, or not there yet.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == State::Dead,
            // Its requests wait until it is deleted.
            Self::Consumer(_) => false,
        }
    }

    /// True where nothing keeps the group but its offsets.
    pub(super) fn is_vacant(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_vacant() && group.pending_joins.is_empty(),
            Self::Consumer(group) => group.in_flight.is_none() && group.live.members().is_empty(),
        }
    }

    /// Why the group cannot be deleted.
    pub(super) fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => match group.state() {
                State::Dead => Err(ErrorCode::GroupIdNotFound),
                State::Empty => Ok(()),
                _ => Err(ErrorCode::NonEmptyGroup),
            },
            Self::Consumer(group) if !group.live.members().is_empty() => {
                Err(ErrorCode::NonEmptyGroup)
            }
            // Its last member may be about to leave; whoever deletes asks again.
            Self::Consumer(group) if group.in_flight.is_some() => {
                Err(ErrorCode::CoordinatorLoadInProgress)
            }
            Self::Consumer(_) => Ok(()),
        }
    }

    /// The records that remove the group itself.
    pub(super) fn tombstones(&self, id: &str) -> Vec<Record> {
        match self {
            Self::Classic(_) => vec![Record::Group {
                group: id.to_owned(),
                metadata: None,
            }],
            Self::Consumer(group) => {
                let records = group.live.tombstones().into_iter();
                records
                    .map(|record| Record::Consumer {
                        group: id.to_owned(),
                        record,
                    })
                    .collect()
            }
        }
    }

    /// Why these offsets may not be committed.
    pub(super) fn validate_commit(
        &self,
        topics: &TopicView,
        commit: &CommitOffsets,
    ) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) => {
                group.validate_commit(&commit.member, commit.producer.is_some())
            }
            Self::Consumer(group) => consumer::validate_commit(&group.live, topics, commit),
        }
    }

    /// Why offsets of the group may not be deleted.
    pub(super) fn validate_delete_offsets(&self) -> Result<(), ErrorCode> {
        match self {
            Self::Classic(group) if group.state() == State::Dead => Err(ErrorCode::GroupIdNotFound),
            Self::Classic(group) if !group.is_vacant() && !group.is_consumer_group() => {
                Err(ErrorCode::NonEmptyGroup)
            }
            Self::Classic(_) | Self::Consumer(_) => Ok(()),
        }
    }

    /// True where a member reads the topic: its offsets are kept.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.live.is_subscribed_to(topic),
        }
    }

    /// Since when the retention of an offset runs; none where it does not.
    pub(super) fn retained_since(&self, commit: &OffsetCommit) -> Option<Timestamp> {
        let group = match self {
            Self::Classic(group) => group,
            Self::Consumer(_) => return Some(commit.commit_timestamp),
        };
        match (&group.protocol_type, group.state()) {
            // Offsets of consumers without a group are kept since they were committed.
            (None, _) => Some(commit.commit_timestamp),
            (Some(_), State::Empty) if group.state_timestamp() == Timestamp::NONE => {
                Some(commit.commit_timestamp)
            }
            (Some(_), State::Empty) => Some(group.state_timestamp()),
            (Some(_), State::Stable) if group.knows_subscriptions() => {
                Some(commit.commit_timestamp)
            }
            _ => None,
        }
    }

    /// Type, protocol type and state of the group as ListGroups has them; none where nothing of it
    /// is committed.
    pub(super) fn listed(
        &self,
        id: &str,
        committed: &BTreeMap<String, consumer::State>,
    ) -> Option<(&'static str, String, &'static str)> {
        match self {
            Self::Classic(group) => Some((
                "classic",
                group.protocol_type.clone().unwrap_or_default(),
                group.state().name(),
            )),
            Self::Consumer(_) => {
                let state = committed.get(id)?;
                Some((CONSUMER, CONSUMER.to_owned(), state.phase().name()))
            }
        }
    }

    pub(super) fn check_invariants(&self, id: &Arc<str>) {
        match self {
            Self::Classic(group) => group.check_invariants(id),
            Self::Consumer(group) => {
                group.live.check_invariants(id);
                assert!(
                    group.queue.is_empty() || group.in_flight.is_some(),
                    "{id}: requests wait for nothing"
                );
            }
        }
    }
}
