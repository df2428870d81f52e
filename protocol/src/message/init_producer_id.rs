//! InitProducerId, whose version 6 has the fields of a two-phase commit (KIP-939). It is not final:
//! Kafka serves it only where it is told to.

use bytes::Bytes;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::text;
use crate::wire::{Error, Reader, Writer};

/// Decodes the body of a request of version 6. Tagged fields, of which the version knows none, are
/// dropped.
///
/// # Errors
/// What is wrong with the bytes, as [`Reader`] says.
pub fn decode_v6(body: &Bytes) -> Result<InitProducerIdRequest, Error> {
    let mut reader = Reader::new(body);
    let transactional_id = reader.compact_nullable_string()?;
    let mut request = InitProducerIdRequest::default()
        .with_transactional_id(transactional_id.map(|id| text(body, id).into()))
        .with_transaction_timeout_ms(reader.i32()?)
        .with_producer_id(ProducerId(reader.i64()?))
        .with_producer_epoch(reader.i16()?);
    request.enable_2_pc = reader.bool()?;
    request.keep_prepared_txn = reader.bool()?;
    reader.skip_tagged_fields()?;
    Ok(request)
}

/// Appends the body of a response of version 6. No transaction is named that goes on: none is kept.
pub fn encode_v6(response: &InitProducerIdResponse, out: &mut Writer<'_>) {
    out.put_i32(response.throttle_time_ms);
    out.put_i16(response.error_code);
    out.put_i64(response.producer_id.0);
    out.put_i16(response.producer_epoch);
    out.put_i64(-1);
    out.put_i16(-1);
    out.put_no_tagged_fields();
}
