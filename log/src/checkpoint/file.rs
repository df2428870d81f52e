//! Replacing and reading whole small files.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::storage::Storage;

/// Suffix of the file with the checksum of another one.
pub const SIDECAR_SUFFIX: &str = ".crc32c";
const TEMPORARY_SUFFIX: &str = ".tmp";
/// Largest checkpoint that is read, in bytes: a million partitions with long names.
const FILE_BYTES_MAX: u64 = 256 << 20;
const SIDECAR_BYTES_MAX: u64 = 64;

/// Why a file could not be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file could not be read.
    #[error("read {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, 1-based.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file was written by a newer version.
    #[error("{} has version {version}, only {known} is known", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        version: i64,
        /// Version that is known.
        known: i64,
    },
    /// There are fewer or more lines than the file says.
    #[error("{} announces {announced} entries and has {found}", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// Number in the second line.
        announced: i64,
        /// Number of lines behind it.
        found: usize,
    },
}

/// What the checksum beside a file says of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It is what we wrote.
    Matches,
    /// There is no checksum.
    Absent,
    /// It is not what we wrote last.
    Differs,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The content.
    pub value: T,
    /// Whether it is what we wrote.
    pub seal: Seal,
}

/// CRC-32C of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
    // A 32-bit algorithm gives a value of 32 bits.
    u32::try_from(checksum).unwrap_or_default()
}

/// `path` with `suffix` behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Replaces the content of a file durably: after a crash it has the old or the new content.
///
/// # Errors
/// What the file system says. The old content stays, unless only the last sync has failed.
pub fn write_atomically(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(storage, path, bytes, true)?;
    storage.rename(&temporary, path)?;
    sync_parent(storage, path)
}

/// As [`write_atomically`], with the checksum beside it.
///
/// The new checksum is there before the new content takes its place: who is killed between the two
/// renames leaves content whose checksum still has its temporary name, where [`read_sealed`] looks.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_sealed(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(storage, path, bytes, true)?;
    let sidecar = with_suffix(path, SIDECAR_SUFFIX);
    let seal = write_beside(storage, &sidecar, seal_of(bytes).as_bytes(), false)?;
    storage.rename(&temporary, path)?;
    storage.rename(&seal, &sidecar)?;
    sync_parent(storage, path)
}

fn seal_of(bytes: &[u8]) -> String {
    format!("{:08x} {}\n", crc32c(bytes), bytes.len())
}

/// Writes bytes under the temporary name of a file, which is returned.
fn write_beside(
    storage: &dyn Storage,
    path: &Path,
    bytes: &[u8],
    is_synced: bool,
) -> io::Result<PathBuf> {
    let temporary = with_suffix(path, TEMPORARY_SUFFIX);
    let file = storage.open_or_create(&temporary)?;
    file.set_len(0)?;
    file.write_at(&[IoSlice::new(bytes)], 0)?;
    if is_synced {
        file.sync()?;
    }
    Ok(temporary)
}

fn sync_parent(storage: &dyn Storage, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => storage.sync_directory(directory),
        None => Ok(()),
    }
}

/// The content of a file; none where it is missing.
///
/// # Errors
/// `InvalidData` where it is larger than `bytes_max`, and what the file system says.
pub fn read_whole(
    storage: &dyn Storage,
    path: &Path,
    bytes_max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let file = match storage.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size_bytes = file.len()?;
    let size = usize::try_from(size_bytes)
        .ok()
        .filter(|_| size_bytes <= bytes_max)
        .ok_or_else(|| {
            let text = format!("file of {size_bytes} bytes is above the limit of {bytes_max}");
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
    let mut bytes = vec![0; size];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// The content of a file and what its sidecar says of it; none where the file is missing.
///
/// # Errors
/// `Io`.
pub fn read_sealed(storage: &dyn Storage, path: &Path) -> Result<Option<Loaded<Vec<u8>>>, Error> {
    let fault = |error| Error::Io {
        path: path.to_path_buf(),
        error,
    };
    let Some(value) = read_whole(storage, path, FILE_BYTES_MAX).map_err(fault)? else {
        return Ok(None);
    };
    let sidecar = with_suffix(path, SIDECAR_SUFFIX);
    let expected = seal_of(&value);
    // Whatever is wrong with the sidecar, the file itself may be good.
    let text = |path: &Path| read_whole(storage, path, SIDECAR_BYTES_MAX).unwrap_or_default();
    let is_expected = |text: &Option<Vec<u8>>| text.as_deref() == Some(expected.as_bytes());
    let seal = match text(&sidecar) {
        text if is_expected(&text) => Seal::Matches,
        _ if is_expected(&text(&with_suffix(&sidecar, TEMPORARY_SUFFIX))) => Seal::Matches,
        Some(text) if is_seal(&text) => Seal::Differs,
        _ => Seal::Absent,
    };
    if seal == Seal::Differs {
        let path = path.display();
        tracing::warn!(%path, "file was not written by this program, or is damaged");
    }
    Ok(Some(Loaded { value, seal }))
}

/// True where `text` has the form of a sidecar.
fn is_seal(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else {
        return false;
    };
    let Some((crc, size)) = text
        .strip_suffix('\n')
        .and_then(|line| line.split_once(' '))
    else {
        return false;
    };
    crc.len() == 8 && u32::from_str_radix(crc, 16).is_ok() && size.parse::<u64>().is_ok()
}
