//! The one thread that writes. It takes everything that waits, writes it as one piece, syncs once
//! and then confirms all of it, in order.
//!
//! A full disk is waited out: nothing was confirmed, and the same bytes are written again to the
//! same place. Any other failure is final, as after a failed sync nobody knows what is on disk.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_log::storage::Storage;
use openraft::storage::IOFlushed;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::Shared;
use super::frame::{Chain, Frame, Identity, Summary, put_frame};
use super::index::Place;
use super::recovery::{Segment, start_file};
use crate::metadata::raft_config::{LogId, TypeConfig, Vote};

/// How long a full disk is left alone before the next try.
const FULL_DISK_PAUSE: Duration = Duration::from_millis(500);
/// Space that is reserved at once, in bytes.
const RESERVE_BYTES: u64 = 1 << 20;

/// Who waits for a write.
pub(super) enum Waiter {
    /// openraft, for appended entries.
    Appended(IOFlushed<TypeConfig>),
    /// A caller of the log.
    Caller(oneshot::Sender<Result<(), String>>),
}

impl Waiter {
    pub(super) fn complete(self, result: &Result<(), String>) {
        match self {
            Self::Appended(flushed) => {
                flushed.io_completed(result.clone().map_err(io::Error::other))
            }
            // The caller may have gone away; the write stands all the same.
            Self::Caller(caller) => drop(caller.send(result.clone())),
        }
    }
}

/// A change that is to be written.
#[derive(Debug)]
pub(super) enum Change {
    Vote(Vote),
    Entry(LogId, Bytes),
    Truncate(Option<LogId>),
    Purge(LogId),
}

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Queue {
    pub changes: Vec<Change>,
    pub waiters: Vec<Waiter>,
    /// The newest committed mark, which is written with whatever comes next: an older one costs a
    /// restarted replica nothing but time.
    pub committed: Option<Option<LogId>>,
    /// No more will come; write what is here and end.
    pub is_closing: bool,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.waiters.is_empty()
    }
}

/// State of the thread.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub storage: Arc<dyn Storage>,
    pub directory: PathBuf,
    pub identity: Identity,
    pub chain: Chain,
    pub position: u64,
    pub reserved: u64,
    /// What the frames up to here amount to.
    pub summary: Summary,
    pub segments: BTreeMap<u64, Segment>,
    pub segment_bytes_max: u64,
}

/// Ends the log when its thread panics: without it, callers would wait for ever.
struct PanicGuard(Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(
                "the thread that writes the metadata log panicked",
                Vec::new(),
            );
        }
    }
}

impl Writer {
    /// Writes until the log is closed or fails.
    pub(super) fn run(mut self) {
        let _guard = PanicGuard(Arc::clone(&self.shared));
        loop {
            let mut queue = self.shared.take();
            let is_closing = queue.is_closing;
            let waiters = std::mem::take(&mut queue.waiters);
            let result = self
                .write(queue)
                .map_err(|error| format!("write the log in {}: {error}", self.directory.display()));
            if let Err(reason) = &result {
                error!(%reason, "the metadata log failed");
                self.shared.fail(reason, waiters);
                return;
            }
            for waiter in waiters {
                waiter.complete(&result);
            }
            if is_closing {
                return;
            }
        }
    }

