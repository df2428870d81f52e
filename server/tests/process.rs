//! The program as it is started, watched and stopped from outside.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, in a function that tests share too"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{Offset, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The program without what the environment of the tests may say.
fn milena(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("KAFKA_") || name_text.starts_with("MILENA_") {
            command.env_remove(&name);
        }
    }
    command
        .env("MILENA_LOG", "error")
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// A server that is ready. It is killed when it is dropped.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The lines before `ready`: name and address.
    listeners: Vec<(String, SocketAddr)>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self {
            child,
            stdout,
            listeners: Vec::new(),
        };
        loop {
            let mut line = String::new();
            let count = running.stdout.read_line(&mut line).unwrap();
            assert!(count > 0, "ended before it was ready");
            if line == "ready\n" {
                return running;
            }
            let (name, address) = line.trim_end().split_once(' ').unwrap();
            running
                .listeners
                .push((name.to_owned(), address.parse().unwrap()));
        }
    }

    fn dev(data: &Path) -> Self {
        Self::start(dev(data, &[]))
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.listeners
            .iter()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
    }

    /// Status line and body of the answer to a GET.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address("admin")).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Exit code after a signal, and what else it printed.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dev(data: &Path, more: &[&str]) -> Command {
    let mut command = milena(&["dev", "--port", "0", "--admin-port", "0"]);
    command.arg("--data").arg(data).args(more);
    command
}

/// Checks that a command ends with `code` and that each of `said` is in one line of standard error.
fn check_refused(mut command: Command, code: i32, said: &[&str]) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert!(!stdout.contains("ready"), "{stdout}");
    for text in said {
        assert!(
            stderr.lines().any(|line| line.contains(text)),
            "{text}: {stderr}"
        );
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn dev_says_where_it_listens_and_stops_on_a_signal() {
    let data = directory();
    for signal in [Signal::TERM, Signal::INT] {
        let running = Running::dev(data.path());
        let names: Vec<_> = running
            .listeners
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["kafka", "admin"]);
        TcpStream::connect(running.address("kafka")).unwrap();
        let (status, body) = running.get("/health");
        assert!(status.contains(" 200 "), "{status} {body}");
        assert_eq!(body, "{\"status\":\"ready\"}\n");
        let (status, body) = running.get("/metrics");
        assert!(
            status.contains(" 200 ") && body.contains("# TYPE milena_broker_"),
            "{status}"
        );
        assert!(running.get("/nothing").0.contains(" 404 "));
        assert_eq!(running.stop(signal), (Some(0), String::new()));
    }
}

#[test]
fn a_killed_server_starts_again() {
    let data = directory();
    let _ = Running::dev(data.path()).stop(Signal::KILL);
    assert_eq!(Running::dev(data.path()).stop(Signal::TERM).0, Some(0));
}

#[test]
fn what_is_taken_is_one_clear_line() {
    let (data, other) = (directory(), directory());
    let running = Running::dev(data.path());
    check_refused(dev(data.path(), &[]), 1, &["in use"]);
    for name in ["kafka", "admin"] {
        let port = running.address(name).port().to_string();
        let flag = if name == "kafka" {
            "--port"
        } else {
            "--admin-port"
        };
        let mut command = milena(&["dev", "--data"]);
        command.arg(other.path()).args([flag, port.as_str()]);
        let free = if name == "kafka" {
            "--admin-port"
        } else {
            "--port"
        };
        check_refused(
            {
                command.args([free, "0"]);
                command
            },
            1,
            &["in use", &port, flag],
        );
    }
}

