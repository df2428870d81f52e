//! Fetch (1): reads whole batches, waits where too few bytes are there, and sends spans of segment
//! files without copying them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_protocol::fetch::{
    self, AbortedTransaction, EpochEnd, PartitionResponse, RecordsGap, Segment,
};
use milena_protocol::topic::TopicRef;
use milena_protocol::wire::Writer;
use milena_protocol::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, api as table, header,
};
use tokio::time::Instant;

use super::{Context, Row, Served, Unreadable};
use crate::broker::Broker;
use crate::net::{Piece, Response};
use crate::partition::{FetchWaiter, Isolation, Partition, Read, ReadRequest};
use crate::quotas::Busy;

mod session;

pub(crate) use session::Sessions;

/// Key of Fetch.
const KEY: i16 = 1;
/// Longest that a fetch waits, whatever the client says.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// The row of Fetch.
pub(crate) const fn row() -> Row {
    Row {
        key: KEY,
        serve: |broker, context, body| -> Served<'_> { Box::pin(serve(broker, context, body)) },
    }
}

/// One partition that a fetch looks at.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Name of the topic; empty where the request has an id that is not known.
    pub(super) topic: Arc<str>,
    /// Id of the topic; zero where the request has a name that is not known.
    pub(super) topic_id: TopicId,
    /// The partition.
    pub(super) index: PartitionIndex,
    /// First offset.
    pub(super) offset: Offset,
    /// Leader epoch that the client knows.
    pub(super) current_leader_epoch: LeaderEpoch,
    /// Epoch of the last record that the client has.
    pub(super) last_fetched_epoch: LeaderEpoch,
    /// Bytes from this partition.
    pub(super) bytes_max: usize,
    /// The error that is known without a read.
    pub(super) error: ErrorCode,
}

/// Limits that all partitions share.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes_max: usize,
    bytes_min: usize,
    isolation: Isolation,
    /// Who reads beyond the high watermark, as a replica of the partition.
    follower: Option<BrokerId>,
    deadline: Instant,
}

/// What was read from one target.
struct Found {
    target: Target,
    partition: Option<Arc<Partition>>,
    read: Read,
}

