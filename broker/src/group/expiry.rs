//! Telling of members that went without a word: nobody else does.

use milena_cluster::group::ExpiredMember;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::told::Restraint;

/// Tells of a member, or counts it where another was told of a moment ago: where a network fails,
/// all members go at once. Details of all come with the level debug.
pub(super) fn tell(restraint: &mut Restraint, member: &ExpiredMember) {
    let ExpiredMember {
        group,
        member_id,
        group_instance_id,
        client_id,
        timeout,
    } = member;
    match restraint.may_tell(Instant::now()) {
        Some(others) => info!(
            group,
            member_id,
            group_instance_id,
            client_id,
            timeout,
            others,
            "member is removed from its group, its time has ended"
        ),
        None => debug!(
            group,
            member_id,
            group_instance_id,
            client_id,
            timeout,
            "member is removed from its group, its time has ended"
        ),
    }
}
