//! Three voters in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milena_log::storage::{MemoryStorage, Storage};
use milena_protocol::BrokerId;
use tokio::sync::watch;

use super::{Log, Words, of_three, propose, words};
use crate::metadata::raft_network::{Handler, Request, Response, Router, Transport, Unanswered};
use crate::metadata::{MetadataLog, Pending, ProposeError, Replica, ReplicaKey};

/// The connection of one node to the others.
struct Link {
    router: Arc<Router>,
    is_cut: AtomicBool,
}

impl Transport for Link {
    fn call(
        &self,
        target: (ReplicaKey, Replica),
        request: Request,
        timeout: Duration,
    ) -> Pending<'static, Result<Response, Unanswered>> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unanswered("cut".to_owned())) });
        }
        self.router.call(target, request, timeout)
    }

    fn serve(&self, local: ReplicaKey, handler: Arc<dyn Handler>) {
        self.router.serve(local, handler);
    }

    fn withdraw(&self, local: ReplicaKey) {
        self.router.withdraw(local);
    }
}

struct Cluster {
    links: Vec<Arc<Link>>,
    storages: Vec<Arc<dyn Storage>>,
    logs: Vec<Option<Arc<Log>>>,
}

impl Cluster {
    async fn start() -> Self {
        let router = Arc::new(Router::default());
        let link = |_| {
            Arc::new(Link {
                router: Arc::clone(&router),
                is_cut: AtomicBool::new(false),
            })
        };
        let mut cluster = Self {
            links: (0..3).map(link).collect(),
            storages: (0..3)
                .map(|_| Arc::new(MemoryStorage::new()) as Arc<dyn Storage>)
                .collect(),
            logs: vec![None, None, None],
        };
        for node in 0..3 {
            cluster.open(node).await;
        }
        cluster
    }

    async fn open(&mut self, node: usize) {
        let link: Arc<dyn Transport> = Arc::<Link>::clone(&self.links[node]);
        let options = of_three(node as u64 + 1, &self.storages[node], link);
        let log = Log::open(options, Words::default()).await.unwrap();
        self.logs[node] = Some(log);
    }

    async fn stop(&mut self, node: usize) {
        if let Some(log) = self.logs[node].take() {
            log.stop().await;
        }
    }

    /// Waits until one of the running nodes is the controller.
    async fn controller(&self) -> usize {
        let mut seen: Vec<(usize, watch::Receiver<_>)> = self
            .logs
            .iter()
            .enumerate()
            .filter_map(|(node, log)| Some((node, log.as_ref()?.leadership())))
            .collect();
        let waits = seen.iter_mut().map(|(node, leadership)| {
            let node = *node;
            Box::pin(async move {
                leadership
                    .wait_for(|leadership: &crate::metadata::proposal::Leadership| {
                        leadership.is_controller
                    })
                    .await
                    .unwrap();
                node
            })
        });
        futures_util::future::select_all(waits).await.0
    }

    fn log(&self, node: usize) -> &Log {
        self.logs[node].as_ref().unwrap()
    }

    /// Proposes to whoever is the controller until the word is applied.
    async fn propose(&self, word: &str) {
        loop {
            let controller = self.controller().await;
            match propose(self.log(controller), word).await {
                Ok(proposed) if proposed.applied => return,
                Ok(_) | Err(ProposeError::NotController { .. }) => tokio::task::yield_now().await,
                Err(ProposeError::Unknown { .. }) => {
                    if words(self.log(self.controller().await))
                        .iter()
                        .any(|found| found == word)
                    {
                        return;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until a node has as many words.
    async fn caught_up(&self, node: usize, count: usize) {
        let mut published = self.log(node).subscribe();
        published
            .wait_for(|published| published.state.words().len() >= count)
            .await
            .unwrap();
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_continues_when_the_controller_stops_and_it_catches_up_by_a_snapshot() {
    let mut cluster = Cluster::start().await;
    for number in 0..10 {
        cluster.propose(&number.to_string()).await;
    }
    let first = cluster.controller().await;
    cluster.stop(first).await;

    for number in 10..100 {
        cluster.propose(&number.to_string()).await;
    }
    let second = cluster.controller().await;
    assert_ne!(first, second);
    cluster.open(first).await;
    cluster.caught_up(first, 100).await;

    for node in 0..3 {
        cluster.caught_up(node, 100).await;
        assert_eq!(words(cluster.log(node)), numbers(100));
    }
    let names = cluster.storages[first]
        .list("/data/__milena_metadata".as_ref())
        .unwrap();
    assert!(names.iter().any(|entry| entry.name.ends_with(".snapshot")));
    for node in 0..3 {
        cluster.stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_names_the_controller() {
    let mut cluster = Cluster::start().await;
    cluster.propose("one").await;
    let controller = cluster.controller().await;
    let follower = (controller + 1) % 3;
    let mut leadership = cluster.log(follower).leadership();
    leadership
        .wait_for(|leadership| leadership.leader.is_some())
        .await
        .unwrap();

    let refused = propose(cluster.log(follower), "two").await.unwrap_err();

    let leader = Some(BrokerId(i32::try_from(controller + 1).unwrap()));
    assert_eq!(refused, ProposeError::NotController { leader });
    for node in 0..3 {
        cluster.stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_cut_off_confirms_nothing() {
    let mut cluster = Cluster::start().await;
    cluster.propose("one").await;
    let cut = cluster.controller().await;
    // The node keeps running, but nobody reaches it, and its own requests reach nobody either.
    cluster.links[cut].withdraw((cut as u64 + 1).into());
    cluster.links[cut].is_cut.store(true, Ordering::SeqCst);
    let log = cluster.logs[cut].take().unwrap();
    let unconfirmed = {
        let log = Arc::clone(&log);
        async move { propose(&log, "lost").await }
    };
    let mut unconfirmed = Box::pin(unconfirmed);
    assert!(futures_util::poll!(&mut unconfirmed).is_pending());

    cluster.propose("two").await;

    let others: Vec<usize> = (0..3).filter(|node| *node != cut).collect();
    for node in others {
        cluster.caught_up(node, 2).await;
        assert_eq!(words(cluster.log(node)), ["one", "two"]);
    }
    assert_eq!(words(&log), ["one"]);
    log.stop().await;
    assert!(unconfirmed.await.is_err());
    for node in 0..3 {
        cluster.stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_the_controller_shows_all_voters() {
    let mut cluster = Cluster::start().await;
    cluster.propose("one").await;
    let controller = cluster.controller().await;
    for node in 0..3 {
        cluster.caught_up(node, 1).await;
    }

    let status = cluster.log(controller).status();

    assert_eq!(status.voters.len(), 3);
    assert!(status.high_watermark.0 > 0);
    for voter in &status.voters {
        assert_eq!(voter.listeners.len(), 1);
        assert_eq!(voter.listeners[0].host, format!("node{}", voter.broker_id));
    }
    for node in 0..3 {
        cluster.stop(node).await;
    }
}
