//! Produce (key 0), versions 3 to 13, over borrowed bytes. Records are not looked at: a request
//! gives their byte ranges.

mod request;
mod response;

pub(crate) use request::check_total;
pub use request::{Partition, Request, decode_request};
pub use response::{PartitionResponse, RecordError, Response, encode_response};

/// First flexible version (KIP-482).
const FLEXIBLE_FROM: i16 = 9;
/// First version that names topics by id (KIP-516).
pub const TOPIC_ID_FROM: i16 = 13;

#[cfg(test)]
mod tests;
