//! Applies entries to the replayed state and publishes it.

use std::io;
use std::num::TryFromIntError;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use milena_protocol::wire::Reader;
use milena_protocol::{Offset, Timestamp};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use super::raft_codec::checked_term;
use super::raft_config::{
    Answer, LogEntry, LogId, Proposal, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
    epoch_of, offset_of,
};
use super::raft_snapshot::Snapshots;
use super::{Position, Published, Replayed, Undecodable};

/// Entries that are applied before the state is published again.
const ENTRIES_PER_PUBLICATION: usize = 256;
/// Smallest encoded record: its length.
const RECORD_BYTES_MIN: usize = 4;

/// The encoded records of an entry: their count, and each with its length in front.
///
/// # Errors
/// Where a record has more bytes than its length can say, or there are too many.
pub(crate) fn encode_records<S: Replayed>(records: &[S::Record]) -> Result<Bytes, TryFromIntError> {
    let mut buffer = Vec::new();
    buffer.extend_from_slice(&i32::try_from(records.len())?.to_be_bytes());
    for record in records {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; RECORD_BYTES_MIN]);
        S::encode_record(record, &mut buffer);
        let length = i32::try_from(buffer.len() - start - RECORD_BYTES_MIN)?;
        if let Some(field) = buffer.get_mut(start..start + RECORD_BYTES_MIN) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(buffer.into())
}

fn decode_records<S: Replayed>(bytes: &[u8]) -> Result<Vec<S::Record>, Undecodable> {
    let mut reader = Reader::new(bytes);
    let count = reader.array_len(RECORD_BYTES_MIN)?;
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        records.push(S::decode_record(reader.bytes()?)?);
    }
    reader.end()?;
    Ok(records)
}

/// Where the state machine keeps and announces things.
pub(crate) struct Surroundings<S> {
    /// Its snapshots.
    pub snapshots: Arc<Snapshots>,
    /// Runs what blocks or takes long.
    pub tracker: TaskTracker,
    /// Gets every state.
    pub publisher: watch::Sender<Published<S>>,
    /// Told when `snapshot_bytes` of records were applied since the last snapshot.
    pub snapshot_due: Arc<Notify>,
    /// See [`Limits::snapshot_bytes`](super::Limits::snapshot_bytes).
    pub snapshot_bytes: u64,
}

/// The replayed state and what has been applied to it.
pub(crate) struct StateMachine<S> {
    state: S,
    applied: Option<LogId>,
    membership: StoredMembership,
    timestamp: Timestamp,
    bytes_since_snapshot: u64,
    around: Surroundings<S>,
}

impl<S: Replayed> StateMachine<S> {
    /// A state machine that has applied nothing.
    pub(crate) fn new(initial: S, around: Surroundings<S>) -> Self {
        Self {
            state: initial,
            applied: None,
            membership: StoredMembership::default(),
            timestamp: Timestamp::NONE,
            bytes_since_snapshot: 0,
            around,
        }
    }

    fn apply_entry(&mut self, entry: &LogEntry) -> Result<Answer, Undecodable> {
        let LogEntry { log_id, payload } = entry;
        let term = checked_term(log_id.leader_id.term)?;
        let applied = match payload {
            EntryPayload::Blank => false,
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(*log_id), membership.clone());
                false
            }
            EntryPayload::Normal(proposal) => {
                let at = Position {
                    offset: offset_of(log_id.index),
                    epoch: epoch_of(term),
                    timestamp: proposal.timestamp,
                };
                self.apply_records(proposal, at)?
            }
        };
        self.applied = Some(*log_id);
        Ok(Answer { applied })
    }

    /// Applies the records, unless they were evaluated on another state. Every replica compares
    /// the same digests and so comes to the same result.
    fn apply_records(&mut self, proposal: &Proposal, at: Position) -> Result<bool, Undecodable> {
        self.bytes_since_snapshot += proposal.records.len() as u64;
        if self.bytes_since_snapshot >= self.around.snapshot_bytes {
            self.bytes_since_snapshot = 0;
            self.around.snapshot_due.notify_one();
        }
        if proposal.base_digest != self.state.digest() {
            return Ok(false);
        }
        let records = decode_records::<S>(&proposal.records)?;
        for record in &records {
            self.state.apply(record, at);
        }
        self.timestamp = proposal.timestamp;
        Ok(true)
    }

    /// Shows the state to subscribers, then answers those whose entries are in it.
    fn publish(&self, answers: &mut Vec<(ApplyResponder<TypeConfig>, Answer)>) {
        self.around.publisher.send_replace(Published {
            state: Arc::new(self.state.clone()),
            offset: self
                .applied
                .map_or(Offset::NONE, |last| offset_of(last.index)),
        });
        for (responder, answer) in answers.drain(..) {
            responder.send(answer);
        }
    }

    fn builder(&mut self) -> SnapshotBuilder<S> {
        self.bytes_since_snapshot = 0;
        SnapshotBuilder {
            state: self.state.clone(),
            meta: SnapshotMeta {
                last_log_id: self.applied,
                last_membership: self.membership.clone(),
            },
            timestamp: self.timestamp,
            snapshots: Arc::clone(&self.around.snapshots),
            tracker: self.around.tracker.clone(),
        }
    }
}

