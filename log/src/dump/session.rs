//! What is dumped and where to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use milena_protocol::Offset;
use thiserror::Error;

use crate::checkpoint;
use crate::damage;
use crate::directory::{CLEAN_MARKER, META_PROPERTIES, PARTITION_METADATA};
use crate::producer_state::snapshot;
use crate::storage::Storage;

/// Text of key and value of a record, for topics whose records have a form of their own. None
/// leaves the part out. Not called for control records.
pub type Decoder<'a> =
    dyn Fn(Option<&[u8]>, Option<&[u8]>) -> (Option<String>, Option<String>) + 'a;

/// What is printed. The names are those of the options of `kafka-dump-log`.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Print keys and values; implies `deep_iteration`.
    pub print_data_log: bool,
    /// Print a line per record.
    pub deep_iteration: bool,
    /// Check indexes as opening a log does, and print no entries.
    pub index_sanity_check: bool,
    /// Compare indexes with their segment, and print no entries.
    pub verify_index_only: bool,
    /// Read only so many bytes of a segment file.
    pub max_bytes: u64,
    /// Leave out what is not key or value, and control records.
    pub skip_record_metadata: bool,
    /// Makes text of keys and values; without it they are printed as UTF-8. Implies
    /// `print_data_log`.
    pub decoder: Option<&'a Decoder<'a>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            print_data_log: false,
            deep_iteration: false,
            index_sanity_check: false,
            verify_index_only: false,
            max_bytes: u64::MAX,
            skip_record_metadata: false,
            decoder: None,
        }
    }
}

impl Options<'_> {
    pub(super) const fn prints_data(&self) -> bool {
        self.print_data_log || self.decoder.is_some()
    }

    pub(super) const fn prints_records(&self) -> bool {
        self.deep_iteration || self.prints_data()
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Batches that were read.
    pub batches: u64,
    /// Batches with a wrong CRC or malformed records, bytes that are no batch, index entries that
    /// do not fit their segment, damaged files.
    pub faults: u64,
    /// Files that were not understood.
    pub ignored: u64,
}

/// Why a dump ended early.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read.
    #[error("read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// The text could not be written.
    #[error("write the dump: {0}")]
    Write(#[from] io::Error),
}

/// Prints the files at `paths`, one after the other, to `out`, and what is wrong with them to
/// `faults`. A file that is damaged does not end the dump.
///
/// # Errors
/// `Read`, `Write`.
pub fn dump(
    storage: &dyn Storage,
    paths: &[PathBuf],
    options: &Options<'_>,
    out: &mut dyn Write,
    faults: &mut dyn Write,
) -> Result<Report, Error> {
    let mut session = Session {
        storage,
        options,
        out,
        faults,
        report: Report::default(),
        mismatches: BTreeMap::new(),
        times: BTreeMap::new(),
        unordered_times: BTreeMap::new(),
        not_found: Vec::new(),
        gaps: BTreeMap::new(),
    };
    for path in paths {
        session.dump_file(path)?;
    }
    session.print_faults()?;
    Ok(session.report)
}

/// Pairs of numbers per file.
type Pairs = BTreeMap<PathBuf, Vec<(i64, i64)>>;

pub(super) struct Session<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) options: &'a Options<'a>,
    pub(super) out: &'a mut dyn Write,
    pub(super) faults: &'a mut dyn Write,
    pub(super) report: Report,
    /// Offsets in an index and in its segment.
    pub(super) mismatches: Pairs,
    /// Timestamps in an index and in its segment.
    pub(super) times: Pairs,
    /// Timestamps in an index and in the entry before.
    pub(super) unordered_times: Pairs,
    /// Offsets in an index, and the one that was found.
    pub(super) not_found: Vec<(i64, i64)>,
    /// Offsets of neighbours that do not follow each other.
    pub(super) gaps: Pairs,
}

