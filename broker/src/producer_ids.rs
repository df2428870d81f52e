//! Producer ids, taken from the controller in blocks (KIP-730).

use milena_cluster::metadata::AllocateProducerIds;
use milena_protocol::{ErrorCode, ProducerId};

use crate::broker::Broker;

/// What is left of the present block: `[next, end)`.
#[derive(Debug, Default)]
struct Block {
    next: i64,
    end: i64,
}

/// The ids that this broker gives.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    block: tokio::sync::Mutex<Block>,
}

impl ProducerIds {
    /// An id that no producer ever had. Ids of a block that was not used up before a restart are
    /// never given.
    ///
    /// # Errors
    /// What the controller says where it gives no block.
    pub(crate) async fn next(&self, broker: &Broker) -> Result<ProducerId, ErrorCode> {
        let mut block = self.block.lock().await;
        if block.next == block.end {
            let epoch = broker
                .image()
                .broker(broker.id())
                .map(|registered| registered.epoch);
            let request = AllocateProducerIds {
                broker_id: broker.id(),
                broker_epoch: epoch.unwrap_or(milena_protocol::BrokerEpoch::NONE),
            };
            let given = broker
                .controller()
                .run(&request)
                .await
                .map_err(|error| error.code)?;
            block.next = given.first.0;
            block.end = given.first.0.saturating_add(i64::from(given.count));
        }
        let id = ProducerId(block.next);
        block.next += 1;
        Ok(id)
    }
}
