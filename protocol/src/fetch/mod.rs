//! Fetch (key 1), versions 4 to 18, over borrowed bytes. A response is encoded with gaps where the
//! records go, so that the connection can send them straight from a file.

mod request;
mod response;

pub use request::{ForgottenPartition, Partition, Request, decode_request};
pub use response::{
    AbortedTransaction, EpochEnd, PartitionResponse, RecordsGap, Response, Segment, SnapshotId,
    encode_response, segments,
};

/// First flexible version (KIP-482).
const FLEXIBLE_FROM: i16 = 12;
/// First version that names topics by id (KIP-516).
pub const TOPIC_ID_FROM: i16 = 13;
/// First version with log start offsets.
const LOG_START_FROM: i16 = 5;
/// First version with fetch sessions (KIP-227).
const SESSION_FROM: i16 = 7;
/// First version with racks and preferred read replicas (KIP-392).
const RACK_FROM: i16 = 11;

#[cfg(test)]
mod tests;
