//! One node with the `server.properties` of Apache Kafka, on whose data directories Apache Kafka and
//! `milena server` run in turn.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::broker::program;
use crate::command::{self, Finished};
use crate::driver::class_path;
use crate::setup::Setup;

/// How long a start, a stop or a run of the driver may take. Far above what any of them needs.
const PATIENCE: Duration = Duration::from_secs(180);

/// What Apache Kafka logs when it serves, and what `milena server` prints.
const STARTED: [&str; 2] = ["Kafka Server started", "ready"];

/// Settings of every node: one replica, few partitions of the internal topics, no waiting.
const SETTINGS: &[&str] = &[
    "process.roles=broker,controller",
    "node.id=1",
    "controller.listener.names=CONTROLLER",
    "offsets.topic.replication.factor=1",
    "offsets.topic.num.partitions=5",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "transaction.state.log.num.partitions=3",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
    "share.coordinator.state.topic.num.partitions=3",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "log.cleaner.backoff.ms=200",
];

/// The files below a folder, each with a hash of its content.
pub type Files = BTreeMap<PathBuf, u64>;

/// A node. What runs on it is killed, and its files are removed, when this is dropped.
#[derive(Debug)]
pub struct Node {
    folder: TempDir,
    setup: Setup,
    address: SocketAddr,
    process: Option<Child>,
}

impl Node {
    /// Writes `server.properties`, and formats the directories with Kafka's tool. In `settings` (
    /// `key=value`, over what every node has) `DIR` stands for the folder of the node; the quorum is
    /// a static one of this node alone, or a dynamic one where `is_dynamic`. Nothing where Apache
    /// Kafka is not set up and this is not CI.
    ///
    /// # Errors
    /// The set-up cannot be looked for, or Kafka's tool does not format.
    pub fn format(settings: &[&str], is_dynamic: bool) -> Result<Option<Self>> {
        let Some(setup) = Setup::find(&["java"])? else {
            return Ok(None);
        };
        let folder = TempDir::with_prefix("milena-node-").context("make a directory")?;
        let (port, controller) = free_ports()?;
        let quorum = if is_dynamic {
            format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller}")
        } else {
            format!("controller.quorum.voters=1@127.0.0.1:{controller}")
        };
        let listeners = format!(
            "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n{quorum}"
        );
        let text = SETTINGS
            .iter()
            .chain(&[listeners.as_str(), "log.dirs=DIR/data"])
            .chain(settings)
            .fold(String::new(), |text, line| text + line + "\n")
            .replace("DIR", &folder.path().display().to_string());
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let node = Self {
            folder,
            setup,
            address,
            process: None,
        };
        fs::write(node.properties(), text).context("write server.properties")?;
        let mut tool = node.java()?;
        tool.args(["kafka.tools.StorageTool", "format", "-c"])
            .arg(node.properties())
            .args(["-t", "MkU3OEVBNTcwNTJENDM2Qg"]);
        if is_dynamic {
            tool.arg("--standalone");
        }
        let finished = command::run(&mut tool, PATIENCE)?;
        ensure!(finished.status.success(), "format: {finished:?}");
        Ok(Some(node))
    }

    /// Address for clients.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A path below the folder of the node; `data` is the log directory unless a setting says
    /// otherwise.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn properties(&self) -> PathBuf {
        self.path("server.properties")
    }

    /// Starts Apache Kafka and waits until it serves.
    ///
    /// # Errors
    /// It ended, or does not serve in time. The message ends with what it logged.
    pub fn start_kafka(&mut self) -> Result<()> {
        let mut command = self.java()?;
        command.arg("kafka.Kafka").arg(self.properties());
        self.launch(command)
    }

    /// Starts `milena server` with these flags and waits until it serves.
    ///
    /// # Errors
    /// As [`Node::start_kafka`], and there is no program.
    pub fn start_milena(&mut self, flags: &[&str]) -> Result<()> {
        let command = self.milena(flags)?;
        self.launch(command)
    }

    /// Runs `milena server` with these flags, which is expected to refuse to start, and returns the
    /// last line that it logged.
    ///
    /// # Errors
    /// It does not end in time, or ends well.
    pub fn refused_milena(&self, flags: &[&str]) -> Result<String> {
        let finished = command::run(&mut self.milena(flags)?, PATIENCE)?;
        ensure!(!finished.status.success(), "it ended well: {finished:?}");
        let last = finished.stderr.lines().last();
        Ok(last.context("it says nothing")?.to_owned())
    }

    /// Asks what runs to stop (SIGTERM), and waits for its end.
    ///
    /// # Errors
    /// Nothing runs, or it does not end in time.
    pub fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("nothing runs")?;
        let pid = Pid::from_child(&process);
        rustix::process::kill_process(pid, Signal::TERM).context("signal the node")?;
        if command::wait(process, PATIENCE)?.is_none() {
            // It may have ended just now.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            bail!("it does not stop\n{}", self.log_tail());
        }
        Ok(())
    }

    /// Ends what runs at once, as kill -9 does.
    ///
    /// # Errors
    /// Nothing runs.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("nothing runs")?;
        process.kill().context("kill the node")?;
        process.wait().context("wait for the node")?;
        Ok(())
    }

    /// Runs the driver `Takeover` (`clients/java/Takeover.java`) and returns the lines it prints.
    ///
    /// # Errors
    /// It fails, or does not end in time.
    pub fn driver(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let mut command = self.java()?;
        command
            .args(["Takeover", &self.address.to_string()])
            .args(arguments);
        let Finished {
            status,
            stdout,
            stderr,
        } = command::run(&mut command, PATIENCE)?;
        let tail = self.log_tail();
        ensure!(status.success(), "{arguments:?}: {stderr}\nnode: {tail}");
        Ok(stdout.lines().map(str::to_owned).collect())
    }

    fn java(&self) -> Result<Command> {
        let mut command = Command::new("java");
        command.args([
            "-Xmx512M",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dconformance.log=INFO",
            "-cp",
        ]);
        command.arg(class_path(&self.setup)?);
        Ok(command)
    }

    fn milena(&self, flags: &[&str]) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.args(["server", "--admin-port", "0", "-c"]);
        command.arg(self.properties()).args(flags);
        Ok(command)
    }

    fn launch(&mut self, mut command: Command) -> Result<()> {
        ensure!(self.process.is_none(), "something runs");
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let (tx, rx) = mpsc::channel();
        let stdout = process.stdout.take().context("no standard output")?;
        let stderr = process.stderr.take().context("no standard error")?;
        self.process = Some(process);
        self.pass_on(stdout, tx.clone())?;
        self.pass_on(stderr, tx)?;
        await_started(&rx).with_context(|| self.log_tail())
    }

    /// Reads a stream to its end in a thread, so that the process never blocks: into the log, and
    /// line by line to `lines`.
    fn pass_on(&self, stream: impl Read + Send + 'static, lines: Sender<String>) -> Result<()> {
        let mut log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .context("open the log")?;
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // A log that cannot be written is missed where it is shown.
                let _ = writeln!(log, "{line}");
                // After the start nobody listens.
                let _ = lines.send(line);
            }
        });
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.path("log")
    }

    /// Everything that was logged, by all that ran.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(self.log_path()).context("read the log")
    }

    fn log_tail(&self) -> String {
        let text = self.log().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which is what the test then reports.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn await_started(lines: &Receiver<String>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let line = lines
            .recv_timeout(left)
            .context("it ended, or does not serve in time")?;
        if line == STARTED[1] || line.contains(STARTED[0]) {
            return Ok(());
        }
    }
}

