//! Where `conformance/setup` put the clients.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::command;

/// The parts that were asked for, each with its folder.
#[derive(Debug)]
pub struct Setup {
    folders: BTreeMap<String, PathBuf>,
}

impl Setup {
    /// Finds these parts (`python`, `node`, `go`, `java`). Nothing, with a message, where one is not
    /// ready and this is not CI: the caller is skipped then.
    ///
    /// # Errors
    /// A part is not ready and `CI` is set, or the set-up script cannot be run.
    pub fn find(parts: &[&str]) -> Result<Option<Self>> {
        let mut script = Command::new(folder().join("setup"));
        script.arg("--paths").args(parts);
        let found = command::run(&mut script, Duration::from_secs(30))?;
        if !found.status.success() {
            let message = found.stderr.trim();
            ensure!(
                env::var_os("CI").is_none(),
                "clients are missing: {message}"
            );
            note(&format!("skipped: {message}"));
            return Ok(None);
        }
        let mut folders = BTreeMap::new();
        for line in found.stdout.lines() {
            let Some((part, path)) = line.split_once('=') else {
                bail!("setup printed '{line}'");
            };
            folders.insert(part.to_owned(), PathBuf::from(path));
        }
        Ok(Some(Self { folders }))
    }

    /// The folder of a part.
    ///
    /// # Errors
    /// The part was not asked for.
    pub fn folder(&self, part: &str) -> Result<&Path> {
        self.folders
            .get(part)
            .map(PathBuf::as_path)
            .with_context(|| format!("part {part} was not asked for"))
    }
}

/// The folder of this package, with the drivers.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Tells the person who runs the tests something.
#[allow(
    clippy::print_stderr,
    reason = "the runner of the tests shows it, and there is no log"
)]
pub fn note(message: &str) {
    eprintln!("{message}");
}
