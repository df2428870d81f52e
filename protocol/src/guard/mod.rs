//! Walks the body of a request before it is decoded.
//!
//! `kafka-protocol` reserves memory for as many elements as an array declares, before it reads
//! the first one: without a guard twenty bytes ask for gigabytes. [`check`] interprets a compact
//! table of every request's shape (`table.rs`, generated from Kafka 4.3's schemas) over the bytes
//! and decodes nothing. It allocates nothing, and its recursion is as deep as the deepest schema.
//!
//! What is true of a body that passed:
//!
//! - Every length is within the body, and every declared element was there to be walked. So the
//!   memory that a decoder reserves is for elements that exist, at least one byte of body for each.
//! - All arrays and all tagged fields together have at most [`ELEMENTS_MAX`] elements, which
//!   bounds the memory of the decoded request whatever the size of the frame; [`count`] tells the
//!   number, for an admission that wants to charge for it.
//! - A structure has at most 10,000 tagged fields. A tagged field that the schema knows has
//!   exactly the size that it declares: `kafka-protocol` ignores that size, and would otherwise go
//!   on at another place than this walk did, with lengths that nobody looked at.
//! - Nullable structures are marked with 1 or -1. Other markers mean different things to different
//!   decoders.
//! - A varint has no bits beyond its 32, a string at most 32,767 bytes, and nothing follows the
//!   last field.
//!
//! What it leaves to the decoder: UTF-8 of strings (an error there, never a panic) and the meaning
//! of values. Records and other byte fields are bytes here.

mod shape;
mod walk;

#[rustfmt::skip]
mod table;

#[cfg(test)]
mod generator;
#[cfg(test)]
pub(crate) mod tests;

use crate::wire;

/// Most elements of all arrays of a request together, and its tagged fields counted in.
pub const ELEMENTS_MAX: usize = wire::ARRAY_ELEMENTS_MAX;

/// Why a body must not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No request has this key in Kafka 4.3.
    #[error("unknown api key {api_key}")]
    UnknownApi {
        /// The key.
        api_key: i16,
    },
    /// The schema of the request does not have this version.
    #[error("unknown version {version} of {api}")]
    UnknownVersion {
        /// Name of the API.
        api: &'static str,
        /// The version.
        version: i16,
    },
    /// A field is not what its schema says.
    #[error("field {field} of {api} version {version}: {source}")]
    Field {
        /// Name of the API.
        api: &'static str,
        /// The version.
        version: i16,
        /// Name of the field in Kafka's schema; `tagged fields` and `end` for those.
        field: &'static str,
        /// What is wrong.
        source: wire::Error,
    },
}

/// Walks the body of a request, without its header. `version` is that of the request's header;
/// whether it is served is another question.
///
/// # Errors
/// [`Error::UnknownApi`] and [`Error::UnknownVersion`] for what the schemas do not have,
/// [`Error::Field`] for the first field that is wrong.
pub fn check(api_key: i16, version: i16, body: &[u8]) -> Result<(), Error> {
    count(api_key, version, body).map(|_| ())
}

/// The same; returns the number of elements of all arrays plus the number of all tagged fields.
///
/// Besides the frame, a request that is decoded holds at most some 500 bytes for each of them: so
/// much costs an unknown tagged field that is the only one of its structure, since
/// `kafka-protocol` keeps a map of them. An admission can charge for it where the number is large
/// for the size of the frame.
///
/// # Errors
/// As [`check`].
pub fn count(api_key: i16, version: i16, body: &[u8]) -> Result<usize, Error> {
    let request = request(api_key).ok_or(Error::UnknownApi { api_key })?;
    if !request.versions.contains(version) {
        return Err(Error::UnknownVersion {
            api: request.name,
            version,
        });
    }
    walk::walk(request, version, body).map_err(|(field, source)| Error::Field {
        api: request.name,
        version,
        field,
        source,
    })
}

fn request(api_key: i16) -> Option<&'static shape::Request> {
    let index = table::REQUESTS.binary_search_by_key(&api_key, |request| request.key);
    table::REQUESTS.get(index.ok()?)
}
