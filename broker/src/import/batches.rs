//! The batches of one file, a segment or a snapshot, which have the same format.

use std::io;
use std::path::Path;

use milena_log::storage::{File, Storage};
use milena_protocol::batch::{BatchHeader, HEADER_BYTES, RecordIter, Records};

use super::Error;

/// Batches of Kafka's metadata log have at most 8 MiB; what is much longer is damage.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// One batch of a file.
pub(super) struct Batch<'a> {
    pub header: BatchHeader,
    records: Records<'a>,
}

impl Batch<'_> {
    pub(super) fn records(&self) -> RecordIter<'_> {
        self.records.iter()
    }
}

/// What to do at the first byte that is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Fail.
    Refuse,
    /// Take it for the end.
    Cut,
}

/// Calls `visit` with each batch of a file, in order. What `visit` finds wrong is damage at the
/// batch.
pub(super) fn visit(
    storage: &dyn Storage,
    path: &Path,
    tail: Tail,
    mut visit: impl FnMut(&Batch<'_>) -> Result<(), String>,
) -> Result<(), Error> {
    let file = storage.open(path).map_err(Error::io("open", path))?;
    let end = file.len().map_err(Error::io("read the size of", path))?;
    let mut buffer = Vec::new();
    let mut position = 0;
    while position < end {
        let damaged = |reason: String| Error::Damaged {
            path: path.to_path_buf(),
            position,
            reason,
        };
        let header = match read_batch(&*file, position, end, &mut buffer) {
            Ok(header) => header,
            Err(Fault::Io(error)) => return Err(Error::io("read", path)(error)),
            Err(Fault::Bytes(reason)) if tail == Tail::Cut => {
                let path = path.display();
                tracing::warn!(%path, position, %reason, "the rest of the file is left out");
                return Ok(());
            }
            Err(Fault::Bytes(reason)) => return Err(damaged(reason)),
        };
        let records = Records::open(&header, &buffer, BATCH_BYTES_MAX)
            .map_err(|error| damaged(error.to_string()))?;
        visit(&Batch { header, records }).map_err(damaged)?;
        position += buffer.len() as u64;
    }
    Ok(())
}

enum Fault {
    Io(io::Error),
    Bytes(String),
}

/// Reads the batch at `position` into the buffer, and checks its CRC.
fn read_batch(
    file: &dyn File,
    position: u64,
    end: u64,
    buffer: &mut Vec<u8>,
) -> Result<BatchHeader, Fault> {
    let rest = usize::try_from(end - position).unwrap_or(usize::MAX);
    buffer.resize(HEADER_BYTES.min(rest), 0);
    fill(file, buffer, position)?;
    let header = BatchHeader::parse(buffer).map_err(|error| Fault::Bytes(error.to_string()))?;
    if header.size_bytes > rest.min(BATCH_BYTES_MAX) {
        let size = header.size_bytes;
        return Err(Fault::Bytes(format!(
            "batch of {size} bytes does not end in the file"
        )));
    }
    buffer.resize(header.size_bytes, 0);
    fill(file, buffer, position)?;
    header
        .check_crc(buffer)
        .map_err(|error| Fault::Bytes(error.to_string()))?;
    Ok(header)
}

fn fill(file: &dyn File, buffer: &mut [u8], position: u64) -> Result<(), Fault> {
    let mut done = 0;
    while done < buffer.len() {
        let read = file
            .read_at(&mut buffer[done..], position + done as u64)
            .map_err(Fault::Io)?;
        if read == 0 {
            return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        done += read;
    }
    Ok(())
}
