//! Reads the files of a log when it is opened.
//!
//! Every frame must be right, with one exception: the last write before a crash was perhaps never
//! finished, and was confirmed to nobody then. At a wrong frame of the last file the rest of the
//! file is searched for a frame that was made when the wrong one was on disk already. If there is
//! one, the file is damaged, and the log is not opened; else the rest is cut. A log that was not
//! closed in order is copied to a new file before it is used: after a failed sync what is read may
//! never have reached the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use milena_log::storage::{File, Storage};

use super::Error;
use super::file::{UNFINISHED, create_whole, path_of, read_whole, sequence_of};
use super::frame::{Chain, Frame, Identity, MAGIC, Parsed, Summary, parse, put_frame};
use super::index::{Index, Place};
use crate::metadata::raft_snapshot::SUFFIX as SNAPSHOT;

/// How far ahead of the expected frame a frame can be that a cut write left behind.
const SEARCH_FRAMES_MAX: u64 = 1 << 32;

/// A file of the log.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub file: Arc<dyn File>,
    /// Greatest index of an entry in it.
    pub last_index: Option<u64>,
}

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub index: Index,
    pub chain: Chain,
    /// End of the last file, in bytes.
    pub position: u64,
    /// All files by the sequence number of their first frame; at least one.
    pub segments: BTreeMap<u64, Segment>,
    /// Bytes that were cut from the end of the last file.
    pub cut_bytes: u64,
}

/// Opens the log in a directory, or makes one.
pub(super) fn recover(
    storage: &dyn Storage,
    directory: &Path,
    identity: &Identity,
    cache_bytes_max: usize,
) -> Result<Recovered, Error> {
    storage
        .create_directory(directory)
        .map_err(Error::io("make", directory))?;
    let sequences = files(storage, directory)?;
    if sequences.is_empty() {
        return create(storage, directory, identity, cache_bytes_max);
    }
    let mut scan = Scan {
        storage,
        identity,
        cache_bytes_max,
        index: None,
        chain: Chain::default(),
        closed: false,
        position: 0,
        cut_bytes: 0,
        segments: BTreeMap::new(),
    };
    let last = sequences.last().copied();
    for sequence in sequences {
        scan.file(
            sequence,
            path_of(directory, sequence),
            Some(sequence) == last,
        )?;
    }
    scan.finish(directory)
}

/// Sequence numbers of the files, in order. Leftovers of a crash are removed.
fn files(storage: &dyn Storage, directory: &Path) -> Result<Vec<u64>, Error> {
    let mut sequences = Vec::new();
    let mut has_snapshot = false;
    for entry in storage
        .list(directory)
        .map_err(Error::io("list", directory))?
    {
        if entry.name.ends_with(UNFINISHED) {
            let path = directory.join(&entry.name);
            storage
                .remove_file(&path)
                .map_err(Error::io("remove", &path))?;
        } else if let Some(sequence) = sequence_of(&entry.name) {
            sequences.push(sequence);
        }
        has_snapshot |= entry.name.ends_with(SNAPSHOT);
    }
    if sequences.is_empty() && has_snapshot {
        // A new log would forget the vote, and so could elect two leaders in one term.
        return Err(Error::Incomplete {
            directory: directory.to_path_buf(),
            reason: "there is a snapshot, but no log".to_owned(),
        });
    }
    sequences.sort_unstable();
    Ok(sequences)
}

/// Makes the first file of a log.
fn create(
    storage: &dyn Storage,
    directory: &Path,
    identity: &Identity,
    cache_bytes_max: usize,
) -> Result<Recovered, Error> {
    let mut chain = Chain::default();
    let (bytes, segment) = start_file(
        storage,
        directory,
        &mut chain,
        identity,
        &Summary::default(),
    )
    .map_err(Error::io("make the first file in", directory))?;
    if let Some(parent) = directory.parent() {
        storage
            .sync_directory(parent)
            .map_err(Error::io("sync", parent))?;
    }
    Ok(Recovered {
        index: Index::new(Summary::default(), cache_bytes_max),
        chain,
        position: bytes,
        segments: BTreeMap::from([(0, segment)]),
        cut_bytes: 0,
    })
}

/// Makes a file that continues the chain; returns its size and itself.
pub(super) fn start_file(
    storage: &dyn Storage,
    directory: &Path,
    chain: &mut Chain,
    identity: &Identity,
    summary: &Summary,
) -> std::io::Result<(u64, Segment)> {
    let path = path_of(directory, chain.sequence);
    let origin = Frame::Origin {
        identity: identity.clone(),
        summary: summary.clone(),
    };
    let mut bytes = BytesMut::from(&MAGIC[..]);
    let synced = chain.sequence;
    put_frame(&mut bytes, &origin, chain, synced);
    let file = create_whole(storage, &path, &[&bytes])?;
    let segment = Segment {
        path,
        file,
        last_index: None,
    };
    Ok((bytes.len() as u64, segment))
}

/// Reads file after file.
struct Scan<'a> {
    storage: &'a dyn Storage,
    identity: &'a Identity,
    cache_bytes_max: usize,
    /// None before the first frame.
    index: Option<Index>,
    chain: Chain,
    closed: bool,
    position: u64,
    cut_bytes: u64,
    segments: BTreeMap<u64, Segment>,
}

