//! Programs with a time limit.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

/// What a program did.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

/// Runs a program, with its children in a process group of their own, for at most `limit`.
///
/// # Errors
/// The program cannot be started, or did not end in time; it is killed then, and the message ends
/// with what it printed.
pub fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let program = format!("{command:?}");
    let mut stdout = tempfile::tempfile().context("make a file for the output")?;
    let mut stderr = tempfile::tempfile().context("make a file for the errors")?;
    let child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let pid = Pid::from_child(&child);
    let Some(status) = wait(child, limit)? else {
        // The group may be gone already; then there is nothing to kill.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        bail!(
            "{program} took longer than {limit:?}\n{}\n{}",
            text(&mut stdout)?,
            text(&mut stderr)?
        );
    };
    Ok(Finished {
        status,
        stdout: text(&mut stdout)?,
        stderr: text(&mut stderr)?,
    })
}

/// Waits for a process in a thread; nothing where it did not end within `limit`.
///
/// # Errors
/// The process cannot be waited for.
pub fn wait(mut child: Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more where the limit was reached.
        let _ = ended.send(child.wait());
    });
    match end.recv_timeout(limit) {
        Ok(status) => Ok(Some(status.context("wait for a process")?)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => bail!("the thread that waits for a process died"),
    }
}

fn text(file: &mut File) -> Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
