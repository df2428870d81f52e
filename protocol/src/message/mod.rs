//! What `kafka-protocol` 0.18 lacks of the bodies that Kafka 4.3.1 speaks.
//!
//! The structs are that crate's in every case. It was generated from Kafka 4.1; these versions it
//! refuses, and they are read or written here:
//!
//! | API | version | request | response |
//! |---|---|---|---|
//! | ListOffsets | 11 | has the shape of 10 | has the shape of 10 |
//! | OffsetCommit | 10 | [`offset_commit::decode_v10`] | the crate's own |
//! | OffsetFetch | 10 | [`offset_fetch::decode_v10`] | the crate's own |
//! | InitProducerId | 6 | [`init_producer_id::decode_v6`] | [`init_producer_id::encode_v6`] |
//! | WriteTxnMarkers | 2 | [`write_txn_markers::decode_v2`] | has the shape of 1 |
//! | DescribeLogDirs | 5 | has the shape of 4 | [`describe_log_dirs::encode_v5`] |
//!
//! [`decode_request`] hides the difference for requests. For the crate's own codecs
//! [`wire_version`] is the version to ask for.

pub mod describe_log_dirs;
pub mod init_producer_id;
pub mod offset_commit;
pub mod offset_fetch;
pub mod write_txn_markers;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestKind};
use kafka_protocol::protocol::StrBytes;

use crate::{guard, wire};

const LIST_OFFSETS: i16 = 2;
const OFFSET_COMMIT: i16 = 8;
const OFFSET_FETCH: i16 = 9;
const INIT_PRODUCER_ID: i16 = 22;
const WRITE_TXN_MARKERS: i16 = 27;
const DESCRIBE_LOG_DIRS: i16 = 35;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The guard refused it.
    #[error(transparent)]
    Guard(#[from] guard::Error),
    /// A codec of this module refused it.
    #[error("body of api key {api_key} version {version}: {source}")]
    Malformed {
        /// Key of the API.
        api_key: i16,
        /// Version of the API.
        version: i16,
        /// What is wrong.
        source: wire::Error,
    },
    /// `kafka-protocol` refused it, for one because a string is not UTF-8.
    #[error("body of api key {api_key} version {version}: {reason}")]
    Undecodable {
        /// Key of the API.
        api_key: i16,
        /// Version of the API.
        version: i16,
        /// What the crate says.
        reason: String,
    },
    /// `kafka-protocol` has no struct for the API, or neither it nor this module has the version.
    #[error("no codec for api key {api_key} version {version}")]
    NoCodec {
        /// Key of the API.
        api_key: i16,
        /// Version of the API.
        version: i16,
    },
}

/// The version that `kafka-protocol`'s codec is to be asked for: the same, or an older one of the
/// same shape.
#[must_use]
pub const fn wire_version(api_key: i16, version: i16) -> i16 {
    match (api_key, version) {
        (LIST_OFFSETS, 11) => 10,
        // Of the response only: the request has a field more.
        (WRITE_TXN_MARKERS, 2) => 1,
        // Of the request only: the response has a field more.
        (DESCRIBE_LOG_DIRS, 5) => 4,
        _ => version,
    }
}

/// Walks the body of a request with [`guard::check`], then decodes it. Strings and bytes of the
/// result are slices of `body`. Bytes behind the body are ignored, as Kafka does.
///
/// # Errors
/// All variants of [`Error`]; each means that the connection cannot be used any further.
pub fn decode_request(api_key: i16, version: i16, body: &Bytes) -> Result<RequestKind, Error> {
    guard::check(api_key, version, body)?;
    let malformed = |source| Error::Malformed {
        api_key,
        version,
        source,
    };
    match (api_key, version) {
        (OFFSET_COMMIT, 10) => {
            let request = offset_commit::decode_v10(body).map_err(malformed)?;
            return Ok(RequestKind::OffsetCommit(request));
        }
        (INIT_PRODUCER_ID, 6) => {
            let request = init_producer_id::decode_v6(body).map_err(malformed)?;
            return Ok(RequestKind::InitProducerId(request));
        }
        (WRITE_TXN_MARKERS, 2) => {
            let (request, _) = write_txn_markers::decode_v2(body).map_err(malformed)?;
            return Ok(RequestKind::WriteTxnMarkers(request));
        }
        (OFFSET_FETCH, 10) => {
            let request = offset_fetch::decode_v10(body).map_err(malformed)?;
            return Ok(RequestKind::OffsetFetch(request));
        }
        _ => {}
    }
    let no_codec = Error::NoCodec { api_key, version };
    let Ok(api) = ApiKey::try_from(api_key) else {
        return Err(no_codec);
    };
    let crate_version = wire_version(api_key, version);
    if crate_version > api.valid_versions().max {
        return Err(no_codec);
    }
    let undecodable = |reason| Error::Undecodable {
        api_key,
        version,
        reason,
    };
    let mut rest = body.clone();
    RequestKind::decode(api, &mut rest, crate_version)
        .map_err(|error| undecodable(error.to_string()))
}

/// A string of the body as a slice of it.
fn text(body: &Bytes, text: &str) -> StrBytes {
    StrBytes::from_utf8(body.slice_ref(text.as_bytes())).expect("a str is valid UTF-8")
}
