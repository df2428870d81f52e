//! Produce (0). Records are checked and appended when the request is read; the response follows when
//! they are durable enough for its `acks`.

mod transaction;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use milena_log::validate::validate;
use milena_protocol::batch::{BatchHeader, Compression};
use milena_protocol::produce::{self, PartitionResponse, RecordError};
use milena_protocol::topic::{TopicRef, TopicSpan};
use milena_protocol::wire::Writer;
use milena_protocol::{ErrorCode, PartitionIndex, TopicId};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::transaction::Transaction;
use super::{Context, Started, Unreadable, Waiting, encode};
use crate::broker::Broker;
use crate::clock;
use crate::completion::{Appended, Completion};
use crate::net::{Grant, Response};
use crate::partition::{Append, Partition};
use crate::replicas::Topic;
use crate::topics::TRANSACTION_STATE;

/// Longest that the acknowledgement of a request is waited for, whatever the client says.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// `acks=all` on the wire.
const ALL: i16 = -1;
/// First version that may carry zstd batches (KIP-110).
const ZSTD_FROM: i16 = 7;
/// Topics that only the broker itself writes.
const INTERNAL_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];
/// Client id with which Kafka's own tools may write internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// A topic as the request named it.
#[derive(Debug)]
enum Named {
    Known(Arc<Topic>),
    Name(String),
    Id(TopicId),
}

impl Named {
    fn reference(&self, by_id: bool) -> TopicRef<'_> {
        match self {
            Self::Known(topic) if by_id => TopicRef::Id(topic.id),
            Self::Known(topic) => TopicRef::Name(&topic.name),
            Self::Name(name) => TopicRef::Name(name),
            Self::Id(id) => TopicRef::Id(*id),
        }
    }
}

/// What the response needs besides the outcomes.
#[derive(Debug)]
pub(crate) struct Reply {
    context: Context,
    acks: i16,
    partitions: Vec<(Arc<Named>, PartitionIndex)>,
    throttle: Duration,
}

impl Reply {
    /// True where the client has to wait after this response.
    pub(crate) fn is_throttled(&self) -> bool {
        !self.throttle.is_zero()
    }
}

/// Checks and appends the records of a request.
pub(crate) fn start(
    broker: &Arc<Broker>,
    context: Context,
    body: BytesMut,
    wake: &Arc<Notify>,
    grant: Grant,
) -> Result<Started, Unreadable> {
    let (started, request_bytes) = (Instant::now(), body.len());
    let mut spans = Vec::new();
    let request = produce::decode_request(context.version, &body, &mut spans)
        .map_err(|error| Unreadable::Message(error.to_string()))?;
    let acks = request.acks;
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut transaction = Transaction::of(broker, &context, &request, &spans, &body);
    let partitions = name_topics(broker, &body, &spans);
    let completion = Completion::new(spans.len(), Arc::clone(wake));

    for (slot, records) in cut(&spans, body).into_iter().rev() {
        let Some((topic, index)) = partitions.get(slot) else {
            continue;
        };
        let target = Target {
            broker,
            context: &context,
            acks,
            topic,
            index: *index,
            completion: &completion,
            slot,
        };
        target.append(records, transaction.as_mut());
    }
    for (slot, _) in spans
        .iter()
        .enumerate()
        .filter(|(_, span)| span.records.is_none())
    {
        let message = "a produce request must carry records for each of its partitions";
        completion.finish(
            slot,
            Appended::refused(ErrorCode::InvalidRecord, Some(message.to_owned())),
        );
    }
    let now = Instant::now();
    let throttle = broker.throttle_produce(&context, request_bytes, now - started);
    // Only the acknowledgement of all replicas can time out. Another one comes as soon as whoever
    // holds the lock of the partition has appended.
    let timeout = if acks == ALL {
        timeout.min(TIMEOUT_MAX)
    } else {
        TIMEOUT_MAX
    };
    let deadline = now + timeout;
    let reply = Reply {
        context,
        acks,
        partitions,
        throttle,
    };
    let mut waiting = Waiting {
        completion,
        deadline,
        reply,
        _grant: grant,
    };
    match transaction.filter(Transaction::is_asked) {
        Some(transaction) => {
            let broker = Arc::clone(broker);
            Ok(Started::Verifying(Box::pin(async move {
                transaction
                    .append_admitted(&broker, acks, &waiting.completion)
                    .await;
                // The client's time runs from the append on, as in Kafka.
                waiting.deadline = Instant::now() + timeout;
                waiting
            })))
        }
        None => Ok(Started::Waiting(waiting)),
    }
}

