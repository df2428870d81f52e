//! Encoder of Fetch responses.

use bytes::Bytes;

use super::{FLEXIBLE_FROM, LOG_START_FROM, RACK_FROM, SESSION_FROM, TOPIC_ID_FROM};
use crate::flexible::{put_array_len, put_no_tags, put_tag};
use crate::leader::{CurrentLeader, NodeEndpoint, put_tagged_endpoints};
use crate::topic::TopicRef;
use crate::wire::{Error, Writer};
use crate::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerId};

/// First version with endpoints of new leaders (KIP-951).
const ENDPOINTS_FROM: i16 = 16;

/// A Fetch response without its records.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// How long the client was or is to be throttled, in milliseconds.
    pub throttle_time_ms: i32,
    /// Error of the whole request, as of its session; from version 7.
    pub error_code: ErrorCode,
    /// Fetch session, 0 for none; from version 7 (KIP-227).
    pub session_id: i32,
    /// The partitions; neighbours with the same topic become one topic entry.
    pub partitions: &'a [PartitionResponse<'a>],
    /// The brokers that are named as current leaders; from version 16 (KIP-951).
    pub node_endpoints: &'a [NodeEndpoint<'a>],
}

/// What was fetched from one partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionResponse<'a> {
    /// The topic as the request named it.
    pub topic: TopicRef<'a>,
    /// The partition.
    pub partition: PartitionIndex,
    /// The error, or none.
    pub error_code: ErrorCode,
    /// High watermark, none on error.
    pub high_watermark: Offset,
    /// Last stable offset, none on error.
    pub last_stable: Offset,
    /// Log start offset, none where unknown; from version 5.
    pub log_start: Offset,
    /// Where the log of the client diverges; from version 12.
    pub diverging_epoch: Option<EpochEnd>,
    /// The leader to turn to; from version 12.
    pub current_leader: Option<CurrentLeader>,
    /// The snapshot to fetch instead (metadata log only); from version 12.
    pub snapshot_id: Option<SnapshotId>,
    /// Aborted transactions in the range that is returned, sorted by first offset; none (null) for
    /// a reader of uncommitted records.
    pub aborted_transactions: Option<&'a [AbortedTransaction]>,
    /// The replica to fetch from instead, or none; from version 11 (KIP-392).
    pub preferred_read_replica: BrokerId,
    /// Bytes of records that are sent for this partition. 0 is written as empty, never as null:
    /// librdkafka takes null for a damaged answer.
    pub records_bytes: usize,
}

/// The largest epoch that the leader has up to the client's, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// First offset after the epoch.
    pub end_offset: Offset,
}

/// A snapshot of the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotId {
    /// First offset that the snapshot does not cover.
    pub end_offset: Offset,
    /// Epoch of the last record that it covers.
    pub epoch: LeaderEpoch,
}

/// A transaction whose records a reader of committed records drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// Offset of its first record.
    pub first_offset: Offset,
}

impl<'a> PartitionResponse<'a> {
    /// The answer for a partition that cannot be read.
    #[must_use]
    pub const fn error(
        topic: TopicRef<'a>,
        partition: PartitionIndex,
        error_code: ErrorCode,
    ) -> Self {
        Self {
            topic,
            partition,
            error_code,
            high_watermark: Offset::NONE,
            last_stable: Offset::NONE,
            log_start: Offset::NONE,
            diverging_epoch: None,
            current_leader: None,
            snapshot_id: None,
            aborted_transactions: Some(&[]),
            preferred_read_replica: BrokerId::NONE,
            records_bytes: 0,
        }
    }
}

/// A place in an encoded response where records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsGap {
    /// Byte of the buffer that was written to before which the records go.
    pub position: usize,
    /// Index in [`Response::partitions`].
    pub partition: usize,
    /// Bytes of the records, above 0.
    pub records_bytes: usize,
}

