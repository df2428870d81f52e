//! What openraft calls.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use milena_log::storage::{File, Storage};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::file::read_exactly;
use super::frame::{Frame, Identity, parse};
use super::index::{Found, Place};
use super::recovery::{Recovered, recover};
use super::writer::{Change, Waiter, Writer};
use super::{Error, Shared};
use crate::metadata::raft_codec::{decode_entry, encode_entry};
use crate::metadata::raft_config::{LogEntry, LogId, TypeConfig, Vote};
use crate::metadata::{Limits, ReplicaKey};

/// Bytes of entries that one read for another voter returns, but for the last entry.
const READ_BYTES_MAX: usize = 4 << 20;

/// The log of one replica. Clones are handles to the same log.
#[derive(Clone)]
pub(crate) struct RaftLog {
    shared: Arc<Shared>,
    /// Runs reads of files.
    tracker: TaskTracker,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl fmt::Debug for RaftLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftLog").finish_non_exhaustive()
    }
}

impl RaftLog {
    /// Opens the log in `directory` or makes one, and starts its thread. Blocks.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        directory: PathBuf,
        owner: (&str, ReplicaKey),
        limits: &Limits,
        tracker: TaskTracker,
        failure: watch::Sender<Option<String>>,
    ) -> Result<Self, Error> {
        let identity = Identity {
            cluster_id: owner.0.to_owned(),
            local: owner.1,
        };
        let recovered = recover(&*storage, &directory, &identity, limits.cache_bytes_max)?;
        let Recovered {
            index,
            chain,
            position,
            segments,
            cut_bytes,
        } = recovered;
        report(&directory, cut_bytes, index.summary().last);
        let files: BTreeMap<u64, Arc<dyn File>> = segments
            .iter()
            .map(|(sequence, segment)| (*sequence, Arc::clone(&segment.file)))
            .collect();
        let summary = index.summary().clone();
        let shared = Arc::new(Shared::new(index, files, failure));
        let writer = Writer {
            shared: Arc::clone(&shared),
            storage,
            directory: directory.clone(),
            identity,
            chain,
            position,
            reserved: position,
            summary,
            segments,
            segment_bytes_max: limits.segment_bytes_max,
        };
        let thread = std::thread::Builder::new()
            .name("metadata-log".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::io("start the thread that writes", &directory))?;
        Ok(Self {
            shared,
            tracker,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// See [`Index::check_invariants`](super::index::Index::check_invariants).
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        self.shared.lock().index.check_invariants();
    }

    /// The last purged entry.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.shared.lock().index.summary().purged
    }

    /// Writes what waits and ends the thread; later calls are refused.
    pub(crate) async fn close(&self) {
        self.shared.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let joined = self.tracker.spawn_blocking(move || thread.join().is_ok());
            if !joined.await.unwrap_or(false) {
                warn!("the thread of the metadata log panicked");
            }
        }
    }

    /// Lets the thread end without waiting for it.
    pub(crate) fn abandon(&self) {
        self.shared.close();
    }

    /// Submits a change and waits until it is on disk.
    async fn persist(
        &self,
        change: impl FnOnce(&mut super::index::Index, &mut Vec<Change>) -> io::Result<()>,
    ) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.shared.submit(Some(Waiter::Caller(sender)), change)?;
        let result = receiver
            .await
            .map_err(|_| io::Error::other("the metadata log is closed"))?;
        result.map_err(io::Error::other)
    }

    /// Entries of `[start, end)`, no more after `bytes_max` of them.
    async fn entries(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<LogEntry>> {
        let mut reads = Vec::new();
        {
            let state = self.shared.lock();
            let mut bytes = 0;
            for found in state.index.find(start, end) {
                if bytes > bytes_max {
                    break;
                }
                reads.push(match found {
                    Found::Cached(entry) => {
                        bytes += entry.len();
                        Read::Done(entry)
                    }
                    Found::At { log_id, place } => {
                        bytes += place.length as usize;
                        let file = state.file(place.file).ok_or_else(|| {
                            io::Error::other(format!("the file of entry {log_id} is gone"))
                        })?;
                        Read::From {
                            file,
                            log_id,
                            place,
                        }
                    }
                });
            }
        }
        if reads.iter().all(|read| matches!(read, Read::Done(_))) {
            return reads.into_iter().map(Read::entry).collect();
        }
        let read = self
            .tracker
            .spawn_blocking(move || reads.into_iter().map(Read::entry).collect());
        read.await.map_err(io::Error::other)?
    }
}

