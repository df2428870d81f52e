//! Compression of the records of a batch, in the forms that Kafka's Java clients write and read.
//!
//! | codec | written | read |
//! |---|---|---|
//! | gzip | one member | any number of members |
//! | snappy | xerial's framing, blocks of 32 KiB | xerial's framing (also streams put behind one another), or one raw block, as some clients send |
//! | lz4 | one frame, independent blocks of 64 KiB, no content checksum | the first frame; a wrong content checksum is let through, as Java's reader does not look at it |
//! | zstd | one frame | any number of frames, windows of up to 128 MiB |
//!
//! Inflating is bounded: the output never grows beyond the caller's cap, and buffers of a codec are
//! bounded by its format (lz4: 12 MiB for linked blocks of 4 MiB, zstd: its window, of which only
//! pages with output are touched).

use std::io::{Read, Write};

use thiserror::Error;

use super::Compression;

/// First bytes of a stream in xerial's framing (snappy-java's `SnappyCodec`); two 32-bit numbers
/// follow, version and lowest compatible version.
const XERIAL_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
const LZ4_MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
/// An element of a snappy block takes at least two bytes for at most 64 bytes of output, and a
/// literal gives no more than it takes.
const SNAPPY_RATIO_MAX: usize = 32;
/// Smallest step in which output grows.
const STEP_BYTES: usize = 64 * 1024;
/// Kafka's default of `compression.zstd.level` (KIP-390).
const ZSTD_LEVEL: i32 = 3;

/// Why compressed records could not be inflated. None of these heals by trying again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InflateError {
    /// The output would be larger than the caller allows.
    #[error("{} records inflate to more than {cap_bytes} bytes", .codec.name())]
    TooLarge {
        /// Codec of the records.
        codec: Compression,
        /// What the caller allowed.
        cap_bytes: usize,
    },
    /// The bytes are not what the codec writes.
    #[error("malformed {} records: {reason}", .codec.name())]
    Malformed {
        /// Codec of the records.
        codec: Compression,
        /// What the decompressor says.
        reason: String,
    },
}

/// Inflates `bytes`, the compressed records of one batch, to at most `cap_bytes`. With
/// [`Compression::None`] it copies.
///
/// # Errors
/// `TooLarge` above the cap; `Malformed` where the bytes are not what the codec writes.
pub fn inflate(
    codec: Compression,
    bytes: &[u8],
    cap_bytes: usize,
) -> Result<Vec<u8>, InflateError> {
    match codec {
        Compression::None if bytes.len() > cap_bytes => {
            Err(InflateError::TooLarge { codec, cap_bytes })
        }
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => {
            let reader = flate2::bufread::MultiGzDecoder::new(bytes);
            read_capped(codec, reader, bytes.len(), cap_bytes)
        }
        Compression::Snappy => inflate_snappy(bytes, cap_bytes),
        Compression::Lz4 => inflate_lz4(bytes, cap_bytes),
        Compression::Zstd => {
            let reader = zstd::stream::read::Decoder::with_buffer(bytes)
                .map_err(|error| malformed(codec, &error))?;
            read_capped(codec, reader, bytes.len(), cap_bytes)
        }
    }
}

fn malformed(codec: Compression, reason: &impl ToString) -> InflateError {
    InflateError::Malformed {
        codec,
        reason: reason.to_string(),
    }
}

/// Reads all of `reader` in steps, each as large as what is there already.
fn read_capped(
    codec: Compression,
    mut reader: impl Read,
    compressed_bytes: usize,
    cap_bytes: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    let mut filled = 0_usize;
    loop {
        if filled == out.len() {
            let step = filled.max(compressed_bytes).max(STEP_BYTES);
            let grown = filled.saturating_add(step).min(cap_bytes);
            if grown == filled {
                break;
            }
            out.reserve_exact(grown - filled);
            out.resize(grown, 0);
        }
        let room = out.get_mut(filled..).unwrap_or_default();
        match reader.read(room) {
            Ok(0) => {
                out.truncate(filled);
                return Ok(out);
            }
            Ok(count) => filled = filled.saturating_add(count).min(out.len()),
            Err(error) if is_lz4_content_checksum(&error) => {
                out.truncate(filled);
                return Ok(out);
            }
            Err(error) => return Err(malformed(codec, &error)),
        }
    }
    // The cap is reached: it is the end, or it is too large.
    match reader.read(&mut [0]) {
        Ok(0) => Ok(out),
        Ok(_) => Err(InflateError::TooLarge { codec, cap_bytes }),
        Err(error) if is_lz4_content_checksum(&error) => Ok(out),
        Err(error) => Err(malformed(codec, &error)),
    }
}

/// The content checksum comes last in a frame, so everything was read when it does not match. The
/// CRC of the batch has covered these bytes, and Java's reader skips it.
fn is_lz4_content_checksum(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(lz4_flex::frame::Error::ContentChecksumError))
}

