//! The checks themselves, in Kafka's order, so that a batch with several faults gets Kafka's error.

use bytes::BytesMut;
use milena_protocol::batch::{
    self, BatchHeader, Compression, HeaderError, InflateError, OpenError, Records, Skim,
    TimestampType,
};
use milena_protocol::{ErrorCode, Offset, Timestamp};
use thiserror::Error;

use super::{ValidBatch, ValidationRules};

/// Most faults of single records that one error lists.
pub const RECORD_ERRORS_MAX: usize = 1000;

/// Bytes from which Kafka tries to read a further batch: up to and including the magic.
const NEXT_BATCH_BYTES: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

/// Why a record set is refused. None of it is written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Invalid {
    /// What the client gets.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Faults of single records, in order, at most [`RECORD_ERRORS_MAX`] (KIP-467).
    pub record_errors: Vec<RecordError>,
}

/// The fault of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Index of the record in its batch, 0-based.
    pub index: i32,
    /// For people.
    pub message: String,
}

impl Invalid {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            record_errors: Vec::new(),
        }
    }

    fn record(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRecord, message)
    }

    fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::CorruptMessage, message)
    }

    fn too_large(size_bytes: usize, max_bytes: usize) -> Self {
        Self::new(
            ErrorCode::MessageTooLarge,
            format!("batch of {size_bytes} bytes is above the limit of {max_bytes}"),
        )
    }
}

/// Checks the record set that a client sent for one partition and makes it ready to be appended.
/// Bytes of an incomplete batch behind the first one are left out, as Kafka does.
///
/// # Errors
/// `INVALID_RECORD`, `CORRUPT_MESSAGE`, `MESSAGE_TOO_LARGE`, `INVALID_TIMESTAMP`.
pub fn validate(
    mut bytes: BytesMut,
    rules: &ValidationRules,
    now: Timestamp,
) -> Result<ValidBatch, Invalid> {
    let header = split_first(&mut bytes)?;
    if header.base_offset != Offset(0) {
        return Err(Invalid::record(format!(
            "base offset of a batch from a client must be 0, it is {}",
            header.base_offset
        )));
    }
    if header.size_bytes > rules.max_message_bytes {
        return Err(Invalid::too_large(
            header.size_bytes,
            rules.max_message_bytes,
        ));
    }
    header
        .check_crc(&bytes)
        .map_err(|error| Invalid::corrupt(error.to_string()))?;
    check_header(&header)?;
    let codec = header.attributes.compression().ok_or_else(|| {
        Invalid::corrupt(format!("attributes {} name no codec", header.attributes.0))
    })?;
    let looks_inside = codec == Compression::None
        || rules.looks_inside()
        || is_timestamp_refused(&header, header.max_timestamp, rules, now)
        || is_timestamp_refused(&header, header.base_timestamp, rules, now);
    let mut max_timestamp = header.max_timestamp;
    if looks_inside {
        let (skim, recompressed) = {
            let records = open(&header, &bytes, rules)?;
            let skim = check_records(&header, &records, rules, now)?;
            (skim, recompress(&header, codec, &records, rules)?)
        };
        max_timestamp = header.base_timestamp.plus_ms(skim.max_timestamp_delta);
        if let Some(batch) = recompressed {
            bytes = BytesMut::from(batch.as_slice());
        }
    }
    stamp(&mut bytes, &header, rules, now, max_timestamp)
}

/// Cuts `bytes` to its first batch.
fn split_first(bytes: &mut BytesMut) -> Result<BatchHeader, Invalid> {
    let header = match BatchHeader::parse_whole(bytes) {
        Ok((header, _)) => header,
        Err(HeaderError::Incomplete { .. }) => {
            return match bytes.get(16) {
                Some(0 | 1) => Err(Invalid::record("only batches of magic 2 are served")),
                _ => Err(Invalid::record("record set has no complete batch")),
            };
        }
        Err(error @ HeaderError::Magic { magic: 0 | 1 }) => {
            return Err(Invalid::record(error.to_string()));
        }
        Err(error) => return Err(Invalid::corrupt(error.to_string())),
    };
    let rest = bytes.get(header.size_bytes..).unwrap_or_default();
    if rest.len() >= NEXT_BATCH_BYTES {
        match BatchHeader::parse_whole(rest) {
            Ok(_) => return Err(Invalid::record("record set has more than one batch")),
            Err(HeaderError::Incomplete { .. }) => {}
            Err(error) => return Err(Invalid::corrupt(error.to_string())),
        }
    }
    bytes.truncate(header.size_bytes);
    Ok(header)
}

fn check_header(header: &BatchHeader) -> Result<(), Invalid> {
    let count = i64::from(header.record_count);
    if header.last_offset_delta < 0 {
        return Err(Invalid::record(format!(
            "last offset delta {} is negative",
            header.last_offset_delta
        )));
    }
    if count <= 0 {
        return Err(Invalid::record(format!(
            "record count {count} is not positive"
        )));
    }
    if i64::from(header.last_offset_delta) + 1 != count {
        return Err(Invalid::record(format!(
            "last offset delta {} does not fit the record count {count}",
            header.last_offset_delta
        )));
    }
    if header.attributes.is_control() {
        return Err(Invalid::record("clients must not write control records"));
    }
    if header.has_producer() {
        if header.base_sequence.0 < 0 || header.producer_epoch.0 < 0 {
            return Err(Invalid::record(format!(
                "producer {} has the invalid sequence {} or epoch {}",
                header.producer_id, header.base_sequence, header.producer_epoch
            )));
        }
    } else if header.attributes.is_transactional() {
        return Err(Invalid::record("transactional batch has no producer id"));
    }
    Ok(())
}