fn report(directory: &Path, cut_bytes: u64, last: Option<LogId>) {
    let end = last.map_or(0, |last| last.index + 1);
    if cut_bytes > 0 {
        warn!(
            directory = %directory.display(),
            cut_bytes,
            end,
            "the last write of the metadata log was not finished and is cut"
        );
    } else {
        info!(directory = %directory.display(), end, "opened the metadata log");
    }
}

/// An entry that is or has to be read.
enum Read {
    Done(Bytes),
    From {
        file: Arc<dyn File>,
        log_id: LogId,
        place: Place,
    },
}

impl Read {
    fn entry(self) -> io::Result<LogEntry> {
        let bytes = match self {
            Self::Done(bytes) => bytes,
            Self::From {
                file,
                log_id,
                place,
            } => from_file(&*file, log_id, place)?,
        };
        decode_entry(&bytes).map_err(io::Error::other)
    }
}

fn from_file(file: &dyn File, log_id: LogId, place: Place) -> io::Result<Bytes> {
    let mut buffer = BytesMut::zeroed(place.length as usize);
    read_exactly(file, &mut buffer, place.position)?;
    let parsed = parse(&buffer.freeze(), 0, |_| true)
        .ok_or_else(|| damaged(log_id, place, "the CRC does not match"))?;
    match parsed.frame() {
        Ok(Frame::Entry { log_id: found, .. }) if found == log_id => Ok(parsed.body().clone()),
        Ok(_) => Err(damaged(log_id, place, "something else lies there")),
        Err(error) => Err(damaged(log_id, place, &error.0)),
    }
}

fn damaged(log_id: LogId, place: Place, reason: &str) -> io::Error {
    let Place { file, position, .. } = place;
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("entry {log_id} at byte {position} of file {file:020}.wal: {reason}"),
    )
}

/// `[start, end)` of any range.
fn half_open(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for RaftLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + fmt::Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<LogEntry>> {
        let (start, end) = half_open(&range);
        self.entries(start, end, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<LogEntry>> {
        self.entries(start, end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.lock().index.summary().vote)
    }
}

impl RaftLogStorage<TypeConfig> for RaftLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.shared.lock();
        let summary = state.index.summary();
        Ok(LogState {
            last_purged_log_id: summary.purged,
            last_log_id: summary.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = *vote;
        self.persist(|index, changes| {
            index.summary_mut().vote = Some(vote);
            changes.push(Change::Vote(vote));
            Ok(())
        })
        .await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.shared.committed(committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.lock().index.summary().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut encoded = Vec::new();
        for entry in entries {
            let bytes = encode_entry(&entry).map_err(io::Error::other)?;
            encoded.push((entry.log_id, bytes));
        }
        self.shared
            .submit(Some(Waiter::Appended(callback)), |index, changes| {
                for (log_id, bytes) in encoded {
                    if let Some(reason) = index.refusal(log_id) {
                        return Err(io::Error::other(reason));
                    }
                    index.push(log_id, Some(bytes.clone()), None);
                    changes.push(Change::Entry(log_id, bytes));
                }
                Ok(())
            })
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        self.persist(|index, changes| {
            let last = index.last_after_truncate(last_log_id);
            index.truncate(last);
            changes.push(Change::Truncate(last));
            Ok(())
        })
        .await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        // Nobody waits: a purge that a crash undoes is done again.
        self.shared.submit(None, |index, changes| {
            index.purge(log_id);
            changes.push(Change::Purge(log_id));
            Ok(())
        })
    }
}
