//! Network, threads, connection limits.

use crate::config::broker::{ONE, RUNTIME, SASL, SOCKET};
use crate::config::key::Effect::{NoEffect, Works};
use crate::config::key::{Key, keys};
use crate::config::validator::Validator::{Any, AtLeast, HostCounts};

pub(super) const KEYS: &[Key] = keys! {
    "num.network.threads" => Int, "3", AtLeast(1), High, ClusterWide, NoEffect(RUNTIME),
        "Network threads for each listener.";
    "num.io.threads" => Int, "8", AtLeast(1), High, ClusterWide, NoEffect(RUNTIME),
        "Threads that serve requests.";
    "background.threads" => Int, "10", AtLeast(1), High, ClusterWide, NoEffect(RUNTIME),
        "Threads for background work.";
    "queued.max.requests" => Int, "500", AtLeast(1), High, ReadOnly, NoEffect(RUNTIME),
        "Requests that may wait before sockets are no longer read.";
    "queued.max.request.bytes" => Long, "-1", Any, Medium, ReadOnly, Works,
        "Bytes of requests that may be in memory before sockets are no longer read; -1 for the broker's own limit.";
    "socket.request.max.bytes" => Int, "104857600", AtLeast(1), High, ReadOnly, Works,
        "Largest request, in bytes.";
    "socket.send.buffer.bytes" => Int, "102400", Any, High, ReadOnly, NoEffect(SOCKET),
        "Send buffer of client sockets, in bytes; -1 for the system's.";
    "socket.receive.buffer.bytes" => Int, "102400", Any, High, ReadOnly, NoEffect(SOCKET),
        "Receive buffer of client sockets, in bytes; -1 for the system's.";
    "socket.listen.backlog.size" => Int, "50", AtLeast(1), Medium, ReadOnly, Works,
        "Connections that wait to be accepted.";
    "socket.connection.setup.timeout.ms" => Long, "10000", Any, Medium, ReadOnly, NoEffect(ONE),
        "First timeout for a connection to another broker, in milliseconds.";
    "socket.connection.setup.timeout.max.ms" => Long, "30000", Any, Medium, ReadOnly, NoEffect(ONE),
        "Longest timeout for a connection to another broker, in milliseconds.";
    "connections.max.idle.ms" => Long, "600000", Any, Medium, ReadOnly, Works,
        "An idle connection is closed after this, in milliseconds.";
    "connection.failed.authentication.delay.ms" => Int, "100", AtLeast(0), Low, ReadOnly, NoEffect(SASL),
        "Pause before a connection that failed to authenticate is closed, in milliseconds.";
    "max.connections" => Int, "2147483647", AtLeast(0), Medium, ClusterWide, Works,
        "Connections at most.";
    "max.connections.per.ip" => Int, "2147483647", AtLeast(0), Medium, ClusterWide, Works,
        "Connections from one address at most.";
    "max.connections.per.ip.overrides" => String, "", HostCounts, Medium, ClusterWide, Works,
        "Connections at most from single addresses, as host:count.";
    "max.connection.creation.rate" => Int, "2147483647", AtLeast(0), Medium, ClusterWide, Works,
        "New connections per second at most.";
};