/// First port that a node may get, and how many there are. Systems give connections ports from 32768
/// up; one of those would be gone between two starts of a node.
const PORTS: (u16, u16) = (20_001, 12_000);

/// Two ports that nobody uses now. They are given in the configuration, as both programs are to have
/// the same one.
fn free_ports() -> Result<(u16, u16)> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Processes begin at different places, as they cannot ask each other.
    let begin = std::process::id().wrapping_mul(37);
    let mut free = std::iter::repeat_with(|| {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        let step = begin.wrapping_add(taken) % u32::from(PORTS.1);
        PORTS
            .0
            .saturating_add(u16::try_from(step).unwrap_or_default())
    })
    .take(usize::from(PORTS.1))
    .filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    let mut next = || free.next().context("no port is free");
    Ok((next()?, next()?))
}

/// All files below a folder, by their path within it.
///
/// # Errors
/// What the system says.
pub fn files(folder: &Path) -> Result<Files> {
    let mut found = Files::new();
    collect(folder, folder, &mut found).with_context(|| format!("read {}", folder.display()))?;
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Files) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, found)?;
        } else {
            let name = path.strip_prefix(root)?.to_owned();
            let mut hasher = DefaultHasher::new();
            hasher.write(&fs::read(&path)?);
            found.insert(name, hasher.finish());
        }
    }
    Ok(())
}