/// Cuts the records out of the body, the last ones first, so that nothing is copied.
fn cut(spans: &[produce::Partition], mut body: BytesMut) -> Vec<(usize, BytesMut)> {
    let mut parts = Vec::with_capacity(spans.len());
    for (slot, span) in spans.iter().enumerate().rev() {
        let Some(range) = span.records.clone() else {
            continue;
        };
        body.truncate(range.end);
        parts.push((slot, body.split_off(range.start)));
    }
    parts
}

/// The topics of the request. Neighbours of one topic share one name.
fn name_topics(
    broker: &Broker,
    body: &[u8],
    spans: &[produce::Partition],
) -> Vec<(Arc<Named>, PartitionIndex)> {
    let mut last: Option<(&TopicSpan, Arc<Named>)> = None;
    let mut named = Vec::with_capacity(spans.len());
    for span in spans {
        let topic = match &last {
            Some((same, topic)) if *same == &span.topic => Arc::clone(topic),
            _ => Arc::new(match span.topic.resolve(body) {
                TopicRef::Name(name) => match broker.replicas().topic(name) {
                    Some(topic) => Named::Known(topic),
                    None => Named::Name(name.to_owned()),
                },
                TopicRef::Id(id) => match broker.replicas().topic_by_id(id) {
                    Some(topic) => Named::Known(topic),
                    None => Named::Id(id),
                },
            }),
        };
        last = Some((&span.topic, Arc::clone(&topic)));
        named.push((topic, span.partition));
    }
    named
}

/// One partition of a request.
struct Target<'a> {
    broker: &'a Broker,
    context: &'a Context,
    acks: i16,
    topic: &'a Named,
    index: PartitionIndex,
    completion: &'a Arc<Completion>,
    slot: usize,
}

