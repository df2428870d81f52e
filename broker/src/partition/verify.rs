//! Batches that begin or continue a transaction (KIP-890).

use std::sync::Arc;

use milena_log::producer_state::VerificationGuard;
use milena_protocol::batch::BatchHeader;
use milena_protocol::{ProducerEpoch, ProducerId, Sequence};

use super::Partition;
use crate::clock;

impl Partition {
    /// Begins to ask the coordinator about the transaction of a batch; none where one is open here
    /// in the epoch of the batch, so that nobody need be asked.
    pub(crate) fn begin_verification(
        self: &Arc<Self>,
        header: &BatchHeader,
        supports_epoch_bump: bool,
    ) -> Option<VerificationGuard> {
        let now = clock::now();
        self.with(|state| {
            let producers = state.log.producers_mut();
            producers.begin_verification(header, supports_epoch_bump, now)
        })
    }

    /// The same for a batch that a coordinator on this broker is about to make.
    pub(crate) fn begin_verification_of_coordinator(
        self: &Arc<Self>,
        id: ProducerId,
        epoch: ProducerEpoch,
        supports_epoch_bump: bool,
    ) -> Option<VerificationGuard> {
        let now = clock::now();
        self.with(|state| {
            let producers = state.log.producers_mut();
            producers.begin_verification_at(id, epoch, Sequence::NONE, supports_epoch_bump, now)
        })
    }
}
