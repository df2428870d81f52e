//! The limits that were set, and which one holds for a client.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::metadata::QuotaEntity;

/// What is limited per user and client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes per second that are produced.
    Produce,
    /// Bytes per second that are fetched.
    Fetch,
    /// Percent of the time of one thread.
    Request,
    /// Partitions per second that are created or deleted.
    Mutation,
}

impl Kind {
    /// The key in AlterClientQuotas.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Produce => "producer_byte_rate",
            Self::Fetch => "consumer_byte_rate",
            Self::Request => "request_percentage",
            Self::Mutation => "controller_mutation_rate",
        }
    }
}

/// The key of the limit of an address in AlterClientQuotas.
const CONNECTION_KEY: &str = "connection_creation_rate";

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// Name of the principal, without its type.
    pub user: &'a str,
    /// Client id; empty where the client tells none.
    pub client_id: &'a str,
}

/// Who shares the use of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The clients of one user with one client id.
    UserAndClient,
    /// All clients of one user.
    User,
    /// All clients with one client id.
    Client,
}

/// The limit of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The limit, in the unit of its [`Kind`].
    pub value: f64,
    /// Who shares it.
    pub scope: Scope,
}

/// Limits by name, and for all other names.
#[derive(Clone, Debug, Default, PartialEq)]
struct Names {
    named: BTreeMap<Arc<str>, f64>,
    default: Option<f64>,
}

impl Names {
    fn get(&self, name: &str) -> Option<f64> {
        self.named.get(name).copied().or(self.default)
    }

    fn set(&mut self, name: Option<&str>, value: f64) {
        match name {
            Some(name) => {
                self.named.insert(Arc::from(name), value);
            }
            None => self.default = Some(value),
        }
    }
}

/// Limits of a user.
#[derive(Clone, Debug, Default, PartialEq)]
struct User {
    clients: Names,
    own: Option<f64>,
}

impl User {
    fn get(&self, client_id: &str) -> Option<Limit> {
        let of_client = self.clients.get(client_id).map(|value| Limit {
            value,
            scope: Scope::UserAndClient,
        });
        of_client.or(self.own.map(|value| Limit {
            value,
            scope: Scope::User,
        }))
    }
}

/// Limits of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
struct Limits {
    users: BTreeMap<Arc<str>, User>,
    default_user: User,
    clients: Names,
}

/// The limits that were set: an immutable snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    kinds: BTreeMap<Kind, Limits>,
    addresses: BTreeMap<IpAddr, f64>,
    default_address: Option<f64>,
}

impl Table {
    /// Takes over entities with a key and its value. Keys that are not known, and addresses that
    /// are names, are ignored.
    #[must_use]
    pub fn new<'a>(quotas: impl Iterator<Item = (&'a QuotaEntity, &'a str, f64)>) -> Self {
        let mut table = Self::default();
        for (entity, key, value) in quotas {
            table.set(entity, key, value);
        }
        table
    }

    fn set(&mut self, entity: &QuotaEntity, key: &str, value: f64) {
        if key == CONNECTION_KEY {
            match entity.get(QuotaEntity::IP) {
                Some(None) => self.default_address = Some(value),
                Some(Some(address)) => {
                    if let Ok(address) = address.parse() {
                        self.addresses.insert(address, value);
                    }
                }
                None => {}
            }
            return;
        }
        let kinds = [Kind::Produce, Kind::Fetch, Kind::Request, Kind::Mutation];
        let Some(kind) = kinds.into_iter().find(|kind| kind.key() == key) else {
            return;
        };
        let limits = self.kinds.entry(kind).or_default();
        let user = entity.get(QuotaEntity::USER);
        let client = entity.get(QuotaEntity::CLIENT_ID);
        let of_user = match user {
            Some(Some(name)) => limits.users.entry(Arc::from(name)).or_default(),
            Some(None) => &mut limits.default_user,
            None => {
                if let Some(client) = client {
                    limits.clients.set(client, value);
                }
                return;
            }
        };
        match client {
            Some(client) => of_user.clients.set(client, value),
            None => of_user.own = Some(value),
        }
    }

    /// The limit of a client, none without one. The first of these that was set: the user with the
    /// client id, the user with any client id, the user, any user with the client id, any user with
    /// any client id, any user, the client id, any client id (KIP-55).
    #[must_use]
    pub fn limit(&self, kind: Kind, client: Client<'_>) -> Option<Limit> {
        let limits = self.kinds.get(&kind)?;
        limits
            .users
            .get(client.user)
            .and_then(|user| user.get(client.client_id))
            .or_else(|| limits.default_user.get(client.client_id))
            .or_else(|| {
                limits.clients.get(client.client_id).map(|value| Limit {
                    value,
                    scope: Scope::Client,
                })
            })
    }

    /// Connections per second from an address; none without a limit.
    #[must_use]
    pub fn connections(&self, address: IpAddr) -> Option<f64> {
        self.addresses
            .get(&address)
            .copied()
            .or(self.default_address)
    }
}