impl Target<'_> {
    fn append(&self, records: BytesMut, transaction: Option<&mut Transaction>) {
        let (completion, slot) = (self.completion, self.slot);
        let partition = match self.partition() {
            Ok(partition) => partition,
            Err(refused) => return completion.finish(slot, refused),
        };
        if let Err(refused) = self.check_batch(&records) {
            return completion.finish(slot, refused);
        }
        match validate(records, &partition.settings().rules, clock::now()) {
            Ok(records) => {
                let is_transactional = records.header().attributes.is_transactional();
                if is_transactional && &*partition.topic_partition().topic == TRANSACTION_STATE {
                    return completion.fail(slot, ErrorCode::InvalidTopicException);
                }
                let records = if is_transactional {
                    match transaction.map(|it| it.admit(&partition, records, slot)) {
                        Some(Some(Ok(records))) => records,
                        Some(Some(Err(error))) => return completion.fail(slot, error),
                        Some(None) => return,
                        // The request names no transaction, which no client does.
                        None => {
                            let error = ErrorCode::TransactionalIdAuthorizationFailed;
                            return completion.fail(slot, error);
                        }
                    }
                } else {
                    records
                };
                partition.append(Append {
                    records,
                    all: self.acks == ALL,
                    completion: Arc::clone(completion),
                    slot,
                });
            }
            Err(invalid) => {
                let mut refused = Appended::refused(invalid.code, Some(invalid.message));
                refused.record_errors = invalid
                    .record_errors
                    .into_iter()
                    .map(|error| (error.index, error.message))
                    .collect();
                completion.finish(slot, refused);
            }
        }
    }

    fn partition(&self) -> Result<Arc<Partition>, Appended> {
        if !matches!(self.acks, -1..=1) {
            let message = format!("acks must be -1, 0 or 1, not {}", self.acks);
            return Err(Appended::refused(
                ErrorCode::InvalidRequiredAcks,
                Some(message),
            ));
        }
        let topic = match self.topic {
            Named::Known(topic) => topic,
            Named::Name(_) => {
                return Err(Appended::refused(ErrorCode::UnknownTopicOrPartition, None));
            }
            Named::Id(_) => return Err(Appended::refused(ErrorCode::UnknownTopicId, None)),
        };
        if INTERNAL_TOPICS.contains(&&*topic.name)
            && self.context.client_id.as_deref() != Some(ADMIN_CLIENT_ID)
        {
            let message = format!("{} is written by the broker alone", topic.name);
            return Err(Appended::refused(
                ErrorCode::InvalidTopicException,
                Some(message),
            ));
        }
        self.broker
            .replicas()
            .partition(topic, self.index)
            .map_err(|error| Appended::refused(error, None))
    }

    /// What depends on the version of the request or on what this broker serves.
    fn check_batch(&self, records: &[u8]) -> Result<(), Appended> {
        // A header that cannot be read is refused by the validation, with its reason.
        let Ok(header) = BatchHeader::parse(records) else {
            return Ok(());
        };
        let codec = header.attributes.compression();
        if codec == Some(Compression::Zstd) && self.context.version < ZSTD_FROM {
            let message = "zstd batches need version 7 of the produce request".to_owned();
            return Err(Appended::refused(
                ErrorCode::UnsupportedCompressionType,
                Some(message),
            ));
        }
        Ok(())
    }
}

/// Writes the response.
pub(crate) fn finish(broker: &Arc<Broker>, waiting: Waiting) -> Response {
    let Reply {
        context,
        acks,
        partitions,
        throttle,
    } = waiting.reply;
    let outcomes = waiting.completion.take();
    let failed = outcomes
        .iter()
        .filter(|outcome| outcome.error.is_err())
        .count();
    for _ in 0..failed {
        broker.metrics().produce_rejected();
    }
    if acks == 0 {
        let mut response = if failed == 0 {
            Response::nothing()
        } else {
            Response::close()
        };
        response.throttle = throttle;
        return response;
    }
    let response = encode(&context, |out| {
        write(&context, &partitions, &outcomes, throttle, out)
    });
    match response {
        Ok(mut response) => {
            response.throttle = throttle;
            response
        }
        Err(_) => Response::close(),
    }
}

fn write(
    context: &Context,
    partitions: &[(Arc<Named>, PartitionIndex)],
    outcomes: &[Appended],
    throttle: Duration,
    out: &mut BytesMut,
) -> Result<(), Unreadable> {
    let by_id = context.version >= produce::TOPIC_ID_FROM;
    let record_errors: Vec<Vec<RecordError<'_>>> = outcomes
        .iter()
        .map(|outcome| {
            let errors = outcome.record_errors.iter();
            errors
                .map(|(index, message)| RecordError {
                    batch_index: *index,
                    message: Some(message),
                })
                .collect()
        })
        .collect();
    let responses: Vec<_> = partitions
        .iter()
        .zip(outcomes)
        .zip(&record_errors)
        .map(
            |(((topic, index), outcome), record_errors)| PartitionResponse {
                base_offset: outcome.base_offset,
                log_append_time: outcome.append_time,
                log_start: outcome.log_start,
                record_errors,
                error_message: outcome.message.as_deref(),
                ..PartitionResponse::error(topic.reference(by_id), *index, outcome.error)
            },
        )
        .collect();
    let response = produce::Response {
        partitions: &responses,
        throttle_time_ms: i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX),
        node_endpoints: &[],
    };
    produce::encode_response(context.version, &response, &mut Writer::new(out))
        .map_err(|error| Unreadable::Message(error.to_string()))
}
