//! The records of one batch, read in place.
//!
//! | field | type |
//! |---|---|
//! | length: bytes after this field | varint |
//! | attributes, unused | i8 |
//! | timestamp delta | varlong |
//! | offset delta | varint |
//! | key | varint length (-1 = null), bytes |
//! | value | varint length (-1 = null), bytes |
//! | header count | varint |
//! | headers: key, value | varint length, bytes; varint length (-1 = null), bytes |
//!
//! Nothing here allocates but the inflating of [`Records::open`], and no length is trusted.

use std::borrow::Cow;

use thiserror::Error;

use super::varint::Cursor;
use super::{BatchHeader, HEADER_BYTES, InflateError, TimestampType, inflate};
use crate::{Offset, Timestamp};

/// One record of a batch, borrowed from the (inflated) bytes.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Unused bits of the record; stored as they came.
    pub attributes: u8,
    /// Milliseconds after the base timestamp of the batch.
    pub timestamp_delta: i64,
    /// Offset minus base offset of the batch.
    pub offset_delta: i32,
    /// Key, or null.
    pub key: Option<&'a [u8]>,
    /// Value, or null (a tombstone in a compacted topic).
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: Headers<'a>,
    raw: &'a [u8],
    after_timestamp: &'a [u8],
}

impl<'a> Record<'a> {
    /// Size of the whole record in bytes, its length field included.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.raw.len()
    }

    /// The whole record as stored, its length field included.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The bytes from the offset delta to the end; they do not depend on the base timestamp.
    pub(super) const fn after_timestamp(&self) -> &'a [u8] {
        self.after_timestamp
    }

    /// Offset of the record in the batch with this header.
    #[must_use]
    pub const fn offset(&self, header: &BatchHeader) -> Offset {
        header.base_offset.plus(self.offset_delta as i64)
    }

    /// Timestamp of the record in the batch with this header: with `LogAppendTime` that of the
    /// batch.
    #[must_use]
    pub const fn timestamp(&self, header: &BatchHeader) -> Timestamp {
        match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.plus_ms(self.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        }
    }
}

/// The headers of one record: an iterator of key and nullable value, in order. Keys may repeat; by
/// Kafka's rule they are UTF-8, which nobody checks.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    cursor: Cursor<'a>,
    count: usize,
}

impl<'a> Headers<'a> {
    /// No headers.
    pub const NONE: Headers<'static> = Headers {
        cursor: Cursor { rest: &[] },
        count: 0,
    };

    /// True where there are none (left).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        read_header(&mut self.cursor).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// What is wrong with the records of a batch, and at which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("record {record_index} of {record_count}: {fault}")]
pub struct RecordsError {
    /// 0-based index of the record in its batch; the record count for what is behind the last.
    pub record_index: i32,
    /// Number of records that the header claims.
    pub record_count: i32,
    /// What is wrong.
    pub fault: RecordFault,
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordFault {
    /// The bytes end before the record does.
    #[error("needs {needed_bytes} bytes, {present_bytes} are there")]
    Ends {
        /// Bytes that a length field asks for.
        needed_bytes: usize,
        /// Bytes that are there.
        present_bytes: usize,
    },
    /// A number is cut short or has too many bits.
    #[error("number is cut short or too long")]
    Number,
    /// A length is negative, and not -1 where null is allowed.
    #[error("length {length} is negative")]
    Length {
        /// Value of the length field.
        length: i32,
    },
    /// The fields end before the length of the record says so.
    #[error("{extra_bytes} bytes are behind the last field")]
    Longer {
        /// Bytes behind the last header.
        extra_bytes: usize,
    },
    /// The header count is negative or more than the bytes can hold.
    #[error("header count {count} does not fit the record")]
    HeaderCount {
        /// Value of the field.
        count: i32,
    },
    /// The offset delta is not the index of the record.
    #[error("offset delta {offset_delta} is not the index of the record")]
    OffsetDelta {
        /// Offset delta of the record.
        offset_delta: i32,
    },
    /// The record count of the header is negative.
    #[error("record count is negative")]
    Count,
    /// There are bytes behind the last record.
    #[error("{extra_bytes} bytes are behind the last record")]
    Remaining {
        /// Bytes behind the last record.
        extra_bytes: usize,
    },
}

#[inline(always)]
fn take_bytes<'a>(cursor: &mut Cursor<'a>, length: usize) -> Result<&'a [u8], RecordFault> {
    let present_bytes = cursor.rest.len();
    cursor.take(length).ok_or(RecordFault::Ends {
        needed_bytes: length,
        present_bytes,
    })
}

