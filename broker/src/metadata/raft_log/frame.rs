//! Frames of the write-ahead file.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | CRC-32C of all that follows in the frame |
//! | 4 | 4 | length of the body, in bytes |
//! | 8 | 8 | sequence number of the frame, consecutive over all files |
//! | 16 | 8 | sequence number up to which, exclusive, all frames were on disk when this one was made |
//! | 24 | 4 | CRC of the frame before; 0 for the very first |
//! | 28 | 1 | kind |
//! | 29 | .. | body |
//!
//! The CRC of the frame before makes the frames a chain: none can be missing, repeated or from
//! another file. What was on disk tells a write that a crash cut short from later damage.

use bytes::{BufMut, Bytes, BytesMut};
use milena_protocol::wire::{Reader, Writer};

use crate::metadata::raft_codec::{
    entry_log_id, key, log_id, optional, put_key, put_log_id, put_optional, put_vote, vote,
};
use crate::metadata::raft_config::{LogId, Vote};
use crate::metadata::{ReplicaKey, Undecodable};

/// First bytes of a file.
pub(super) const MAGIC: &[u8; 8] = b"MILENAML";
/// Bytes in front of a body.
pub(super) const HEADER_BYTES: usize = 29;
/// Bytes of a body; what is longer is damage.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;
/// Version of the format.
const FORMAT: u16 = 1;

const ORIGIN: u8 = 1;
const VOTE: u8 = 2;
const ENTRY: u8 = 3;
const TRUNCATE: u8 = 4;
const PURGE: u8 = 5;
const COMMITTED: u8 = 6;
const CLOSE: u8 = 7;

/// What everything before a file amounts to; first frame of each file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub vote: Option<Vote>,
    pub committed: Option<LogId>,
    pub purged: Option<LogId>,
    pub last: Option<LogId>,
}

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub cluster_id: String,
    pub local: ReplicaKey,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The file begins here.
    Origin {
        identity: Identity,
        summary: Summary,
    },
    /// The vote is now this.
    Vote(Vote),
    /// An entry follows the last one; the bytes of `encode_entry`.
    Entry { log_id: LogId, bytes: Bytes },
    /// All entries after this one are gone; all, where there is none.
    Truncate(Option<LogId>),
    /// All entries up to this one, inclusive, are gone, being in a snapshot.
    Purge(LogId),
    /// All entries up to this one, inclusive, are committed.
    Committed(Option<LogId>),
    /// The log was closed in order.
    Close,
}

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Origin { .. } => ORIGIN,
            Self::Vote(_) => VOTE,
            Self::Entry { .. } => ENTRY,
            Self::Truncate(_) => TRUNCATE,
            Self::Purge(_) => PURGE,
            Self::Committed(_) => COMMITTED,
            Self::Close => CLOSE,
        }
    }

    fn put_body(&self, buffer: &mut BytesMut) {
        let mut out = Writer::new(buffer);
        match self {
            Self::Origin { identity, summary } => {
                out.put_u16(FORMAT);
                put_key(&mut out, &identity.local);
                put_optional(&mut out, summary.vote.as_ref(), put_vote);
                put_optional(&mut out, summary.committed.as_ref(), put_log_id);
                put_optional(&mut out, summary.purged.as_ref(), put_log_id);
                put_optional(&mut out, summary.last.as_ref(), put_log_id);
                out.put_slice(identity.cluster_id.as_bytes());
            }
            Self::Vote(vote) => put_vote(&mut out, vote),
            Self::Entry { bytes, .. } => out.put_slice(bytes),
            Self::Truncate(log_id) | Self::Committed(log_id) => {
                put_optional(&mut out, log_id.as_ref(), put_log_id);
            }
            Self::Purge(log_id) => put_log_id(&mut out, log_id),
            Self::Close => {}
        }
    }

    fn decode(kind: u8, body: &Bytes) -> Result<Self, Undecodable> {
        let mut reader = Reader::new(body);
        let frame = match kind {
            ORIGIN => return origin(reader),
            ENTRY => {
                return Ok(Self::Entry {
                    log_id: entry_log_id(body)?,
                    bytes: body.clone(),
                });
            }
            VOTE => Self::Vote(vote(&mut reader)?),
            TRUNCATE => Self::Truncate(optional(&mut reader, log_id)?),
            PURGE => Self::Purge(log_id(&mut reader)?),
            COMMITTED => Self::Committed(optional(&mut reader, log_id)?),
            CLOSE => Self::Close,
            kind => return Err(Undecodable(format!("frame of unknown kind {kind}"))),
        };
        reader.end()?;
        Ok(frame)
    }
}

