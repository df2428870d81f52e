//! The way from a configuration to a broker that serves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use milena_cluster::metadata::{self as cluster, Image, RegisterBroker};
use milena_log::storage::{DiskStorage, Storage};
use milena_protocol::BrokerEpoch;
use milena_protocol::stored::metadata::{Endpoint, Record};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use uuid::Uuid;

use crate::broker::{Advertised, Broker, Parts};
use crate::clock;
use crate::controller::Controller;
use crate::directories::{self, DirectoryError, Prepared};
use crate::features;
use crate::import;
use crate::maintenance;
use crate::metadata::{self, MetadataLog, RaftMetadataLog, ReplicaKey};
use crate::metrics::Metrics;
use crate::net::{BindError, Listener};
use crate::options::{Mode, Options};
use crate::partition::{Directories, Directory, Opened};
use crate::replicas::{self, Replicas};
use crate::reports;

/// Most open segment files per directory, whatever the system allows.
const HANDLES_MAX: usize = 4096;
/// Share of the allowed descriptors that segment files may take.
const HANDLES_SHARE: usize = 4;
/// Number of the security protocol without security.
const PLAINTEXT: i16 = 0;

/// Why a broker did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A log directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A host name that does not resolve.
    #[error("listener {listener}: resolve {host}")]
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
    #[error(transparent)]
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
    /// Keeps other processes out of `metadata.log.dir`, where it is none of `log.dirs`.
    _metadata: Option<Opened>,
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
    let mut prepared = blocking(&tracker, move || directories::prepare(&for_directories)).await?;
    let log = open_metadata(&options, &prepared, &tracker).await?;
    let (cluster_id, metadata) = (prepared.cluster_id.clone(), prepared.metadata.take());

    let metrics = Arc::new(Metrics::new());
    let failures = Arc::new(Notify::new());
    let (directories, found, interrupted) = {
        let (metrics, failures) = (Arc::clone(&metrics), Arc::clone(&failures));
        let reserve_bytes =
            u64::try_from(options.values.long("log.dir.reserve.bytes")).unwrap_or(0);
        blocking(&tracker, move || {
            start_directories(prepared, reserve_bytes, &metrics, &failures)
        })
        .await?
    };
    let controller = Controller::new(log, &options);
    let replicas = Replicas::new(
        options.id,
        directories,
        handles_max(),
        Arc::clone(&metrics),
        found,
    );
    let broker = Broker::new(Parts {
        options,
        cluster_id,
        stopping: CancellationToken::new(),
        tracker,
        metrics,
        controller,
        replicas,
        seed: Uuid::new_v4().as_u64_pair().1,
    });
    broker.set_advertised(advertised);
    register(&broker)
        .await
        .map_err(|error| StartError::Register(error.to_string()))?;
    // Logs are recovered while the broker is fenced; only then may it lead.
    maintenance::follow_metadata(&broker).await;
    reports::heartbeat(&broker)
        .await
        .map_err(|error| StartError::Register(error.to_string()))?;
    maintenance::follow_metadata(&broker).await;
    maintenance::spawn(&broker, failures);
    replicas::resume(&broker, interrupted);

    let addresses = bound
        .iter()
        .map(|bound| (bound.name.clone(), bound.address))
        .collect();
    for bound in bound {
        broker
            .tracker()
            .spawn(bound.listener.run(Arc::clone(&broker)));
    }
    info!(
        broker_id = broker.id().0,
        cluster_id = broker.cluster_id(),
        "broker serves"
    );
    Ok(Running {
        broker,
        addresses,
        _metadata: metadata,
    })
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
                    bound.push(Bound {
                        listener,
                        name: endpoint.name.clone(),
                        address,
                    });
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
    let tell = |listener: &crate::options::Endpoint| {
        let own = bound.iter().find(|bound| bound.name == listener.name);
        let own_port = own.map_or(listener.port, |bound| bound.address.port());
        let given = options
            .advertised
            .iter()
            .find(|endpoint| endpoint.name == listener.name);
        let (host, port) = match given {
            Some(endpoint) => (endpoint.host.clone(), endpoint.port),
            None if listener.host == "localhost" => ("127.0.0.1".to_owned(), 0),
            None if listener.host.is_empty() => (host_name(), 0),
            None => (listener.host.clone(), 0),
        };
        let port = if port == 0 { own_port } else { port };
        Advertised {
            name: listener.name.clone(),
            host,
            port,
        }
    };
    options.listeners.iter().map(tell).collect()
}

