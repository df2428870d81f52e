//! Bytes of a log that should hold batches and do not.
//!
//! A log with damage below its recovery point is read-only: it serves every intact batch, and
//! nothing is cut from it. What is damaged stands in the file [`FILE`] in the partition's folder,
//! so that it is known again after a clean stop, until `repair` removes both.

use std::fmt::Write;
use std::path::Path;

use milena_protocol::Offset;

use crate::checkpoint;
use crate::error::{During, StorageError};
use crate::storage::Storage;

/// Name of the file that lists the damage of a log.
pub const FILE: &str = "milena.damage";
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A damaged place of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedBytes {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Position of the first damaged byte.
    pub start: u64,
    /// Position behind the last damaged byte; an intact batch or the end of the file is there.
    pub end: u64,
    /// First offset that may be lost.
    pub first_offset: Offset,
    /// First offset behind it that is not lost here.
    pub next_offset: Offset,
}

impl DamagedBytes {
    /// True where `position` is one of the damaged bytes, or where an empty place stands for
    /// missing bytes at the end of a file.
    #[must_use]
    pub const fn covers(&self, position: u64) -> bool {
        position >= self.start && position < self.end
    }
}

/// Everything that is damaged in a log, in ascending order; at least one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The damaged places.
    pub places: Vec<DamagedBytes>,
}

impl Damage {
    /// Places in one segment.
    pub(crate) fn in_segment(&self, base_offset: Offset) -> &[DamagedBytes] {
        let from = self
            .places
            .partition_point(|place| place.segment < base_offset);
        let rest = self.places.get(from..).unwrap_or_default();
        let until = rest.partition_point(|place| place.segment == base_offset);
        rest.get(..until).unwrap_or_default()
    }
}

fn encode(places: &[DamagedBytes]) -> String {
    let mut text = String::from("0\n");
    for place in places {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} {} {} {} {}",
            place.segment, place.start, place.end, place.first_offset, place.next_offset
        );
    }
    text
}

fn decode(text: &str) -> Option<Vec<DamagedBytes>> {
    let mut lines = text.lines();
    if lines.next()? != "0" {
        return None;
    }
    lines
        .map(|line| {
            let mut fields = line.split(' ');
            let place = DamagedBytes {
                segment: Offset(fields.next()?.parse().ok()?),
                start: fields.next()?.parse().ok()?,
                end: fields.next()?.parse().ok()?,
                first_offset: Offset(fields.next()?.parse().ok()?),
                next_offset: Offset(fields.next()?.parse().ok()?),
            };
            (fields.next().is_none() && place.start < place.end).then_some(place)
        })
        .collect()
}

/// What the file of the folder says: none without a file, an empty list where it is unreadable
/// (then every segment has to be checked).
pub(crate) fn read(
    storage: &dyn Storage,
    folder: &Path,
) -> Result<Option<Vec<DamagedBytes>>, StorageError> {
    let path = folder.join(FILE);
    let bytes = checkpoint::read_whole(storage, &path, FILE_BYTES_MAX).during("read", &path)?;
    Ok(bytes.map(|bytes| {
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(decode)
            .unwrap_or_default()
    }))
}

pub(crate) fn write(
    storage: &dyn Storage,
    folder: &Path,
    places: &[DamagedBytes],
) -> Result<(), StorageError> {
    let path = folder.join(FILE);
    checkpoint::write_atomically(storage, &path, encode(places).as_bytes()).during("write", &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let place = |segment, start| DamagedBytes {
            segment: Offset(segment),
            start,
            end: start + 5,
            first_offset: Offset(segment),
            next_offset: Offset(segment + 1),
        };
        let places = vec![place(0, 1), place(0, 9), place(7, 2)];
        assert_eq!(decode(&encode(&places)), Some(places.clone()));
        let damage = Damage { places };
        assert_eq!(damage.in_segment(Offset(0)).len(), 2);
        assert_eq!(damage.in_segment(Offset(7)).len(), 1);
        assert!(damage.in_segment(Offset(3)).is_empty());
        assert_eq!(decode("1\n"), None);
        assert_eq!(decode("0\n1 2 3 4\n"), None);
        assert_eq!(decode("0\n1 3 3 4 5\n"), None);
    }
}
