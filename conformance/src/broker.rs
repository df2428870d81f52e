//! A broker to test: started here, or running already.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::command;

/// How long a broker may take until it serves, and until it has stopped. Far above what either
/// needs: a test that meets it has failed, not measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings with which the tests start a broker, so that they need not wait for its housekeeping.
/// Apache Kafka is started with the same ones.
pub const SETTINGS: &[&str] = &[
    "log.retention.check.interval.ms=500",
    "log.initial.task.delay.ms=500",
    "log.cleaner.backoff.ms=200",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "offsets.topic.num.partitions=5",
    "transaction.state.log.num.partitions=3",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    "group.consumer.heartbeat.interval.ms=400",
    "group.consumer.min.heartbeat.interval.ms=400",
    "group.consumer.session.timeout.ms=6000",
    "group.consumer.min.session.timeout.ms=6000",
    "group.consumer.assignment.interval.ms=100",
];

/// One broker. It is killed, and its data removed, when this is dropped.
#[derive(Debug)]
pub struct Broker {
    bootstrap: SocketAddr,
    own: Option<Own>,
}

/// What belongs to a broker that was started here.
#[derive(Debug)]
struct Own {
    /// Nothing while it is stopped.
    process: Option<Child>,
    /// Where the running process tells its health.
    admin: Option<SocketAddr>,
    directory: TempDir,
    settings: Vec<String>,
}

impl Broker {
    /// The broker that `MILENA_CONFORMANCE_BOOTSTRAP` names, or a new one with [`SETTINGS`].
    ///
    /// # Errors
    /// The variable is not an address, or as of [`Broker::start`].
    pub fn any() -> Result<Self> {
        match env::var("MILENA_CONFORMANCE_BOOTSTRAP") {
            Ok(address) => Ok(Self {
                bootstrap: address.parse().context("parse the bootstrap address")?,
                own: None,
            }),
            Err(_) => Self::start(&[]),
        }
    }

    /// Starts `milena dev` on an empty directory and free ports, with [`SETTINGS`] and then
    /// `settings` (`key=value`, the last one of a key counts), and waits until it serves.
    ///
    /// # Errors
    /// There is no program, it ended, it did not serve in time, or its port belongs to another
    /// process. The message has the end of its log.
    pub fn start(settings: &[&str]) -> Result<Self> {
        let mut own = Own {
            process: None,
            admin: None,
            directory: TempDir::with_prefix("milena-conformance-").context("make a directory")?,
            settings: SETTINGS
                .iter()
                .chain(settings)
                .map(|&setting| setting.to_owned())
                .collect(),
        };
        let bootstrap = own.launch(0)?;
        Ok(Self {
            bootstrap,
            own: Some(own),
        })
    }

