//! WriteTxnMarkers, whose version 2 says by which version of the protocol the transaction was made
//! (KIP-1228).

use bytes::Bytes;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{ProducerId, WriteTxnMarkersRequest};

use super::text;
use crate::wire::{Error, Reader};

/// Least bytes of a marker: producer id, epoch, result, an empty array, coordinator epoch, version,
/// no tagged fields.
const MARKER_BYTES_MIN: usize = 8 + 2 + 1 + 1 + 4 + 1 + 1;
/// Least bytes of a topic: an empty name, an empty array, no tagged fields.
const TOPIC_BYTES_MIN: usize = 1 + 1 + 1;
/// Bytes of the index of a partition.
const INDEX_BYTES: usize = 4;

/// Decodes the body of a request of version 2, with the version of the transaction of every marker,
/// in their order. Tagged fields, of which the version knows none, are dropped.
///
/// # Errors
/// What is wrong with the bytes, as [`Reader`] says.
pub fn decode_v2(body: &Bytes) -> Result<(WriteTxnMarkersRequest, Vec<i8>), Error> {
    let mut reader = Reader::new(body);
    let mut request = WriteTxnMarkersRequest::default();
    let count = reader.compact_array_len(MARKER_BYTES_MIN)?;
    request.markers.reserve_exact(count);
    let mut versions = Vec::with_capacity(count);
    for _ in 0..count {
        let (marker, version) = marker(body, &mut reader)?;
        request.markers.push(marker);
        versions.push(version);
    }
    reader.skip_tagged_fields()?;
    Ok((request, versions))
}

fn marker(body: &Bytes, reader: &mut Reader<'_>) -> Result<(WritableTxnMarker, i8), Error> {
    let mut marker = WritableTxnMarker::default();
    marker.producer_id = ProducerId(reader.i64()?);
    marker.producer_epoch = reader.i16()?;
    marker.transaction_result = reader.i8()? != 0;
    let count = reader.compact_array_len(TOPIC_BYTES_MIN)?;
    marker.topics.reserve_exact(count);
    for _ in 0..count {
        let mut topic = WritableTxnMarkerTopic::default();
        topic.name = text(body, reader.compact_string()?).into();
        let count = reader.compact_array_len(INDEX_BYTES)?;
        topic.partition_indexes.reserve_exact(count);
        for _ in 0..count {
            topic.partition_indexes.push(reader.i32()?);
        }
        reader.skip_tagged_fields()?;
        marker.topics.push(topic);
    }
    marker.coordinator_epoch = reader.i32()?;
    let version = reader.i8()?;
    reader.skip_tagged_fields()?;
    Ok((marker, version))
}
