//! Appends values to a buffer.

use bytes::{BufMut, BytesMut};
use uuid::Uuid;

use super::{Error, STRING_BYTES_MAX};

/// Appends values to the end of a buffer that the caller owns.
///
/// Values with a length are refused where they are longer than the field can say; nothing of them
/// is written then. The caller truncates the buffer to where it began if it gives the message up.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
}

/// Place of an int32 that is filled in later, see [`Writer::mark_i32`].
#[derive(Debug)]
#[must_use]
pub struct Mark(usize);

const I32_BYTES: usize = 4;

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    #[inline]
    pub const fn new(out: &'a mut BytesMut) -> Self {
        Self { out }
    }

    /// Bytes in the buffer, with those that were there before.
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// Makes room for `additional` bytes, to allocate once for many values.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        self.out.reserve(additional);
    }

    /// The buffer, for encoders that append by themselves.
    #[inline]
    pub const fn buffer(&mut self) -> &mut BytesMut {
        self.out
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends an int8.
    #[inline]
    pub fn put_i8(&mut self, value: i8) {
        self.out.put_i8(value);
    }

    /// Appends an int16.
    #[inline]
    pub fn put_i16(&mut self, value: i16) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends an int32.
    #[inline]
    pub fn put_i32(&mut self, value: i32) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends an int64.
    #[inline]
    pub fn put_i64(&mut self, value: i64) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends a uint8.
    #[inline]
    pub fn put_u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    /// Appends a uint16.
    #[inline]
    pub fn put_u16(&mut self, value: u16) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends a uint32.
    #[inline]
    pub fn put_u32(&mut self, value: u32) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends a float64.
    #[inline]
    pub fn put_f64(&mut self, value: f64) {
        self.put_slice(&value.to_be_bytes());
    }

    /// Appends a boolean: 1 or 0.
    #[inline]
    pub fn put_bool(&mut self, value: bool) {
        self.put_u8(u8::from(value));
    }

    /// Appends a uuid.
    #[inline]
    pub fn put_uuid(&mut self, value: Uuid) {
        self.put_slice(value.as_bytes());
    }

    /// Appends an unsigned varint.
    #[inline]
    pub fn put_unsigned_varint(&mut self, value: u32) {
        self.put_unsigned_varlong(u64::from(value));
    }

    /// Appends a signed varint (zigzag).
    #[inline]
    pub fn put_varint(&mut self, value: i32) {
        self.put_unsigned_varint(zigzag(value));
    }

    /// Appends a signed varlong (zigzag).
    #[inline]
    pub fn put_varlong(&mut self, value: i64) {
        self.put_unsigned_varlong(zigzag_long(value));
    }

    /// Appends an unsigned varlong.
    #[inline]
    pub fn put_unsigned_varlong(&mut self, value: u64) {
        let mut rest = value;
        while rest >= 0x80 {
            self.put_u8(low_bits(rest) | 0x80);
            rest >>= 7;
        }
        self.put_u8(low_bits(rest));
    }

    /// Appends a string.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`STRING_BYTES_MAX`].
    #[inline]
    pub fn put_string(&mut self, value: &str) -> Result<(), Error> {
        match i16::try_from(value.len()) {
            Ok(length) => {
                self.put_i16(length);
                self.put_slice(value.as_bytes());
                Ok(())
            }
            Err(_) => Err(Error::too_long(value.len(), STRING_BYTES_MAX)),
        }
    }

    /// Appends a string or null.
    ///
    /// # Errors
    /// As [`Writer::put_string`].
    #[inline]
    pub fn put_nullable_string(&mut self, value: Option<&str>) -> Result<(), Error> {
        match value {
            Some(value) => self.put_string(value),
            None => {
                self.put_i16(-1);
                Ok(())
            }
        }
    }

    /// Appends a compact string.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`STRING_BYTES_MAX`].
    #[inline]
    pub fn put_compact_string(&mut self, value: &str) -> Result<(), Error> {
        if value.len() > STRING_BYTES_MAX {
            return Err(Error::too_long(value.len(), STRING_BYTES_MAX));
        }
        self.put_compact_bytes(value.as_bytes())
    }

    /// Appends a compact string or null.
    ///
    /// # Errors
    /// As [`Writer::put_compact_string`].
    #[inline]
    pub fn put_compact_nullable_string(&mut self, value: Option<&str>) -> Result<(), Error> {
        match value {
            Some(value) => self.put_compact_string(value),
            None => {
                self.put_compact_null();
                Ok(())
            }
        }
    }

    /// Appends bytes with an int32 length.
    ///
    /// # Errors
    /// [`Error::TooLong`] above `i32::MAX` bytes.
    #[inline]
    pub fn put_bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        self.put_array_len(value.len())?;
        self.put_slice(value);
        Ok(())
    }

    /// Appends bytes or null.
    ///
    /// # Errors
    /// As [`Writer::put_bytes`].
    #[inline]
    pub fn put_nullable_bytes(&mut self, value: Option<&[u8]>) -> Result<(), Error> {
        match value {
            Some(value) => self.put_bytes(value),
            None => {
                self.put_null_array();
                Ok(())
            }
        }
    }

    /// Appends compact bytes.
    ///
    /// # Errors
    /// [`Error::TooLong`] above `i32::MAX` bytes.
    #[inline]
    pub fn put_compact_bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        self.put_compact_len(value.len())?;
        self.put_slice(value);
        Ok(())
    }

    /// Appends compact bytes or null.
    ///
    /// # Errors
    /// As [`Writer::put_compact_bytes`].
    #[inline]
    pub fn put_compact_nullable_bytes(&mut self, value: Option<&[u8]>) -> Result<(), Error> {
        match value {
            Some(value) => self.put_compact_bytes(value),
            None => {
                self.put_compact_null();
                Ok(())
            }
        }
    }

    /// Appends bytes with a signed varint length, as keys and values of records have; -1 is null.
    ///
    /// # Errors
    /// [`Error::TooLong`] above `i32::MAX` bytes.
    #[inline]
    pub fn put_varint_nullable_bytes(&mut self, value: Option<&[u8]>) -> Result<(), Error> {
        match value {
            Some(value) => {
                self.put_varint(length(value.len())?);
                self.put_slice(value);
            }
            None => self.put_varint(-1),
        }
        Ok(())
    }

    /// Appends the int32 count of an array, or the length of bytes that the caller appends.
    ///
    /// # Errors
    /// [`Error::TooLong`] above `i32::MAX`.
    #[inline]
    pub fn put_array_len(&mut self, count: usize) -> Result<(), Error> {
        self.put_i32(length(count)?);
        Ok(())
    }

    /// Appends the int32 count of a null array, or the length of null bytes.
    #[inline]
    pub fn put_null_array(&mut self) {
        self.put_i32(-1);
    }

    /// Appends the count of a compact array, or the length of a compact value that the caller
    /// appends.
    ///
    /// # Errors
    /// [`Error::TooLong`] above `i32::MAX`.
    #[inline]
    pub fn put_compact_len(&mut self, count: usize) -> Result<(), Error> {
        self.put_unsigned_varint(length(count)?.cast_unsigned() + 1);
        Ok(())
    }

    /// Appends null as a compact string, bytes or array.
    #[inline]
    pub fn put_compact_null(&mut self) {
        self.put_u8(0);
    }

    /// Appends the end of a structure of a flexible version that has no tagged field.
    #[inline]
    pub fn put_no_tagged_fields(&mut self) {
        self.put_u8(0);
    }

    /// Appends an int32 to be filled in by [`Writer::patch_i32`] or [`Writer::patch_length`].
    #[inline]
    pub fn mark_i32(&mut self) -> Mark {
        let mark = Mark(self.out.len());
        self.put_i32(0);
        mark
    }

    /// Fills in the marked int32.
    ///
    /// # Panics
    /// Where the mark is of another buffer, or the buffer was cut below it.
    #[inline]
    pub fn patch_i32(&mut self, mark: &Mark, value: i32) {
        self.out
            .get_mut(mark.0..)
            .and_then(|bytes| bytes.first_chunk_mut::<I32_BYTES>())
            .expect("a mark is within the buffer that it was made for")
            .copy_from_slice(&value.to_be_bytes());
    }

    /// Fills in the marked int32 with the count of bytes that were appended after it.
    ///
    /// # Errors
    /// [`Error::TooLong`] above `i32::MAX` bytes.
    ///
    /// # Panics
    /// As [`Writer::patch_i32`].
    #[inline]
    pub fn patch_length(&mut self, mark: &Mark) -> Result<(), Error> {
        let appended = self.out.len().saturating_sub(mark.0 + I32_BYTES);
        self.patch_i32(mark, length(appended)?);
        Ok(())
    }
}

/// Bytes of an unsigned varint or varlong, 1 to 10.
#[inline]
#[must_use]
pub const fn unsigned_varint_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Bytes of a signed varint, 1 to 5.
#[inline]
#[must_use]
pub const fn varint_bytes(value: i32) -> usize {
    unsigned_varint_bytes(zigzag(value) as u64)
}

/// Bytes of a signed varlong, 1 to 10.
#[inline]
#[must_use]
pub const fn varlong_bytes(value: i64) -> usize {
    unsigned_varint_bytes(zigzag_long(value))
}

#[inline]
const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

#[inline]
const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[inline]
const fn low_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// A count as the int32 that the wire has.
#[inline]
fn length(count: usize) -> Result<i32, Error> {
    i32::try_from(count).map_err(|_| Error::too_long(count, 0x7fff_ffff))
}
