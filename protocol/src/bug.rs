//! Faults that Kafka had, or that this project would have had without a line: tests put them back
//! one at a time and show that the simulation finds them. Without the feature `bugs`, which no
//! program is built with, [`is`] is constantly false and costs nothing.

/// A fault of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Transactions begin without a question to their coordinator: before KIP-890.
    GuardUnchecked,
    /// A verification outlives the marker of its transaction: KAFKA-15653 and its kin.
    VerificationOutlivesMarker,
    /// A repeated marker is refused: the transaction never completes (KAFKA-19999).
    RepeatedMarkerRefused,
    /// The transaction index misses aborted transactions.
    AbortNotIndexed,
    /// Repeated batches are not recognised.
    DuplicateUnknown,
    /// Batches of fenced producers are appended.
    OldEpochAppended,
    /// A coordinator that has loaded does not go on with decided transactions.
    MarkersNotResent,
    /// A transaction is complete when the first of its markers is written.
    CompleteAfterFirst,
    /// The repetition of an end is fenced.
    RepeatedEndFenced,
    /// Partitions are added to a transaction that is being ended (KAFKA-18575).
    AddedWhileDeciding,
    /// A producer is initialised beside the open transaction of the one before.
    OpenTransactionKept,
    /// Offsets of open transactions do not hold back who needs stable ones.
    UnstableOffsetFetched,
    /// Offsets of aborted transactions become committed.
    AbortedOffsetsKept,
    /// A member gets partitions that another one has not given up.
    OwnedTwice,
    /// Members of earlier generations commit offsets.
    OldGenerationCommits,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::GuardUnchecked,
        Self::VerificationOutlivesMarker,
        Self::RepeatedMarkerRefused,
        Self::AbortNotIndexed,
        Self::DuplicateUnknown,
        Self::OldEpochAppended,
        Self::MarkersNotResent,
        Self::CompleteAfterFirst,
        Self::RepeatedEndFenced,
        Self::AddedWhileDeciding,
        Self::OpenTransactionKept,
        Self::UnstableOffsetFetched,
        Self::AbortedOffsetsKept,
        Self::OwnedTwice,
        Self::OldGenerationCommits,
    ];
}

#[cfg(feature = "bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PRESENT: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Puts a fault into this thread, or takes it out.
    pub fn set(bug: Option<Bug>) {
        PRESENT.set(bug);
    }

    /// Whether this thread has the fault.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        PRESENT.get() == Some(bug)
    }
}

#[cfg(feature = "bugs")]
pub use switch::{is, set};

/// Whether this thread has the fault: no.
#[cfg(not(feature = "bugs"))]
#[must_use]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}
