//! Record batch v2, the only stored and transferred form of records (KIP-98).
//!
//! | offset | size | field | covered by CRC |
//! |---|---|---|---|
//! | 0 | 8 | base offset | no |
//! | 8 | 4 | batch length: bytes after this field | no |
//! | 12 | 4 | partition leader epoch | no |
//! | 16 | 1 | magic = 2 | no |
//! | 17 | 4 | CRC-32C of all that follows | |
//! | 21 | 2 | attributes | yes |
//! | 23 | 4 | last offset delta | yes |
//! | 27 | 8 | base timestamp (delete horizon where attribute bit 6 is set, KIP-534) | yes |
//! | 35 | 8 | max timestamp | yes |
//! | 43 | 8 | producer id | yes |
//! | 51 | 2 | producer epoch | yes |
//! | 53 | 4 | base sequence | yes |
//! | 57 | 4 | record count | yes |
//! | 61 | | records, compressed as a whole where the codec says so | yes |

mod builder;
mod compress;
mod header;
mod records;
mod varint;

pub use builder::{BUILT_BYTES_MAX, BatchBuilder, BuildError, rebuild, recompress};
pub use compress::{InflateError, compress, inflate};
pub use header::{
    Attributes, BatchHeader, Compression, HeaderError, TimestampType, patch_base_offset,
    patch_leader_epoch, rewrite_for_append_time, seal,
};
pub use records::{
    Headers, OpenError, Record, RecordFault, RecordIter, Records, RecordsError, Skim, skim,
};

/// Bytes of a batch before its first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes of base offset and length field, the part that `batch length` does not count.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// The only magic that is served.
pub const MAGIC: i8 = 2;