fn origin(mut reader: Reader<'_>) -> Result<Frame, Undecodable> {
    let format = reader.u16()?;
    if format != FORMAT {
        return Err(Undecodable(format!("format {format}, {FORMAT} expected")));
    }
    let local = key(&mut reader)?;
    let summary = Summary {
        vote: optional(&mut reader, vote)?,
        committed: optional(&mut reader, log_id)?,
        purged: optional(&mut reader, log_id)?,
        last: optional(&mut reader, log_id)?,
    };
    let cluster_id = std::str::from_utf8(reader.rest())
        .map_err(|_| Undecodable("cluster id is not UTF-8".to_owned()))?
        .to_owned();
    Ok(Frame::Origin {
        identity: Identity { cluster_id, local },
        summary,
    })
}

/// Where the chain of frames stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Sequence number of the next frame.
    pub sequence: u64,
    /// CRC of the last frame.
    pub crc: u32,
}

/// Appends a frame and moves the chain on. `synced` is the sequence number up to which, exclusive,
/// frames are on disk. Returns the length of the frame in bytes.
pub(super) fn put_frame(
    buffer: &mut BytesMut,
    frame: &Frame,
    chain: &mut Chain,
    synced: u64,
) -> usize {
    let start = buffer.len();
    buffer.put_u64(0);
    buffer.put_u64(chain.sequence);
    buffer.put_u64(synced);
    buffer.put_u32(chain.crc);
    buffer.put_u8(frame.kind());
    frame.put_body(buffer);
    let length = buffer.len() - start;
    let body = u32::try_from(length - HEADER_BYTES).expect("a body is below 64 MiB");
    if let Some(field) = buffer.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&body.to_be_bytes());
    }
    let crc = checksum(&buffer[start + 4..]);
    if let Some(field) = buffer.get_mut(start..start + 4) {
        field.copy_from_slice(&crc.to_be_bytes());
    }
    chain.sequence += 1;
    chain.crc = crc;
    length
}

/// CRC-32C (Castagnoli).
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
    u32::try_from(checksum).expect("a CRC-32 has 32 bits")
}

/// A frame as it lies in a file.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub sequence: u64,
    pub synced: u64,
    pub previous_crc: u32,
    pub crc: u32,
    /// Length with the header, in bytes.
    pub length: usize,
    kind: u8,
    body: Bytes,
}

impl Parsed {
    /// What the frame says.
    pub(super) fn frame(&self) -> Result<Frame, Undecodable> {
        Frame::decode(self.kind, &self.body)
    }

    /// The body.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Reads the frame at `position`; none where there is no whole frame with a matching CRC. With
/// `accept` a frame is passed over by its sequence number before its CRC is computed.
pub(super) fn parse(
    bytes: &Bytes,
    position: usize,
    accept: impl Fn(u64) -> bool,
) -> Option<Parsed> {
    let rest = bytes.get(position..)?;
    let mut reader = Reader::new(rest);
    let crc = reader.u32().ok()?;
    let body = usize::try_from(reader.u32().ok()?).ok()?;
    let sequence = u64::from_be_bytes(reader.array().ok()?);
    let synced = u64::from_be_bytes(reader.array().ok()?);
    let previous_crc = reader.u32().ok()?;
    let kind = reader.u8().ok()?;
    let length = HEADER_BYTES + body;
    if body > BODY_BYTES_MAX || length > rest.len() || !accept(sequence) {
        return None;
    }
    if checksum(rest.get(4..length)?) != crc {
        return None;
    }
    Some(Parsed {
        sequence,
        synced,
        previous_crc,
        crc,
        length,
        kind,
        body: bytes.slice(position + HEADER_BYTES..position + length),
    })
}
