//! The primitive types of the Kafka protocol over borrowed bytes.
//!
//! [`Reader`] takes values from the front of a slice and borrows what it returns; [`Writer`]
//! appends to a buffer that the caller owns. Neither allocates for a value, and every length is
//! checked against the bytes that remain before it is used.
//!
//! | type | on the wire |
//! |---|---|
//! | int8 to int64, uint16, uint32, float64 | big endian |
//! | boolean | one byte; any value but 0 is true |
//! | uuid | 16 bytes |
//! | unsigned varint | 7 bits per byte, lowest first, bit 7 set on all bytes but the last |
//! | varint, varlong | the same after zigzag encoding |
//! | string | int16 length, bytes in UTF-8; length -1 is null |
//! | bytes, array | int32 length or count; -1 is null |
//! | compact string, bytes, array | unsigned varint of length + 1; 0 is null (KIP-482) |
//! | tagged fields | unsigned varint count; each an unsigned varint tag, an unsigned varint size, `size` bytes (KIP-482) |

mod error;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use reader::Reader;
pub use writer::{Mark, Writer, unsigned_varint_bytes, varint_bytes, varlong_bytes};

/// Most elements of one array of a message that is accepted (as Kafka 4.4 does).
pub const ARRAY_ELEMENTS_MAX: usize = 1_000_000;

/// Most tagged fields of one structure that are accepted (as Kafka 4.4 does).
pub const TAGGED_FIELDS_MAX: usize = 10_000;

/// Most bytes of a string, with the old and the compact length alike.
pub const STRING_BYTES_MAX: usize = 0x7fff;
