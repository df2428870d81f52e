//! The way from a configuration to a broker that serves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use milena_cluster::metadata::{self as cluster, Image, RegisterBroker};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use uuid::Uuid;

use crate::broker::{Advertised, Broker, Parts};
use crate::clock;
use crate::config_rules::ConfigRules;
use crate::controller::Controller;
use crate::directories::{self, DirectoryError, Prepared};
use crate::import;
use crate::maintenance;
use crate::metadata::{self, MetadataLog, RaftMetadataLog, ReplicaKey};
use crate::metrics::Metrics;
use crate::net::{BindError, Listener};
use crate::options::{Endpoint, Mode, Options};
use crate::partition::{Directories, Directory};
use crate::replicas::{self, Replicas};

/// Most open segment files per directory, whatever the system allows.
const HANDLES_MAX: usize = 4096;
/// Share of the allowed descriptors that segment files may take.
const HANDLES_SHARE: usize = 4;

/// Why a broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A log directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A listener.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// A host name that does not resolve.
    #[error("listener {listener}: resolve {host}: {source}")]
    Resolve {
        /// The listener.
        listener: String,
        /// The host.
        host: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// The metadata log.
    #[error("open the metadata log: {0}")]
    Metadata(String),
    /// A directory of Apache Kafka that cannot be taken over.
    #[error("take over a directory of Apache Kafka: {0}")]
    Import(String),
    /// The folders of the partitions.
    #[error("{0}")]
    Logs(String),
    /// A thread or another thing that the system does not give.
    #[error("{0}")]
    System(std::io::Error),
    /// The controller does not take the broker.
    #[error("register the broker: {0}")]
    Register(String),
}

/// A started broker.
#[derive(Debug)]
pub(crate) struct Running {
    /// The broker.
    pub(crate) broker: Arc<Broker>,
    /// What is bound.
    pub(crate) addresses: Vec<(String, SocketAddr)>,
}

/// One bound listener.
struct Bound {
    listener: Listener,
    name: String,
    address: SocketAddr,
}

/// Starts a broker.
pub(crate) async fn start(options: Options) -> Result<Running, StartError> {
    // First what fails most: a taken port is said before a long recovery.
    let bound = bind(&options)?;
    let advertised = advertise(&options, &bound);
    let tracker = TaskTracker::new();
    let for_directories = options.clone();
    let prepared = blocking(&tracker, move || directories::prepare(&for_directories)).await?;
    let log = open_metadata(&options, &prepared, &tracker).await?;
    let cluster_id = prepared.cluster_id.clone();

    let metrics = Arc::new(Metrics::new());
    let failures = Arc::new(Notify::new());
    let (directories, found) = {
        let (metrics, failures) = (Arc::clone(&metrics), Arc::clone(&failures));
        let reserve_bytes =
            u64::try_from(options.values.long("log.dir.reserve.bytes")).unwrap_or(0);
        blocking(&tracker, move || start_directories(prepared, reserve_bytes, &metrics, &failures))
            .await?
    };
    let rules = Arc::new(ConfigRules::new(options.values.clone()));
    let machine = cluster::Controller::new(controller_config(&options), rules);
    let controller = Controller::new(log, machine);
    let replicas =
        Replicas::new(options.id, directories, handles_max(), Arc::clone(&metrics), found);
    let broker = Broker::new(Parts {
        options,
        cluster_id,
        stopping: CancellationToken::new(),
        tracker,
        metrics,
        controller,
        replicas,
    });
    broker.set_advertised(advertised);
    maintenance::follow_metadata(&broker).await;
    register(&broker).await?;
    maintenance::spawn(&broker, failures);

    let addresses = bound.iter().map(|bound| (bound.name.clone(), bound.address)).collect();
    for bound in bound {
        broker.tracker().spawn(bound.listener.run(Arc::clone(&broker)));
    }
    info!(broker_id = broker.id().0, cluster_id = broker.cluster_id(), "broker serves");
    Ok(Running { broker, addresses })
}