#[inline(always)]
fn nullable_bytes<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, RecordFault> {
    let length = cursor.varint().ok_or(RecordFault::Number)?;
    match usize::try_from(length) {
        Ok(length) => take_bytes(cursor, length).map(Some),
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(RecordFault::Length { length }),
    }
}

fn read_header<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], Option<&'a [u8]>), RecordFault> {
    let length = cursor.varint().ok_or(RecordFault::Number)?;
    let length = usize::try_from(length).map_err(|_| RecordFault::Length { length })?;
    let key = take_bytes(cursor, length)?;
    Ok((key, nullable_bytes(cursor)?))
}

/// Walks the headers once, so that iterating over them later cannot fail.
fn check_headers(cursor: Cursor<'_>, count: i32) -> Result<Headers<'_>, RecordFault> {
    let bad_count = RecordFault::HeaderCount { count };
    let count = usize::try_from(count).map_err(|_| bad_count)?;
    // A header takes at least the two length fields.
    if count > cursor.rest.len() / 2 {
        return Err(bad_count);
    }
    let mut walk = cursor;
    for _ in 0..count {
        read_header(&mut walk)?;
    }
    match walk.rest.len() {
        0 => Ok(Headers { cursor, count }),
        extra_bytes => Err(RecordFault::Longer { extra_bytes }),
    }
}

#[inline(always)]
fn read_record<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>, RecordFault> {
    let before = cursor.rest;
    let length = cursor.varint().ok_or(RecordFault::Number)?;
    let length = usize::try_from(length).map_err(|_| RecordFault::Length { length })?;
    let mut body = Cursor {
        rest: take_bytes(cursor, length)?,
    };
    let raw = before
        .get(..before.len() - cursor.rest.len())
        .unwrap_or_default();
    let attributes = body.byte().ok_or(RecordFault::Number)?;
    let timestamp_delta = body.varlong().ok_or(RecordFault::Number)?;
    let after_timestamp = body.rest;
    let offset_delta = body.varint().ok_or(RecordFault::Number)?;
    let key = nullable_bytes(&mut body)?;
    let value = nullable_bytes(&mut body)?;
    let header_count = body.varint().ok_or(RecordFault::Number)?;
    let headers = if header_count == 0 && body.rest.is_empty() {
        Headers::NONE
    } else {
        check_headers(body, header_count)?
    };
    Ok(Record {
        attributes,
        timestamp_delta,
        offset_delta,
        key,
        value,
        headers,
        raw,
        after_timestamp,
    })
}

/// Iterates over the records of one batch. After an error, and after the last record, it gives
/// nothing more. Bytes behind the last record are an error.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    cursor: Cursor<'a>,
    index: i32,
    count: i32,
    is_finished: bool,
}

impl<'a> RecordIter<'a> {
    /// Over `records`, the (inflated) bytes behind the header of a batch that claims
    /// `record_count` records.
    #[must_use]
    pub const fn new(records: &'a [u8], record_count: i32) -> Self {
        let cursor = Cursor { rest: records };
        Self {
            cursor,
            index: 0,
            count: record_count,
            is_finished: false,
        }
    }

    fn fail(&mut self, fault: RecordFault) -> RecordsError {
        self.is_finished = true;
        RecordsError {
            record_index: self.index,
            record_count: self.count,
            fault,
        }
    }

    fn end(&mut self) -> Option<RecordsError> {
        let fault = match self.cursor.rest.len() {
            _ if self.count < 0 => Some(RecordFault::Count),
            0 => None,
            extra_bytes => Some(RecordFault::Remaining { extra_bytes }),
        };
        self.is_finished = true;
        fault.map(|fault| self.fail(fault))
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        if self.index >= self.count {
            return self.end().map(Err);
        }
        match read_record(&mut self.cursor) {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(fault) => Some(Err(self.fail(fault))),
        }
    }
}

