//! Who takes part in the metadata log.

use std::fmt;

use milena_protocol::BrokerId;
use uuid::Uuid;

/// One replica of the metadata log: a node and the directory that its copy lies in (KIP-853).
///
/// The directory is part of it because a node that lost its copy must not be taken for the one
/// that promised things with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReplicaKey {
    /// `node.id`.
    pub broker_id: BrokerId,
    /// `directory.id` of `meta.properties`.
    pub directory_id: Uuid,
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.broker_id, self.directory_id.simple())
    }
}

/// An address of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Name of the listener, upper case.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// What others need to reach a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    /// Its addresses, the preferred one first.
    pub listeners: Vec<Listener>,
}
