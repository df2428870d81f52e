//! `milena log`: looks into the files of a log, and mends a damaged partition.

use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use milena_log::directory::{self, FolderKind};
use milena_log::storage::{DiskStorage, Storage};
use milena_log::{dump, repair};

use crate::command_line::{Dump, Log, Repair};
use crate::process::print_line;

/// Runs one of the commands.
///
/// # Errors
/// A file that cannot be read; faults that were found; a repair that is refused or fails.
pub(crate) fn run(command: &Log) -> Result<()> {
    match command {
        Log::Dump(flags) => match dump_files(flags) {
            Err(error) if is_closed_pipe(&error) => Ok(()),
            outcome => outcome,
        },
        Log::Repair(flags) => repair(flags),
    }
}

/// True where the reader of standard output has seen enough, such as `head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn dump_files(flags: &Dump) -> Result<()> {
    let options = dump::Options {
        print_data_log: flags.print_data_log,
        deep_iteration: flags.deep_iteration,
        index_sanity_check: flags.index_sanity_check,
        verify_index_only: flags.verify_index_only,
        max_bytes: flags.max_bytes.unwrap_or(u64::MAX),
        skip_record_metadata: flags.skip_record_metadata,
        decoder: None,
    };
    check_files(&flags.files)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut faults = io::stderr().lock();
    let storage = DiskStorage::new();
    let report = dump::dump(&storage, &flags.files, &options, &mut out, &mut faults)?;
    out.flush().context("write to standard output")?;
    ensure!(report.faults == 0, "faults found: {}", report.faults);
    ensure!(
        report.ignored == 0,
        "files not understood: {}",
        report.ignored
    );
    Ok(())
}

/// Refuses what is no file before anything is printed.
fn check_files(files: &[PathBuf]) -> Result<()> {
    for path in files {
        let shown = path.display();
        let metadata = fs::metadata(path).with_context(|| format!("read {shown}"))?;
        ensure!(
            !metadata.is_dir(),
            "{shown} is a directory: name files in it, such as {}",
            path.join("00000000000000000000.log").display()
        );
    }
    Ok(())
}

fn repair(flags: &Repair) -> Result<()> {
    let is_live = directory::parse_folder(&flags.partition)
        .is_some_and(|folder| folder.kind == FolderKind::Live);
    ensure!(
        is_live,
        "'{}' is not TOPIC-PARTITION, such as orders-0",
        flags.partition
    );
    let folder = flags.directory.join(&flags.partition);
    let shown = folder.display();
    ensure!(folder.is_dir(), "{shown} is not there");
    // A server that runs would go on writing to files that are replaced here.
    let _lock = directory::lock(&flags.directory)?;
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage::new());
    let report = repair::repair(&storage, &folder, flags.accept_loss)
        .with_context(|| format!("repair {shown}"))?;
    for lost in &report.lost {
        // Kafka's tools say the last offset, too.
        print_line(&format!(
            "lost: offsets {} to {}",
            lost.start,
            lost.end.0 - 1
        ))?;
    }
    for kept in &report.kept {
        print_line(&format!("kept: {}", kept.display()))?;
    }
    if report.is_repaired {
        return print_line(&format!("{shown} is repaired"));
    }
    if report.lost.is_empty() {
        return print_line(&format!("nothing is damaged in {shown}"));
    }
    bail!("nothing was changed; --accept-loss gives these records up")
}
