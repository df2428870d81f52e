//! The marker of a clean shutdown (KIP-966; Kafka class `CleanShutdownFileHandler`).

use std::io;
use std::path::Path;

use milena_protocol::BrokerEpoch;

use crate::checkpoint::{read_whole, write_atomically};
use crate::storage::Storage;

/// Name of the file: `{"version":0,"brokerEpoch":5}`.
pub const CLEAN_MARKER: &str = ".kafka_cleanshutdown";
/// Larger files are not looked into.
const FILE_BYTES_MAX: u64 = 4096;

/// The last process that used the directory closed all logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanMarker {
    /// Registration of that broker; none where the file does not say (before Kafka 3.7 it is empty).
    pub broker_epoch: Option<BrokerEpoch>,
}

/// Reads the marker and removes it durably; none where the last shutdown was not clean. The caller
/// decides with the answer of this one call: it is gone afterwards.
///
/// # Errors
/// What the file system says. The marker may be there or not then.
pub fn take_clean_marker(
    storage: &dyn Storage,
    directory: &Path,
) -> io::Result<Option<CleanMarker>> {
    let path = directory.join(CLEAN_MARKER);
    if !storage.exists(&path)? {
        return Ok(None);
    }
    // What is inside is an optimisation; that it exists is the statement.
    let content = read_whole(storage, &path, FILE_BYTES_MAX).unwrap_or_default();
    let broker_epoch = content.as_deref().and_then(broker_epoch);
    storage.remove_file(&path)?;
    storage.sync_directory(directory)?;
    Ok(Some(CleanMarker { broker_epoch }))
}

/// Says that all logs of the directory are closed and synced.
///
/// # Errors
/// What the file system says.
pub fn put_clean_marker(
    storage: &dyn Storage,
    directory: &Path,
    broker_epoch: BrokerEpoch,
) -> io::Result<()> {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    write_atomically(storage, &directory.join(CLEAN_MARKER), text.as_bytes())
}

/// The number behind the key, in an object without nesting.
fn broker_epoch(content: &[u8]) -> Option<BrokerEpoch> {
    let text = str::from_utf8(content).ok()?;
    let (_, rest) = text.split_once("\"brokerEpoch\"")?;
    let number = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = number
        .find(|character: char| !character.is_ascii_digit() && character != '-')
        .unwrap_or(number.len());
    number.get(..end)?.parse().ok().map(BrokerEpoch)
}
