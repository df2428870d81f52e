//! Newtypes of ids and positions.

use std::fmt;
use std::sync::Arc;

/// Defines a newtype over one integer.
macro_rules! integer {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

integer! {
    /// Position of a record in its partition, 0-based; also used for exclusive ends.
    Offset(i64)
}
integer! {
    /// Number of a leadership of one partition; -1 where unknown.
    LeaderEpoch(i32)
}
integer! {
    /// Id of a broker (`node.id`).
    BrokerId(i32)
}
integer! {
    /// Number of one registration of a broker (KIP-841); -1 where unknown.
    BrokerEpoch(i64)
}
integer! {
    /// Index of a partition in its topic, 0-based.
    PartitionIndex(i32)
}
integer! {
    /// Id of an idempotent or transactional producer; -1 where there is none (KIP-98).
    ProducerId(i64)
}
integer! {
    /// Epoch of a producer id; -1 where there is none (KIP-98).
    ProducerEpoch(i16)
}
integer! {
    /// Sequence number of a record of one producer and partition; -1 where there is none.
    /// It wraps from `i32::MAX` to 0.
    Sequence(i32)
}
integer! {
    /// Milliseconds since 1970-01-01T00:00:00Z; -1 where there is none.
    Timestamp(i64)
}

impl Offset {
    /// No offset.
    pub const NONE: Self = Self(-1);

    /// The offset `delta` records later; saturates.
    #[must_use]
    pub const fn plus(self, delta: i64) -> Self {
        Self(self.0.saturating_add(delta))
    }
}

impl LeaderEpoch {
    /// No or unknown epoch.
    pub const NONE: Self = Self(-1);
}

impl BrokerId {
    /// No broker.
    pub const NONE: Self = Self(-1);
}

impl BrokerEpoch {
    /// Unknown epoch.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// No producer id.
    pub const NONE: Self = Self(-1);
}

impl ProducerEpoch {
    /// No epoch.
    pub const NONE: Self = Self(-1);
}

impl Sequence {
    /// No sequence.
    pub const NONE: Self = Self(-1);

    /// The sequence `count` records later, wrapping from `i32::MAX` to 0
    /// (`DefaultRecordBatch.incrementSequence`). `count` is at least 0.
    #[must_use]
    pub const fn plus(self, count: i32) -> Self {
        if self.0 > i32::MAX - count {
            Self(count - (i32::MAX - self.0) - 1)
        } else {
            Self(self.0 + count)
        }
    }
}

impl Timestamp {
    /// No timestamp.
    pub const NONE: Self = Self(-1);

    /// The instant `ms` milliseconds later; saturates.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; saturates, negative where `earlier` is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Unique id of a topic (KIP-516). It is printed as Kafka prints it: 22 characters of URL-safe
/// base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub uuid::Uuid);

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl TopicId {
    /// No topic id, all zero.
    pub const ZERO: Self = Self(uuid::Uuid::nil());
    /// Id of `__cluster_metadata` (`Uuid.METADATA_TOPIC_ID`).
    pub const METADATA: Self = Self(uuid::Uuid::from_u128(1));

    /// True where this is no id.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_nil()
    }

    /// Reads Kafka's text form: 22 characters of URL-safe base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('=');
        if text.len() != 22 {
            return None;
        }
        let mut value: u128 = 0;
        for (index, character) in text.bytes().enumerate() {
            let digit = BASE64.iter().position(|&c| c == character)?;
            let digit = u128::try_from(digit).ok()?;
            // 21 characters carry 126 bits, the last one two.
            value = if index == 21 {
                (value << 2) | (digit >> 4)
            } else {
                (value << 6) | digit
            };
        }
        Some(Self(uuid::Uuid::from_u128(value)))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let value = self.0.as_u128();
        for index in 0..22u32 {
            let digit = if index == 21 {
                (value & 3) << 4
            } else {
                (value >> (122 - 6 * index)) & 63
            };
            let character = usize::try_from(digit)
                .ok()
                .and_then(|digit| BASE64.get(digit));
            f.write_char(char::from(*character.unwrap_or(&b'A')))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A partition by the name of its topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Index of the partition.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: PartitionIndex) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_wraps_from_the_maximum_to_zero() {
        assert_eq!(Sequence(i32::MAX).plus(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).plus(3), Sequence(1));
        assert_eq!(Sequence(5).plus(3), Sequence(8));
    }

    #[test]
    fn topic_id_text_is_kafkas() {
        // `Uuid.METADATA_TOPIC_ID.toString()` is this text.
        assert_eq!(TopicId::METADATA.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = TopicId(uuid::Uuid::from_u128(value));
            assert_eq!(TopicId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(TopicId::parse("short"), None);
        assert_eq!(TopicId::parse("AAAAAAAAAAAAAAAAAAAA*Q"), None);
    }
}
