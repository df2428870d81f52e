//! Proof that the coordinator knows of a transaction before its first batch is appended (KIP-890;
//! Kafka classes `VerificationGuard`, `VerificationStateEntry`).

use milena_protocol::{ProducerEpoch, Sequence, Timestamp};

/// Stands for one question to the coordinator. An append with an old guard is refused: the
/// transaction that was asked about may have been aborted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerificationGuard(pub(super) u64);

impl VerificationGuard {
    /// Stands for no question: with it a batch is appended only where a transaction is open.
    pub const NONE: Self = Self(0);
}

/// A question that was asked and whose transaction has not begun here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    pub(super) guard: VerificationGuard,
    pub(super) created: Timestamp,
    pub(super) epoch: ProducerEpoch,
    /// The smallest sequence that asked: a later one must not be appended first.
    pub(super) lowest_sequence: Sequence,
    /// The producer runs transaction version 2 and so begins every epoch at sequence 0.
    pub(super) supports_epoch_bump: bool,
}

impl Verification {
    /// Takes in another question. Its version of the protocol holds from its epoch on; one epoch
    /// has one version, and where it has not, the marker of that epoch ends the question.
    pub(super) fn lower(
        &mut self,
        epoch: ProducerEpoch,
        sequence: Sequence,
        supports_epoch_bump: bool,
    ) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.lowest_sequence = sequence;
            self.supports_epoch_bump = supports_epoch_bump;
        } else if epoch == self.epoch {
            self.lowest_sequence = self.lowest_sequence.min(sequence);
            self.supports_epoch_bump &= supports_epoch_bump;
        }
    }
}
