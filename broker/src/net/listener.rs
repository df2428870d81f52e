//! A listening socket and the limits on what it accepts.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use milena_cluster::quota::Admission;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connection::{Connection, Peer};
use crate::broker::Broker;

/// Pause of the accept loop where the process has no descriptor left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// A listener that could not be opened.
#[derive(Debug, Error)]
#[error("listen on {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

impl BindError {
    /// True where the machine does not have this kind of address.
    pub(crate) fn is_missing_family(&self) -> bool {
        matches!(
            self.source.raw_os_error(),
            Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
        ) && self.address.is_ipv6()
    }
}

/// Limits of all listeners together.
#[derive(Clone, Debug)]
pub(crate) struct AcceptLimits {
    /// `max.connections`.
    pub(crate) connections_max: usize,
    /// `max.connections.per.ip`.
    pub(crate) per_ip_max: usize,
    /// `max.connections.per.ip.overrides`.
    pub(crate) per_ip_overrides: BTreeMap<IpAddr, usize>,
}

/// Live connections, for the limits and for metrics.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    counts: Mutex<Counts>,
    cut: CancellationToken,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_ip: BTreeMap<IpAddr, usize>,
}

impl Connections {
    /// Number of live connections.
    pub(crate) fn total(&self) -> usize {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }

    /// Takes a place for a connection.
    ///
    /// # Errors
    /// The limit that is reached.
    /// Ends all connections, whatever they are at: a peer that does not read must not hold up the
    /// end of the broker.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    fn admit(&self, ip: IpAddr, limits: &AcceptLimits) -> Result<(), &'static str> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= limits.connections_max {
            return Err("max.connections");
        }
        let per_ip_max = limits
            .per_ip_overrides
            .get(&ip)
            .copied()
            .unwrap_or(limits.per_ip_max);
        if counts.by_ip.get(&ip).copied().unwrap_or(0) >= per_ip_max {
            return Err("max.connections.per.ip");
        }
        counts.total += 1;
        *counts.by_ip.entry(ip).or_default() += 1;
        Ok(())
    }

    fn release(&self, ip: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(count) = counts.by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                counts.by_ip.remove(&ip);
            }
        }
    }
}

/// Gives the place of a connection back, also where its task panics.
struct Place {
    broker: Arc<Broker>,
    ip: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.broker.connections().release(self.ip);
    }
}

/// One bound socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    index: usize,
}

impl Listener {
    /// Binds `address`; port 0 lets the system choose. Must run inside the runtime.
    pub(crate) fn bind(address: SocketAddr, backlog: i32, index: usize) -> Result<Self, BindError> {
        let bind = || -> io::Result<TcpListener> {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(backlog)?;
            TcpListener::from_std(socket.into())
        };
        bind()
            .map(|socket| Self { socket, index })
            .map_err(|source| BindError { address, source })
    }

    /// The address that is bound, with its real port.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until the broker stops.
    pub(crate) async fn run(self, broker: Arc<Broker>) {
        let stopping = broker.stopping();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.accept(&broker, stream, address).await,
                Err(error) if is_exhausted(&error) => {
                    warn!(%error, "no descriptor for a new connection");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
                Err(error) => debug!(%error, "a connection failed before it was accepted"),
            }
        }
    }

    async fn accept(&self, broker: &Arc<Broker>, stream: TcpStream, address: SocketAddr) {
        let ip = address.ip();
        if let Err(limit) = broker.connections().admit(ip, &broker.limits().accept) {
            debug!(peer = %address, limit, "connection refused");
            return;
        }
        let place = Place {
            broker: Arc::clone(broker),
            ip,
        };
        let pause = match broker.quotas().admit(ip) {
            Admission::Now => None,
            Admission::Wait(ms) => Some(milliseconds(ms)),
            Admission::Refuse(ms) => {
                debug!(peer = %address, limit = "connection_creation_rate", "connection refused");
                broker
                    .tracker()
                    .spawn(hold(stream, place, milliseconds(ms)));
                return;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(peer = %address, %error, "connection ended before it was served");
            return;
        }
        let peer = Peer {
            address,
            listener: self.index,
        };
        let connection = Connection::new(stream, Arc::clone(broker), peer);
        let cut = broker.connections().cut.clone();
        broker.tracker().spawn(async move {
            let _place = place;
            if cut.run_until_cancelled(connection.run()).await.is_none() {
                debug!(peer = %address, "connection was cut off: the broker has stopped");
            }
        });
        if let Some(pause) = pause {
            let stopping = broker.stopping();
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Keeps a connection that is not served for a while before it is closed, so that a client that
/// comes back at once does not go round in a tight loop. It has its place meanwhile, which bounds
/// how many are kept.
async fn hold(stream: TcpStream, place: Place, pause: Duration) {
    let stopping = place.broker.stopping();
    tokio::select! {
        biased;
        () = stopping.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
    drop(stream);
}

/// True where the process or the system has no descriptor left.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_per_address_and_in_total() {
        let limits = AcceptLimits {
            connections_max: 3,
            per_ip_max: 1,
            per_ip_overrides: BTreeMap::from([(IpAddr::from([127, 0, 0, 2]), 2)]),
        };
        let connections = Connections::default();
        let admit = |last| connections.admit(IpAddr::from([127, 0, 0, last]), &limits);
        assert_eq!(admit(1), Ok(()));
        assert_eq!(admit(1), Err("max.connections.per.ip"));
        assert_eq!(admit(2), Ok(()));
        assert_eq!(admit(2), Ok(()));
        assert_eq!(admit(3), Err("max.connections"));
        connections.release(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(admit(3), Ok(()));
        assert_eq!(connections.total(), 3);
    }
}