fn open<'a>(
    header: &BatchHeader,
    batch: &'a [u8],
    rules: &ValidationRules,
) -> Result<Records<'a>, Invalid> {
    Records::open(header, batch, rules.inflate_bytes_max).map_err(|error| match error {
        OpenError::Inflate(InflateError::TooLarge { .. }) => {
            Invalid::new(ErrorCode::MessageTooLarge, error.to_string())
        }
        _ => Invalid::record(error.to_string()),
    })
}

/// True where records of the batch must not have `timestamp`.
fn is_timestamp_refused(
    header: &BatchHeader,
    timestamp: Timestamp,
    rules: &ValidationRules,
    now: Timestamp,
) -> bool {
    let is_checked = rules.timestamp_type == TimestampType::CreateTime
        && header.attributes.timestamp_type() == TimestampType::CreateTime
        && timestamp != Timestamp::NONE;
    is_checked
        && (now.ms_since(timestamp) > rules.timestamp_before_max_ms
            || timestamp.ms_since(now) > rules.timestamp_after_max_ms)
}

fn check_records(
    header: &BatchHeader,
    records: &Records<'_>,
    rules: &ValidationRules,
    now: Timestamp,
) -> Result<Skim, Invalid> {
    let skim = records
        .skim()
        .map_err(|error| Invalid::record(error.to_string()))?;
    let earliest = header.base_timestamp.plus_ms(skim.min_timestamp_delta);
    let latest = header.base_timestamp.plus_ms(skim.max_timestamp_delta);
    let has_fault = (rules.is_compacted && skim.first_null_key.is_some())
        || is_timestamp_refused(header, earliest, rules, now)
        || is_timestamp_refused(header, latest, rules, now)
        // None may stand among others that are refused.
        || earliest == Timestamp::NONE && is_timestamp_refused(header, Timestamp(0), rules, now);
    if has_fault {
        let (code, record_errors) = record_faults(header, records, rules, now);
        if let Some(code) = code {
            return Err(refusal(code, record_errors));
        }
    }
    Ok(skim)
}

/// The code of the first fault and the faults of single records.
fn record_faults(
    header: &BatchHeader,
    records: &Records<'_>,
    rules: &ValidationRules,
    now: Timestamp,
) -> (Option<ErrorCode>, Vec<RecordError>) {
    let mut code = None;
    let mut errors = Vec::new();
    for record in records.iter().map_while(Result::ok) {
        if errors.len() == RECORD_ERRORS_MAX {
            break;
        }
        let index = record.offset_delta;
        let timestamp = record.timestamp(header);
        let (fault, message) = if rules.is_compacted && record.key.is_none() {
            let message = "compacted topic takes no record without a key".to_owned();
            (ErrorCode::InvalidRecord, message)
        } else if is_timestamp_refused(header, timestamp, rules, now) {
            let message = format!(
                "timestamp {timestamp} of the record is out of range, it should be within [{}, {}]",
                now.plus_ms(rules.timestamp_before_max_ms.saturating_neg()),
                now.plus_ms(rules.timestamp_after_max_ms)
            );
            (ErrorCode::InvalidTimestamp, message)
        } else {
            continue;
        };
        code.get_or_insert(fault);
        errors.push(RecordError { index, message });
    }
    (code, errors)
}

fn refusal(code: ErrorCode, record_errors: Vec<RecordError>) -> Invalid {
    let message = if code == ErrorCode::InvalidTimestamp {
        "one or more records have been rejected due to invalid timestamp".to_owned()
    } else {
        let count = record_errors.len();
        format!("one or more records have been rejected due to {count} record errors")
    };
    Invalid {
        code,
        message,
        record_errors,
    }
}

/// The batch with the topic's codec, where it has another one.
fn recompress(
    header: &BatchHeader,
    codec: Compression,
    records: &Records<'_>,
    rules: &ValidationRules,
) -> Result<Option<Vec<u8>>, Invalid> {
    let Some(target) = rules.compression_type.filter(|&target| target != codec) else {
        return Ok(None);
    };
    let batch = batch::recompress(header, records.bytes(), target, rules.compression_level)
        .map_err(|error| Invalid::new(ErrorCode::MessageTooLarge, error.to_string()))?;
    if batch.len() > rules.max_message_bytes {
        return Err(Invalid::too_large(batch.len(), rules.max_message_bytes));
    }
    Ok(Some(batch))
}

/// Writes the timestamp type of the topic and the right max timestamp, where others stand there.
fn stamp(
    bytes: &mut BytesMut,
    header: &BatchHeader,
    rules: &ValidationRules,
    now: Timestamp,
    max_timestamp: Timestamp,
) -> Result<ValidBatch, Invalid> {
    match rules.timestamp_type {
        TimestampType::LogAppendTime => batch::rewrite_for_append_time(bytes, now),
        TimestampType::CreateTime => {
            let attributes = header
                .attributes
                .with_timestamp_type(TimestampType::CreateTime);
            if attributes != header.attributes || max_timestamp != header.max_timestamp {
                // The codec may have changed: the attributes are those of the bytes.
                let current = BatchHeader::parse(bytes)
                    .map_err(|error| Invalid::corrupt(error.to_string()))?
                    .attributes
                    .with_timestamp_type(TimestampType::CreateTime);
                bytes[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&current.0.to_be_bytes());
                bytes[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8]
                    .copy_from_slice(&max_timestamp.0.to_be_bytes());
                batch::seal(bytes);
            }
        }
    }
    ValidBatch::of_client(std::mem::take(bytes))
}