    fn write(&mut self, queue: Queue) -> io::Result<()> {
        if self.position > self.segment_bytes_max {
            self.roll()?;
        }
        let synced = self.chain.sequence;
        let mut buffer = BytesMut::new();
        let mut places = Vec::new();
        let purged = self.summary.purged;
        for change in queue.changes {
            let position = self.position + buffer.len() as u64;
            let frame = self.frame(change);
            let length = put_frame(&mut buffer, &frame, &mut self.chain, synced);
            if let Frame::Entry { log_id, .. } = frame {
                let place = Place {
                    file: self.segment_sequence(),
                    position,
                    length: u32::try_from(length).map_err(io::Error::other)?,
                };
                places.push((log_id, place));
            }
        }
        if let Some(committed) = queue.committed {
            self.summary.committed = committed;
            put_frame(
                &mut buffer,
                &Frame::Committed(committed),
                &mut self.chain,
                synced,
            );
        }
        if queue.is_closing {
            put_frame(&mut buffer, &Frame::Close, &mut self.chain, synced);
        }
        self.persist(&buffer)?;
        if let Some(segment) = self.segments.get_mut(&self.segment_sequence()) {
            let last = places.iter().map(|(log_id, _)| log_id.index).max();
            segment.last_index = segment.last_index.max(last);
        }
        self.shared.written(&places);
        if self.summary.purged != purged {
            self.retire()?;
        }
        Ok(())
    }

    /// The frame of a change, which is noted in the summary.
    fn frame(&mut self, change: Change) -> Frame {
        let summary = &mut self.summary;
        match change {
            Change::Vote(vote) => {
                summary.vote = Some(vote);
                Frame::Vote(vote)
            }
            Change::Entry(log_id, bytes) => {
                summary.last = Some(log_id);
                Frame::Entry { log_id, bytes }
            }
            Change::Truncate(last) => {
                summary.last = last;
                Frame::Truncate(last)
            }
            Change::Purge(upto) => {
                summary.purged = summary.purged.max(Some(upto));
                summary.last = summary.last.max(Some(upto));
                Frame::Purge(upto)
            }
        }
    }

    fn segment_sequence(&self) -> u64 {
        self.segments
            .last_key_value()
            .map_or(0, |(sequence, _)| *sequence)
    }

    /// Appends to the last file and syncs it.
    fn persist(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Some((_, segment)) = self.segments.last_key_value() else {
            return Err(io::Error::other("there is no file"));
        };
        let end = self.position + bytes.len() as u64;
        if end > self.reserved {
            // It saves the sync from allocating blocks; without it the write allocates them.
            if segment
                .file
                .reserve(self.position, end - self.position + RESERVE_BYTES)
                .is_ok()
            {
                self.reserved = end + RESERVE_BYTES;
            }
        }
        loop {
            match segment.file.write_at(&[IoSlice::new(bytes)], self.position) {
                Ok(()) => break,
                Err(error) if is_full(&error) => {
                    warn!(directory = %self.directory.display(), "no space for the metadata log");
                    if self.shared.pause(FULL_DISK_PAUSE) {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        segment.file.sync()?;
        self.position = end;
        Ok(())
    }

    /// Starts the next file. All of the last one is on disk.
    fn roll(&mut self) -> io::Result<()> {
        if let Some((_, segment)) = self.segments.last_key_value() {
            // Space reserved beyond the end is given back.
            segment.file.set_len(self.position)?;
        }
        let sequence = self.chain.sequence;
        let mut chain = self.chain;
        match start_file(
            &*self.storage,
            &self.directory,
            &mut chain,
            &self.identity,
            &self.summary,
        ) {
            Ok((position, segment)) => {
                self.chain = chain;
                self.position = position;
                self.reserved = position;
                self.shared.opened(sequence, Arc::clone(&segment.file));
                self.segments.insert(sequence, segment);
                Ok(())
            }
            // The last file goes on being used.
            Err(error) if is_full(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes the oldest files while all their entries are purged.
    fn retire(&mut self) -> io::Result<()> {
        let purged = self.summary.purged.map(|purged| purged.index);
        while self.segments.len() > 1 {
            let Some((sequence, segment)) = self.segments.first_key_value() else {
                break;
            };
            if segment.last_index > purged {
                break;
            }
            let sequence = *sequence;
            self.storage.remove_file(&segment.path)?;
            // The order of removals must survive a crash, or a file would be missing in between.
            self.storage.sync_directory(&self.directory)?;
            self.segments.remove(&sequence);
            self.shared.closed(sequence);
        }
        Ok(())
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}
