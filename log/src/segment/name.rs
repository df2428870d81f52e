//! Names of the files of a segment: the base offset in 20 digits, then what the file is.

use std::path::{Path, PathBuf};

use milena_protocol::Offset;

/// Suffix of a file that compaction is still writing.
pub const CLEANED: &str = ".cleaned";
/// Suffix of a complete file that is to take its place.
pub const SWAP: &str = ".swap";
/// Suffix of a file that is to be removed.
pub const DELETED: &str = ".deleted";
/// Suffix of bytes that recovery cut off or repair cut out, kept for people.
pub const CUT: &str = ".cut";

/// A file of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The record batches.
    Log,
    /// The offset index.
    Index,
    /// The time index.
    TimeIndex,
    /// The transaction index.
    TxnIndex,
}

impl Kind {
    /// All files of a segment; the transaction index is there only where it has entries.
    pub const ALL: [Self; 4] = [Self::Log, Self::Index, Self::TimeIndex, Self::TxnIndex];
    /// The indexes.
    pub const INDEXES: [Self; 3] = [Self::Index, Self::TimeIndex, Self::TxnIndex];

    /// The suffix of the file.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::Index => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
        }
    }
}

/// Name of a file of the segment with this base offset.
#[must_use]
pub fn file_name(base_offset: Offset, kind: Kind) -> String {
    format!("{:020}{}", base_offset.0, kind.suffix())
}

/// Path of a file of the segment with this base offset in the folder of its partition.
#[must_use]
pub fn path(folder: &Path, base_offset: Offset, kind: Kind) -> PathBuf {
    folder.join(file_name(base_offset, kind))
}

/// The same with a further suffix.
#[must_use]
pub fn path_with(folder: &Path, base_offset: Offset, kind: Kind, suffix: &str) -> PathBuf {
    folder.join(format!("{}{suffix}", file_name(base_offset, kind)))
}

/// The parts of a file name: base offset, file, and what stands behind (empty, or one of the
/// suffixes here). None where it is no file of a segment.
#[must_use]
pub fn parse(name: &str) -> Option<(Offset, Kind, &str)> {
    let (digits, rest) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let base_offset = Offset(digits.parse().ok()?);
    Kind::ALL.into_iter().find_map(|kind| {
        let behind = rest.strip_prefix(kind.suffix())?;
        let is_known = behind.is_empty() || [CLEANED, SWAP, DELETED, CUT].contains(&behind);
        is_known.then_some((base_offset, kind, behind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(
            file_name(Offset(123), Kind::TimeIndex),
            "00000000000000000123.timeindex"
        );
        for kind in Kind::ALL {
            for suffix in ["", CLEANED, SWAP, DELETED] {
                let name = format!("{}{suffix}", file_name(Offset(7), kind));
                assert_eq!(parse(&name), Some((Offset(7), kind, suffix)));
            }
        }
        for name in [
            "leader-epoch-checkpoint",
            "00000000000000000123.snapshot",
            "0000000000000000012x.log",
            "00000000000000000123.log.tmp",
            "99999999999999999999.log",
            "",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
