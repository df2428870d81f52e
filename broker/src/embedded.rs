//! A broker inside this process: start, address, stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use milena_protocol::BrokerEpoch;
use tracing::{info, warn};

use crate::broker::Broker;
use crate::metrics::Gauges;
use crate::options::Options;
use crate::start::{self, Running, StartError};

/// Longest wait at a graceful stop for connections to end by themselves: acknowledgements that are
/// due are sent, and peers that read nothing are not waited for.
const CONNECTIONS_STOP_WAIT: Duration = Duration::from_secs(3);
/// Longest wait for tasks after that.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// State of a broker for those who watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// True while the broker serves everything.
    pub is_ready: bool,
    /// What is wrong, one line each.
    pub reasons: Vec<String>,
}

/// A running broker.
#[derive(Debug)]
pub struct Embedded {
    running: Running,
}

impl Embedded {
    /// Starts a broker: takes the directories into use, recovers the logs, binds the listeners. When
    /// it returns, the broker acknowledges records. Must run in a tokio runtime with several
    /// threads.
    ///
    /// # Errors
    /// All variants of [`StartError`]; nothing runs then.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        start::start(options).await.map(|running| Self { running })
    }

    /// The addresses that are bound, with the names of their listeners.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.running.addresses.clone()
    }

    /// The first address.
    ///
    /// # Panics
    /// Never: a broker without listener does not start.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running
            .addresses
            .first()
            .expect("a broker has a listener")
            .1
    }

    /// All metrics in Prometheus' text form.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let broker = self.broker();
        let replicas = broker.replicas();
        broker.metrics().text(&Gauges {
            connections: broker.connections().total(),
            damaged_partitions: replicas.damaged().len() + replicas.unopened().len(),
            groups: broker.groups().counts(),
            transactions: broker.transactions().counts(),
        })
    }

    /// Whether everything is served.
    #[must_use]
    pub fn health(&self) -> Health {
        let broker = self.broker();
        let mut reasons = Vec::new();
        for directory in broker.replicas().directories().iter() {
            let path = directory.path().display();
            if directory.is_failed() {
                reasons.push(format!("log directory {path} is offline"));
            } else if !directory.has_room() {
                reasons.push(format!("log directory {path} is full"));
            }
        }
        let damaged = broker.replicas().damaged();
        reasons.extend(
            damaged
                .into_iter()
                .map(|partition| format!("log of {partition} is damaged")),
        );
        let unopened = broker.replicas().unopened().into_iter();
        reasons.extend(unopened.map(|partition| format!("log of {partition} cannot be opened")));
        if broker.stopping().is_cancelled() {
            reasons.push("the broker stops".to_owned());
        }
        Health {
            is_ready: reasons.is_empty(),
            reasons,
        }
    }

    /// Waits until the broker has to end by itself, and says why: its metadata or all of its log
    /// directories failed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn failed(&self) -> String {
        start::failed(self.broker()).await
    }

    /// Stops gracefully: no new requests, what is appended is made durable, the directories get their
    /// clean marker.
    pub async fn stop(self) {
        let broker = Arc::clone(self.broker());
        info!("broker stops");
        broker.stopping().cancel();
        broker.tracker().close();
        if tokio::time::timeout(CONNECTIONS_STOP_WAIT, broker.tracker().wait())
            .await
            .is_err()
        {
            info!(
                connections = broker.connections().total(),
                "connections are cut off"
            );
            broker.connections().cut();
        }
        if tokio::time::timeout(STOP_WAIT, broker.tracker().wait())
            .await
            .is_err()
        {
            warn!("some tasks did not end in time");
        }
        let image = broker.image();
        let epoch = image
            .broker(broker.id())
            .map_or(BrokerEpoch::NONE, |own| own.epoch);
        let shared = Arc::clone(&broker);
        // The tracker is closed, yet takes tasks; this is the last one.
        broker
            .blocking(move || shared.replicas().shut_down(epoch))
            .await;
        crate::metadata::MetadataLog::stop(&**broker.controller().log()).await;
        info!("broker has stopped");
    }

    fn broker(&self) -> &Arc<Broker> {
        &self.running.broker
    }
}
