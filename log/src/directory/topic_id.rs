//! `partition.metadata` in the folder of a partition: the topic id (KIP-516; Kafka class
//! `PartitionMetadataFile`). Two lines: `version: 0` and `topic_id: <id>`.

use std::io;
use std::path::Path;

use milena_protocol::TopicId;

use super::MetaError;
use crate::checkpoint::{read_whole, write_atomically};
use crate::storage::Storage;

/// Name of the file.
pub const PARTITION_METADATA: &str = "partition.metadata";
const FILE_BYTES_MAX: u64 = 4096;

/// Topic id of the partition with this folder; none where the file is missing. Later versions of
/// the file keep the first two lines, so any version is read.
///
/// # Errors
/// `Io`, `Missing`, `Malformed`.
pub fn read_topic_id(storage: &dyn Storage, folder: &Path) -> Result<Option<TopicId>, MetaError> {
    let path = folder.join(PARTITION_METADATA);
    let bytes = match read_whole(storage, &path, FILE_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) => return Err(MetaError::Io { path, error }),
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let mut value = |key: &'static str| {
        let line = lines.next().unwrap_or_default();
        match line
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(':'))
        {
            Some(value) => Ok(value.trim().to_owned()),
            None => Err(MetaError::Missing {
                path: path.clone(),
                key,
            }),
        }
    };
    let version = value("version")?;
    let id = value("topic_id")?;
    let malformed = |key, value| MetaError::Malformed {
        path: path.clone(),
        key,
        value,
    };
    if version.parse::<u32>().is_err() {
        return Err(malformed("version", version));
    }
    match TopicId::parse(&id) {
        Some(topic_id) if !topic_id.is_zero() => Ok(Some(topic_id)),
        _ => Err(malformed("topic_id", id)),
    }
}

/// Writes the topic id of the partition with this folder durably.
///
/// # Errors
/// What the file system says.
pub fn write_topic_id(storage: &dyn Storage, folder: &Path, topic_id: TopicId) -> io::Result<()> {
    let text = format!("version: 0\ntopic_id: {topic_id}");
    write_atomically(storage, &folder.join(PARTITION_METADATA), text.as_bytes())
}
