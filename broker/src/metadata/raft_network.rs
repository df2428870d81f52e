//! How voters reach each other.
//!
//! A [`Transport`] carries one request to one replica and brings its response; what is behind it
//! knows nothing of openraft. [`Router`] carries them within one process.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::RaftNetworkFactory;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::raft_config::{Snapshot, TypeConfig, Vote};
use super::{Pending, Replica, ReplicaKey};

/// What one replica asks of another.
#[derive(Debug)]
pub(crate) enum Request {
    /// Take these entries, or hear that the leader lives.
    Append(AppendEntriesRequest<TypeConfig>),
    /// Vote for me.
    Vote(VoteRequest<TypeConfig>),
    /// Would you vote for me?
    PreVote(VoteRequest<TypeConfig>),
    /// Take this snapshot instead of entries.
    Snapshot(Vote, Box<Snapshot>),
    /// Stand for election now.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
}

/// Answer to the [`Request`] of the same name.
#[derive(Debug)]
pub(crate) enum Response {
    /// To [`Request::Append`].
    Append(AppendEntriesResponse<TypeConfig>),
    /// To [`Request::Vote`] and [`Request::PreVote`].
    Vote(VoteResponse<TypeConfig>),
    /// To [`Request::Snapshot`].
    Snapshot(SnapshotResponse<TypeConfig>),
    /// To [`Request::TransferLeader`].
    TransferLeader(TransferLeaderResponse<TypeConfig>),
}

/// Why there is no response. The request may have been carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unanswered(pub String);

/// Answers requests; what [`Transport::serve`] is given.
pub(crate) trait Handler: Send + Sync {
    /// Carries a request out.
    fn handle(&self, request: Request) -> Pending<'static, Result<Response, Unanswered>>;
}

/// Carries requests between replicas. It checks that who answers is the replica that was meant,
/// with its directory, not only the node: a node that lost its copy must not be heard as the one
/// that had it.
pub(crate) trait Transport: Send + Sync {
    /// Sends a request and waits for the response. The caller stops waiting after `timeout`.
    fn call(
        &self,
        target: (ReplicaKey, Replica),
        request: Request,
        timeout: Duration,
    ) -> Pending<'static, Result<Response, Unanswered>>;

    /// From now on requests to `local` go to `handler`.
    fn serve(&self, local: ReplicaKey, handler: Arc<dyn Handler>);

    /// Requests to `local` are no longer answered.
    fn withdraw(&self, local: ReplicaKey);
}

/// Carries requests between replicas in one process.
#[derive(Default)]
pub(crate) struct Router {
    handlers: Mutex<BTreeMap<ReplicaKey, Arc<dyn Handler>>>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl Router {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaKey, Arc<dyn Handler>>> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Router {
    fn call(
        &self,
        target: (ReplicaKey, Replica),
        request: Request,
        _timeout: Duration,
    ) -> Pending<'static, Result<Response, Unanswered>> {
        let handler = self.lock().get(&target.0).map(Arc::clone);
        Box::pin(async move {
            let Some(handler) = handler else {
                return Err(Unanswered(format!("{} is not in this process", target.0)));
            };
            handler.handle(request).await
        })
    }

    fn serve(&self, local: ReplicaKey, handler: Arc<dyn Handler>) {
        self.lock().insert(local, handler);
    }

    fn withdraw(&self, local: ReplicaKey) {
        self.lock().remove(&local);
    }
}

/// Makes the connections of one replica.
pub(crate) struct Network {
    /// What carries the requests.
    pub transport: Arc<dyn Transport>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: ReplicaKey, node: &Replica) -> Peer {
        Peer {
            transport: Arc::clone(&self.transport),
            target,
            replica: node.clone(),
        }
    }
}

/// Another replica, as openraft sees it.
pub(crate) struct Peer {
    transport: Arc<dyn Transport>,
    target: ReplicaKey,
    replica: Replica,
}

/// Makes openraft wait before the next try; any other error it would repeat at once, for ever.
fn unreachable(error: &Unanswered) -> Unreachable<TypeConfig> {
    Unreachable::new(error)
}

impl Peer {
    async fn call(
        &self,
        request: Request,
        option: &RPCOption,
    ) -> Result<Response, Unreachable<TypeConfig>> {
        let timeout = option.soft_ttl();
        let target = (self.target, self.replica.clone());
        let call = self.transport.call(target, request, timeout);
        match tokio::time::timeout(timeout, call).await {
            Ok(answer) => answer.map_err(|error| unreachable(&error)),
            Err(_) => Err(unreachable(&Unanswered(format!(
                "no response of {} within {timeout:?}",
                self.target
            )))),
        }
    }

    fn unexpected(&self, response: &Response) -> Unreachable<TypeConfig> {
        unreachable(&Unanswered(format!(
            "{} answered another question: {response:?}",
            self.target
        )))
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Request::Append(rpc), &option).await? {
            Response::Append(response) => Ok(response),
            other => Err(self.unexpected(&other).into()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Request::Vote(rpc), &option).await? {
            Response::Vote(response) => Ok(response),
            other => Err(self.unexpected(&other).into()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Request::PreVote(rpc), &option).await? {
            Response::Vote(response) => Ok(response),
            other => Err(self.unexpected(&other).into()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let request = Request::Snapshot(vote, Box::new(snapshot));
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            answer = self.call(request, &option) => match answer? {
                Response::Snapshot(response) => Ok(response),
                other => Err(self.unexpected(&other).into()),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Request::TransferLeader(req), &option).await? {
            Response::TransferLeader(response) => Ok(response),
            other => Err(self.unexpected(&other).into()),
        }
    }
}
