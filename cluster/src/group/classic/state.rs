//! States of a group of the classic protocol.

use std::fmt;

/// State of a group (`ClassicGroupState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No members; perhaps offsets.
    Empty,
    /// Members are to join again.
    PreparingRebalance,
    /// All have joined; the assignment of the leader is awaited.
    CompletingRebalance,
    /// Every member has, or can get, its assignment.
    Stable,
    /// The group is being deleted; it is gone when that is stored, or empty again when it cannot be.
    Dead,
}

impl State {
    /// Kafka's spelling.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// True where a rebalance takes a group from this state to `next`.
    pub(in crate::group) const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (
                Self::PreparingRebalance,
                Self::Empty | Self::CompletingRebalance
            ) | (
                Self::Stable | Self::CompletingRebalance | Self::Empty,
                Self::PreparingRebalance
            ) | (Self::CompletingRebalance, Self::Stable)
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
