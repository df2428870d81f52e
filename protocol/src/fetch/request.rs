//! Decoder of Fetch requests.

use uuid::Uuid;

use super::{FLEXIBLE_FROM, LOG_START_FROM, RACK_FROM, SESSION_FROM, TOPIC_ID_FROM};
use crate::flexible::{array_len, skip_tags, string};
use crate::produce::check_total;
use crate::topic::TopicSpan;
use crate::wire::{Error, Reader};
use crate::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex};

/// First version with the leader epoch that the client knows (KIP-320).
const LEADER_EPOCH_FROM: i16 = 9;
/// First version with the state of the replica in a tagged field (KIP-903).
const REPLICA_STATE_FROM: i16 = 15;
/// First version with the directory of the replica (KIP-853).
const DIRECTORY_FROM: i16 = 17;
/// First version with the high watermark of the replica (KIP-1166).
const HIGH_WATERMARK_FROM: i16 = 18;

/// The fields of a Fetch request that are not of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Id of the cluster, where the client tells it; from version 12.
    pub cluster_id: Option<&'a str>,
    /// The follower that asks, none for a consumer.
    pub replica_id: BrokerId,
    /// Epoch of the follower, none for a consumer; from version 15 (KIP-903).
    pub replica_epoch: BrokerEpoch,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes of records that are worth an answer.
    pub min_bytes: i32,
    /// Most bytes of records in the answer; the first batch may exceed it (KIP-74).
    pub max_bytes: i32,
    /// 0 for read uncommitted, 1 for read committed; other values are not refused here.
    pub isolation_level: i8,
    /// Fetch session, 0 for none; from version 7 (KIP-227).
    pub session_id: i32,
    /// Epoch within the session: 0 opens one, -1 has none or closes it.
    pub session_epoch: i32,
    /// Rack of the consumer, empty for none; from version 11 (KIP-392).
    pub rack_id: &'a str,
}

/// One partition to fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The topic.
    pub topic: TopicSpan,
    /// The partition.
    pub partition: PartitionIndex,
    /// Leader epoch that the client knows, or none; from version 9 (KIP-320).
    pub current_leader_epoch: LeaderEpoch,
    /// Offset of the first record that is wanted.
    pub fetch_offset: Offset,
    /// Epoch of the last record that the client has, or none; from version 12.
    pub last_fetched_epoch: LeaderEpoch,
    /// Log start offset of the follower, none for a consumer; from version 5.
    pub log_start: Offset,
    /// Most bytes of records from this partition; the first batch may exceed it (KIP-74).
    pub max_bytes: i32,
    /// Directory of the follower's replica, nil where not told; from version 17 (KIP-853).
    pub replica_directory_id: Uuid,
    /// High watermark that the follower knows, -1 where it knows none, `i64::MAX` where it does
    /// not tell; from version 18 (KIP-1166).
    pub high_watermark: Offset,
}

/// One partition that leaves the fetch session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgottenPartition {
    /// The topic.
    pub topic: TopicSpan,
    /// The partition.
    pub partition: PartitionIndex,
}

/// Decodes the body of a Fetch request of `version`, 4 to 18 (the caller has checked it). The
/// partitions replace what the two vectors held, in the order of the request. Nothing else is
/// allocated. Bytes behind the last field are ignored, as Kafka does.
///
/// # Errors
/// The fault that made a field unreadable; more than
/// [`ARRAY_ELEMENTS_MAX`](crate::wire::ARRAY_ELEMENTS_MAX) partitions in one of the vectors are
/// `TooManyElements`.
pub fn decode_request<'a>(
    version: i16,
    body: &'a [u8],
    partitions: &mut Vec<Partition>,
    forgotten: &mut Vec<ForgottenPartition>,
) -> Result<Request<'a>, Error> {
    partitions.clear();
    forgotten.clear();
    let mut reader = Reader::new(body);
    if version >= FLEXIBLE_FROM {
        decode::<true>(version, &mut reader, partitions, forgotten)
    } else {
        decode::<false>(version, &mut reader, partitions, forgotten)
    }
}

