//! Any record, and its frame.

use bytes::{Bytes, BytesMut};

use super::field::Field;
use super::{
    AbortTransaction, BeginTransaction, BrokerRegistrationChange, ClearElr, ClientQuota, Config,
    EndTransaction, Error, FeatureLevel, FenceBroker, MetadataVersion, NoOp, Other, Partition,
    PartitionChange, ProducerIds, RegisterBroker, RegisterController, RemoveTopic, Topic,
    UnfenceBroker, UnregisterBroker, ZkMigrationState,
};
use crate::wire::{Reader, Writer};

/// Version of the frame.
const FRAME_VERSION: u32 = 1;

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident = $api_key:literal, max $max:literal;)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $($(#[$doc])* $name($name),)*
            /// A record that is carried as bytes.
            Other(Other),
        }

        impl Record {
            /// Key of the kind of record.
            #[must_use]
            pub const fn api_key(&self) -> i16 {
                match self {
                    $(Self::$name(_) => $api_key,)*
                    Self::Other(other) => other.api_key,
                }
            }

            /// Highest version of the kind of record.
            #[must_use]
            pub const fn latest_version(&self) -> i16 {
                match self {
                    $(Self::$name(_) => $max,)*
                    Self::Other(other) => other.version,
                }
            }

            /// Kafka's name of the kind of record, without `Record` at the end.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                    Self::Other(_) => "Other",
                }
            }

            fn read_body(api_key: i16, version: i16, reader: &mut Reader<'_>) -> Result<Self, Error> {
                match api_key {
                    $($api_key => {
                        check_version(api_key, version, $max)?;
                        Ok(Self::$name(Field::read(reader, version)?))
                    })*
                    _ if Other::is_kind(api_key) => {
                        check_version(api_key, version, 0)?;
                        let body = Bytes::copy_from_slice(reader.take(reader.remaining())?);
                        Ok(Self::Other(Other { api_key, version, body }))
                    }
                    _ => Err(Error::UnknownRecord { api_key: u32::from(api_key.unsigned_abs()) }),
                }
            }

            fn write_body(&self, version: i16, out: &mut Writer<'_>) -> Result<(), Error> {
                match self {
                    $(Self::$name(record) => record.write(out, version),)*
                    Self::Other(other) => {
                        out.put_slice(&other.body);
                        Ok(())
                    }
                }
            }
        }

        $(impl From<$name> for Record {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*
    };
}

records! {
    /// A broker registered itself.
    RegisterBroker = 0, max 4;
    /// The registration of a broker was removed.
    UnregisterBroker = 1, max 0;
    /// A topic was created.
    Topic = 2, max 0;
    /// A partition, whole.
    Partition = 3, max 2;
    /// A configuration was set or deleted.
    Config = 4, max 0;
    /// A partition changed.
    PartitionChange = 5, max 2;
    /// A broker was fenced.
    FenceBroker = 7, max 0;
    /// A broker was unfenced.
    UnfenceBroker = 8, max 0;
    /// A topic was removed.
    RemoveTopic = 9, max 0;
    /// A feature was finalized.
    FeatureLevel = 12, max 0;
    /// A client quota was set or removed.
    ClientQuota = 14, max 0;
    /// A block of producer ids was given away.
    ProducerIds = 15, max 0;
    /// The registration of a broker changed.
    BrokerRegistrationChange = 17, max 3;
    /// Nothing.
    NoOp = 20, max 0;
    /// State of the migration from ZooKeeper.
    ZkMigrationState = 21, max 0;
    /// A transaction begins.
    BeginTransaction = 23, max 0;
    /// A transaction takes effect.
    EndTransaction = 24, max 0;
    /// A transaction is dropped.
    AbortTransaction = 25, max 0;
    /// A controller registered itself.
    RegisterController = 27, max 0;
    /// Eligible leader replicas were cleared.
    ClearElr = 28, max 0;
}

impl Record {
    /// Reads a frame: the whole value of a record of the log.
    ///
    /// # Errors
    /// [`Error::FrameVersion`], [`Error::UnknownRecord`] and [`Error::UnsupportedVersion`] for
    /// what Kafka 4.3 does not read; [`Error::Wire`] where the bytes are cut off, malformed or
    /// followed by others.
    pub fn decode(frame: &[u8]) -> Result<Self, Error> {
        Self::decode_versioned(frame).map(|(record, _)| record)
    }

    /// Reads a frame and the version that its record has.
    ///
    /// # Errors
    /// As [`Record::decode`].
    pub fn decode_versioned(frame: &[u8]) -> Result<(Self, i16), Error> {
        let mut reader = Reader::new(frame);
        let version = reader.unsigned_varint()?;
        if version != FRAME_VERSION {
            return Err(Error::FrameVersion { version });
        }
        let raw = reader.unsigned_varint()?;
        let api_key = i16::try_from(raw).map_err(|_| Error::UnknownRecord { api_key: raw })?;
        let version = i16::try_from(reader.unsigned_varint()?).unwrap_or(i16::MAX);
        let record = Self::read_body(api_key, version, &mut reader)?;
        reader.end()?;
        Ok((record, version))
    }

    /// Version of the record that every node reads at a level of `metadata.version`.
    #[must_use]
    pub const fn version_at(&self, level: MetadataVersion) -> i16 {
        match self {
            Self::RegisterBroker(_) => level.register_broker_version(),
            Self::BrokerRegistrationChange(_) => level.broker_registration_change_version(),
            Self::Partition(_) | Self::PartitionChange(_) => level.partition_version(),
            _ => self.latest_version(),
        }
    }

    /// Appends the frame in the version of a level of `metadata.version`.
    ///
    /// # Errors
    /// As [`Record::encode_version`].
    pub fn encode(&self, level: MetadataVersion, out: &mut BytesMut) -> Result<(), Error> {
        self.encode_version(self.version_at(level), out)
    }

    /// Appends the frame in a version of the record.
    ///
    /// # Errors
    /// [`Error::UnsupportedVersion`] for a version that the record does not have,
    /// [`Error::FieldNotInVersion`] where a field has a value that the version cannot carry,
    /// [`Error::Wire`] for strings and arrays that are too long. What was appended by then
    /// is to be dropped.
    pub fn encode_version(&self, version: i16, out: &mut BytesMut) -> Result<(), Error> {
        check_version(self.api_key(), version, self.latest_version())?;
        let mut out = Writer::new(out);
        out.put_unsigned_varint(FRAME_VERSION);
        out.put_unsigned_varint(u32::from(self.api_key().unsigned_abs()));
        out.put_unsigned_varint(u32::from(version.unsigned_abs()));
        self.write_body(version, &mut out)
    }
}

fn check_version(api_key: i16, version: i16, max: i16) -> Result<(), Error> {
    if (0..=max).contains(&version) {
        return Ok(());
    }
    Err(Error::UnsupportedVersion {
        api_key,
        version,
        max,
    })
}
