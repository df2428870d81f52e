//! What happened, as a hash and, where wanted, as lines.

use std::fmt::{self, Write};

/// Lines that are kept for the report of a failure.
const LINES_MAX: usize = 200_000;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The trace of a run. Two runs with the same hash have had the same lines.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        Ok(())
    }
}

impl Trace {
    /// A trace that keeps its lines where `keeps` says so.
    pub(crate) fn new(keeps: bool) -> Self {
        Self {
            hash: FNV_OFFSET,
            lines: keeps.then(Vec::new),
        }
    }

    /// Adds a line.
    pub(crate) fn note(&mut self, now: i64, line: fmt::Arguments<'_>) {
        // Writing into a hash does not fail.
        let _ = writeln!(self, "{now} {line}");
        if let Some(lines) = &mut self.lines
            && lines.len() < LINES_MAX
        {
            lines.push(format!("{now:>7} {line}"));
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
