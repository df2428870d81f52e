//! Records that are carried as bytes: ACLs, SCRAM credentials, delegation tokens.

use bytes::Bytes;

use crate::wire::{self, Reader};

/// A record of an ACL, a SCRAM credential or a delegation token. Its body is kept as it was read,
/// so that an import does not lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Key of the record.
    pub api_key: i16,
    /// Version of the record.
    pub version: i16,
    /// The bytes after the version.
    pub body: Bytes,
}

/// What a record of [`Other`] is about. A record that sets and the one that removes it have equal
/// identities.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Id of an ACL.
    Acl(uuid::Uuid),
    /// A credential of a user: name and mechanism (1 SCRAM-SHA-256, 2 SCRAM-SHA-512).
    Scram(String, i8),
    /// Id of a delegation token.
    DelegationToken(String),
}

impl Other {
    /// A delegation token was created or renewed.
    pub const DELEGATION_TOKEN: i16 = 10;
    /// A SCRAM credential was set.
    pub const SCRAM: i16 = 11;
    /// An ACL was created.
    pub const ACL: i16 = 18;
    /// An ACL was removed.
    pub const REMOVE_ACL: i16 = 19;
    /// A SCRAM credential was removed.
    pub const REMOVE_SCRAM: i16 = 22;
    /// A delegation token was removed.
    pub const REMOVE_DELEGATION_TOKEN: i16 = 26;

    /// True for the kinds that are carried as bytes.
    #[must_use]
    pub const fn is_kind(api_key: i16) -> bool {
        matches!(
            api_key,
            Self::DELEGATION_TOKEN
                | Self::SCRAM
                | Self::ACL
                | Self::REMOVE_ACL
                | Self::REMOVE_SCRAM
                | Self::REMOVE_DELEGATION_TOKEN
        )
    }

    /// True where the record removes what its identity names.
    #[must_use]
    pub const fn removes(&self) -> bool {
        matches!(
            self.api_key,
            Self::REMOVE_ACL | Self::REMOVE_SCRAM | Self::REMOVE_DELEGATION_TOKEN
        )
    }

    /// What the record is about.
    ///
    /// # Errors
    /// Where the body does not begin as its kind of record does.
    pub fn identity(&self) -> Result<Identity, wire::Error> {
        let mut reader = Reader::new(&self.body);
        match self.api_key {
            Self::ACL | Self::REMOVE_ACL => Ok(Identity::Acl(reader.uuid()?)),
            Self::SCRAM | Self::REMOVE_SCRAM => {
                let name = reader.compact_string()?.to_owned();
                Ok(Identity::Scram(name, reader.i8()?))
            }
            Self::DELEGATION_TOKEN => {
                reader.compact_string()?;
                reader.compact_string()?;
                for _ in 0..reader.compact_array_len(1)? {
                    reader.compact_string()?;
                }
                reader.skip(3 * size_of::<i64>())?;
                Ok(Identity::DelegationToken(
                    reader.compact_string()?.to_owned(),
                ))
            }
            _ => Ok(Identity::DelegationToken(
                reader.compact_string()?.to_owned(),
            )),
        }
    }
}
