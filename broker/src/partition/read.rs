//! Reads for Fetch.

use std::sync::Arc;

use bytes::Bytes;
use milena_log::error::ReadError;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, ProducerId};

use super::waiters::FetchWaiter;
use super::{Partition, State};
use crate::net::Piece;

/// Up to this size records are given from memory; larger runs leave by `sendfile`.
const TAIL_READ_BYTES_MAX: usize = 32 * 1024;

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Everything (replicas and debugging consumers).
    LogEnd,
    /// Up to the high watermark.
    Uncommitted,
    /// Up to the last stable offset.
    Committed,
}

/// What a fetch asks of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRequest {
    /// First offset.
    pub(crate) offset: Offset,
    /// Bytes of whole batches.
    pub(crate) bytes_max: usize,
    /// True where the first batch is given even if it is larger.
    pub(crate) min_one_batch: bool,
    /// What may be seen.
    pub(crate) isolation: Isolation,
    /// Leader epoch that the client knows, or -1.
    pub(crate) current_leader_epoch: LeaderEpoch,
    /// Epoch of the last record that the client has, or -1.
    pub(crate) last_fetched_epoch: LeaderEpoch,
}

/// What a partition answers.
#[derive(Debug)]
pub(crate) struct Read {
    /// The error, or none.
    pub(crate) error: ErrorCode,
    /// High watermark, -1 with an error.
    pub(crate) high_watermark: Offset,
    /// Last stable offset, -1 with an error.
    pub(crate) last_stable: Offset,
    /// Start of the log, -1 with an error.
    pub(crate) log_start: Offset,
    /// The records.
    pub(crate) pieces: Vec<Piece>,
    /// Size of the records.
    pub(crate) bytes: usize,
    /// The exclusive end of what the reader could see, for those who wait for more.
    pub(crate) end: Offset,
    /// True where the reader sees committed records only, and so is told of aborted ones.
    pub(crate) shows_aborted: bool,
    /// Aborted transactions in the records: producer and first offset, ascending.
    pub(crate) aborted: Vec<(ProducerId, Offset)>,
    /// Epoch and end offset at which the log of the client diverges (KIP-595).
    pub(crate) diverging: Option<(LeaderEpoch, Offset)>,
}

impl Read {
    /// An error.
    pub(crate) fn failed(error: ErrorCode) -> Self {
        Self {
            error,
            high_watermark: Offset::NONE,
            last_stable: Offset::NONE,
            log_start: Offset::NONE,
            pieces: Vec::new(),
            bytes: 0,
            end: Offset::NONE,
            shows_aborted: false,
            aborted: Vec::new(),
            diverging: None,
        }
    }
}

impl Partition {
    /// Reads whole batches.
    pub(crate) fn read(self: &Arc<Self>, request: &ReadRequest) -> Read {
        let read = self.with(|state| state.read(request));
        if read.error == ErrorCode::None {
            self.metrics.fetched(read.bytes);
        }
        read
    }

    /// Has `waiter` told of bytes that become readable beyond `end`, the end that the last read saw.
    /// False where the end has moved or the partition is closed: the fetch has to look again
    /// instead of waiting.
    pub(crate) fn wait_for_bytes(
        self: &Arc<Self>,
        end: Offset,
        isolation: Isolation,
        waiter: &Arc<FetchWaiter>,
    ) -> bool {
        self.with(|state| {
            if state.closed.is_some() || end != state.end(isolation) {
                return false;
            }
            state.fetches.push(Arc::clone(waiter));
            true
        })
    }
}