/// Appends the body of a Fetch response of `version`, 4 to 18, without the records. Where records
/// go is appended to `gaps`, in ascending order. Returns the bytes of all records: the frame on
/// the wire is that much longer than what is written.
///
/// # Errors
/// `TooLong` for a value beyond what the wire can say. What was appended is incomplete then.
pub fn encode_response(
    version: i16,
    response: &Response<'_>,
    out: &mut Writer<'_>,
    gaps: &mut Vec<RecordsGap>,
) -> Result<usize, Error> {
    let is_flexible = version >= FLEXIBLE_FROM;
    out.put_i32(response.throttle_time_ms);
    if version >= SESSION_FROM {
        out.put_i16(response.error_code.code());
        out.put_i32(response.session_id);
    }
    let topics = || {
        response
            .partitions
            .chunk_by(|left, right| left.topic == right.topic)
    };
    put_array_len(out, is_flexible, topics().count())?;
    let mut index = 0_usize;
    let mut total_bytes = 0_usize;
    for partitions in topics() {
        if let Some(first) = partitions.first() {
            first
                .topic
                .put(out, is_flexible, version >= TOPIC_ID_FROM)?;
        }
        put_array_len(out, is_flexible, partitions.len())?;
        for partition in partitions {
            put_partition(version, partition, out)?;
            let records_bytes = partition.records_bytes;
            if records_bytes > 0 {
                gaps.push(RecordsGap {
                    position: out.position(),
                    partition: index,
                    records_bytes,
                });
                total_bytes = total_bytes.saturating_add(records_bytes);
            }
            put_partition_tags(is_flexible, partition, out);
            index += 1;
        }
        put_no_tags(out, is_flexible);
    }
    if version >= ENDPOINTS_FROM {
        put_tagged_endpoints(out, response.node_endpoints)?;
    } else {
        put_no_tags(out, is_flexible);
    }
    Ok(total_bytes)
}

/// Appends the fields of a partition up to and with the length of the records.
fn put_partition(
    version: i16,
    partition: &PartitionResponse<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let is_flexible = version >= FLEXIBLE_FROM;
    out.put_i32(partition.partition.0);
    out.put_i16(partition.error_code.code());
    out.put_i64(partition.high_watermark.0);
    out.put_i64(partition.last_stable.0);
    if version >= LOG_START_FROM {
        out.put_i64(partition.log_start.0);
    }
    match partition.aborted_transactions {
        Some(aborted) => {
            put_array_len(out, is_flexible, aborted.len())?;
            for transaction in aborted {
                out.put_i64(transaction.producer_id.0);
                out.put_i64(transaction.first_offset.0);
                put_no_tags(out, is_flexible);
            }
        }
        None if is_flexible => out.put_compact_null(),
        None => out.put_null_array(),
    }
    if version >= RACK_FROM {
        out.put_i32(partition.preferred_read_replica.0);
    }
    // Records have the length of an array of bytes in both forms.
    put_array_len(out, is_flexible, partition.records_bytes)
}

fn put_partition_tags(is_flexible: bool, partition: &PartitionResponse<'_>, out: &mut Writer<'_>) {
    if !is_flexible {
        return;
    }
    let PartitionResponse {
        diverging_epoch,
        current_leader,
        snapshot_id,
        ..
    } = *partition;
    let count = u32::from(diverging_epoch.is_some())
        + u32::from(current_leader.is_some())
        + u32::from(snapshot_id.is_some());
    out.put_unsigned_varint(count);
    if let Some(diverging) = diverging_epoch {
        put_tag(out, 0, 13);
        out.put_i32(diverging.epoch.0);
        out.put_i64(diverging.end_offset.0);
        out.put_no_tagged_fields();
    }
    if let Some(leader) = current_leader {
        leader.put_tagged(out, 1);
    }
    if let Some(snapshot) = snapshot_id {
        put_tag(out, 2, 13);
        out.put_i64(snapshot.end_offset.0);
        out.put_i32(snapshot.epoch.0);
        out.put_no_tagged_fields();
    }
}

/// One piece of a response on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Bytes to write, at least one.
    Bytes(Bytes),
    /// Records to write.
    Records {
        /// Index in [`Response::partitions`].
        partition: usize,
        /// Bytes of the records, above 0.
        records_bytes: usize,
    },
}

/// Cuts an encoded response at its gaps, without a copy. `encoded` is the whole buffer that
/// [`encode_response`] appended to, so that the positions of `gaps` fit.
pub fn segments(encoded: Bytes, gaps: &[RecordsGap]) -> impl Iterator<Item = Segment> {
    let end = encoded.len();
    let mut start = 0_usize;
    let stops = gaps
        .iter()
        .map(|gap| (gap.position, Some(*gap)))
        .chain([(end, None)]);
    stops.flat_map(move |(stop, gap)| {
        let stop = stop.clamp(start, end);
        let bytes = encoded.slice(start..stop);
        start = stop;
        let bytes = (!bytes.is_empty()).then_some(Segment::Bytes(bytes));
        let records = gap.map(|gap| Segment::Records {
            partition: gap.partition,
            records_bytes: gap.records_bytes,
        });
        [bytes, records].into_iter().flatten()
    })
}