#[test]
fn a_foreign_port_is_one_clear_line() {
    let (data, taken) = (directory(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = milena(&["dev", "--admin-port", "0", "--port", &port, "--data"]);
    command.arg(data.path());
    check_refused(command, 1, &[&port, "in use", "with --port"]);
    let mut command = dev(data.path(), &[]);
    command.env("KAFKA_LISTENERS", format!("PLAINTEXT://127.0.0.1:{port}"));
    // The flag of the test counts over it.
    assert_eq!(Running::start(command).stop(Signal::TERM).0, Some(0));
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    let command = dev(data.path(), &["-X", &listeners]);
    let said = "choose another port with listeners (on the command line)";
    check_refused(command, 1, &[said]);
}

#[test]
fn a_signal_that_comes_twice_at_once_counts_once() {
    let data = directory();
    let running = Running::dev(data.path());
    running.signal(Signal::TERM);
    running.signal(Signal::INT);
    assert_eq!(running.stop(Signal::TERM).0, Some(0));
}

#[test]
fn a_misspelt_key_is_warned_of_with_its_place() {
    let data = directory();
    let mut command = dev(data.path(), &["-X", "nmu.partitions=3"]);
    command
        .args(["-X", "num.io.threads=8", "-X", "num.network.threads=3"])
        .env("KAFKA_ODD_KEY", "1")
        .env("MILENA_LOG", "warn")
        .stderr(Stdio::piped());
    let mut running = Running::start(command);
    let mut stderr = running.child.stderr.take().unwrap();
    assert_eq!(running.stop(Signal::TERM).0, Some(0));
    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    for line in [
        "nmu.partitions: unknown key, without effect (on the command line)",
        "odd.key: unknown key, without effect (in the variable KAFKA_ODD_KEY)",
        "says why: num.io.threads, num.network.threads",
    ] {
        assert_eq!(text.matches(line).count(), 1, "{text}");
    }
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn all_faults_of_a_configuration_are_said_at_once() {
    let data = directory();
    let faults = [
        "-X",
        "num.partitions=none",
        "-X",
        "log.segment.bytes=-5",
        "-X",
        "log.durability=x",
    ];
    let said = ["num.partitions", "log.segment.bytes", "log.durability"];
    check_refused(dev(data.path(), &faults), 2, &said);
    let wildcard = ["-X", "listeners=PLAINTEXT://0.0.0.0:0"];
    check_refused(dev(data.path(), &wildcard), 2, &["advertised.listeners"]);
    assert!(
        fs::read_dir(data.path()).unwrap().next().is_none(),
        "nothing was written"
    );
}

#[test]
fn a_formatted_directory_is_served_from_a_file() {
    let (data, configs) = (directory(), directory());
    let config = configs.path().join("server.properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=3\nlisteners=PLAINTEXT://127.0.0.1:0\n\
         log.dirs={}\nadmin.port=0\n",
        data.path().join("logs").display()
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let id = "MkU3OEVBNTcwNTJENDM2Qg";
    check_refused(
        milena(&["format", "-c", config, "-t", "a b"]),
        2,
        &["'a b'"],
    );
    let format = ["format", "-c", config, "-t", id];
    let said = print(&format);
    assert!(
        said.starts_with("cluster id MkU3OEVBNTcwNTJENDM2Qg\nformatted "),
        "{said}"
    );
    check_refused(milena(&format), 1, &["formatted"]);
    let again = ["format", "-c", config, "-g", "-t"];
    let of_another = [&again[..], &["NkU3OEVBNTcwNTJENDM2Qg"]].concat();
    check_refused(milena(&of_another), 1, &[id, "NkU3OEVBNTcwNTJENDM2Qg"]);
    for same in [&[&again[..], &[id]].concat(), &again[..4]] {
        assert_eq!(print(same), format!("cluster id {id}\n"));
    }
    let without_roles = configs.path().join("other.properties");
    fs::write(&without_roles, "node.id=3\n").unwrap();
    let without_roles = ["server", "-c", without_roles.to_str().unwrap()];
    let said = ["process.roles is missing"];
    check_refused(milena(&without_roles), 2, &said);
    let running = Running::start(milena(&["server", "-c", config]));
    assert!(running.get("/health").0.contains(" 200 "));
    assert_eq!(running.stop(Signal::TERM).0, Some(0));
}

#[test]
fn a_missing_file_and_a_wrong_flag_are_usage() {
    check_refused(
        milena(&["server", "-c", "/nonexistent"]),
        2,
        &["/nonexistent"],
    );
    check_refused(milena(&["dev", "-X", "no-value"]), 2, &["no-value"]);
    check_refused(
        milena(&["log", "dump", "/nonexistent.log"]),
        1,
        &["/nonexistent.log: No such file"],
    );
    let data = directory();
    let path = data.path().to_str().unwrap();
    let said = ["is a directory: name files in it"];
    check_refused(milena(&["log", "dump", path]), 1, &said);
}

/// What a command prints when it succeeds.
fn print(arguments: &[&str]) -> String {
    let output = milena(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn damage_is_repaired_only_when_loss_is_accepted() {
    let data = directory();
    let folder = data.path().join("orders-0");
    fs::create_dir(&folder).unwrap();
    let segment = folder.join("00000000000000000000.log");
    let mut bytes = Vec::new();
    for offset in 0..3 {
        let mut builder = BatchBuilder::new(Compression::None, None);
        builder
            .append(Timestamp(1), None, Some(b"value"), [])
            .unwrap();
        bytes.extend(builder.finish(Offset(offset)));
    }
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let path = data.path().to_str().unwrap();
    check_refused(
        milena(&["log", "repair", path, "orders-0"]),
        1,
        &["--accept-loss"],
    );
    check_refused(
        milena(&["log", "dump", segment.to_str().unwrap()]),
        1,
        &["faults found: 1", "the CRC of the batch at position"],
    );
    assert_eq!(fs::read(&segment).unwrap(), bytes);

    let said = print(&["log", "repair", path, "orders-0", "--accept-loss"]);
    assert!(said.contains("lost: offsets 1 to 1\nkept: "), "{said}");
    assert!(said.contains("is repaired"), "{said}");
    let said = print(&["log", "repair", path, "orders-0"]);
    assert!(said.starts_with("nothing is damaged"), "{said}");
    let said = print(&["log", "dump", segment.to_str().unwrap(), "--print-data-log"]);
    assert_eq!(said.matches("payload: value").count(), 2, "{said}");
    for wrong in [
        "orders",
        "other-0",
        "orders-0.0123456789abcdef0123456789abcdef-delete",
    ] {
        check_refused(milena(&["log", "repair", path, wrong]), 1, &[wrong]);
    }
}

#[test]
fn versions_and_ids_are_printed() {
    assert_eq!(
        print(&["version"]),
        concat!("milena ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(print(&["random-uuid"]).len(), 23);
}