impl State {
    /// The exclusive end of what `isolation` shows.
    fn end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::LogEnd => self.log.log_end(),
            Isolation::Uncommitted => self.log.high_watermark(),
            Isolation::Committed => self.log.last_stable(),
        }
    }

    fn read(&mut self, request: &ReadRequest) -> Read {
        if let Some(error) = self.closed {
            return Read::failed(error);
        }
        if let Err(error) = self.core.check_leader_epoch(request.current_leader_epoch) {
            return Read::failed(error);
        }
        let positions = Read {
            high_watermark: self.log.high_watermark(),
            last_stable: self.log.last_stable(),
            log_start: self.log.log_start(),
            end: self.end(request.isolation),
            shows_aborted: request.isolation == Isolation::Committed,
            ..Read::failed(ErrorCode::None)
        };
        if let Some(diverging) = self.diverging(request) {
            return Read {
                diverging: Some(diverging),
                ..positions
            };
        }
        if request.offset < self.log.log_start() || request.offset > self.log.log_end() {
            return Read {
                error: ErrorCode::OffsetOutOfRange,
                ..positions
            };
        }
        let end = self.end(request.isolation);
        if request.offset >= end {
            return positions;
        }
        self.is_used = true;
        match self.pieces(request, end) {
            Ok(pieces) => {
                let bytes = pieces.iter().map(Piece::len).sum();
                let aborted = match request.isolation {
                    Isolation::Committed => self.log.aborted_transactions(request.offset, end),
                    _ => Ok(Vec::new()),
                };
                match aborted {
                    Ok(aborted) => {
                        let pairs = aborted.iter();
                        let aborted = pairs
                            .map(|txn| (txn.producer_id, txn.first_offset))
                            .collect();
                        Read {
                            pieces,
                            bytes,
                            aborted,
                            ..positions
                        }
                    }
                    Err(error) => {
                        tracing::warn!(partition = %self.log.topic_partition(), %error,
                            "aborted transactions cannot be read");
                        Read {
                            error: ErrorCode::KafkaStorageError,
                            ..positions
                        }
                    }
                }
            }
            Err(error) => Read { error, ..positions },
        }
    }

    /// The records: from memory where they are few and new, else a span of a segment.
    fn pieces(&mut self, request: &ReadRequest, end: Offset) -> Result<Vec<Piece>, ErrorCode> {
        let (offset, max) = (request.offset, request.bytes_max);
        let tail_max = max.min(TAIL_READ_BYTES_MAX);
        if self.tail.holds_all(offset, tail_max) || max <= TAIL_READ_BYTES_MAX {
            let found = self.tail.read(offset, end, tail_max, request.min_one_batch);
            if let Some(batches) = found {
                return Ok(batches.into_iter().map(Piece::Bytes).collect());
            }
        }
        let slice = self.log.read(offset, max, end, request.min_one_batch).map_err(|error| {
            tracing::warn!(partition = %self.log.topic_partition(), %offset, %error, "read failed");
            match error {
                ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
                _ => ErrorCode::KafkaStorageError,
            }
        })?;
        Ok(match slice.file {
            Some(file) if slice.length > 0 => {
                vec![Piece::File {
                    file,
                    position: slice.position,
                    length: slice.length,
                }]
            }
            _ => Vec::new(),
        })
    }

    /// Where the log of the client diverges from ours, by the epoch of its last record.
    fn diverging(&self, request: &ReadRequest) -> Option<(LeaderEpoch, Offset)> {
        if request.last_fetched_epoch == LeaderEpoch::NONE {
            return None;
        }
        let (epoch, end) = self.log.end_offset_for_epoch(request.last_fetched_epoch);
        let diverges = epoch < request.last_fetched_epoch || end < request.offset;
        diverges.then_some((epoch, end))
    }
}

/// Bytes of the pieces that are in memory, for those who read records inside the process.
pub(crate) fn collect(pieces: &[Piece]) -> std::io::Result<Bytes> {
    if let [Piece::Bytes(bytes)] = pieces {
        return Ok(bytes.clone());
    }
    let mut all = Vec::with_capacity(pieces.iter().map(Piece::len).sum());
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => all.extend_from_slice(bytes),
            Piece::File {
                file,
                position,
                length,
            } => {
                let start = all.len();
                all.resize(start + length, 0);
                let read = file.read_at(&mut all[start..], *position)?;
                all.truncate(start + read);
            }
        }
    }
    Ok(all.into())
}
