//! Why a metadata record could not be read or written.

use crate::wire;

/// Why a metadata record could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The frame has another version than 1; 0 is the preview of Kafka 2.8.
    #[error("frame version {version}, only 1 is supported")]
    FrameVersion {
        /// The version as it was read.
        version: u32,
    },
    /// No record of Kafka 4.3 has this api key.
    #[error("unknown metadata record with api key {api_key}")]
    UnknownRecord {
        /// The key as it was read.
        api_key: u32,
    },
    /// The record has a version that Kafka 4.3 does not have.
    #[error("version {version} of metadata record {api_key}, at most {max} is supported")]
    UnsupportedVersion {
        /// Key of the record.
        api_key: i16,
        /// The version as it was read or asked for; saturated.
        version: i16,
        /// Highest version that is supported.
        max: i16,
    },
    /// A field has a value that the version to be written cannot carry.
    #[error("field {field} cannot be written in version {version}")]
    FieldNotInVersion {
        /// Name of the field.
        field: &'static str,
        /// The version to be written.
        version: i16,
    },
    /// The bytes are no such record.
    #[error("metadata record: {0}")]
    Wire(#[from] wire::Error),
}

impl Error {
    /// False: the same bytes give the same error.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        false
    }
}
