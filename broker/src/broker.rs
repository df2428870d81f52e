//! A running broker: what every connection and every background task shares.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use milena_cluster::metadata::{Delta, Image, ResourceKind};
use milena_protocol::config::BrokerValues;
use milena_protocol::{BrokerId, ErrorCode, ProducerId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::api::Unreadable;
use crate::api::fetch::Sessions;
use crate::controller::Controller;
use crate::group::Groups;
use crate::metrics::Metrics;
use crate::net::{Admission, Connections, Peer};
use crate::options::Options;
use crate::options::limits::{self, Limits};
use crate::producer_ids::ProducerIds;
use crate::quotas::Quotas;
use crate::replicas::Replicas;
use crate::told::Restraint;
use crate::transaction::Transactions;

/// Address that clients of one listener are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertised {
    /// Name of the listener.
    pub(crate) name: String,
    /// Host.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
}

/// The parts of a broker.
#[derive(Debug)]
pub(crate) struct Broker {
    options: Options,
    cluster_id: String,
    values: RwLock<Arc<BrokerValues>>,
    limits: RwLock<Arc<Limits>>,
    stopping: CancellationToken,
    tracker: TaskTracker,
    metrics: Arc<Metrics>,
    connections: Connections,
    admission: Admission,
    controller: Controller,
    replicas: Replicas,
    groups: Groups,
    transactions: Transactions,
    /// `group.coordinator.rebalance.protocols` has `consumer`.
    serves_consumer_groups: bool,
    serves_unstable_versions: bool,
    sessions: Mutex<Sessions>,
    quotas: Quotas,
    producer_ids: ProducerIds,
    advertised: OnceLock<Vec<Advertised>>,
    /// Lines about requests that were refused.
    refusals: Mutex<Restraint>,
    /// What ended that must not.
    ended: watch::Sender<Option<&'static str>>,
    /// The image that was taken over last.
    seen: Mutex<Option<Arc<Image>>>,
}

/// What an image changes for the broker as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    /// Values of the broker.
    pub(crate) broker_configs: bool,
    /// Configurations of topics.
    pub(crate) topic_configs: bool,
    /// Client quotas.
    pub(crate) quotas: bool,
}

/// What a broker is made of.
pub(crate) struct Parts {
    /// The configuration.
    pub(crate) options: Options,
    /// Id of the cluster.
    pub(crate) cluster_id: String,
    /// Cancelled when the broker stops.
    pub(crate) stopping: CancellationToken,
    /// Owns every task.
    pub(crate) tracker: TaskTracker,
    /// The counters.
    pub(crate) metrics: Arc<Metrics>,
    /// The controller.
    pub(crate) controller: Controller,
    /// The hosted partitions.
    pub(crate) replicas: Replicas,
    /// A number that differs from start to start.
    pub(crate) seed: u64,
}

