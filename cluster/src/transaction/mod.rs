//! The coordinator of transactions (KIP-98, KIP-360, KIP-447, KIP-890).
//!
//! One [`Coordinator`] serves the transactional ids of one partition of `__transaction_state`. It is
//! made on the leader of the partition: [`Coordinator::apply`] with every record, then
//! [`Coordinator::finish_loading`], then [`Coordinator::step`] with every [`Event`] until
//! [`Coordinator::resign`]. What is to be done comes back as [`Effect`]s.
//!
//! What a request means is decided by a pure function of the committed state of its transactional id
//! ([`decide`]); the records that it gives are appended, and applied when they are committed. No
//! answer leaves before. At most one append of a transactional id is under way; what comes meanwhile
//! waits in order and is decided on the state that follows.
//!
//! # States
//!
//! | state | Init | Add | End, as decided | End, the other way | timeout |
//! |---|---|---|---|---|---|
//! | (no id) | Empty | INVALID_PRODUCER_ID_MAPPING | INVALID_PRODUCER_ID_MAPPING | | |
//! | Empty | Empty, next epoch | Ongoing | commit: INVALID_TXN_STATE; abort, version 2: CompleteAbort | | |
//! | Ongoing | aborts, then as CompleteAbort | Ongoing | Prepare* | | PrepareAbort |
//! | Prepare* | waits | waits | answered again | INVALID_TXN_STATE, or PRODUCER_FENCED for a commit that the coordinator's abort came before | |
//! | Complete* | Empty, next epoch | Ongoing | answered again | as Prepare* | |
//!
//! - With version 2 the epoch of the producer is counted up in the record of Prepare*, and the
//!   markers carry it; whoever still has the epoch before can only ask for the same end again.
//! - An epoch of 32766 is the last: the producer gets a new id with Complete* or with Init.
//! - Kafka answers whoever comes before the end of the transaction before with
//!   CONCURRENT_TRANSACTIONS, and the client asks again after its backoff. Here the request waits,
//!   for a bounded time. Where the markers are written meanwhile, the end of one transaction and the
//!   beginning of the next are one append.
//! - The markers of a decided transaction are written until every partition has its own or is
//!   deleted. A coordinator that was loaded begins with them anew.
//!
//! Sources: `TransactionCoordinator`, `TransactionStateManager`, `TransactionMetadata`,
//! `TransactionMarkerRequestCompletionHandler` of Apache Kafka 4.3.

mod append;
mod config;
mod coordinator;
mod decide;
mod due;
mod event;
mod list;
mod marker;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod timer;
mod transition;

pub use config::Config;
pub use coordinator::Coordinator;
pub use decide::{Circumstances, Verdict, decide};
pub use event::{Effect, Event, Markers, Token, Waiter};
pub use milena_protocol::stored::transaction::{State, TransactionMetadata};
pub use request::{
    AddPartitions, EndTransaction, InitProducerId, Producer, Request, VerifyPartitions,
};
pub use response::{Described, Ended, Filter, Initialized, Listed, Response};
pub use transition::Transaction;
