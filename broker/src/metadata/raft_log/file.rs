//! Names of the files, reading them whole and making them at once.

use std::io::{IoSlice, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use milena_log::storage::{File, Storage};

/// Ends the name of a file that is being written; it is removed when the log is opened.
pub(super) const UNFINISHED: &str = ".tmp";
/// Ends the name of a file of the log.
const SUFFIX: &str = ".wal";

/// Name of the file whose first frame has this sequence number.
pub(super) fn path_of(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("{sequence:020}{SUFFIX}"))
}

/// Sequence number in the name of a file of the log; none for other files.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// Writes a file so that after a crash it is there as a whole or not at all.
///
/// # Errors
/// What the file system says.
pub(crate) fn create_whole(
    storage: &dyn Storage,
    path: &Path,
    parts: &[&[u8]],
) -> Result<Arc<dyn File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    let unfinished = PathBuf::from(name);
    let file = storage.open_or_create(&unfinished)?;
    file.set_len(0)?;
    let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    file.write_at(&parts, 0)?;
    file.sync()?;
    storage.rename(&unfinished, path)?;
    if let Some(directory) = path.parent() {
        storage.sync_directory(directory)?;
    }
    // The file is opened again under its name: an implementation may bind a handle to a name.
    drop(file);
    storage.open(path)
}

/// All bytes of a file.
///
/// # Errors
/// What the file system says, and `UnexpectedEof` where the file shrinks meanwhile.
pub(crate) fn read_whole(file: &dyn File) -> Result<Bytes> {
    let length = usize::try_from(file.len()?).map_err(std::io::Error::other)?;
    let mut buffer = BytesMut::zeroed(length);
    read_exactly(file, &mut buffer, 0)?;
    Ok(buffer.freeze())
}

/// Fills the buffer from `position`.
///
/// # Errors
/// What the file system says, and `UnexpectedEof` where the file ends before.
pub(super) fn read_exactly(file: &dyn File, buffer: &mut [u8], position: u64) -> Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let read = file.read_at(&mut buffer[done..], position + done as u64)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        done += read;
    }
    Ok(())
}