/// What [`skim`] saw. Deltas are relative to the base timestamp of the batch; without records all
/// of it is zero or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Skim {
    /// Smallest timestamp delta in milliseconds.
    pub min_timestamp_delta: i64,
    /// Largest timestamp delta in milliseconds.
    pub max_timestamp_delta: i64,
    /// Index of the first record with the largest timestamp delta.
    pub max_timestamp_index: i32,
    /// Index of the first record without a key.
    pub first_null_key: Option<i32>,
}

/// Validates the uncompressed records of a batch that a producer sent, without giving them out:
/// lengths agree, there are as many records as claimed and nothing behind them, offset deltas are
/// 0, 1, 2 and so on.
///
/// # Errors
/// The first fault.
pub fn skim(records: &[u8], record_count: i32) -> Result<Skim, RecordsError> {
    let mut cursor = Cursor { rest: records };
    let error = |record_index, fault| RecordsError {
        record_index,
        record_count,
        fault,
    };
    if record_count < 0 {
        return Err(error(0, RecordFault::Count));
    }
    let mut min = i64::MAX;
    let mut max = i64::MIN;
    let mut max_timestamp_index = 0;
    let mut first_null_key = None;
    for index in 0..record_count {
        let record = read_record(&mut cursor).map_err(|fault| error(index, fault))?;
        let Record {
            offset_delta,
            timestamp_delta,
            ..
        } = record;
        if offset_delta != index {
            return Err(error(index, RecordFault::OffsetDelta { offset_delta }));
        }
        min = min.min(timestamp_delta);
        if timestamp_delta > max {
            max = timestamp_delta;
            max_timestamp_index = index;
        }
        if record.key.is_none() && first_null_key.is_none() {
            first_null_key = Some(index);
        }
    }
    match cursor.rest.len() {
        0 if record_count == 0 => Ok(Skim::default()),
        0 => Ok(Skim {
            min_timestamp_delta: min,
            max_timestamp_delta: max,
            max_timestamp_index,
            first_null_key,
        }),
        extra_bytes => Err(error(record_count, RecordFault::Remaining { extra_bytes })),
    }
}

/// Why the records of a batch could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The attributes name no codec.
    #[error("attributes {attributes:#x} name no codec")]
    Codec {
        /// Attributes of the batch.
        attributes: i16,
    },
    /// The bytes end before the batch does.
    #[error("batch needs {needed_bytes} bytes, {present_bytes} are there")]
    Incomplete {
        /// Size that the header claims.
        needed_bytes: usize,
        /// Bytes that are there.
        present_bytes: usize,
    },
    /// The records do not inflate.
    #[error(transparent)]
    Inflate(#[from] InflateError),
}

/// The records of one batch, inflated where they are compressed.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: Cow<'a, [u8]>,
    count: i32,
}

impl<'a> Records<'a> {
    /// Opens the records of `batch`, the whole batch that `header` was read from. Compressed
    /// records may inflate to `cap_bytes`; uncompressed ones are borrowed and have no cap.
    ///
    /// # Errors
    /// `Codec`, `Incomplete`, `Inflate`.
    pub fn open(
        header: &BatchHeader,
        batch: &'a [u8],
        cap_bytes: usize,
    ) -> Result<Self, OpenError> {
        let codec = header.attributes.compression().ok_or(OpenError::Codec {
            attributes: header.attributes.0,
        })?;
        let body = batch
            .get(HEADER_BYTES..header.size_bytes)
            .ok_or(OpenError::Incomplete {
                needed_bytes: header.size_bytes,
                present_bytes: batch.len(),
            })?;
        // A batch that compaction emptied has no bytes, whatever its codec.
        let bytes = if codec == super::Compression::None || body.is_empty() {
            Cow::Borrowed(body)
        } else {
            Cow::Owned(inflate(codec, body, cap_bytes)?)
        };
        Ok(Self {
            bytes,
            count: header.record_count,
        })
    }

    /// The uncompressed bytes of all records.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Iterates over the records.
    #[must_use]
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter::new(&self.bytes, self.count)
    }

    /// Validates the records as [`skim`] does.
    ///
    /// # Errors
    /// As [`skim`].
    pub fn skim(&self) -> Result<Skim, RecordsError> {
        skim(&self.bytes, self.count)
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = Result<Record<'a>, RecordsError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests;