fn decode<'a, const FLEXIBLE: bool>(
    version: i16,
    reader: &mut Reader<'a>,
    partitions: &mut Vec<Partition>,
    forgotten: &mut Vec<ForgottenPartition>,
) -> Result<Request<'a>, Error> {
    let has_session = version >= SESSION_FROM;
    let mut request = Request {
        cluster_id: None,
        replica_id: if version < REPLICA_STATE_FROM {
            BrokerId(reader.i32()?)
        } else {
            BrokerId::NONE
        },
        replica_epoch: BrokerEpoch::NONE,
        max_wait_ms: reader.i32()?,
        min_bytes: reader.i32()?,
        max_bytes: reader.i32()?,
        isolation_level: reader.i8()?,
        session_id: if has_session { reader.i32()? } else { 0 },
        session_epoch: if has_session { reader.i32()? } else { -1 },
        rack_id: "",
    };
    read_topics::<FLEXIBLE>(version, reader, partitions)?;
    if has_session {
        read_forgotten::<FLEXIBLE>(version, reader, forgotten)?;
    }
    if version >= RACK_FROM {
        request.rack_id = string::<FLEXIBLE>(reader)?;
    }
    if FLEXIBLE {
        reader.tagged_fields(|tag, mut value| {
            match tag {
                0 => request.cluster_id = value.compact_nullable_string()?,
                1 if version >= REPLICA_STATE_FROM => {
                    request.replica_id = BrokerId(value.i32()?);
                    request.replica_epoch = BrokerEpoch(value.i64()?);
                    value.skip_tagged_fields()?;
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(request)
}

fn read_topics<const FLEXIBLE: bool>(
    version: i16,
    reader: &mut Reader<'_>,
    partitions: &mut Vec<Partition>,
) -> Result<(), Error> {
    // Smallest topic entry: name, count of partitions, tags.
    for _ in 0..array_len::<FLEXIBLE>(reader, if FLEXIBLE { 3 } else { 6 })? {
        let topic = TopicSpan::read::<FLEXIBLE>(reader, version >= TOPIC_ID_FROM)?;
        // Smallest partition entry, with its tags: see the fields below.
        let count = array_len::<FLEXIBLE>(reader, if FLEXIBLE { 33 } else { 16 })?;
        check_total(partitions.len(), count)?;
        for _ in 0..count {
            partitions.push(read_partition::<FLEXIBLE>(version, reader, topic.clone())?);
        }
        skip_tags::<FLEXIBLE>(reader)?;
    }
    Ok(())
}

fn read_partition<const FLEXIBLE: bool>(
    version: i16,
    reader: &mut Reader<'_>,
    topic: TopicSpan,
) -> Result<Partition, Error> {
    let mut partition = Partition {
        topic,
        partition: PartitionIndex(reader.i32()?),
        current_leader_epoch: if version >= LEADER_EPOCH_FROM {
            LeaderEpoch(reader.i32()?)
        } else {
            LeaderEpoch::NONE
        },
        fetch_offset: Offset(reader.i64()?),
        last_fetched_epoch: if FLEXIBLE {
            LeaderEpoch(reader.i32()?)
        } else {
            LeaderEpoch::NONE
        },
        log_start: if version >= LOG_START_FROM {
            Offset(reader.i64()?)
        } else {
            Offset::NONE
        },
        max_bytes: reader.i32()?,
        replica_directory_id: Uuid::nil(),
        high_watermark: Offset(i64::MAX),
    };
    if FLEXIBLE {
        reader.tagged_fields(|tag, mut value| {
            match tag {
                0 if version >= DIRECTORY_FROM => {
                    partition.replica_directory_id = value.uuid()?;
                }
                1 if version >= HIGH_WATERMARK_FROM => {
                    partition.high_watermark = Offset(value.i64()?);
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(partition)
}

fn read_forgotten<const FLEXIBLE: bool>(
    version: i16,
    reader: &mut Reader<'_>,
    forgotten: &mut Vec<ForgottenPartition>,
) -> Result<(), Error> {
    for _ in 0..array_len::<FLEXIBLE>(reader, if FLEXIBLE { 3 } else { 6 })? {
        let topic = TopicSpan::read::<FLEXIBLE>(reader, version >= TOPIC_ID_FROM)?;
        let count = array_len::<FLEXIBLE>(reader, 4)?;
        check_total(forgotten.len(), count)?;
        for _ in 0..count {
            let partition = PartitionIndex(reader.i32()?);
            forgotten.push(ForgottenPartition {
                topic: topic.clone(),
                partition,
            });
        }
        skip_tags::<FLEXIBLE>(reader)?;
    }
    Ok(())
}