/// Name of the machine.
fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn handles_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let allowed = limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    (allowed / HANDLES_SHARE).clamp(16, HANDLES_MAX)
}

async fn open_metadata(
    options: &Options,
    prepared: &Prepared,
    tracker: &TaskTracker,
) -> Result<Arc<RaftMetadataLog<Image>>, StartError> {
    let directory_id = prepared.metadata_id(options);
    let key = ReplicaKey {
        broker_id: options.id,
        directory_id,
    };
    let log_options = metadata::Options::single(
        options.metadata_dir.clone(),
        prepared.cluster_id.clone(),
        key,
        clock::now,
    );
    // What is refused here is opened by Kafka again, which minds a folder that it does not know: so
    // the import is read before the metadata log is made.
    let is_new = !exists(options, tracker).await?;
    let imported = if is_new {
        with_source(options, prepared, tracker, import::read_directory).await?
    } else {
        None
    };
    if let (true, None, Some(path)) = (is_new, &imported, &prepared.used) {
        // A new metadata log would know none of the partitions.
        let (path, metadata_dir) = (path.clone(), options.metadata_dir.clone());
        return Err(DirectoryError::NoMetadata { path, metadata_dir }.into());
    }
    let initial = Image::new(prepared.cluster_id.as_str());
    let log = RaftMetadataLog::open(log_options, initial)
        .await
        .map_err(|error| StartError::Metadata(error.to_string()))?;
    if log.snapshot().state.features().next().is_some() {
        with_source(options, prepared, tracker, import::check).await?;
        return Ok(log);
    }
    // An earlier start may have made the log and ended before it had the records.
    let records = match imported {
        None if !is_new => with_source(options, prepared, tracker, import::read_directory).await?,
        imported => imported,
    };
    if let Some(records) = records {
        with_source(options, prepared, tracker, import::put).await?;
        import(&log, records).await?;
    }
    Ok(log)
}

/// True where the metadata log was made before.
async fn exists(options: &Options, tracker: &TaskTracker) -> Result<bool, StartError> {
    let path = options.metadata_dir.join(metadata::FOLDER);
    let found = blocking(tracker, move || (DiskStorage::new().exists(&path), path)).await;
    let (exists, path) = found;
    let operation = "look for";
    exists.map_err(|source| {
        DirectoryError::Io {
            operation,
            path,
            source,
        }
        .into()
    })
}

/// Does something with the metadata log of Apache Kafka, if there is one, off the runtime.
async fn with_source<R: Send + 'static>(
    options: &Options,
    prepared: &Prepared,
    tracker: &TaskTracker,
    work: impl FnOnce(&dyn Storage, &import::Source<'_>) -> Result<R, import::Error> + Send + 'static,
) -> Result<R, StartError> {
    let (directory, node_id) = (options.metadata_dir.clone(), options.id);
    let is_clean = prepared.opened.iter().all(|(_, is_clean)| *is_clean);
    let (is_forced, now) = (options.forces_import, clock::now());
    let done = blocking(tracker, move || {
        let served = features::supported();
        let source = import::Source {
            directory: &directory,
            node_id,
            is_clean,
            is_forced,
            served: &served,
            now,
        };
        work(&DiskStorage::new(), &source)
    });
    done.await
        .map_err(|error| StartError::Import(error.to_string()))
}

