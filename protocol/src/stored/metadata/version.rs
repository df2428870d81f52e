//! The level of the feature `metadata.version`.

use std::fmt;

/// Level of the feature `metadata.version` (KIP-778), which says the record versions that every
/// node of the cluster reads (`MetadataVersion` of Kafka).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub i16);

/// Kafka's name of each level from 7 up.
const NAMES: &[&str] = &[
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
    "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
    "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
];

/// Levels that changed the form of records, ascending.
const RECORD_CHANGES: &[i16] = &[7, 8, 11, 13, 14, 15, 17, 23, 30];

impl MetadataVersion {
    /// Name of the feature.
    pub const FEATURE: &'static str = "metadata.version";
    /// Lowest level that Kafka 4 reads: 3.3-IV3.
    pub const MINIMUM: Self = Self(7);
    /// Highest level that is written: 4.3-IV0.
    pub const LATEST: Self = Self(30);

    /// Kafka's name of the level, such as `4.3-IV0`; none outside of
    /// [`MetadataVersion::MINIMUM`] to [`MetadataVersion::LATEST`].
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let index = usize::try_from(self.0.checked_sub(Self::MINIMUM.0)?).ok()?;
        NAMES.get(index).copied()
    }

    /// True where transactions of the metadata log may be written (KIP-868).
    #[must_use]
    pub const fn has_transactions(self) -> bool {
        self.0 >= 13
    }

    /// True where SCRAM credentials are records (KIP-900).
    #[must_use]
    pub const fn has_scram(self) -> bool {
        self.0 >= 11
    }

    /// True where an ISR that shrinks has to bump the leader epoch (before KAFKA-15021 was fixed).
    #[must_use]
    pub const fn bumps_leader_epoch_on_isr_shrink(self) -> bool {
        self.0 < 12
    }

    /// True where controllers register themselves (KIP-919).
    #[must_use]
    pub const fn has_controller_registration(self) -> bool {
        self.0 >= 15
    }

    /// True where replicas have directories (KIP-858).
    #[must_use]
    pub const fn has_directories(self) -> bool {
        self.0 >= 17
    }

    /// True where eligible leader replicas are recorded (KIP-966).
    #[must_use]
    pub const fn has_elr(self) -> bool {
        self.0 >= 23
    }

    /// True where brokers record cordoned directories (KIP-1066).
    #[must_use]
    pub const fn has_cordoned_log_dirs(self) -> bool {
        self.0 >= 30
    }

    /// Version of RegisterBroker at this level.
    #[must_use]
    pub const fn register_broker_version(self) -> i16 {
        match self.0 {
            30.. => 4,
            17..30 => 3,
            8..17 => 2,
            _ => 1,
        }
    }

    /// Version of BrokerRegistrationChange at this level.
    #[must_use]
    pub const fn broker_registration_change_version(self) -> i16 {
        match self.0 {
            30.. => 3,
            17..30 => 2,
            _ => 1,
        }
    }

    /// Version of Partition and of PartitionChange at this level.
    #[must_use]
    pub const fn partition_version(self) -> i16 {
        match self.0 {
            23.. => 2,
            17..23 => 1,
            _ => 0,
        }
    }

    /// True where a level between this one (exclusive) and `other` (inclusive) changed the form
    /// of records, in either direction.
    #[must_use]
    pub fn differs_in_records(self, other: Self) -> bool {
        let (low, high) = if self < other {
            (self, other)
        } else {
            (other, self)
        };
        RECORD_CHANGES
            .iter()
            .any(|&level| low.0 < level && level <= high.0)
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "level {}", self.0),
        }
    }
}