async fn blocking<R: Send + 'static>(
    tracker: &TaskTracker,
    work: impl FnOnce() -> R + Send + 'static,
) -> R {
    match tracker.spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn bind(options: &Options) -> Result<Vec<Bound>, StartError> {
    let backlog = options.values.int("socket.listen.backlog.size");
    let mut bound: Vec<Bound> = Vec::new();
    for (index, endpoint) in options.listeners.iter().enumerate() {
        let addresses = endpoint.addresses().map_err(|source| StartError::Resolve {
            listener: endpoint.name.clone(),
            host: endpoint.host.clone(),
            source,
        })?;
        let mut port = endpoint.port;
        let mut refused = None;
        let before = bound.len();
        for mut address in addresses {
            // All addresses of a listener share one port, also where the system chose it.
            address.set_port(port);
            match Listener::bind(address, backlog, index) {
                Ok(listener) => {
                    let address = listener.address().map_err(StartError::System)?;
                    port = address.port();
                    bound.push(Bound { listener, name: endpoint.name.clone(), address });
                }
                Err(error) if error.is_missing_family() => refused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        // A machine without IPv6 is fine as long as something is bound.
        if let (true, Some(error)) = (bound.len() == before, refused) {
            return Err(error.into());
        }
    }
    Ok(bound)
}

/// What clients are told: `advertised.listeners`, or the listeners themselves.
fn advertise(options: &Options, bound: &[Bound]) -> Vec<Advertised> {
    let tell = |listener: &Endpoint| {
        let own = bound.iter().find(|bound| bound.name == listener.name);
        let own_port = own.map_or(listener.port, |bound| bound.address.port());
        let given = options.advertised.iter().find(|endpoint| endpoint.name == listener.name);
        let (host, port) = match given {
            Some(endpoint) => (endpoint.host.clone(), endpoint.port),
            None if listener.host == "localhost" => ("127.0.0.1".to_owned(), 0),
            None if listener.host.is_empty() => (host_name(), 0),
            None => (listener.host.clone(), 0),
        };
        let port = if port == 0 { own_port } else { port };
        Advertised { name: listener.name.clone(), host, port }
    };
    options.listeners.iter().map(tell).collect()
}

/// Name of the machine.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn handles_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let allowed = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    (allowed / HANDLES_SHARE).clamp(16, HANDLES_MAX)
}

async fn open_metadata(
    options: &Options,
    prepared: &Prepared,
    tracker: &TaskTracker,
) -> Result<Arc<RaftMetadataLog<Image>>, StartError> {
    let directory_id = prepared
        .opened
        .iter()
        .find(|(opened, _)| opened.path == options.metadata_dir)
        .map_or_else(Uuid::nil, |(opened, _)| opened.id);
    let key = ReplicaKey { broker_id: options.id, directory_id };
    let log_options = metadata::Options::single(
        options.metadata_dir.clone(),
        prepared.cluster_id.clone(),
        key,
        clock::now,
    );
    let initial = Image::new(&prepared.cluster_id);
    let log = RaftMetadataLog::open(log_options, initial)
        .await
        .map_err(|error| StartError::Metadata(error.to_string()))?;
    let import_from = {
        let options = options.clone();
        let is_clean = prepared.opened.iter().all(|(_, is_clean)| *is_clean);
        let is_empty = log.snapshot().offset.0 < 0 || log.snapshot().state.features().is_empty();
        let cluster_id = prepared.cluster_id.clone();
        move || if is_empty { import::read(&options, &cluster_id, is_clean) } else { Ok(None) }
    };
    let imported = blocking(tracker, import_from).await.map_err(StartError::Import)?;
    bootstrap(options, &log, imported).await?;
    Ok(log)
}

/// Writes the first records of a new cluster, those of a directory that is taken over, and the
/// features that a newer program brings.
async fn bootstrap(
    options: &Options,
    log: &Arc<RaftMetadataLog<Image>>,
    imported: Option<Vec<milena_protocol::stored::metadata::Record>>,
) -> Result<(), StartError> {
    let published = log.snapshot();
    let image = &published.state;
    let raises = options.mode == Mode::Dev || image.features().is_empty();
    let mut records = imported.unwrap_or_default();
    if raises {
        records.extend(crate::features::missing(image, &records));
    }
    if records.is_empty() {
        return Ok(());
    }
    let entry =
        metadata::Entry { base_digest: image.digest().0, records, timestamp: clock::now() };
    let proposed =
        log.propose(entry).await.map_err(|error| StartError::Metadata(error.to_string()))?;
    assert!(proposed.applied, "nobody else proposes before the broker serves");
    Ok(())
}

type Started = (Directories, BTreeMap<milena_protocol::TopicPartition, replicas::Found>);

fn start_directories(
    prepared: Prepared,
    reserve_bytes: u64,
    metrics: &Arc<Metrics>,
    failures: &Arc<Notify>,
) -> Result<Started, StartError> {
    let mut all = Vec::new();
    let mut found = BTreeMap::new();
    for (opened, is_clean) in prepared.opened {
        let directory =
            Directory::start(opened, reserve_bytes, Arc::clone(metrics), Arc::clone(failures))
                .map_err(StartError::System)?;
        replicas::scan(&directory, is_clean, &mut found)
            .map_err(|error| StartError::Logs(error.to_string()))?;
        all.push(directory);
    }
    Ok((Directories::new(all), found))
}

fn controller_config(options: &Options) -> cluster::Config {
    crate::config_rules::controller_config(&options.values)
}

/// Registers this broker with the controller, which is in this process.
async fn register(broker: &Arc<Broker>) -> Result<(), StartError> {
    let now = clock::now();
    broker.controller().with_machine(|machine| machine.activate(&broker.image(), now));
    let request = RegisterBroker {
        broker_id: broker.id(),
        incarnation_id: Uuid::new_v4(),
        endpoints: broker
            .advertised()
            .iter()
            .map(|listener| cluster::Endpoint {
                name: listener.name.as_str().into(),
                host: listener.host.as_str().into(),
                port: listener.port,
                security_protocol: 0,
            })
            .collect(),
        rack: broker.values().string("broker.rack").map(Into::into),
        log_dirs: broker.replicas().directories().iter().map(|directory| directory.id()).collect(),
        features: crate::features::supported(),
    };
    broker
        .controller()
        .run(&request)
        .await
        .map_err(|error| StartError::Register(error.message.unwrap_or_else(|| error.code.to_string())))?;
    Ok(())
}

/// Waits until the broker cannot go on, and says why.
pub(crate) async fn failed(broker: &Arc<Broker>) -> String {
    let mut metadata = broker.controller().log().failure();
    loop {
        if let Some(reason) = metadata.borrow_and_update().clone() {
            return format!("the metadata log failed: {reason}");
        }
        if broker.replicas().all_failed() {
            return "every log directory is offline".to_owned();
        }
        tokio::select! {
            changed = metadata.changed() => {
                if changed.is_err() {
                    return "the metadata log has ended".to_owned();
                }
            }
            () = broker.replicas().failed() => {}
        }
    }
}