fn inflate_lz4(bytes: &[u8], cap_bytes: usize) -> Result<Vec<u8>, InflateError> {
    let codec = Compression::Lz4;
    if !bytes.starts_with(&LZ4_MAGIC) {
        return Err(malformed(codec, &"no lz4 frame"));
    }
    read_capped(
        codec,
        lz4_flex::frame::FrameDecoder::new(bytes),
        bytes.len(),
        cap_bytes,
    )
}

fn inflate_snappy(bytes: &[u8], cap_bytes: usize) -> Result<Vec<u8>, InflateError> {
    let codec = Compression::Snappy;
    let mut out = Vec::new();
    if !bytes.starts_with(&XERIAL_MAGIC) {
        inflate_snappy_block(bytes, &mut out, cap_bytes)?;
        return Ok(out);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest.starts_with(&XERIAL_MAGIC) {
            rest = rest
                .get(XERIAL_HEADER_BYTES..)
                .ok_or_else(|| malformed(codec, &"stream header is cut short"))?;
            continue;
        }
        let (length, after) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| malformed(codec, &"block length is cut short"))?;
        let block;
        (block, rest) = usize::try_from(i32::from_be_bytes(*length))
            .ok()
            .and_then(|length| after.split_at_checked(length))
            .ok_or_else(|| malformed(codec, &"block length is beyond the end"))?;
        if !block.is_empty() {
            inflate_snappy_block(block, &mut out, cap_bytes)?;
        }
    }
    Ok(out)
}

/// Appends one inflated raw block to `out`. The size that the block claims is checked before it is
/// allocated.
fn inflate_snappy_block(
    block: &[u8],
    out: &mut Vec<u8>,
    cap_bytes: usize,
) -> Result<(), InflateError> {
    let codec = Compression::Snappy;
    let claimed = snap::raw::decompress_len(block).map_err(|error| malformed(codec, &error))?;
    if claimed > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(malformed(codec, &"block claims more than it can hold"));
    }
    let start = out.len();
    let end = start.saturating_add(claimed);
    if end > cap_bytes {
        return Err(InflateError::TooLarge { codec, cap_bytes });
    }
    if out.capacity() < end {
        // Doubling as a vector does, but never beyond the cap.
        let capacity = end.max(out.capacity().saturating_mul(2)).min(cap_bytes);
        out.reserve_exact(capacity - start);
    }
    out.resize(end, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = snap::raw::Decoder::new()
        .decompress(block, room)
        .map_err(|error| malformed(codec, &error))?;
    out.truncate(start.saturating_add(written));
    Ok(())
}

/// Compresses `bytes`, the records of one batch. `level` is that of `compression.gzip.level` (1 to
/// 9, -1 or none for the default) or `compression.zstd.level` (none for 3); values out of range
/// are moved into it. Snappy has no levels, and the lz4 compressor here knows only one (the speed
/// of Java's level 1; a topic's `compression.lz4.level` has no effect). With
/// [`Compression::None`] it copies.
///
/// # Panics
/// Where zstd cannot allocate its tables.
#[must_use]
pub fn compress(codec: Compression, level: Option<i32>, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => compress_gzip(level, bytes),
        Compression::Snappy => compress_snappy(bytes),
        Compression::Lz4 => compress_lz4(bytes),
        Compression::Zstd => zstd::bulk::compress(bytes, level.unwrap_or(ZSTD_LEVEL))
            .expect("zstd fails only without memory, the buffer is large enough for any input"),
    }
}

fn compress_gzip(level: Option<i32>, bytes: &[u8]) -> Vec<u8> {
    let level = match level.and_then(|level| u32::try_from(level).ok()) {
        Some(level) => flate2::Compression::new(level.clamp(1, 9)),
        None => flate2::Compression::default(),
    };
    let out = Vec::with_capacity(bytes.len() / 2);
    let mut encoder = flate2::write::GzEncoder::new(out, level);
    encoder
        .write_all(bytes)
        .expect("writing to a vector does not fail");
    encoder.finish().expect("writing to a vector does not fail")
}

fn compress_lz4(bytes: &[u8]) -> Vec<u8> {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let info = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max64KB);
    let out = Vec::with_capacity(bytes.len() / 2);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder
        .write_all(bytes)
        .expect("writing to a vector does not fail");
    encoder.finish().expect("writing to a vector does not fail")
}

fn compress_snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(XERIAL_HEADER_BYTES + bytes.len() / 2);
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(XERIAL_BLOCK_BYTES.min(bytes.len()))];
    for chunk in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let written = encoder
            .compress(chunk, &mut block)
            .expect("the block buffer is as large as the largest output");
        let length = i32::try_from(written).expect("a block is far below 2 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(block.get(..written).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests;
