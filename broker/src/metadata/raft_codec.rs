//! Bytes of log ids, votes, memberships and entries, in files and on the wire. Numbers are
//! big-endian, as everywhere in Kafka's formats.
//!
//! | value | bytes |
//! |---|---|
//! | log id | term uint64, index uint64 |
//! | vote | term uint64, candidate (replica key), granted by a majority (bool) |
//! | replica key | broker id int32, directory id (16 bytes) |
//! | membership | array of voter sets (each an array of replica keys), array of (replica key, array of (name, host: string, port uint16)) |
//! | entry | log id, kind uint8 (0 blank, 1 records, 2 membership), payload |
//! | records | base digest (16 bytes), timestamp int64, count int32, records each with a length int32 |
//!
//! An optional value has a bool in front. Terms beyond an int32 are refused, as a term is a
//! controller epoch.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use milena_protocol::wire::{self, Reader, Writer};
use milena_protocol::{BrokerId, Timestamp};
use openraft::EntryPayload;

use super::raft_config::{LogEntry, LogId, Membership, Proposal, StoredMembership, Vote};
use super::{Listener, Replica, ReplicaKey, Undecodable};

const BLANK: u8 = 0;
const RECORDS: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Smallest sizes of array elements, in bytes.
const KEY_BYTES: usize = 20;
const SET_BYTES: usize = 4;
const NODE_BYTES: usize = KEY_BYTES + 4;
const LISTENER_BYTES: usize = 6;

impl From<wire::Error> for Undecodable {
    fn from(error: wire::Error) -> Self {
        Self(error.to_string())
    }
}

/// A term that is also a controller epoch.
pub(crate) fn checked_term(term: u64) -> Result<u64, Undecodable> {
    if i32::try_from(term).is_err() {
        return Err(Undecodable(format!("term {term} is beyond an int32")));
    }
    Ok(term)
}

pub(crate) fn put_log_id(out: &mut Writer<'_>, log_id: &LogId) {
    put_u64(out, log_id.leader_id.term);
    put_u64(out, log_id.index);
}

pub(crate) fn log_id(reader: &mut Reader<'_>) -> Result<LogId, Undecodable> {
    let term = checked_term(u64(reader)?)?;
    Ok(LogId::new_term_index(term, u64(reader)?))
}

