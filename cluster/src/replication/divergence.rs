//! Where two logs part (KIP-101, KIP-279, KIP-595).

use milena_protocol::{ErrorCode, LeaderEpoch, Offset};

/// What a log says of the end of an epoch (OffsetForLeaderEpoch, `LeaderEpochFileCache`): the end of
/// the largest epoch that it has and that is at most the asked one; where all that it has are larger,
/// the asked epoch with the start of the first. A log that knows no epoch, or only smaller ones than
/// the asked one without being sure of its end, says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}

/// Compares the end of somebody else's log with ours. `offset` and `last_fetched_epoch` are the end
/// of the other log and the epoch of its last record; `ours` is what our log says of that epoch (see
/// [`EpochEnd`]). The answer is where ours ends if the two part before `offset`.
///
/// # Errors
/// [`ErrorCode::OffsetOutOfRange`] where our log does not go back far enough to tell.
pub fn find_divergence(
    offset: Offset,
    last_fetched_epoch: LeaderEpoch,
    ours: Option<EpochEnd>,
    log_start: Offset,
) -> Result<Option<EpochEnd>, ErrorCode> {
    if last_fetched_epoch < LeaderEpoch(0) {
        return Ok(None);
    }
    let ours = ours
        .filter(|ours| ours.epoch >= LeaderEpoch(0) && ours.end_offset >= Offset(0))
        .ok_or(ErrorCode::OffsetOutOfRange)?;
    if offset < log_start {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let parts = ours.epoch < last_fetched_epoch || ours.end_offset < offset;
    Ok(parts.then_some(ours))
}

/// The new end of a follower's log whose leader has answered with `diverging`. `own` is what
/// the follower's log says of the diverging epoch. It is never after `log_end`, and the logs may part again before it: then the next
/// fetch says so.
#[must_use]
pub fn truncation_offset(diverging: EpochEnd, own: Option<EpochEnd>, log_end: Offset) -> Offset {
    let end = match own {
        // Our log lacks the leader's epoch, so everything after the epoch before it is foreign.
        Some(own) if own.epoch != diverging.epoch => own.end_offset,
        Some(own) => own.end_offset.min(diverging.end_offset),
        None => diverging.end_offset,
    };
    end.min(log_end)
}
