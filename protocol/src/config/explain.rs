//! Where a value comes from: the answer to DescribeConfigs (KIP-226, KIP-569).

use super::value::Type;

/// Where a value comes from (`DescribeConfigsResponse.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An override of the topic.
    DynamicTopic,
    /// Altered for one broker.
    DynamicBroker,
    /// Altered for all brokers.
    DynamicDefaultBroker,
    /// The static file of the broker.
    StaticBroker,
    /// The table.
    Default,
    /// Level of a logger.
    DynamicBrokerLogger,
    /// A subscription of client metrics.
    ClientMetrics,
    /// An override of the group.
    Group,
}

impl Source {
    /// Number of the source in DescribeConfigs.
    #[must_use]
    pub const fn code(self) -> i8 {
        match self {
            Self::DynamicTopic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::DynamicBrokerLogger => 6,
            Self::ClientMetrics => 7,
            Self::Group => 8,
        }
    }
}

/// One place that has a value for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key as that place calls it.
    pub name: String,
    /// The text there; none where it must not be shown.
    pub value: Option<String>,
    /// The place.
    pub source: Source,
}

/// One entry of an answer to DescribeConfigs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Name of the key.
    pub name: String,
    /// The value in force; none for null and for what must not be shown.
    pub value: Option<String>,
    /// Where it comes from: the source of the first synonym.
    pub source: Source,
    /// True where it can be altered only in the static file.
    pub read_only: bool,
    /// True where the value must not be shown.
    pub sensitive: bool,
    /// Type of the value; none for a key that is not in the table.
    pub kind: Option<Type>,
    /// Meaning of the key; empty for a key that is not in the table.
    pub documentation: &'static str,
    /// Every place that has a value, the one in force first.
    pub synonyms: Vec<Synonym>,
}
