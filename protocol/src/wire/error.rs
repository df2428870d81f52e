//! What can be wrong with bytes, or with a value that is to become bytes.

/// Why a value could not be read or written. Small and `Copy`: it is made on the hot path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The value or its declared length is longer than the bytes that remain.
    #[error("{needed} bytes needed, {remaining} remain")]
    Truncated {
        /// Bytes that the value has; saturated.
        needed: u32,
        /// Bytes that there are; saturated.
        remaining: u32,
    },
    /// The encoding of a varint has more bits than its type.
    #[error("varint has more bits than its type")]
    VarintTooLong,
    /// A length below -1, or below 0 in a varint-prefixed value that has no null.
    #[error("negative length {length}")]
    NegativeLength {
        /// The length as it was read.
        length: i32,
    },
    /// Null for a field that cannot be null.
    #[error("null for a field that cannot be null")]
    Null,
    /// A string is not UTF-8.
    #[error("string is not valid UTF-8")]
    InvalidUtf8,
    /// An array has more elements than [`ARRAY_ELEMENTS_MAX`](super::ARRAY_ELEMENTS_MAX) or than
    /// the bytes that remain can hold.
    #[error("array of {count} elements, at most {max} possible")]
    TooManyElements {
        /// Declared elements.
        count: u32,
        /// Elements that are possible here.
        max: u32,
    },
    /// A structure has more tagged fields than [`TAGGED_FIELDS_MAX`](super::TAGGED_FIELDS_MAX).
    #[error("{count} tagged fields, at most {max} accepted")]
    TooManyTaggedFields {
        /// Declared fields.
        count: u32,
        /// The limit.
        max: u32,
    },
    /// Bytes follow the last field.
    #[error("{count} bytes follow the last field")]
    TrailingBytes {
        /// Bytes that remain; saturated.
        count: u32,
    },
    /// The byte in front of a nullable structure is neither 1 (present) nor -1 (null).
    #[error("marker {marker} of a nullable structure, neither 1 nor -1")]
    InvalidMarker {
        /// The byte as it was read.
        marker: i8,
    },
    /// A value is longer than its length field can say.
    #[error("value of {length} bytes or elements, at most {max} can be written")]
    TooLong {
        /// Bytes or elements of the value; saturated.
        length: u32,
        /// The most that the field can say.
        max: u32,
    },
}

/// A size for an error message.
pub(super) fn saturated(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

impl Error {
    #[cold]
    pub(crate) fn truncated(needed: usize, remaining: usize) -> Self {
        Self::Truncated {
            needed: saturated(needed),
            remaining: saturated(remaining),
        }
    }

    #[cold]
    pub(crate) fn too_long(length: usize, max: usize) -> Self {
        Self::TooLong {
            length: saturated(length),
            max: saturated(max),
        }
    }

    #[cold]
    pub(crate) fn too_many_elements(count: usize, max: usize) -> Self {
        Self::TooManyElements {
            count: saturated(count),
            max: saturated(max),
        }
    }
}
