//! A batch that may be appended.

use bytes::BytesMut;
use milena_protocol::batch::BatchHeader;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset};

use super::Invalid;
use crate::producer_state::{Marker, Origin, VerificationGuard};

/// One batch that was checked. Its base offset and leader epoch are written when it is appended.
#[derive(Debug)]
pub struct ValidBatch {
    pub(crate) bytes: BytesMut,
    pub(crate) header: BatchHeader,
    pub(crate) origin: Origin,
    pub(crate) marker: Option<Marker>,
    pub(crate) transaction_version: i16,
    pub(crate) guard: Option<VerificationGuard>,
}

impl ValidBatch {
    pub(super) fn of_client(bytes: BytesMut) -> Result<Self, Invalid> {
        Self::parse(bytes, Origin::Client)
    }

    /// A batch that this broker built: records of a coordinator, control records. Its CRC is
    /// checked, its content is not.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` where the bytes are not exactly one batch.
    pub fn of_broker(bytes: BytesMut) -> Result<Self, Invalid> {
        let batch = Self::parse(bytes, Origin::Coordinator)?;
        batch
            .header
            .check_crc(&batch.bytes)
            .map_err(|error| Invalid::new(ErrorCode::CorruptMessage, error.to_string()))?;
        Ok(batch)
    }

    /// The end of a transaction as its coordinator wrote it. `transaction_version` is that of the
    /// transaction's coordinator, -1 where unknown.
    ///
    /// # Panics
    /// Never: a batch that was just built has a header.
    #[must_use]
    pub fn of_marker(marker: &Marker, transaction_version: i16) -> Self {
        let bytes = marker.build(LeaderEpoch(0), Offset(0));
        let bytes = BytesMut::from(bytes.as_slice());
        let header = BatchHeader::parse(&bytes).expect("a built batch has a header");
        Self {
            bytes,
            header,
            origin: Origin::Coordinator,
            marker: Some(*marker),
            transaction_version,
            guard: None,
        }
    }

    fn parse(bytes: BytesMut, origin: Origin) -> Result<Self, Invalid> {
        let corrupt = |message| Invalid::new(ErrorCode::CorruptMessage, message);
        let header = match BatchHeader::parse_whole(&bytes) {
            Ok((header, batch)) if batch.len() == bytes.len() => header,
            Ok((header, _)) => {
                let message = format!(
                    "batch has {} bytes, {} are there",
                    header.size_bytes,
                    bytes.len()
                );
                return Err(corrupt(message));
            }
            Err(error) => return Err(corrupt(error.to_string())),
        };
        if header.last_offset_delta < 0 {
            return Err(corrupt("last offset delta is negative".to_owned()));
        }
        let marker = if header.attributes.is_control() {
            Marker::parse(&header, &bytes).map_err(|error| corrupt(error.to_string()))?
        } else {
            None
        };
        Ok(Self {
            bytes,
            header,
            origin,
            marker,
            transaction_version: -1,
            guard: None,
        })
    }

    /// Lets the batch begin a transaction only where this guard stands for a verification of it
    /// (KIP-890).
    #[must_use]
    pub fn with_guard(mut self, guard: VerificationGuard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// The header as it is before offsets are assigned.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}
