//! Decoder of Produce requests.

use std::ops::Range;

use super::{FLEXIBLE_FROM, TOPIC_ID_FROM};
use crate::PartitionIndex;
use crate::flexible::{array_len, nullable_string, skip_tags};
use crate::topic::TopicSpan;
use crate::wire::{ARRAY_ELEMENTS_MAX, Error, Reader};

/// The fields of a Produce request that are not of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Transactional id of the producer, none where it is not transactional.
    pub transactional_id: Option<&'a str>,
    /// 0 for no answer, 1 for the leader, -1 for all in-sync replicas; other values are not
    /// refused here.
    pub acks: i16,
    /// How long to wait for replicas, in milliseconds.
    pub timeout_ms: i32,
}

/// Records for one partition of a Produce request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The topic.
    pub topic: TopicSpan,
    /// The partition.
    pub partition: PartitionIndex,
    /// The bytes of the body, `[start, end)`, that hold the records; none for null.
    pub records: Option<Range<usize>>,
}

/// Decodes the body of a Produce request of `version`, 3 to 13 (the caller has checked it). The
/// partitions replace what `partitions` held, in the order of the request, so that those of one
/// topic entry are neighbours and their record ranges ascend without overlap. Nothing else is
/// allocated. Bytes behind the last field are ignored, as Kafka does.
///
/// # Errors
/// The fault that made a field unreadable; more than [`ARRAY_ELEMENTS_MAX`] partitions in all are
/// `TooManyElements`.
pub fn decode_request<'a>(
    version: i16,
    body: &'a [u8],
    partitions: &mut Vec<Partition>,
) -> Result<Request<'a>, Error> {
    partitions.clear();
    if version >= FLEXIBLE_FROM {
        decode::<true>(version, body, partitions)
    } else {
        decode::<false>(version, body, partitions)
    }
}

fn decode<'a, const FLEXIBLE: bool>(
    version: i16,
    body: &'a [u8],
    partitions: &mut Vec<Partition>,
) -> Result<Request<'a>, Error> {
    let mut reader = Reader::new(body);
    let transactional_id = nullable_string::<FLEXIBLE>(&mut reader)?;
    let acks = reader.i16()?;
    let timeout_ms = reader.i32()?;
    // Smallest topic entry: name, count of partitions, tags.
    let topic_count = array_len::<FLEXIBLE>(&mut reader, if FLEXIBLE { 3 } else { 6 })?;
    for _ in 0..topic_count {
        let topic = TopicSpan::read::<FLEXIBLE>(&mut reader, version >= TOPIC_ID_FROM)?;
        // Smallest partition entry: index, length of the records, tags.
        let count = array_len::<FLEXIBLE>(&mut reader, if FLEXIBLE { 6 } else { 8 })?;
        check_total(partitions.len(), count)?;
        for _ in 0..count {
            let partition = PartitionIndex(reader.i32()?);
            let records = if FLEXIBLE {
                reader.compact_nullable_bytes()?
            } else {
                reader.nullable_bytes()?
            };
            let end = reader.position();
            let records = records.map(|records| end - records.len()..end);
            skip_tags::<FLEXIBLE>(&mut reader)?;
            partitions.push(Partition {
                topic: topic.clone(),
                partition,
                records,
            });
        }
        skip_tags::<FLEXIBLE>(&mut reader)?;
    }
    skip_tags::<FLEXIBLE>(&mut reader)?;
    Ok(Request {
        transactional_id,
        acks,
        timeout_ms,
    })
}

/// Bounds the elements of all arrays together as one array is bounded.
pub(crate) fn check_total(present: usize, more: usize) -> Result<(), Error> {
    let total = present.saturating_add(more);
    if total > ARRAY_ELEMENTS_MAX {
        let count = u32::try_from(total).unwrap_or(u32::MAX);
        let max = u32::try_from(ARRAY_ELEMENTS_MAX).unwrap_or(u32::MAX);
        return Err(Error::TooManyElements { count, max });
    }
    Ok(())
}
