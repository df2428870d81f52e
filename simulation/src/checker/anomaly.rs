//! What may be wrong with a history.

use std::collections::BTreeMap;
use std::fmt;

/// Kinds of anomalies. The words of Jepsen where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Two values at one offset.
    InconsistentOffsets,
    /// One value at two offsets.
    Duplicate,
    /// An acknowledged value is not among what was read, though later ones are.
    LostWrite,
    /// An acknowledged value was not in the last reads, which went to the end.
    Unseen,
    /// A value of an aborted transaction, or of a failed send, was read.
    DirtyRead,
    /// A value was read before its transaction was asked to commit, or by this transaction.
    PrecommittedRead,
    /// Within one operation a poll passed over values.
    InternalPollSkip,
    /// Within one operation a poll went back.
    InternalNonmonotonicPoll,
    /// Within one operation later sends got lower offsets.
    InternalNonmonotonicSend,
    /// From one operation to the next a poll passed over values.
    ExternalPollSkip,
    /// From one operation to the next a poll went back.
    ExternalNonmonotonicPoll,
    /// From one operation to the next later sends got lower offsets.
    ExternalNonmonotonicSend,
    /// As [`Class::ExternalPollSkip`], where a group gives the keys: a known freedom of consumers.
    SubscribedPollSkip,
    /// As [`Class::ExternalNonmonotonicPoll`], where a group gives the keys.
    SubscribedNonmonotonicPoll,
    /// Cycle of writes: transactions interleave, as Kafka lets them.
    G0,
    /// Cycle of what was seen.
    G1c,
    /// Cycle of what was seen and the order in processes.
    G1cProcess,
    /// Cycle of what was seen and the order in time.
    G1cRealtime,
    /// Cycle of what was seen that needs the order of writes as well: as [`Class::G0`].
    G1cWrites,
    /// A committed transaction is seen in one place and missing in another.
    HalfVisible,
    /// One input was consumed by two committed transactions of a group.
    ConsumedTwice,
    /// An input before a group's committed offset was consumed by no transaction.
    NeverConsumed,
    /// A group's offset of an aborted transaction is committed.
    DirtyOffset,
    /// A producer had an effect after it was fenced.
    StaleFence,
    /// A group's committed offset went back.
    OffsetWentBack,
    /// A listed end went back.
    EndWentBack,
    /// The recorder is at fault: an operation that never began, a value sent twice.
    Malformed,
}

/// Something that should not be in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Its kind.
    pub class: Class,
    /// The partition, group or transactional id; empty where there is none.
    pub key: String,
    /// What was seen, for a person.
    pub text: String,
}

impl Anomaly {
    /// How many of one class are listed.
    pub const COUNT_MAX: usize = 20;

    /// Whether Kafka allows it: transactions may interleave their writes, and where a group gives
    /// the keys a consumer may go back or lose its place.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(
            self.class,
            Class::G0
                | Class::G1cWrites
                | Class::SubscribedPollSkip
                | Class::SubscribedNonmonotonicPoll
        )
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.class, self.key, self.text)
    }
}

/// Keeps the first [`Anomaly::COUNT_MAX`] of each class.
pub(super) fn limit(found: &mut Vec<Anomaly>) {
    let mut counts = BTreeMap::<Class, usize>::new();
    found.retain(|anomaly| {
        let count = counts.entry(anomaly.class).or_default();
        *count += 1;
        *count <= Anomaly::COUNT_MAX
    });
}