/// Takes over the metadata of a directory of Apache Kafka, once.
async fn import(log: &Arc<RaftMetadataLog<Image>>, records: Vec<Record>) -> Result<(), StartError> {
    let count = records.len();
    let base_digest = log.snapshot().state.digest().0;
    let entry = metadata::Entry {
        base_digest,
        records,
        timestamp: clock::now(),
    };
    let proposed = log
        .propose(entry)
        .await
        .map_err(|error| StartError::Metadata(error.to_string()))?;
    assert!(
        proposed.applied,
        "nobody else proposes before the broker serves"
    );
    info!(
        records = count,
        "the metadata of Apache Kafka is taken over; its own log stays as it is"
    );
    Ok(())
}

type Started = (
    Directories,
    BTreeMap<milena_protocol::TopicPartition, replicas::Found>,
    Vec<replicas::Interrupted>,
);

fn start_directories(
    prepared: Prepared,
    reserve_bytes: u64,
    metrics: &Arc<Metrics>,
    failures: &Arc<Notify>,
) -> Result<Started, StartError> {
    let mut all = Vec::new();
    let mut found = BTreeMap::new();
    for (opened, is_clean) in prepared.opened {
        // From here on the directory is in use, and not clean until it is closed in order.
        let marker = milena_log::directory::take_clean_marker(&*opened.storage, &opened.path);
        marker.map_err(|source| DirectoryError::Io {
            operation: "remove the clean marker of",
            path: opened.path.clone(),
            source,
        })?;
        let directory = Directory::start(
            opened,
            reserve_bytes,
            Arc::clone(metrics),
            Arc::clone(failures),
        )
        .map_err(StartError::System)?;
        replicas::scan(&directory, is_clean, &mut found)
            .map_err(|error| StartError::Logs(error.to_string()))?;
        all.push(directory);
    }
    let interrupted = replicas::settle_futures(&all, &mut found);
    let interrupted = interrupted.map_err(|error| StartError::Logs(error.to_string()))?;
    Ok((Directories::new(all), found, interrupted))
}

/// Gives a new cluster its features, registers this broker with the controller, which is in this
/// process, and raises the features of an older cluster where the mode says so.
async fn register(broker: &Arc<Broker>) -> Result<(), cluster::Error> {
    let controller = broker.controller();
    let now = clock::now();
    controller.with_machine(|machine| machine.activate(&broker.image(), now));
    controller.commit(&features::bootstrap()).await?;
    let endpoints = broker.advertised().iter().map(|listener| Endpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: PLAINTEXT,
    });
    let former = broker
        .image()
        .broker(broker.id())
        .map(|registered| registered.epoch);
    let request = RegisterBroker {
        broker_id: broker.id(),
        cluster_id: broker.cluster_id().to_owned(),
        incarnation_id: Uuid::new_v4(),
        endpoints: endpoints.collect(),
        features: features::supported(),
        rack: broker.values().string("broker.rack"),
        log_dirs: broker
            .replicas()
            .directories()
            .iter()
            .map(|directory| directory.id())
            .collect(),
        previous_broker_epoch: former.unwrap_or(BrokerEpoch::NONE),
    };
    controller.commit(&request).await?;
    // Only now: an older registration does not say what this version supports.
    if broker.options().mode == Mode::Dev
        && let Some(raise) = features::raise(&broker.image())
    {
        controller.commit(&raise).await?;
    }
    Ok(())
}

/// Waits until the broker cannot go on, and says why.
pub(crate) async fn failed(broker: &Arc<Broker>) -> String {
    let mut metadata = broker.controller().log().failure();
    let mut directories = broker.replicas().failures();
    let mut work = broker.ended();
    loop {
        if let Some(name) = *work.borrow_and_update() {
            return format!("{name} ended in the middle of its work");
        }
        if let Some(reason) = metadata.borrow_and_update().clone() {
            return format!("the metadata log failed: {reason}");
        }
        directories.borrow_and_update();
        if broker.replicas().all_failed() {
            return "every log directory is offline".to_owned();
        }
        let ended = tokio::select! {
            changed = metadata.changed() => changed.is_err(),
            changed = directories.changed() => changed.is_err(),
            changed = work.changed() => changed.is_err(),
        };
        if ended {
            return "the broker has ended".to_owned();
        }
    }
}