pub(crate) fn put_optional<T>(
    out: &mut Writer<'_>,
    value: Option<&T>,
    put: fn(&mut Writer<'_>, &T),
) {
    out.put_bool(value.is_some());
    if let Some(value) = value {
        put(out, value);
    }
}

pub(crate) fn optional<T>(
    reader: &mut Reader<'_>,
    read: fn(&mut Reader<'_>) -> Result<T, Undecodable>,
) -> Result<Option<T>, Undecodable> {
    if reader.bool()? {
        Ok(Some(read(reader)?))
    } else {
        Ok(None)
    }
}

pub(crate) fn put_vote(out: &mut Writer<'_>, vote: &Vote) {
    put_u64(out, vote.leader_id.term);
    put_key(out, &vote.leader_id.voted_for);
    out.put_bool(vote.committed);
}

pub(crate) fn vote(reader: &mut Reader<'_>) -> Result<Vote, Undecodable> {
    let term = checked_term(u64(reader)?)?;
    let candidate = key(reader)?;
    let mut vote = Vote::new(term, candidate);
    vote.committed = reader.bool()?;
    Ok(vote)
}

pub(crate) fn put_key(out: &mut Writer<'_>, key: &ReplicaKey) {
    out.put_i32(key.broker_id.0);
    out.put_uuid(key.directory_id);
}

pub(crate) fn key(reader: &mut Reader<'_>) -> Result<ReplicaKey, Undecodable> {
    Ok(ReplicaKey {
        broker_id: BrokerId(reader.i32()?),
        directory_id: reader.uuid()?,
    })
}

/// Appends a membership.
///
/// # Errors
/// Where a name is longer than its length field can say.
pub(crate) fn put_membership(
    out: &mut Writer<'_>,
    membership: &Membership,
) -> Result<(), wire::Error> {
    let sets = membership.get_joint_config();
    out.put_array_len(sets.len())?;
    for set in sets {
        out.put_array_len(set.len())?;
        for voter in set {
            put_key(out, voter);
        }
    }
    out.put_array_len(membership.nodes().count())?;
    for (key, replica) in membership.nodes() {
        put_key(out, key);
        out.put_array_len(replica.listeners.len())?;
        for listener in &replica.listeners {
            out.put_string(&listener.name)?;
            out.put_string(&listener.host)?;
            out.put_u16(listener.port);
        }
    }
    Ok(())
}

pub(crate) fn membership(reader: &mut Reader<'_>) -> Result<Membership, Undecodable> {
    let mut sets = Vec::new();
    for _ in 0..reader.array_len(SET_BYTES)? {
        let mut set = BTreeSet::new();
        for _ in 0..reader.array_len(KEY_BYTES)? {
            set.insert(key(reader)?);
        }
        sets.push(set);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..reader.array_len(NODE_BYTES)? {
        let key = key(reader)?;
        let mut listeners = Vec::new();
        for _ in 0..reader.array_len(LISTENER_BYTES)? {
            listeners.push(Listener {
                name: reader.string()?.to_owned(),
                host: reader.string()?.to_owned(),
                port: reader.u16()?,
            });
        }
        nodes.insert(key, Replica { listeners });
    }
    if sets.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(sets, nodes).map_err(|error| Undecodable(error.to_string()))
}

/// Appends a membership and the log id of its entry.
///
/// # Errors
/// As [`put_membership`].
pub(crate) fn put_stored_membership(
    out: &mut Writer<'_>,
    stored: &StoredMembership,
) -> Result<(), wire::Error> {
    put_optional(out, stored.log_id().as_ref(), put_log_id);
    put_membership(out, stored.membership())
}

pub(crate) fn stored_membership(reader: &mut Reader<'_>) -> Result<StoredMembership, Undecodable> {
    let log_id = optional(reader, log_id)?;
    Ok(StoredMembership::new(log_id, membership(reader)?))
}

/// The bytes of an entry.
///
/// # Errors
/// As [`put_membership`].
pub(crate) fn encode_entry(entry: &LogEntry) -> Result<Bytes, wire::Error> {
    let mut buffer = BytesMut::new();
    let mut out = Writer::new(&mut buffer);
    put_log_id(&mut out, &entry.log_id);
    match &entry.payload {
        EntryPayload::Blank => out.put_u8(BLANK),
        EntryPayload::Normal(proposal) => {
            out.reserve(25 + proposal.records.len());
            out.put_u8(RECORDS);
            out.put_slice(&proposal.base_digest.to_be_bytes());
            out.put_i64(proposal.timestamp.0);
            out.put_slice(&proposal.records);
        }
        EntryPayload::Membership(membership) => {
            out.put_u8(MEMBERSHIP);
            put_membership(&mut out, membership)?;
        }
    }
    Ok(buffer.freeze())
}

/// Reads an entry; its records share the bytes.
///
/// # Errors
/// Where the bytes are no entry.
pub(crate) fn decode_entry(bytes: &Bytes) -> Result<LogEntry, Undecodable> {
    let mut reader = Reader::new(bytes);
    let log_id = log_id(&mut reader)?;
    let payload = match reader.u8()? {
        BLANK => EntryPayload::Blank,
        RECORDS => {
            let base_digest = u128::from_be_bytes(reader.array()?);
            let timestamp = Timestamp(reader.i64()?);
            let records = bytes.slice_ref(reader.rest());
            reader.skip(records.len())?;
            EntryPayload::Normal(Proposal {
                base_digest,
                timestamp,
                records,
            })
        }
        MEMBERSHIP => EntryPayload::Membership(membership(&mut reader)?),
        kind => return Err(Undecodable(format!("entry of unknown kind {kind}"))),
    };
    reader.end()?;
    Ok(LogEntry { log_id, payload })
}

/// The log id at the front of an encoded entry.
///
/// # Errors
/// Where the bytes are too few.
pub(crate) fn entry_log_id(bytes: &[u8]) -> Result<LogId, Undecodable> {
    log_id(&mut Reader::new(bytes))
}

/// The protocol's readers have no uint64; the bytes are those of an int64.
pub(crate) fn put_u64(out: &mut Writer<'_>, value: u64) {
    out.put_slice(&value.to_be_bytes());
}

pub(crate) fn u64(reader: &mut Reader<'_>) -> Result<u64, Undecodable> {
    Ok(u64::from_be_bytes(reader.array()?))
}
