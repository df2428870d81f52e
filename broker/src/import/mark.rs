//! How far Kafka's metadata log was when it was imported: the names and sizes of its segments, in a
//! file beside our metadata log. Kafka appends to its log whenever it runs, so that a difference says
//! that it ran on the directory since; what it changed then is not in our log.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use milena_log::checkpoint::{read_whole, write_atomically};
use milena_log::storage::Storage;

use super::Error;
use super::source::{SEGMENT, Source};
use crate::metadata;

/// Name of the file.
const MARK: &str = "imported";
const MARK_BYTES_MAX: u64 = 1 << 20;

fn path(directory: &Path) -> PathBuf {
    directory.join(metadata::FOLDER).join(MARK)
}

/// Notes how far the log is. Blocks.
///
/// # Errors
/// What the file system says.
pub(crate) fn put(storage: &dyn Storage, source: &Source<'_>) -> Result<(), Error> {
    if let Some(text) = position(storage, &source.folder())? {
        let path = path(source.directory);
        write_atomically(storage, &path, text.as_bytes()).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Makes sure that Kafka did not run since the import, or notes that the user knows. Blocks.
///
/// # Errors
/// `Moved` where it did and the import is not forced; what the file system says.
pub(crate) fn check(storage: &dyn Storage, source: &Source<'_>) -> Result<(), Error> {
    let path = path(source.directory);
    let read = read_whole(storage, &path, MARK_BYTES_MAX);
    let Some(noted) = read.map_err(Error::io("read", &path))? else {
        return Ok(());
    };
    let folder = source.folder();
    match position(storage, &folder)? {
        Some(present) if present.as_bytes() != noted => {
            if source.is_forced {
                put(storage, source)
            } else {
                let ours = source.directory.join(metadata::FOLDER);
                Err(Error::Moved { folder, ours })
            }
        }
        _ => Ok(()),
    }
}

/// A line for each segment; none where the folder is not there.
fn position(storage: &dyn Storage, folder: &Path) -> Result<Option<String>, Error> {
    if !storage
        .exists(folder)
        .map_err(Error::io("look for", folder))?
    {
        return Ok(None);
    }
    let mut entries = storage.list(folder).map_err(Error::io("list", folder))?;
    entries.retain(|entry| !entry.is_directory && entry.name.ends_with(SEGMENT));
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let mut text = String::new();
    for entry in entries {
        let path = folder.join(&entry.name);
        let file = storage.open(&path).map_err(Error::io("open", &path))?;
        let bytes = file.len().map_err(Error::io("read the size of", &path))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {bytes}", entry.name);
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use milena_log::storage::MemoryStorage;
    use milena_protocol::{BrokerId, Timestamp};

    use super::*;

    fn append(storage: &dyn Storage, bytes: &[u8]) {
        let path = Path::new("/data/__cluster_metadata-0/00000000000000000000.log");
        let file = storage.open_or_create(path).unwrap();
        file.write_at(&[IoSlice::new(bytes)], file.len().unwrap())
            .unwrap();
    }

    #[test]
    fn a_kafka_that_ran_since_is_told_once() {
        let storage = MemoryStorage::new();
        for folder in ["/data/__cluster_metadata-0", "/data/__milena_metadata"] {
            storage.create_directory(Path::new(folder)).unwrap();
        }
        let mut source = Source {
            directory: Path::new("/data"),
            node_id: BrokerId(1),
            is_clean: true,
            is_forced: false,
            served: &[],
            now: Timestamp(0),
        };
        append(&storage, b"one");
        assert!(
            check(&storage, &source).is_ok(),
            "a log without mark was not imported"
        );
        put(&storage, &source).unwrap();
        assert!(check(&storage, &source).is_ok());

        append(&storage, b"two");
        assert!(matches!(check(&storage, &source), Err(Error::Moved { .. })));
        source.is_forced = true;
        assert!(check(&storage, &source).is_ok());
        source.is_forced = false;
        assert!(check(&storage, &source).is_ok());
    }
}
