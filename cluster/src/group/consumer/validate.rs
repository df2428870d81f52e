//! Who may commit and fetch offsets of a group of the consumer protocol.

use milena_protocol::ErrorCode;

use super::state::State;
use crate::group::request::{CommitOffsets, FetchingMember};
use crate::group::topics::TopicView;

/// May this member commit these offsets? An epoch before its own is taken for partitions that it
/// has had since then (KIP-1251).
///
/// # Errors
/// The error of the whole request.
pub(in crate::group) fn validate_commit(
    state: &State,
    topics: &TopicView,
    commit: &CommitOffsets,
) -> Result<(), ErrorCode> {
    let is_transactional = commit.producer.is_some();
    let who = &commit.member;
    if who.generation < 0 && state.members().is_empty() {
        return Ok(());
    }
    let is_nobody =
        who.generation == -1 && who.member_id.is_empty() && who.group_instance_id.is_none();
    if is_transactional && is_nobody {
        return Ok(());
    }
    let member = state
        .member(&who.member_id)
        .ok_or(ErrorCode::UnknownMemberId)?;
    if !is_transactional && !member.uses_classic_protocol() && !commit.supports_member_epoch {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let stale = if member.uses_classic_protocol() || is_transactional {
        ErrorCode::IllegalGeneration
    } else {
        ErrorCode::StaleMemberEpoch
    };
    if who.generation == member.epoch {
        return Ok(());
    }
    if who.generation > member.epoch {
        return Err(stale);
    }
    for topic in &commit.topics {
        let id = if topic.id.is_zero() {
            topics.topic(&topic.name).map(|topic| topic.id)
        } else {
            Some(topic.id)
        };
        for partition in &topic.partitions {
            let since = id.and_then(|id| member.assignment_epoch(id, partition.partition));
            if since.is_none_or(|since| who.generation < since) {
                return Err(stale);
            }
        }
    }
    Ok(())
}

/// May this member fetch offsets? `state` is what is committed.
///
/// # Errors
/// The error of the whole group.
pub(in crate::group) fn validate_fetch(
    state: &State,
    who: Option<&FetchingMember>,
) -> Result<(), ErrorCode> {
    let Some(who) = who else { return Ok(()) };
    let member = state
        .member(&who.member_id)
        .ok_or(ErrorCode::UnknownMemberId)?;
    if who.member_epoch == member.epoch {
        Ok(())
    } else if member.uses_classic_protocol() {
        Err(ErrorCode::IllegalGeneration)
    } else {
        Err(ErrorCode::StaleMemberEpoch)
    }
}
