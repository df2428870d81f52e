//! Appending what a leader sent: offsets, epochs and timestamps stay.

use std::io::IoSlice;

use bytes::Bytes;
use milena_protocol::batch::{BatchHeader, HeaderError};
use milena_protocol::{Offset, Timestamp};

use super::Log;
use super::append::OFFSET_MAX;
use crate::error::AppendError;

/// What was appended of a leader's answer.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Offset of the first record.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The batches.
    pub bytes: Bytes,
}

impl Log {
    /// Appends the whole batches at the beginning of `bytes` as they are; a leader's answer may end
    /// within a batch. CRCs are checked. Gaps between offsets are taken as they come: the leader's
    /// log may be compacted. None where there is no whole batch.
    ///
    /// # Errors
    /// `UnexpectedOffset`, `Corrupt`, `Full`, `Damaged`, `Failed`, `Storage`. Where the disk failed
    /// in the middle, what was appended shows in the log end offset.
    pub fn append_as_follower(
        &mut self,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<Option<Followed>, AppendError> {
        self.check_writable()?;
        let headers = self.check_batches(&bytes)?;
        let Some(first) = headers.first().map(|header| header.base_offset) else {
            return Ok(None);
        };
        self.activate_last(now).map_err(|error| self.fail(error))?;
        let (mut written, mut waiting) = (0, 0);
        let mut from = 0;
        for (number, header) in headers.iter().enumerate() {
            if self.needs_roll(header, waiting as u64, now) {
                self.write_batches(&headers[from..number], &bytes[written..written + waiting])?;
                written += waiting;
                (from, waiting) = (number, 0);
                self.roll_to(header.base_offset, now)
                    .map_err(|error| self.fail(error))?;
            }
            waiting += header.size_bytes;
        }
        self.write_batches(&headers[from..], &bytes[written..written + waiting])?;
        written += waiting;
        self.check_invariants();
        Ok(Some(Followed {
            first_offset: first,
            last_offset: self.log_end.plus(-1),
            bytes: bytes.slice(..written),
        }))
    }

    /// Headers of the whole batches at the beginning of `bytes`.
    fn check_batches(&self, bytes: &[u8]) -> Result<Vec<BatchHeader>, AppendError> {
        let mut headers = Vec::new();
        let mut rest = bytes;
        let mut next_offset = self.log_end;
        loop {
            let index = headers.len();
            let corrupt = |message: String| AppendError::Corrupt { index, message };
            let (header, batch) = match BatchHeader::parse_whole(rest) {
                Ok(parsed) => parsed,
                Err(HeaderError::Incomplete { .. }) => return Ok(headers),
                Err(error) => return Err(corrupt(error.to_string())),
            };
            header
                .check_crc(batch)
                .map_err(|error| corrupt(error.to_string()))?;
            if header.last_offset_delta < 0 {
                return Err(corrupt("last offset delta is negative".to_owned()));
            }
            if header.last_offset() == OFFSET_MAX {
                return Err(corrupt("offsets reach beyond the largest".to_owned()));
            }
            if header.base_offset < next_offset {
                return Err(AppendError::UnexpectedOffset {
                    base_offset: header.base_offset,
                    log_end: next_offset,
                });
            }
            next_offset = header.next_offset();
            rest = rest.get(header.size_bytes..).unwrap_or_default();
            headers.push(header);
        }
    }

    fn write_batches(&mut self, headers: &[BatchHeader], bytes: &[u8]) -> Result<(), AppendError> {
        if headers.is_empty() {
            return Ok(());
        }
        let mut position = self
            .write(bytes.len() as u64, |file, position| {
                file.write_at(&[IoSlice::new(bytes)], position)
            })
            .map_err(|error| self.fail(error))?;
        let mut rest = bytes;
        for header in headers {
            let (batch, behind) = rest.split_at(header.size_bytes);
            self.note_batch(header, position);
            match self.producers.apply_batch(header, batch) {
                Ok(completed) => self.note_completed(completed),
                Err(error) => {
                    let (offset, partition) = (header.base_offset, &self.topic_partition);
                    tracing::warn!(%partition, %offset, %error, "control batch is ignored");
                }
            }
            self.producers
                .set_end(self.producers.end().max(header.next_offset()));
            position += header.size_bytes as u64;
            rest = behind;
        }
        Ok(())
    }
}
