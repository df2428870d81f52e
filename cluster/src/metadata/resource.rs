//! Resources that have dynamic configurations.

use std::fmt;
use std::sync::Arc;

use milena_protocol::BrokerId;

/// Kind of a resource with configurations (`ConfigResource.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceKind {
    /// A topic.
    Topic = 2,
    /// A broker; the empty name is the default of all brokers.
    Broker = 4,
    /// Loggers of a broker; never in the metadata log.
    BrokerLogger = 8,
    /// A subscription of client metrics (KIP-714).
    ClientMetrics = 16,
    /// A group.
    Group = 32,
}

impl ResourceKind {
    /// The kind with this number; none where Kafka has no such kind.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            8 => Some(Self::BrokerLogger),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// Kafka's name of the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "TOPIC",
            Self::Broker => "BROKER",
            Self::BrokerLogger => "BROKER_LOGGER",
            Self::ClientMetrics => "CLIENT_METRICS",
            Self::Group => "GROUP",
        }
    }
}

/// A resource that has configurations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Kind of the resource.
    pub kind: ResourceKind,
    /// Name of the resource.
    pub name: Arc<str>,
}

impl ConfigResource {
    /// The resource `name` of a kind.
    pub fn new(kind: ResourceKind, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// A topic.
    pub fn topic(name: impl Into<Arc<str>>) -> Self {
        Self::new(ResourceKind::Topic, name)
    }

    /// One broker.
    #[must_use]
    pub fn broker(id: BrokerId) -> Self {
        Self::new(ResourceKind::Broker, id.to_string())
    }

    /// The default of all brokers.
    #[must_use]
    pub fn default_broker() -> Self {
        Self::new(ResourceKind::Broker, "")
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.kind.name(), self.name)
    }
}
