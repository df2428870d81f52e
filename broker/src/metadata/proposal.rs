//! What is proposed to the metadata log and what it answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use milena_protocol::{BrokerId, LeaderEpoch, Offset, Timestamp};
use tokio::sync::watch;

use super::{Replayed, Status};

/// A future on the heap, so that the traits here can be used as objects.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Records that belong together: all of them are applied, or none.
#[derive(Clone, Debug)]
pub(crate) struct Entry<R> {
    /// [`Replayed::digest`] of the state that the records were evaluated on.
    pub base_digest: u128,
    /// The records, in the order in which they are applied.
    pub records: Vec<R>,
    /// When they were evaluated.
    pub timestamp: Timestamp,
}

/// An entry that a majority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proposed {
    /// Its offset.
    pub offset: Offset,
    /// Epoch of the controller that wrote it.
    pub epoch: LeaderEpoch,
    /// False where the state had moved on from the entry's digest: nothing was changed, and the
    /// proposer evaluates its request again.
    pub applied: bool,
}

/// Why an entry was not written, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProposeError {
    /// Another node is the active controller, or none; nothing was written.
    #[error("not the active controller, which is {leader:?}")]
    NotController {
        /// The controller, where one is known.
        leader: Option<BrokerId>,
    },
    /// Leadership changed while the entry was under way; it may be applied or not. Evaluate the
    /// request again on the state that follows.
    #[error("the controller changed while the entry was written; it is now {leader:?}")]
    Unknown {
        /// The controller, where one is known.
        leader: Option<BrokerId>,
    },
    /// The entry is longer than [`Limits::entry_bytes_max`](super::Limits::entry_bytes_max).
    #[error("entry of {size_bytes} bytes, at most {limit_bytes} accepted")]
    TooLarge {
        /// Size of the entry.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The node is stopping.
    #[error("the metadata log is stopping")]
    Stopping,
    /// The storage failed for good; the process has to end. See [`MetadataLog::failure`].
    #[error("metadata log: {0}")]
    Storage(String),
}

/// The state after an entry, and where that entry stands.
#[derive(Debug)]
pub(crate) struct Published<S> {
    /// The state.
    pub state: Arc<S>,
    /// Offset of the last entry that it contains; -1 where there is none.
    pub offset: Offset,
}

impl<S> Clone for Published<S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            ..*self
        }
    }
}

/// Who leads, as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leadership {
    /// The active controller, where one is known.
    pub leader: Option<BrokerId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// True where this node is the active controller and its state has everything that its
    /// predecessors wrote.
    pub is_controller: bool,
}

/// A replicated log of entries and the state that they give.
pub(crate) trait MetadataLog<S: Replayed>: Send + Sync {
    /// Writes an entry and waits until it is applied here; what [`MetadataLog::subscribe`] shows
    /// contains it then. It waits as long as no majority can be reached: a caller that answers
    /// somebody sets a time limit, after which the entry may be applied or not.
    ///
    /// # Errors
    /// See [`ProposeError`].
    ///
    /// # Cancel safety
    /// An entry whose future is dropped may be applied or not.
    fn propose(&self, entry: Entry<S::Record>) -> Pending<'_, Result<Proposed, ProposeError>>;

    /// The state as it changes. A slow subscriber misses steps, never the last one.
    fn subscribe(&self) -> watch::Receiver<Published<S>>;

    /// The state now.
    fn snapshot(&self) -> Published<S>;

    /// Positions of all replicas.
    fn status(&self) -> Status;

    /// Says why, once the log can never work again in this process. Whoever runs the process must
    /// watch it and abort: what was promised to others may not be on disk.
    fn failure(&self) -> watch::Receiver<Option<String>>;

    /// Stops, after everything that was accepted is on disk. Later proposals are refused.
    fn stop(&self) -> Pending<'_, ()>;
}