    /// Address of the Kafka listener.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.bootstrap
    }

    /// Whether the broker was started here, so that it may be killed and its files read.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The data directory.
    ///
    /// # Errors
    /// The broker was not started here.
    pub fn data(&self) -> Result<PathBuf> {
        Ok(self.own.as_ref().context("a foreign broker")?.data())
    }

    /// Process id.
    ///
    /// # Errors
    /// The broker was not started here, or is stopped.
    pub fn pid(&self) -> Result<u32> {
        let own = self.own.as_ref().context("a foreign broker")?;
        Ok(own.process.as_ref().context("a stopped broker")?.id())
    }

    /// What the broker logged so far, over all of its starts.
    ///
    /// # Errors
    /// The broker was not started here, or the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let own = self.own.as_ref().context("a foreign broker")?;
        fs::read_to_string(own.log_path()).context("read the log")
    }

    /// The last lines that the broker logged; empty for a broker that was not started here.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.own.as_ref().map(Own::log_tail).unwrap_or_default()
    }

    /// What the broker says of its health: HTTP status and body.
    ///
    /// # Errors
    /// The broker was not started here, or does not answer.
    pub fn health(&self) -> Result<(u16, String)> {
        let own = self.own.as_ref().context("a foreign broker")?;
        let address = own.admin.context("a stopped broker")?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .context("read the health")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer of HTTP")?;
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    /// Ends the broker at once, as kill -9 does.
    ///
    /// # Errors
    /// The broker was not started here, or is stopped.
    pub fn kill(&mut self) -> Result<()> {
        let own = self.own.as_mut().context("a foreign broker")?;
        let mut process = own.process.take().context("a stopped broker")?;
        process.kill().context("kill the broker")?;
        process.wait().context("wait for the broker")?;
        Ok(())
    }

    /// Asks the broker to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// The broker was not started here, is stopped, or goes on.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let own = self.own.as_mut().context("a foreign broker")?;
        let process = own.process.take().context("a stopped broker")?;
        let pid = Pid::from_child(&process);
        rustix::process::kill_process(pid, Signal::TERM).context("signal the broker")?;
        let Some(status) = command::wait(process, PATIENCE)? else {
            // It may have ended just now.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            bail!("the broker did not stop\n{}", own.log_tail());
        };
        Ok(status)
    }

    /// Sends SIGTERM until the broker has ended: what follows the first within a second is taken for
    /// the same wish, what follows later is not.
    ///
    /// # Errors
    /// The broker was not started here, is stopped, or goes on.
    pub fn insist(&mut self) -> Result<ExitStatus> {
        let own = self.own.as_mut().context("a foreign broker")?;
        let mut process = own.process.take().context("a stopped broker")?;
        let pid = Pid::from_child(&process);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().context("wait for the broker")? {
                return Ok(status);
            }
            rustix::process::kill_process(pid, Signal::TERM).context("signal the broker")?;
            if Instant::now() > deadline {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                bail!("the broker did not stop\n{}", own.log_tail());
            }
            thread::yield_now();
        }
    }

    /// Starts a stopped broker on its data and its port.
    ///
    /// # Errors
    /// The broker was not started here, or as of [`Broker::start`].
    pub fn restart(&mut self) -> Result<()> {
        let port = self.bootstrap.port();
        let own = self.own.as_mut().context("a foreign broker")?;
        ensure!(own.process.is_none(), "the broker runs");
        self.bootstrap = own.launch(port)?;
        Ok(())
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("broker.log")
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Starts the process and returns where it serves Kafka's protocol.
    fn launch(&mut self, port: u16) -> Result<SocketAddr> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .context("open the log")?;
        let program = program()?;
        let mut command = Command::new(&program);
        command.arg("dev").arg("--data").arg(self.data());
        command.args(["--port", &port.to_string()]);
        for listener in ["registry", "connect", "sql", "admin"] {
            command.args([&format!("--{listener}-port"), "0"]);
        }
        for setting in &self.settings {
            command.args(["-X", setting]);
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let lines = lines(&mut process)?;
        let pid = process.id();
        self.process = Some(process);
        let (address, admin) = await_ready(&lines).with_context(|| self.log_tail())?;
        self.admin = admin;
        ensure!(
            listens(pid, address.port())?,
            "port {} does not belong to process {pid}",
            address.port()
        );
        Ok(address)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which is what the test then reports.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The program to test, to be run with other arguments.
///
/// # Errors
/// There is none.
pub fn milena() -> Result<Command> {
    program().map(Command::new)
}

/// The program to test: `MILENA_BIN`, or the one beside the test that runs.
pub(crate) fn program() -> Result<PathBuf> {
    if let Some(path) = env::var_os("MILENA_BIN") {
        return Ok(path.into());
    }
    let test = env::current_exe().context("find the test program")?;
    let path = test
        .parent()
        .and_then(Path::parent)
        .context("find the target directory")?
        .join("milena");
    ensure!(
        path.exists(),
        "{} is missing: build it (cargo build -p milena-server --bin milena, same profile), or set \
         MILENA_BIN or MILENA_CONFORMANCE_BOOTSTRAP",
        path.display()
    );
    Ok(path)
}

/// The lines of standard output, read by a thread until it closes, so that the broker never blocks.
fn lines(process: &mut Child) -> Result<Receiver<String>> {
    let stdout = process.stdout.take().context("no standard output")?;
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // After `ready` nobody listens; the pipe is still to be emptied.
            let _ = tx.send(line);
        }
    });
    Ok(rx)
}

/// Reads `NAME HOST:PORT` lines until `ready`, and returns the addresses of `kafka` and `admin`.
fn await_ready(lines: &Receiver<String>) -> Result<(SocketAddr, Option<SocketAddr>)> {
    let end = Instant::now() + PATIENCE;
    let (mut kafka, mut admin) = (None, None);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let line = lines
            .recv_timeout(left)
            .context("the broker ended, or was not ready in time")?;
        if line == "ready" {
            let kafka = kafka.context("no line for the listener 'kafka' before 'ready'")?;
            return Ok((kafka, admin));
        }
        if let Some(address) = line.strip_prefix("admin ") {
            admin = Some(address.parse().with_context(|| format!("parse '{line}'"))?);
        }
        if let Some(address) = line.strip_prefix("kafka ") {
            // With several addresses of one listener, the first counts.
            kafka.get_or_insert(address.parse().with_context(|| format!("parse '{line}'"))?);
        }
    }
}

/// Whether a TCP listener on this port belongs to this process. Elsewhere than on Linux: yes.
fn listens(pid: u32, port: u16) -> Result<bool> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = fs::read_to_string(table) else {
            continue;
        };
        sockets.extend(text.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, hex) = fields.get(1)?.rsplit_once(':')?;
            let is_listener = fields.get(3) == Some(&"0A");
            let is_port = u16::from_str_radix(hex, 16).ok() == Some(port);
            (is_listener && is_port).then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
        }));
    }
    if sockets.is_empty() && !Path::new("/proc/net/tcp").exists() {
        return Ok(true);
    }
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).context("list open files")? {
        if let Ok(target) = fs::read_link(entry?.path())
            && sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        {
            return Ok(true);
        }
    }
    Ok(false)
}