impl Scan<'_> {
    fn file(&mut self, sequence: u64, path: PathBuf, is_last: bool) -> Result<(), Error> {
        let file = self.storage.open(&path).map_err(Error::io("open", &path))?;
        let bytes = read_whole(&*file).map_err(Error::io("read", &path))?;
        if !bytes.starts_with(MAGIC) {
            return Err(damaged(&path, 0, "no file of a metadata log"));
        }
        if self.index.is_some() && sequence != self.chain.sequence {
            let first = self.chain.sequence;
            let reason = format!("frames from {first} to {sequence} are missing before it");
            return Err(damaged(&path, 0, reason));
        }
        let (position, last_index) = self.frames(sequence, &path, &bytes, is_last)?;
        self.cut_bytes = (bytes.len() - position) as u64;
        self.position = position as u64;
        let file = if is_last && !(self.closed && self.cut_bytes == 0) {
            let kept = bytes.get(..position).unwrap_or_default();
            create_whole(self.storage, &path, &[kept]).map_err(Error::io("copy", &path))?
        } else {
            file
        };
        self.segments.insert(
            sequence,
            Segment {
                path,
                file,
                last_index,
            },
        );
        Ok(())
    }

    /// Takes all frames of a file; returns where they end and the greatest index of an entry.
    fn frames(
        &mut self,
        sequence: u64,
        path: &Path,
        bytes: &Bytes,
        is_last: bool,
    ) -> Result<(usize, Option<u64>), Error> {
        let mut last_index = None;
        let mut position = MAGIC.len();
        loop {
            let is_origin = position == MAGIC.len();
            if position >= bytes.len() && !is_origin {
                break;
            }
            let expected = if is_origin {
                sequence
            } else {
                self.chain.sequence
            };
            let Some(parsed) = parse(bytes, position, |found| found == expected) else {
                // The first frame was on disk before the file had its name.
                if !is_last || is_origin || was_synced(bytes, position, expected) {
                    let reason = format!("frame {expected} is not there or not whole");
                    return Err(damaged(path, position, reason));
                }
                break;
            };
            let frame = parsed
                .frame()
                .map_err(|error| damaged(path, position, error.0))?;
            self.closed = frame == Frame::Close;
            if let Frame::Entry { log_id, .. } = &frame {
                last_index = last_index.max(Some(log_id.index));
            }
            if is_origin {
                self.origin(&parsed, frame, path, sequence)?;
            } else {
                let place = Place {
                    file: sequence,
                    position: position as u64,
                    length: u32::try_from(parsed.length).unwrap_or(u32::MAX),
                };
                self.follow(&parsed, frame, place)
                    .map_err(|reason| damaged(path, position, reason))?;
            }
            position += parsed.length;
        }
        Ok((position, last_index))
    }

    /// Takes the first frame of a file.
    fn origin(
        &mut self,
        parsed: &Parsed,
        frame: Frame,
        path: &Path,
        sequence: u64,
    ) -> Result<(), Error> {
        let damaged = |reason: &str| damaged(path, MAGIC.len(), reason);
        let Frame::Origin { identity, summary } = frame else {
            return Err(damaged("the file does not begin with its origin"));
        };
        if identity != *self.identity {
            return Err(Error::foreign(path, identity, self.identity));
        }
        match &self.index {
            None => self.index = Some(Index::new(summary, self.cache_bytes_max)),
            Some(index) => {
                if parsed.previous_crc != self.chain.crc || *index.summary() != summary {
                    return Err(damaged("the file does not continue the one before it"));
                }
            }
        }
        self.chain = Chain {
            sequence: sequence + 1,
            crc: parsed.crc,
        };
        Ok(())
    }

    /// Takes a frame after the first.
    fn follow(&mut self, parsed: &Parsed, frame: Frame, place: Place) -> Result<(), String> {
        if parsed.previous_crc != self.chain.crc {
            return Err(format!(
                "frame {} does not follow the one before it",
                parsed.sequence
            ));
        }
        self.chain = Chain {
            sequence: parsed.sequence + 1,
            crc: parsed.crc,
        };
        let index = self.index.as_mut().expect("a file begins with its origin");
        match frame {
            Frame::Origin { .. } => return Err("an origin within the file".to_owned()),
            Frame::Vote(vote) => index.summary_mut().vote = Some(vote),
            Frame::Entry { log_id, .. } => {
                if let Some(reason) = index.refusal(log_id) {
                    return Err(reason);
                }
                index.push(log_id, None, Some(place));
            }
            Frame::Truncate(last) => index.truncate(last),
            Frame::Purge(upto) => index.purge(upto),
            Frame::Committed(committed) => index.summary_mut().committed = committed,
            Frame::Close => {}
        }
        Ok(())
    }

    fn finish(self, directory: &Path) -> Result<Recovered, Error> {
        let index = self.index.expect("there is at least one file");
        if let Some(end) = index.missing_end() {
            return Err(Error::Incomplete {
                directory: directory.to_path_buf(),
                reason: format!("entries before {end} are not purged, but no file has them"),
            });
        }
        Ok(Recovered {
            index,
            chain: self.chain,
            position: self.position,
            segments: self.segments,
            cut_bytes: self.cut_bytes,
        })
    }
}

fn damaged(path: &Path, position: usize, reason: impl Into<String>) -> Error {
    Error::Damaged {
        path: path.to_path_buf(),
        position: position as u64,
        reason: reason.into(),
    }
}

/// True where a frame after `position` says that the frame `expected`, which should be there, was
/// on disk.
fn was_synced(bytes: &Bytes, position: usize, expected: u64) -> bool {
    let later = |found: u64| found > expected && found - expected < SEARCH_FRAMES_MAX;
    (position + 1..bytes.len())
        .filter_map(|at| parse(bytes, at, later))
        .any(|found| found.synced > expected)
}
