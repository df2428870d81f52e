//! The clients of a run, and their processes.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::driver::class_path;
use crate::setup::{self, Setup};

/// Whose client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Python,
    Java,
}

/// One client: what it is and does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) program: Program,
    pub(super) role: &'static str,
    pub(super) options: &'static [&'static str],
}

const fn python(role: &'static str, options: &'static [&'static str]) -> Row {
    Row {
        program: Program::Python,
        role,
        options,
    }
}

const fn java(role: &'static str, options: &'static [&'static str]) -> Row {
    Row {
        program: Program::Java,
        role,
        options,
    }
}

/// Topics with their partitions.
pub(super) const TOPICS: &[(&str, i32)] = &[("plain", 2), ("txn", 3), ("out", 2), ("out2", 2)];

/// As the clients are told of all topics.
const ALL: &str = "topics=plain:2,txn:3,out:2,out2:2";

/// Groups whose offsets are fetched at the end: group, topic, partitions.
pub(super) const GROUPS: &str = "groups=transform-classic:txn:3,transform-consumer:txn:3,\
                                 transform-consumer:plain:2,readers:plain:2,members:out:2";

const COMMITTED: &str = "isolation=read_committed";
const UNCOMMITTED: &str = "isolation=read_uncommitted";
const OLD: &str = "group=transform-classic";
const NEW: &str = "group=transform-consumer";

/// All clients of a run.
pub(super) const ROSTER: &[Row] = &[
    python("send", &["topics=plain:2"]),
    python("transactions", &["id=a", "topics=txn:3,plain:2"]),
    python("transactions", &["id=b", "topics=txn:3"]),
    java("transactions", &["id=c", "topics=txn:3,plain:2"]),
    python(
        "transform",
        &[
            "id=d",
            OLD,
            "topics=txn:3",
            "out=out:2",
            COMMITTED,
            "protocol=classic",
        ],
    ),
    python(
        "transform",
        &[
            "id=e",
            OLD,
            "topics=txn:3",
            "out=out:2",
            COMMITTED,
            "protocol=classic",
        ],
    ),
    python(
        "transform",
        &[
            "id=f",
            NEW,
            "topics=txn:3,plain:2",
            "out=out2:2",
            COMMITTED,
            "protocol=consumer",
        ],
    ),
    java(
        "transform",
        &[
            "id=g",
            NEW,
            "topics=txn:3,plain:2",
            "out=out2:2",
            COMMITTED,
            "protocol=consumer",
        ],
    ),
    python(
        "read",
        &[
            "group=readers",
            "topics=plain:2",
            UNCOMMITTED,
            "protocol=classic",
        ],
    ),
    python(
        "read",
        &[
            "group=readers",
            "topics=plain:2",
            UNCOMMITTED,
            "protocol=classic",
        ],
    ),
    python(
        "read",
        &[
            "group=members",
            "topics=out:2",
            COMMITTED,
            "protocol=consumer",
        ],
    ),
    python(
        "read",
        &[
            "group=members",
            "topics=out:2",
            COMMITTED,
            "protocol=consumer",
        ],
    ),
    python("watch", &[ALL, COMMITTED]),
    python("watch", &[ALL, UNCOMMITTED]),
];

/// Who reads at the end.
pub(super) const LAST: &[Row] = &[
    python("finish", &[ALL, COMMITTED, GROUPS]),
    python("finish", &[ALL, UNCOMMITTED]),
];

/// Starts clients, each with a number and a history of its own.
#[derive(Debug)]
pub(super) struct Starter<'a> {
    pub(super) setup: &'a Setup,
    pub(super) folder: &'a Path,
    pub(super) bootstrap: SocketAddr,
    pub(super) seed: u64,
    pub(super) started: u64,
}

impl Starter<'_> {
    pub(super) fn start(&mut self, row: &Row) -> Result<Life> {
        self.started += 1;
        let number = self.started;
        let mut command = self.command(row)?;
        command
            .arg(row.role)
            .arg(self.bootstrap.to_string())
            .arg(history(self.folder, number))
            .arg(number.to_string())
            .arg(self.seed.wrapping_add(number).to_string())
            .args(row.options);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("clients.log"))
            .context("open the log of the clients")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log of the clients")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        Ok(Life {
            child,
            is_over: false,
        })
    }

    fn command(&self, row: &Row) -> Result<Command> {
        Ok(match row.program {
            Program::Python => {
                let mut command = Command::new(self.setup.folder("python")?.join("bin/python"));
                let driver = setup::folder().join("clients/confluent_kafka/chaos.py");
                command.arg("-B").arg(driver);
                command
            }
            Program::Java => {
                let mut command = Command::new("java");
                command.args([
                    "-Xmx192M",
                    "-Xss512k",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                ]);
                command.arg(class_path(self.setup)?).arg("Chaos");
                command
            }
        })
    }
}

/// Where the process of a number records.
pub(super) fn history(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("history-{number}.jsonl"))
}

/// One process of a client. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Life {
    child: Child,
    is_over: bool,
}

impl Life {
    /// Whether it has ended, and how.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait().context("look after a client")?;
        self.is_over |= status.is_some();
        Ok(status)
    }

    /// Sends it a signal, unless it has ended.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_none() {
            let pid = Pid::from_child(&self.child);
            rustix::process::kill_process(pid, signal).context("signal a client")?;
        }
        Ok(())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.is_over {
            // It may have ended meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
