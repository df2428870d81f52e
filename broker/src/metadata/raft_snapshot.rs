//! Snapshots of the replayed state, one file `NNN-TTT.snapshot` each, where NNN is the end
//! (exclusive) of the entries in it and TTT the term of the last one. Only the newest is kept.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | `MILENAMS` |
//! | 8 | 4 | CRC-32C of all that follows |
//! | 12 | 2 | format |
//! | 14 | .. | log id of the last entry (optional), stored membership, see `raft_codec` |
//! | .. | .. | contents: what the state machine encoded |

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use milena_log::storage::Storage;
use milena_protocol::wire::{Reader, Writer};

use super::Undecodable;
use super::raft_codec::{
    log_id, optional, put_log_id, put_optional, put_stored_membership, stored_membership,
};
use super::raft_config::{LogId, Snapshot, SnapshotMeta};
use super::raft_log::{Error, checksum, create_whole, read_whole};

const MAGIC: &[u8; 8] = b"MILENAMS";
const FORMAT: u16 = 1;
/// Ends the name of a snapshot.
pub(crate) const SUFFIX: &str = ".snapshot";
const CRC_END: usize = 12;

/// The snapshots of one replica. All calls block.
#[derive(Debug)]
pub(crate) struct Snapshots {
    storage: Arc<dyn Storage>,
    directory: PathBuf,
    /// What the newest file covers, and its name. Held while a file is written, so that a snapshot
    /// that was built slowly never replaces a newer one.
    current: Mutex<Option<(SnapshotMeta, PathBuf)>>,
}

impl Snapshots {
    /// Finds the newest snapshot in the directory of a log, checks it and removes older ones.
    ///
    /// # Errors
    /// See [`Error`].
    pub(crate) fn open(storage: Arc<dyn Storage>, directory: PathBuf) -> Result<Self, Error> {
        let snapshots = Self {
            storage,
            directory,
            current: Mutex::new(None),
        };
        let mut names = snapshots
            .names()
            .map_err(Error::io("list", &snapshots.directory))?;
        if let Some(newest) = names.pop() {
            let path = snapshots.directory.join(newest);
            let bytes = snapshots.bytes(&path).map_err(Error::io("read", &path))?;
            let snapshot = decode(&bytes).map_err(|error| Error::Damaged {
                path: path.clone(),
                position: 0,
                reason: error.0,
            })?;
            for name in names {
                let path = snapshots.directory.join(name);
                snapshots
                    .storage
                    .remove_file(&path)
                    .map_err(Error::io("remove", &path))?;
            }
            *snapshots.lock() = Some((snapshot.meta, path));
        }
        Ok(snapshots)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(SnapshotMeta, PathBuf)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of all snapshots, oldest first.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = self
            .storage
            .list(&self.directory)?
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name.ends_with(SUFFIX))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn bytes(&self, path: &std::path::Path) -> io::Result<Bytes> {
        read_whole(&*self.storage.open(path)?)
    }

    /// The last entry in the newest snapshot.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.lock().as_ref().and_then(|(meta, _)| meta.last_log_id)
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// What the file system says, and `InvalidData` where the file is damaged.
    pub(crate) fn read(&self) -> io::Result<Option<Snapshot>> {
        let current = self.lock();
        let Some((_, path)) = current.as_ref() else {
            return Ok(None);
        };
        let snapshot = decode(&self.bytes(path)?).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {error}", path.display()),
            )
        })?;
        Ok(Some(snapshot))
    }

    /// Writes a snapshot and removes older ones. One that is not newer than what is there is not
    /// written.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write(&self, meta: &SnapshotMeta, contents: &[u8]) -> io::Result<()> {
        let mut current = self.lock();
        if let Some((existing, _)) = current.as_ref()
            && existing.last_log_id >= meta.last_log_id
        {
            return Ok(());
        }
        let mut header = BytesMut::new();
        let mut out = Writer::new(&mut header);
        out.put_u16(FORMAT);
        put_optional(&mut out, meta.last_log_id.as_ref(), put_log_id);
        put_stored_membership(&mut out, &meta.last_membership).map_err(io::Error::other)?;
        let mut body = header;
        body.extend_from_slice(contents);
        let crc = checksum(&body).to_be_bytes();
        let path = self.directory.join(name(meta));
        create_whole(&*self.storage, &path, &[MAGIC, &crc, &body])?;
        let older = current.replace((meta.clone(), path.clone()));
        if let Some((_, older)) = older
            && older != path
        {
            // Left over by a crash, it is removed when the log is opened.
            self.storage.remove_file(&older)?;
        }
        Ok(())
    }
}

fn name(meta: &SnapshotMeta) -> String {
    let (end, term) = meta
        .last_log_id
        .map_or((0, 0), |last| (last.index + 1, last.leader_id.term));
    format!("{end:020}-{term:010}{SUFFIX}")
}

fn decode(bytes: &Bytes) -> Result<Snapshot, Undecodable> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(Undecodable("no snapshot of a metadata log".to_owned()));
    }
    let crc = reader.u32()?;
    if checksum(bytes.get(CRC_END..).unwrap_or_default()) != crc {
        return Err(Undecodable("the CRC does not match".to_owned()));
    }
    let format = reader.u16()?;
    if format != FORMAT {
        return Err(Undecodable(format!("format {format}, {FORMAT} expected")));
    }
    let meta = SnapshotMeta {
        last_log_id: optional(&mut reader, log_id)?,
        last_membership: stored_membership(&mut reader)?,
    };
    Ok(Snapshot {
        meta,
        snapshot: bytes.slice_ref(reader.rest()),
    })
}