/// The contents of a snapshot: when the last records were proposed, and the state.
fn encode_contents<S: Replayed>(state: &S, timestamp: Timestamp) -> Bytes {
    let mut buffer = timestamp.0.to_be_bytes().to_vec();
    state.encode_snapshot(&mut buffer);
    buffer.into()
}

fn decode_contents<S: Replayed>(contents: &[u8]) -> Result<(S, Timestamp), Undecodable> {
    let mut reader = Reader::new(contents);
    let timestamp = Timestamp(reader.i64()?);
    Ok((S::decode_snapshot(reader.rest())?, timestamp))
}

/// Runs what blocks or takes long on the pool for it.
async fn off_the_runtime<T: Send + 'static>(
    tracker: &TaskTracker,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tracker
        .spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

impl<S: Replayed> RaftStateMachine<TypeConfig> for StateMachine<S> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = SnapshotBuilder<S>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Entries>(&mut self, mut entries: Entries) -> io::Result<()>
    where
        Entries: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut unpublished = 0;
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let answer = self.apply_entry(&entry).map_err(|error| {
                // Another version wrote it, or memory is damaged: this replica must not go on.
                io::Error::other(format!("apply entry {}: {error}", entry.log_id))
            })?;
            answers.extend(responder.map(|responder| (responder, answer)));
            unpublished += 1;
            if unpublished == ENTRIES_PER_PUBLICATION {
                self.publish(&mut answers);
                unpublished = 0;
            }
        }
        if unpublished > 0 {
            self.publish(&mut answers);
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder<S>> {
        Some(self.builder())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder<S> {
        self.builder()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, contents: Bytes) -> io::Result<()> {
        let snapshots = Arc::clone(&self.around.snapshots);
        let kept = meta.clone();
        let (state, timestamp) = off_the_runtime(&self.around.tracker, move || {
            let decoded = decode_contents::<S>(&contents).map_err(io::Error::other)?;
            snapshots.write(&kept, &contents)?;
            Ok(decoded)
        })
        .await?;
        self.state = state;
        self.timestamp = timestamp;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.bytes_since_snapshot = 0;
        self.publish(&mut Vec::new());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let snapshots = Arc::clone(&self.around.snapshots);
        off_the_runtime(&self.around.tracker, move || snapshots.read()).await
    }
}

/// Writes a snapshot of a state while the state machine goes on.
pub(crate) struct SnapshotBuilder<S> {
    state: S,
    meta: SnapshotMeta,
    timestamp: Timestamp,
    snapshots: Arc<Snapshots>,
    tracker: TaskTracker,
}

impl<S: Replayed> RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder<S> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let (state, timestamp) = (self.state.clone(), self.timestamp);
        let (meta, snapshots) = (self.meta.clone(), Arc::clone(&self.snapshots));
        off_the_runtime(&self.tracker, move || {
            let contents = encode_contents(&state, timestamp);
            snapshots.write(&meta, &contents)?;
            Ok(Snapshot {
                meta,
                snapshot: contents,
            })
        })
        .await
    }
}
