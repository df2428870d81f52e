//! AllocateProducerIds.

use milena_protocol::stored::metadata::ProducerIds;
use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, ProducerId};

use super::{Draft, Operation};
use crate::metadata::Error;

/// Ids of one block (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK_IDS: i64 = 1000;

/// Gives a block of producer ids to a broker (KIP-730).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocateProducerIds {
    /// Id of the broker.
    pub broker_id: BrokerId,
    /// Epoch of the broker.
    pub broker_epoch: BrokerEpoch,
}

/// A block of producer ids that is given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// First id of the block.
    pub first: ProducerId,
    /// Count of ids.
    pub count: i32,
}

impl Operation for AllocateProducerIds {
    type Response = ProducerIdBlock;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<ProducerIdBlock, Error> {
        draft.registered(self.broker_id, self.broker_epoch)?;
        let first = draft.image().next_producer_id();
        let Some(next) = first.0.checked_add(BLOCK_IDS) else {
            return Err(Error::new(
                ErrorCode::UnknownServerError,
                "Exhausted all producerIds as the next block's end producerId has exceeded the \
                 int64 type limit",
            ));
        };
        draft.push(ProducerIds {
            broker_id: self.broker_id,
            broker_epoch: self.broker_epoch,
            next_producer_id: ProducerId(next),
        });
        Ok(ProducerIdBlock { first, count: 1000 })
    }
}
