//! A response on its way to a socket: bytes and spans of segment files.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_log::storage::File;

/// One run of a response.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a segment file, sent without passing through this process where the kernel can.
    File {
        /// The segment.
        file: Arc<dyn File>,
        /// First byte.
        position: u64,
        /// How many bytes.
        length: usize,
    },
}

impl Piece {
    /// Size in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File { length, .. } => *length,
        }
    }
}

/// A whole response with its frame length in front.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// The runs, in order.
    pub(crate) pieces: VecDeque<Piece>,
    /// How long the connection must not be read afterwards (KIP-219).
    pub(crate) throttle: Duration,
    /// True where the connection ends after this response.
    pub(crate) closes: bool,
}

impl Response {
    /// A response of bytes in memory.
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self {
            pieces: VecDeque::from([Piece::Bytes(bytes)]),
            ..Self::default()
        }
    }

    /// No bytes at all, as for Produce with `acks=0`.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// No bytes, and the connection ends: the only way to tell a producer with `acks=0` of an error,
    /// and what Kafka does with requests it cannot read.
    pub(crate) fn close() -> Self {
        Self {
            closes: true,
            ..Self::default()
        }
    }
}
