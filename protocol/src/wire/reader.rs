//! Takes values from the front of a slice.

use uuid::Uuid;

use super::error::saturated;
use super::{ARRAY_ELEMENTS_MAX, Error, STRING_BYTES_MAX, TAGGED_FIELDS_MAX};

/// Reads values one after the other; what it returns borrows from the slice.
///
/// After an error the position is unspecified (but within the slice): give the reader up.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

/// Defines the readers of fixed-size numbers.
macro_rules! number {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Truncated`] where fewer bytes remain than it has.
        #[inline]
        pub fn $name(&mut self) -> Result<$type, Error> {
            Ok(<$type>::from_be_bytes(self.array()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader at the first byte.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
        }
    }

    /// Bytes that were not read yet.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Bytes that were read, which is the offset of the next one.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// True where all bytes were read.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that were not read yet; the position stays.
    #[inline]
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that all bytes were read.
    ///
    /// # Errors
    /// [`Error::TrailingBytes`] where bytes remain.
    #[inline]
    pub fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::TrailingBytes {
            count: saturated(self.rest.len()),
        })
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] where fewer remain.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(Error::truncated(count, self.rest.len()));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// Passes over `count` bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] where fewer remain.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<(), Error> {
        self.take(count).map(|_| ())
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Error::Truncated`] where fewer remain.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Error::truncated(N, self.rest.len()));
        };
        self.rest = rest;
        Ok(*taken)
    }

    number! {
        /// An int8.
        i8: i8,
        /// An int16.
        i16: i16,
        /// An int32.
        i32: i32,
        /// An int64.
        i64: i64,
        /// A uint8.
        u8: u8,
        /// A uint16.
        u16: u16,
        /// A uint32.
        u32: u32,
        /// A uint64.
        u64: u64,
        /// A float64.
        f64: f64,
    }

    /// A boolean: any byte but 0 is true.
    ///
    /// # Errors
    /// [`Error::Truncated`] at the end of the bytes.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, Error> {
        Ok(self.u8()? != 0)
    }

    /// A uuid; all zero is Kafka's null.
    ///
    /// # Errors
    /// [`Error::Truncated`] where fewer than 16 bytes remain.
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, Error> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    /// An unsigned varint of at most 5 bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] where it does not end, [`Error::VarintTooLong`] where it has more
    /// than 32 bits.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, Error> {
        // Lengths, deltas and tags are small: nearly every varint has one byte.
        if let Some((&first, rest)) = self.rest.split_first()
            && first < 0x80
        {
            self.rest = rest;
            return Ok(u32::from(first));
        }
        self.long_unsigned_varint()
    }

    fn long_unsigned_varint(&mut self) -> Result<u32, Error> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.u8()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(Error::VarintTooLong);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::VarintTooLong)
    }

    /// A signed varint (zigzag) of at most 5 bytes.
    ///
    /// # Errors
    /// As [`Reader::unsigned_varint`].
    #[inline]
    pub fn varint(&mut self) -> Result<i32, Error> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// A signed varlong (zigzag) of at most 10 bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] where it does not end, [`Error::VarintTooLong`] where it has more
    /// than 64 bits.
    #[inline]
    pub fn varlong(&mut self) -> Result<i64, Error> {
        let raw = self.unsigned_varlong()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// An unsigned varlong of at most 10 bytes.
    ///
    /// # Errors
    /// As [`Reader::varlong`].
    #[inline]
    pub fn unsigned_varlong(&mut self) -> Result<u64, Error> {
        if let Some((&first, rest)) = self.rest.split_first()
            && first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        let mut value = 0u64;
        for shift in [0u32, 7, 14, 21, 28, 35, 42, 49, 56, 63] {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(Error::VarintTooLong);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::VarintTooLong)
    }

    /// A string.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::NegativeLength`], [`Error::Truncated`], [`Error::InvalidUtf8`].
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, Error> {
        self.nullable_string()?.ok_or(Error::Null)
    }

    /// A string or null.
    ///
    /// # Errors
    /// [`Error::NegativeLength`] below -1, [`Error::Truncated`], [`Error::InvalidUtf8`].
    #[inline]
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, Error> {
        let length = self.string_length()?;
        self.text(length)
    }

    /// A compact string.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::TooLong`] above [`STRING_BYTES_MAX`], [`Error::Truncated`],
    /// [`Error::InvalidUtf8`], [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_string(&mut self) -> Result<&'a str, Error> {
        self.compact_nullable_string()?.ok_or(Error::Null)
    }

    /// A compact string or null.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`STRING_BYTES_MAX`], [`Error::Truncated`],
    /// [`Error::InvalidUtf8`], [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_nullable_string(&mut self) -> Result<Option<&'a str>, Error> {
        let length = self.compact_string_length()?;
        self.text(length)
    }

    #[inline]
    fn text(&mut self, length: Option<usize>) -> Result<Option<&'a str>, Error> {
        let Some(length) = length else {
            return Ok(None);
        };
        match str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::InvalidUtf8),
        }
    }

    /// The int8 in front of a nullable structure: true where the structure follows.
    ///
    /// # Errors
    /// [`Error::InvalidMarker`] for values but 1 and -1, [`Error::Truncated`].
    #[inline]
    pub fn nullable_struct(&mut self) -> Result<bool, Error> {
        match self.i8()? {
            1 => Ok(true),
            -1 => Ok(false),
            marker => Err(Error::InvalidMarker { marker }),
        }
    }

    /// Length of a string in bytes, none for null. It is not checked against what remains.
    ///
    /// # Errors
    /// [`Error::NegativeLength`] below -1, [`Error::Truncated`].
    #[inline]
    pub fn string_length(&mut self) -> Result<Option<usize>, Error> {
        let length = i32::from(self.i16()?);
        length_or_null(length)
    }

    /// Length of a compact string in bytes, none for null. It is not checked against what remains.
    ///
    /// # Errors
    /// [`Error::TooLong`] above [`STRING_BYTES_MAX`], [`Error::Truncated`],
    /// [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_string_length(&mut self) -> Result<Option<usize>, Error> {
        let length = self.compact_length()?;
        if let Some(length) = length
            && length > STRING_BYTES_MAX
        {
            return Err(Error::too_long(length, STRING_BYTES_MAX));
        }
        Ok(length)
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::NegativeLength`], [`Error::Truncated`].
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        self.nullable_bytes()?.ok_or(Error::Null)
    }

    /// Bytes or null.
    ///
    /// # Errors
    /// [`Error::NegativeLength`] below -1, [`Error::Truncated`].
    #[inline]
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let length = self.i32()?;
        match length_or_null(length)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// Compact bytes.
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::Truncated`], [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_bytes(&mut self) -> Result<&'a [u8], Error> {
        self.compact_nullable_bytes()?.ok_or(Error::Null)
    }

    /// Compact bytes or null.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.compact_length()? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes with a signed varint length, as keys and values of records have; -1 is null.
    ///
    /// # Errors
    /// [`Error::NegativeLength`] below -1, [`Error::Truncated`], [`Error::VarintTooLong`].
    #[inline]
    pub fn varint_nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let length = self.varint()?;
        match length_or_null(length)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// Count of elements of an array whose elements have at least `element_bytes_min` bytes each
    /// (0 counts as 1).
    ///
    /// # Errors
    /// [`Error::Null`], [`Error::NegativeLength`], [`Error::Truncated`], and
    /// [`Error::TooManyElements`] above [`ARRAY_ELEMENTS_MAX`] or above what the remaining bytes
    /// can hold.
    #[inline]
    pub fn array_len(&mut self, element_bytes_min: usize) -> Result<usize, Error> {
        self.nullable_array_len(element_bytes_min)?
            .ok_or(Error::Null)
    }

    /// The same where the array may be null.
    ///
    /// # Errors
    /// As [`Reader::array_len`], without [`Error::Null`].
    #[inline]
    pub fn nullable_array_len(&mut self, element_bytes_min: usize) -> Result<Option<usize>, Error> {
        let count = self.i32()?;
        match length_or_null(count)? {
            Some(count) => self.elements(count, element_bytes_min).map(Some),
            None => Ok(None),
        }
    }

    /// Count of elements of a compact array; see [`Reader::array_len`].
    ///
    /// # Errors
    /// As [`Reader::array_len`], and [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_array_len(&mut self, element_bytes_min: usize) -> Result<usize, Error> {
        self.compact_nullable_array_len(element_bytes_min)?
            .ok_or(Error::Null)
    }

    /// The same where the array may be null.
    ///
    /// # Errors
    /// As [`Reader::compact_array_len`], without [`Error::Null`].
    #[inline]
    pub fn compact_nullable_array_len(
        &mut self,
        element_bytes_min: usize,
    ) -> Result<Option<usize>, Error> {
        match self.compact_length()? {
            Some(count) => self.elements(count, element_bytes_min).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn elements(&self, count: usize, element_bytes_min: usize) -> Result<usize, Error> {
        let possible = self.rest.len() / element_bytes_min.max(1);
        let max = possible.min(ARRAY_ELEMENTS_MAX);
        if count <= max {
            return Ok(count);
        }
        Err(Error::too_many_elements(count, max))
    }

    /// Length or count of a compact value; none for null. It is not checked against what remains.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::VarintTooLong`].
    #[inline]
    pub fn compact_length(&mut self) -> Result<Option<usize>, Error> {
        let raw = self.unsigned_varint()?;
        Ok(raw.checked_sub(1).map(widen))
    }

    /// Count of the tagged fields that follow.
    ///
    /// # Errors
    /// [`Error::TooManyTaggedFields`] above [`TAGGED_FIELDS_MAX`], [`Error::TooManyElements`]
    /// above what the remaining bytes can hold, and those of [`Reader::unsigned_varint`].
    #[inline]
    pub fn tagged_field_count(&mut self) -> Result<usize, Error> {
        let count = widen(self.unsigned_varint()?);
        if count == 0 {
            return Ok(0);
        }
        if count > TAGGED_FIELDS_MAX {
            return Err(Error::TooManyTaggedFields {
                count: saturated(count),
                max: saturated(TAGGED_FIELDS_MAX),
            });
        }
        // A tag and a size have at least one byte each.
        self.elements(count, 2)
    }

    /// One tagged field: its tag and a reader of its value.
    ///
    /// # Errors
    /// Those of [`Reader::unsigned_varint`]; [`Error::Truncated`] where the size is beyond the
    /// remaining bytes.
    #[inline]
    pub fn tagged_field(&mut self) -> Result<(u32, Self), Error> {
        let tag = self.unsigned_varint()?;
        let size = widen(self.unsigned_varint()?);
        Ok((tag, Self::new(self.take(size)?)))
    }

    /// Calls `field` with the tag and a reader of the value of every tagged field, in the order
    /// of the wire. Fields that it does not know it ignores.
    ///
    /// # Errors
    /// Those of [`Reader::tagged_field_count`], [`Reader::tagged_field`] and of `field`.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for _ in 0..self.tagged_field_count()? {
            let (tag, value) = self.tagged_field()?;
            field(tag, value)?;
        }
        Ok(())
    }

    /// Passes over the tagged fields.
    ///
    /// # Errors
    /// As [`Reader::tagged_fields`].
    #[inline]
    pub fn skip_tagged_fields(&mut self) -> Result<(), Error> {
        self.tagged_fields(|_, _| Ok(()))
    }
}

/// The length, none for -1.
#[inline]
fn length_or_null(length: i32) -> Result<Option<usize>, Error> {
    match usize::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(Error::NegativeLength { length }),
    }
}

/// `u32` as `usize`; a target with smaller pointers gets a length that no slice has.
#[inline]
fn widen(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
