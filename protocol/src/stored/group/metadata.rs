//! Groups of the classic protocol.
//!
//! | field | type | versions |
//! |---|---|---|
//! | protocol type | string | 0+ |
//! | generation | int32 | 0+ |
//! | protocol | nullable string | 0+ |
//! | leader | nullable string | 0+ |
//! | current state timestamp | int64 | 2+ |
//! | members | array | 0+ |
//! | member id | string | 0+ |
//! | group instance id | nullable string | 3+ |
//! | client id, client host | string | 0+ |
//! | rebalance timeout | int32 | 1+ |
//! | session timeout | int32 | 0+ |
//! | subscription, assignment | bytes | 0+ |
//!
//! Version 4 has compact strings, bytes and arrays, and tagged fields of which none is defined.

use bytes::{Bytes, BytesMut};

use crate::Timestamp;
use crate::wire::{Error, Reader, Writer};

/// A member's fields take at least this many bytes in any version.
const MEMBER_BYTES_MIN: usize = 15;

/// A group at the end of a rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// Type of the protocol, such as `consumer`; empty where the group never had members.
    pub protocol_type: String,
    /// Number of the last completed rebalance.
    pub generation: i32,
    /// Name of the assignor that was chosen; none without members.
    pub protocol: Option<String>,
    /// Member id of the leader; none without members.
    pub leader: Option<String>,
    /// When the group came into its state; -1 where it is not known.
    pub current_state_timestamp: Timestamp,
    /// The members.
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Id of the member.
    pub member_id: String,
    /// `group.instance.id` of a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// Client id of its JoinGroup request.
    pub client_id: String,
    /// Address of the client, as Java prints it: `/127.0.0.1`.
    pub client_host: String,
    /// Milliseconds that it has to join again in a rebalance; -1 where it is the session timeout.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds without a heartbeat after which it is removed.
    pub session_timeout_ms: i32,
    /// Its metadata for the chosen protocol.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

fn string<'a>(reader: &mut Reader<'a>, flexible: bool) -> Result<&'a str, Error> {
    if flexible {
        reader.compact_string()
    } else {
        reader.string()
    }
}

fn nullable(reader: &mut Reader<'_>, flexible: bool) -> Result<Option<String>, Error> {
    let text = if flexible {
        reader.compact_nullable_string()
    } else {
        reader.nullable_string()
    };
    Ok(text?.map(str::to_owned))
}

fn bytes(reader: &mut Reader<'_>, flexible: bool) -> Result<Bytes, Error> {
    let bytes = if flexible {
        reader.compact_bytes()
    } else {
        reader.bytes()
    };
    Ok(Bytes::copy_from_slice(bytes?))
}

impl GroupMetadata {
    pub(super) fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, Error> {
        let flexible = version >= 4;
        let protocol_type = string(reader, flexible)?.to_owned();
        let generation = reader.i32()?;
        let protocol = nullable(reader, flexible)?;
        let leader = nullable(reader, flexible)?;
        let current_state_timestamp = if version >= 2 {
            Timestamp(reader.i64()?)
        } else {
            Timestamp::NONE
        };
        let count = if flexible {
            reader.compact_array_len(MEMBER_BYTES_MIN)?
        } else {
            reader.array_len(MEMBER_BYTES_MIN)?
        };
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            members.push(Member::read(reader, version)?);
        }
        if flexible {
            reader.skip_tagged_fields()?;
        }
        Ok(Self {
            protocol_type,
            generation,
            protocol,
            leader,
            current_state_timestamp,
            members,
        })
    }

    /// The value with its version, 3.
    pub(super) fn encode(&self) -> Result<Bytes, Error> {
        let mut out = BytesMut::with_capacity(64 + 128 * self.members.len());
        let mut writer = Writer::new(&mut out);
        writer.put_i16(3);
        writer.put_string(&self.protocol_type)?;
        writer.put_i32(self.generation);
        writer.put_nullable_string(self.protocol.as_deref())?;
        writer.put_nullable_string(self.leader.as_deref())?;
        writer.put_i64(self.current_state_timestamp.0);
        writer.put_array_len(self.members.len())?;
        for member in &self.members {
            member.write(&mut writer)?;
        }
        Ok(out.freeze())
    }
}

impl Member {
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, Error> {
        let flexible = version >= 4;
        let member_id = string(reader, flexible)?.to_owned();
        let group_instance_id = if version >= 3 {
            nullable(reader, flexible)?
        } else {
            None
        };
        let member = Self {
            member_id,
            group_instance_id,
            client_id: string(reader, flexible)?.to_owned(),
            client_host: string(reader, flexible)?.to_owned(),
            rebalance_timeout_ms: if version >= 1 { reader.i32()? } else { -1 },
            session_timeout_ms: reader.i32()?,
            subscription: bytes(reader, flexible)?,
            assignment: bytes(reader, flexible)?,
        };
        if flexible {
            reader.skip_tagged_fields()?;
        }
        Ok(member)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.put_string(&self.member_id)?;
        writer.put_nullable_string(self.group_instance_id.as_deref())?;
        writer.put_string(&self.client_id)?;
        writer.put_string(&self.client_host)?;
        writer.put_i32(self.rebalance_timeout_ms);
        writer.put_i32(self.session_timeout_ms);
        writer.put_bytes(&self.subscription)?;
        writer.put_bytes(&self.assignment)
    }
}