async fn serve(
    broker: &Arc<Broker>,
    context: &Context,
    body: Bytes,
) -> Result<Response, Unreadable> {
    let mut partitions = Vec::new();
    let mut forgotten = Vec::new();
    let request = fetch::decode_request(context.version, &body, &mut partitions, &mut forgotten)
        .map_err(|error| Unreadable::Message(error.to_string()))?;
    let opened = session::open(broker, context, &request, &body, &partitions, &forgotten);
    let session = match opened {
        Ok(session) => session,
        Err(error) => return write(context, Duration::ZERO, error, 0, Vec::new()),
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
    let bytes_max = bytes(request.max_bytes)
        .min(broker.limits().fetch_bytes_max)
        .min(broker.fetch_bytes_max(context));
    let limits = Limits {
        bytes_max,
        bytes_min: bytes(request.min_bytes).min(bytes_max),
        isolation: match (request.replica_id.0, request.isolation_level) {
            (0.., _) | (-2, _) => Isolation::LogEnd,
            (_, 1) => Isolation::Committed,
            _ => Isolation::Uncommitted,
        },
        follower: (request.replica_id.0 >= 0).then_some(request.replica_id),
        deadline: Instant::now() + wait,
    };
    let reading = Busy::new(Box::pin(read_until_enough(
        broker,
        session.targets(),
        &limits,
    )));
    let (found, busy) = reading.await;
    let read_bytes = found.iter().map(|found| found.read.bytes).sum();
    let throttle = broker.throttle_fetch(context, read_bytes, busy);
    if !throttle.is_zero() {
        // A throttled fetch gets no records: the client asks again when the time is over (KIP-219).
        let (error, session_id) = outcome(session.close_throttled(broker));
        return write(context, throttle, error, session_id, Vec::new());
    }
    match session.close(broker, found) {
        Ok((session_id, found)) => write(context, throttle, ErrorCode::None, session_id, found),
        Err(error) => write(context, throttle, error, 0, Vec::new()),
    }
}

fn outcome(session: Result<i32, ErrorCode>) -> (ErrorCode, i32) {
    match session {
        Ok(id) => (ErrorCode::None, id),
        Err(error) => (error, 0),
    }
}

/// A size of the wire; negative is none.
fn bytes(size: i32) -> usize {
    usize::try_from(size).unwrap_or(0)
}

/// Reads, and where the bytes are too few waits for more, until the deadline.
async fn read_until_enough(
    broker: &Arc<Broker>,
    targets: &[Target],
    limits: &Limits,
) -> Vec<Found> {
    let stopping = broker.stopping();
    loop {
        let found = read_all(broker, targets, limits);
        let total: usize = found.iter().map(|found| found.read.bytes).sum();
        let is_urgent = found
            .iter()
            .any(|found| found.read.error.is_err() || found.read.diverging.is_some());
        if total >= limits.bytes_min || is_urgent || Instant::now() >= limits.deadline {
            return found;
        }
        let deficit = i64::try_from(limits.bytes_min - total).unwrap_or(i64::MAX);
        let waiter = FetchWaiter::new(deficit);
        let unchanged = found.iter().all(|found| {
            let Some(partition) = &found.partition else {
                return true;
            };
            partition.wait_for_bytes(found.read.end, limits.isolation, &waiter)
        });
        let ends = if unchanged {
            tokio::select! {
                biased;
                () = stopping.cancelled() => true,
                () = waiter.wait() => false,
                () = tokio::time::sleep_until(limits.deadline) => false,
            }
        } else {
            false
        };
        waiter.end();
        if ends {
            return found;
        }
    }
}

/// The partition of a target, which the follower has to be a replica of.
fn locate(
    broker: &Broker,
    target: &Target,
    follower: Option<BrokerId>,
) -> Result<Arc<Partition>, ErrorCode> {
    if target.error.is_err() {
        return Err(target.error);
    }
    let partition = broker.replicas().find(target.topic_id, target.index)?;
    if let Some(follower) = follower {
        let image = broker.image();
        let topic = image.topic_by_id(target.topic_id);
        let replicas = topic.and_then(|topic| topic.partition(target.index));
        if !replicas.is_some_and(|partition| partition.replicas.contains(&follower)) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
    }
    Ok(partition)
}

/// Reads, and leaves positions out where there is an error.
fn read(partition: &Arc<Partition>, request: &ReadRequest) -> Read {
    let read = partition.read(request);
    match read.diverging {
        _ if read.error.is_err() => Read::failed(read.error),
        // This log knows nothing of the epoch: there is no offset to go back to, and the client has
        // to find its place anew.
        Some((_, Offset::NONE)) => Read::failed(ErrorCode::OffsetOutOfRange),
        _ => read,
    }
}

fn read_all(broker: &Broker, targets: &[Target], limits: &Limits) -> Vec<Found> {
    let mut left = limits.bytes_max;
    let mut is_first = true;
    let mut all = Vec::with_capacity(targets.len());
    for target in targets {
        let partition = locate(broker, target, limits.follower);
        let read = match &partition {
            Err(error) => Read::failed(*error),
            Ok(partition) => read(
                partition,
                &ReadRequest {
                    offset: target.offset,
                    bytes_max: target.bytes_max.min(left),
                    // Progress is guaranteed: the first batch comes whatever its size (KIP-74).
                    min_one_batch: is_first,
                    isolation: limits.isolation,
                    current_leader_epoch: target.current_leader_epoch,
                    last_fetched_epoch: target.last_fetched_epoch,
                },
            ),
        };
        left = left.saturating_sub(read.bytes);
        is_first &= read.bytes == 0;
        all.push(Found {
            target: target.clone(),
            partition: partition.ok(),
            read,
        });
    }
    all
}

/// Writes the response: bytes, with the records of each partition between them.
fn write(
    context: &Context,
    throttle: Duration,
    error: ErrorCode,
    session_id: i32,
    mut found: Vec<Found>,
) -> Result<Response, Unreadable> {
    let aborted: Vec<Vec<AbortedTransaction>> = found
        .iter()
        .map(|found| {
            let pairs = found.read.aborted.iter();
            pairs
                .map(|&(producer_id, first_offset)| AbortedTransaction {
                    producer_id,
                    first_offset,
                })
                .collect()
        })
        .collect();
    let partitions: Vec<_> = found
        .iter()
        .zip(&aborted)
        .map(|(found, aborted)| respond(context.version, found, aborted))
        .collect();
    let response = fetch::Response {
        throttle_time_ms: i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX),
        error_code: error,
        session_id,
        partitions: &partitions,
        node_endpoints: &[],
    };
    let mut out = BytesMut::with_capacity(128 + partitions.len() * 64);
    let mut gaps = Vec::new();
    let written = encode(context, &response, &mut out, &mut gaps);
    let records_bytes = written.map_err(|error| Unreadable::Message(error.to_string()))?;
    let length = i32::try_from(out.len() - 4 + records_bytes)
        .map_err(|_| Unreadable::Message("the response exceeds 2 GiB".to_owned()))?;
    if let Some(prefix) = out.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
    let mut pieces = VecDeque::with_capacity(2 * gaps.len() + 1);
    for segment in fetch::segments(out.freeze(), &gaps) {
        match segment {
            Segment::Bytes(bytes) => pieces.push_back(Piece::Bytes(bytes)),
            Segment::Records { partition, .. } => {
                if let Some(found) = found.get_mut(partition) {
                    pieces.extend(found.read.pieces.drain(..));
                }
            }
        }
    }
    Ok(Response {
        pieces,
        throttle,
        closes: false,
    })
}

fn encode(
    context: &Context,
    response: &fetch::Response<'_>,
    out: &mut BytesMut,
    gaps: &mut Vec<RecordsGap>,
) -> Result<usize, milena_protocol::wire::Error> {
    let mut writer = Writer::new(out);
    writer.put_i32(0);
    let header_version = table::response_header_version(KEY, context.version).unwrap_or_default();
    header::write_response(&mut writer, context.correlation_id, header_version);
    fetch::encode_response(context.version, response, &mut writer, gaps)
}

/// The error as this version knows it: a topic that went away while a fetch by name waited for it is
/// looked for by its id.
fn error_for(version: i16, error: ErrorCode) -> ErrorCode {
    if error == ErrorCode::UnknownTopicId && version < fetch::TOPIC_ID_FROM {
        return ErrorCode::UnknownTopicOrPartition;
    }
    error
}

fn respond<'a>(
    version: i16,
    found: &'a Found,
    aborted: &'a [AbortedTransaction],
) -> PartitionResponse<'a> {
    let read = &found.read;
    let topic = if version >= fetch::TOPIC_ID_FROM {
        TopicRef::Id(found.target.topic_id)
    } else {
        TopicRef::Name(&found.target.topic)
    };
    PartitionResponse {
        high_watermark: read.high_watermark,
        last_stable: read.last_stable,
        log_start: read.log_start,
        diverging_epoch: read
            .diverging
            .map(|(epoch, end_offset)| EpochEnd { epoch, end_offset }),
        aborted_transactions: read.shows_aborted.then_some(aborted),
        records_bytes: read.bytes,
        ..PartitionResponse::error(topic, found.target.index, error_for(version, read.error))
    }
}