impl Broker {
    /// Puts the parts together.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let values = parts.options.values.clone();
        let protocols = values.list("group.coordinator.rebalance.protocols");
        Arc::new(Self {
            limits: RwLock::new(Arc::new(Limits::new(&values))),
            admission: Admission::new(limits::request_memory_bytes(&values)),
            sessions: Mutex::new(Sessions::new(&values, parts.seed)),
            quotas: Quotas::new(&values),
            groups: Groups::new(&values),
            transactions: Transactions::new(&values),
            serves_unstable_versions: values.boolean("unstable.api.versions.enable")
                && values.boolean("transaction.two.phase.commit.enable"),
            serves_consumer_groups: protocols.iter().any(|name| name == "consumer"),
            values: RwLock::new(Arc::new(values)),
            options: parts.options,
            cluster_id: parts.cluster_id,
            stopping: parts.stopping,
            tracker: parts.tracker,
            metrics: parts.metrics,
            connections: Connections::default(),
            controller: parts.controller,
            replicas: parts.replicas,
            producer_ids: ProducerIds::default(),
            advertised: OnceLock::new(),
            refusals: Mutex::default(),
            ended: watch::Sender::new(None),
            seen: Mutex::new(None),
        })
    }

    /// `node.id`.
    pub(crate) fn id(&self) -> BrokerId {
        self.options.id
    }

    /// Id of the cluster.
    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What the broker was started with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The values in force: of the file, and those changed since.
    pub(crate) fn values(&self) -> Arc<BrokerValues> {
        Arc::clone(&self.values.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other values into force.
    pub(crate) fn set_values(&self, values: BrokerValues) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Limits::new(&values));
        self.groups.configure(&values);
        self.transactions.configure(&values);
        self.quotas.configure(&values);
        *self.values.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(values);
    }

    /// Bounds on requests and connections.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Cancelled when the broker stops.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Owns every task of the broker.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Counts a request whose connection is closed for it. Some are told of: clients see a connection
    /// that ends, and nothing else.
    pub(crate) fn refused(&self, peer: &Peer, api: Option<(i16, i16)>, error: &Unreadable) {
        let (api_key, version) = api.unzip();
        self.metrics.request_refused();
        let mut restraint = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match restraint.may_tell(Instant::now()) {
            Some(others) => {
                warn!(peer = %peer.address, api_key, version, %error, others,
                    "request refused, its connection ends");
            }
            None => debug!(peer = %peer.address, api_key, version, %error,
                "request refused, its connection ends"),
        }
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Live connections.
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The budget of request bytes.
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The controller.
    pub(crate) fn controller(&self) -> &Controller {
        &self.controller
    }

    /// The newest committed metadata.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.controller.image()
    }

    /// Work ended without which the broker cannot go on.
    pub(crate) fn note_ended(&self, name: &'static str) {
        self.ended.send_replace(Some(name));
    }

    /// Follows what ended that must not.
    pub(crate) fn ended(&self) -> watch::Receiver<Option<&'static str>> {
        self.ended.subscribe()
    }

    /// Remembers an image that is taken over, and says what differs from the one before.
    pub(crate) fn note_image(&self, image: &Arc<Image>) -> Changes {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.replace(Arc::clone(image));
        let Some(before) = before else {
            return Changes {
                broker_configs: true,
                topic_configs: false,
                quotas: true,
            };
        };
        let delta = Delta::between(&before, image);
        let has = |kind| delta.configs.iter().any(|resource| resource.kind == kind);
        Changes {
            broker_configs: has(ResourceKind::Broker),
            topic_configs: has(ResourceKind::Topic),
            quotas: !delta.client_quotas.is_empty(),
        }
    }

    /// The hosted partitions.
    pub(crate) fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The groups that this broker coordinates.
    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The transactional ids that this broker coordinates.
    pub(crate) fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// True where versions of APIs are served that are not final: those of two-phase commits
    /// (KIP-939).
    pub(crate) const fn serves_unstable_versions(&self) -> bool {
        self.serves_unstable_versions
    }

    /// True where groups of the consumer protocol are served: the cluster has the feature and the
    /// configuration does not leave them out (KIP-848).
    pub(crate) fn serves_consumer_groups(&self) -> bool {
        self.serves_consumer_groups && self.image().feature("group.version") > 0
    }

    /// Fetch sessions.
    pub(crate) fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Client quotas and their use.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// An id that no producer ever had.
    ///
    /// # Errors
    /// What the controller says where it gives no ids.
    pub(crate) async fn next_producer_id(&self) -> Result<ProducerId, ErrorCode> {
        self.producer_ids.next(self).await
    }

    /// Notes where clients reach this broker, once the listeners are bound.
    pub(crate) fn set_advertised(&self, advertised: Vec<Advertised>) {
        // Set once, by the one who starts the broker.
        drop(self.advertised.set(advertised));
    }

    /// Where clients reach this broker, by listener.
    pub(crate) fn advertised(&self) -> &[Advertised] {
        self.advertised.get().map_or(&[], Vec::as_slice)
    }

    /// Runs what would block on a thread of its own.
    ///
    /// # Panics
    /// Where `work` panics.
    pub(crate) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        match self.tracker.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Blocking work is not cancelled while the runtime lives.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
