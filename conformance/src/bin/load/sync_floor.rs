//! What a disk can do: append and `fdatasync`, one after the other.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::flags::Flags;
use crate::sample::Samples;

/// `sync-floor`: the file is removed afterwards.
///
/// # Errors
/// What the system says.
pub(crate) fn run(flags: &Flags) -> Result<Value> {
    let directory = Path::new(flags.text("directory")?);
    let record_bytes: usize = flags.or("record-bytes", 180)?;
    let measured = Duration::from_secs_f64(flags.or("seconds", 3.0)?);
    let path = directory.join("sync-floor");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("create {}", path.display()))?;
    let record = vec![b'x'; record_bytes];
    let mut samples = Samples::default();
    let started = Instant::now();
    while started.elapsed() < measured {
        let before = Instant::now();
        file.write_all(&record).context("write")?;
        file.sync_data().context("sync")?;
        samples.add(before.elapsed());
    }
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_file(&path).context("remove the file")?;
    Ok(samples.report(seconds))
}
