//! Frames: an int32 length and as many bytes.
//!
//! ```text
//! offset  size    field
//!      0     4    length of what follows
//!      4  length  header and body
//! ```

use crate::wire::{self, Mark, Writer};

/// Bytes of the length in front of a frame.
pub const LENGTH_BYTES: usize = 4;

/// A length that no frame of a peer may have. The connection cannot be used any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The length is below zero.
    #[error("negative frame length {length}")]
    NegativeLength {
        /// The length as it was read.
        length: i32,
    },
    /// The length is above the limit.
    #[error("frame of {length_bytes} bytes, at most {bytes_max} accepted")]
    TooLarge {
        /// Length of the frame in bytes.
        length_bytes: usize,
        /// The limit in bytes, inclusive.
        bytes_max: usize,
    },
}

/// The length that a prefix declares, at most `bytes_max`.
///
/// # Errors
/// Both variants of [`Error`].
#[inline]
pub fn length(prefix: [u8; LENGTH_BYTES], bytes_max: usize) -> Result<usize, Error> {
    let length = i32::from_be_bytes(prefix);
    let Ok(length_bytes) = usize::try_from(length) else {
        return Err(Error::NegativeLength { length });
    };
    if length_bytes > bytes_max {
        return Err(Error::TooLarge {
            length_bytes,
            bytes_max,
        });
    }
    Ok(length_bytes)
}

/// The declared length of the frame at the start of `bytes`, without the prefix; none where the
/// prefix is not complete yet. The frame itself may still be incomplete.
///
/// # Errors
/// As [`length`].
#[inline]
pub fn peek(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, Error> {
    match bytes.first_chunk::<LENGTH_BYTES>() {
        Some(prefix) => length(*prefix, bytes_max).map(Some),
        None => Ok(None),
    }
}

/// The first frame of `bytes`, without its prefix; none where it is not complete yet.
///
/// # Errors
/// As [`length`].
#[inline]
pub fn first(bytes: &[u8], bytes_max: usize) -> Result<Option<&[u8]>, Error> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    Ok(rest.get(..length(*prefix, bytes_max)?))
}

/// Begins a frame: its length is filled in by [`finish`].
#[inline]
pub fn begin(out: &mut Writer<'_>) -> Mark {
    out.mark_i32()
}

/// Ends the frame that [`begin`] began.
///
/// # Errors
/// [`wire::Error::TooLong`] above `i32::MAX` bytes.
#[inline]
pub fn finish(out: &mut Writer<'_>, mark: &Mark) -> Result<(), wire::Error> {
    out.patch_length(mark)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn frames_are_found_when_they_are_complete() {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        let mark = begin(&mut writer);
        writer.put_slice(b"abc");
        finish(&mut writer, &mark).unwrap();
        writer.put_slice(b"next");
        for short in 0..7 {
            assert_eq!(first(&out[..short], 3), Ok(None), "{short}");
        }
        assert_eq!(first(&out, 3), Ok(Some(&b"abc"[..])));
        assert_eq!(peek(&out[..3], 3), Ok(None));
        assert_eq!(peek(&out[..4], 3), Ok(Some(3)));
    }

    #[test]
    fn lengths_beyond_the_limits_are_refused_from_the_prefix_alone() {
        let too_large = Error::TooLarge {
            length_bytes: 3,
            bytes_max: 2,
        };
        assert_eq!(first(&[0, 0, 0, 3], 2), Err(too_large));
        let negative = Error::NegativeLength { length: -1 };
        assert_eq!(peek(&[0xff; 4], 2), Err(negative));
        assert_eq!(first(&[0; 4], 0), Ok(Some(&[][..])));
    }
}