impl Session<'_> {
    fn dump_file(&mut self, path: &Path) -> Result<(), Error> {
        writeln!(self.out, "Dumping {}", path.display())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Files on their way in or out are what they were before.
        let name = ["cleaned", "swap", "deleted"]
            .into_iter()
            .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'))
            .unwrap_or(&name);
        match name {
            META_PROPERTIES | PARTITION_METADATA | CLEAN_MARKER => return self.dump_text(path),
            checkpoint::RECOVERY_POINT
            | checkpoint::REPLICATION_OFFSET
            | checkpoint::LOG_START_OFFSET
            | checkpoint::CLEANER_OFFSET => return self.dump_offsets(path),
            checkpoint::LEADER_EPOCH => return self.dump_epochs(path),
            damage::FILE => return self.dump_text(path),
            _ if name.ends_with(checkpoint::SIDECAR_SUFFIX) => return self.dump_text(path),
            _ => {}
        }
        match name.rsplit_once('.') {
            Some((base, "log")) => self.dump_log(path, base_offset(base)),
            Some((base, "checkpoint")) => self.dump_metadata_snapshot(path, base),
            Some((base, "index")) => self.dump_index(path, base_offset(base)),
            Some((base, "timeindex")) => self.dump_time_index(path, base_offset(base)),
            Some((_, "txnindex")) => self.dump_transaction_index(path),
            Some((_, suffix)) if snapshot::SUFFIX.strip_prefix('.') == Some(suffix) => {
                self.dump_producers(path)
            }
            _ => {
                self.report.ignored += 1;
                writeln!(self.faults, "Ignoring unknown file {}", path.display())?;
                Ok(())
            }
        }
    }

    /// Says at once what is wrong with a file as a whole.
    pub(super) fn fault(&mut self, text: &dyn std::fmt::Display) -> Result<(), Error> {
        self.report.faults += 1;
        writeln!(self.faults, "{text}")?;
        Ok(())
    }

    fn print_faults(&mut self) -> Result<(), Error> {
        let out = &mut *self.faults;
        let mut count = self.not_found.len();
        let mut section = |out: &mut dyn Write, pairs: &Pairs, texts: [&str; 3]| {
            for (path, pairs) in pairs {
                writeln!(out, "{}{}", texts[0], path.display())?;
                for (first, second) in pairs {
                    count += 1;
                    writeln!(out, "  {}{first}{}{second}", texts[1], texts[2])?;
                }
            }
            Ok::<_, io::Error>(())
        };
        let offsets = ["Mismatches in :", "Index offset: ", ", log offset: "];
        section(out, &self.mismatches, offsets)?;
        let times = [
            "Found timestamp mismatch in :",
            "Index timestamp: ",
            ", log timestamp: ",
        ];
        section(out, &self.times, times)?;
        let order = [
            "Found out of order timestamp in :",
            "Index timestamp: ",
            ", Previously indexed timestamp: ",
        ];
        section(out, &self.unordered_times, order)?;
        if !self.not_found.is_empty() {
            writeln!(
                out,
                "The following indexed offsets are not found in the log."
            )?;
        }
        for (indexed, found) in &self.not_found {
            writeln!(out, "Indexed offset: {indexed}, found log offset: {found}")?;
        }
        self.report.faults += count as u64;
        // Gaps are no fault: compaction makes them.
        for (path, pairs) in &self.gaps {
            writeln!(out, "Non-consecutive offsets in {}", path.display())?;
            for (first, second) in pairs {
                writeln!(out, "  {first} is followed by {second}")?;
            }
        }
        Ok(())
    }

    pub(super) fn read_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |error| Error::Read { path, error }
    }

    /// The whole file; none, and a fault, where it is missing.
    pub(super) fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        let bytes = checkpoint::read_whole(self.storage, path, FILE_BYTES_MAX)
            .map_err(Self::read_error(path))?;
        if bytes.is_none() {
            self.fault(&format_args!("{} is missing", path.display()))?;
        }
        Ok(bytes)
    }
}

/// Largest file other than a segment that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The base offset in a file name; 0 where there is none.
fn base_offset(name: &str) -> Offset {
    Offset(name.parse().unwrap_or(0))
}
