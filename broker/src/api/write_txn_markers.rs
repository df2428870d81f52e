//! WriteTxnMarkers (27): a coordinator, or an administrator who ends a hanging transaction, writes
//! the ends of transactions into partitions of this broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::WriteTxnMarkersResponse;
use kafka_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{ProducerId, TopicName, WriteTxnMarkersRequest};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use milena_log::producer_state::Marker;
use milena_protocol::{
    ErrorCode, PartitionIndex, ProducerEpoch, ProducerId as Id, TopicPartition, guard, message,
};
use tracing::warn;

use super::{Context, Row, Unreadable, encode};
use crate::broker::Broker;
use crate::clock;
use crate::net::Response;
use crate::topics::TRANSACTION_STATE;
use crate::transaction::Writing;

const KEY: i16 = 27;
/// First version that names the version of the transaction.
const VERSION_FROM: i16 = 2;

type Errors = BTreeMap<TopicPartition, ErrorCode>;

pub(crate) const fn row() -> Row {
    Row {
        key: KEY,
        serve: |broker, context, body| Box::pin(serve(broker, context, body)),
    }
}

async fn serve(
    broker: &Arc<Broker>,
    context: &Context,
    body: Bytes,
) -> Result<Response, Unreadable> {
    guard::check(KEY, context.version, &body)?;
    let (request, versions) = decode(context.version, body)?;
    tell(context, &request.markers);
    // Markers of one producer are answered together, as Kafka does.
    let mut by_producer: BTreeMap<i64, Errors> = BTreeMap::new();
    let writing: Vec<(i64, Errors, Writing)> = request
        .markers
        .iter()
        .zip(versions)
        .map(|(marker, version)| {
            let (partitions, refused) = partitions(marker);
            let writing = begin(broker, marker, version, partitions);
            (marker.producer_id.0, refused, writing)
        })
        .collect();
    for (id, refused, writing) in writing {
        let errors = writing.finish(broker).await.into_iter();
        let errors = errors.map(|(partition, error)| (partition, not_here(error)));
        let of_producer = by_producer.entry(id).or_default();
        of_producer.extend(refused.into_iter().chain(errors));
    }
    let markers = by_producer.into_iter().map(|(id, errors)| {
        WritableTxnMarkerResult::default()
            .with_producer_id(ProducerId(id))
            .with_topics(respond(&errors))
    });
    let response = WriteTxnMarkersResponse::default().with_markers(markers.collect());
    let version = message::wire_version(KEY, context.version);
    let mut response = encode(context, |out| {
        response
            .encode(out, version)
            .map_err(|error| Unreadable::Message(error.to_string()))
    })?;
    // Brokers send it to each other: nobody is throttled for it.
    response.throttle = Duration::ZERO;
    Ok(response)
}

fn decode(version: i16, mut body: Bytes) -> Result<(WriteTxnMarkersRequest, Vec<i8>), Unreadable> {
    let unreadable = |error: String| Unreadable::Message(error);
    if version >= VERSION_FROM {
        return message::write_txn_markers::decode_v2(&body)
            .map_err(|error| unreadable(error.to_string()));
    }
    let request = WriteTxnMarkersRequest::decode(&mut body, version)
        .map_err(|error| unreadable(error.to_string()))?;
    let versions = vec![0; request.markers.len()];
    Ok((request, versions))
}

/// The coordinator of this broker does not come this way: somebody ends transactions whatever it
/// says. One line for all, however many they are.
fn tell(context: &Context, markers: &[WritableTxnMarker]) {
    let Some(first) = markers.first() else {
        return;
    };
    let topic = first.topics.first();
    warn!(
        peer = %context.peer.address,
        markers = markers.len(),
        producer_id = first.producer_id.0,
        producer_epoch = first.producer_epoch,
        commits = first.transaction_result,
        topic = topic.map(|topic| topic.name.as_str()),
        partition = topic.and_then(|topic| topic.partition_indexes.first()),
        "transactions are ended in partitions by request"
    );
}

/// The partitions of a marker, and those that are refused: nobody's transaction has records in
/// `__transaction_state`.
fn partitions(marker: &WritableTxnMarker) -> (Vec<TopicPartition>, Errors) {
    let topics = marker.topics.iter();
    let all = topics.flat_map(|topic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        let indexes = topic.partition_indexes.iter();
        indexes.map(move |&index| TopicPartition::new(Arc::clone(&name), PartitionIndex(index)))
    });
    let (refused, partitions): (Vec<_>, Vec<_>) =
        all.partition(|partition| &*partition.topic == TRANSACTION_STATE);
    let refuse = |partition| (partition, ErrorCode::InvalidTopicException);
    (partitions, refused.into_iter().map(refuse).collect())
}

fn begin(
    broker: &Broker,
    marker: &WritableTxnMarker,
    version: i8,
    partitions: Vec<TopicPartition>,
) -> Writing {
    let marker = Marker {
        producer_id: Id(marker.producer_id.0),
        producer_epoch: ProducerEpoch(marker.producer_epoch),
        is_commit: marker.transaction_result,
        coordinator_epoch: marker.coordinator_epoch,
        timestamp: clock::now(),
    };
    Writing::begin(broker, marker, i16::from(version), partitions)
}

/// Whoever asks for a partition that is not here is told that it does not exist, as by Kafka.
fn not_here(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::KafkaStorageError => ErrorCode::UnknownTopicOrPartition,
        error => error,
    }
}

fn respond(errors: &Errors) -> Vec<WritableTxnMarkerTopicResult> {
    let mut topics: BTreeMap<&str, Vec<WritableTxnMarkerPartitionResult>> = BTreeMap::new();
    for (partition, error) in errors {
        let result = WritableTxnMarkerPartitionResult::default()
            .with_partition_index(partition.partition.0)
            .with_error_code(error.code());
        topics.entry(&partition.topic).or_default().push(result);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        WritableTxnMarkerTopicResult::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_partitions(partitions)
    });
    topics.collect()
}
