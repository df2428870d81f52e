//! Whole applications of the JVM on the broker: Kafka Streams with exactly-once processing, and a worker
//! of Kafka Connect; each is killed in the middle. They take a minute, so only `make conformance` runs them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use milena_conformance::broker::Broker;
use milena_conformance::driver::{class_path, is_full};
use milena_conformance::setup::{self, Setup};
use milena_conformance::{budget::Budgets, command};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long one wait may take, far above what any broker needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Words that are counted, and lines of five words each.
const WORDS: usize = 40;
const LINES: usize = 4000;
const LINES_PER_SECOND: usize = 400;

/// What both tests need.
struct Scene {
    setup: Setup,
    broker: Broker,
    directory: TempDir,
}

impl Scene {
    fn new() -> Result<Option<Self>> {
        if !is_full() {
            setup::note("skipped: only `make conformance` runs applications");
            return Ok(None);
        }
        ensure!(Budgets::read()?.whole.contains_key("applications"));
        let Some(setup) = Setup::find(&["java"])? else {
            return Ok(None);
        };
        Ok(Some(Self {
            setup,
            broker: Broker::any()?,
            directory: TempDir::with_prefix("milena-applications-")?,
        }))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn java(&self, main: &str) -> Result<Command> {
        let mut command = Command::new("java");
        command.args(["-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args(["-Dconformance.log=INFO", "-cp"]);
        command.arg(class_path(&self.setup)?).arg(main);
        Ok(command)
    }

    fn lines_command(&self, what: &str, topic: &str) -> Result<Command> {
        let mut command = self.java("Lines")?;
        command.args([what, &self.broker.address().to_string(), topic]);
        Ok(command)
    }

    /// Runs `clients/java/Lines.java` and returns what it printed.
    fn lines(&self, what: &str, topic: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.lines_command(what, topic)?;
        let done = command::run(command.args(arguments), PATIENCE)?;
        ensure!(
            done.status.success(),
            "{what} {topic}\n{}\n{}",
            done.stderr,
            self.broker.log_tail()
        );
        Ok(done.stdout)
    }
}

/// A program that is killed when this is dropped.
struct Program {
    process: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts it; its lines are kept as they come.
    fn start(mut command: Command, log: &Path) -> Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("start a program")?;
        let stdout = process.stdout.take().context("no standard output")?;
        let (tx, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more after the first line that was awaited.
                let _ = tx.send(line);
            }
        });
        Ok(Self { process, lines })
    }

    /// Waits for a line.
    fn says(&self, wanted: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            if line.with_context(|| format!("no line '{wanted}'"))? == wanted {
                return Ok(());
            }
        }
    }

    fn kill(mut self) -> Result<()> {
        self.process.kill().context("kill a program")?;
        self.process.wait().context("wait for a program")?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lines of words in an order that looks random and is not, and how often each word is in them.
fn text() -> (String, BTreeMap<String, usize>) {
    let mut lines = String::new();
    let mut counts = BTreeMap::new();
    let mut state: u32 = 1;
    for _ in 0..LINES {
        let words = [(); 5].map(|()| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("word{}", (state >> 16) as usize % WORDS)
        });
        for word in &words {
            *counts.entry(word.clone()).or_default() += 1;
        }
        lines.push_str(&words.join(" "));
        lines.push('\n');
    }
    (lines, counts)
}

#[test]
fn streams_count_every_word_once_over_crashes() -> Result<()> {
    let Some(mut scene) = Scene::new()? else {
        return Ok(());
    };
    let (text, counts) = text();
    let file = scene.path("text");
    fs::write(&file, text)?;
    let unique = std::process::id();
    let (input, output) = (format!("lines-{unique}"), format!("counts-{unique}"));
    scene.lines("create", &input, &["4"])?;
    scene.lines("create", &output, &["3"])?;
    let mut produce = scene.lines_command("produce", &input)?;
    produce.arg(&file).arg(LINES_PER_SECOND.to_string());
    let mut source = Program::start(produce, &scene.path("source.log"))?;
    let start = || -> Result<Program> {
        let mut command = scene.java("WordCount")?;
        command.arg(scene.broker.address().to_string());
        command.args([&format!("word-count-{unique}"), &input, &output]);
        command.arg(scene.path("state"));
        let app = Program::start(command, &scene.path("streams.log"))?;
        app.says("running")?;
        Ok(app)
    };
    let app = start()?;
    scene.lines("await", &output, &["1000"])?;
    app.kill()?;
    let app = start()?;
    scene.lines("await", &output, &["4000"])?;
    if scene.broker.is_own() {
        scene.broker.kill()?;
        scene.broker.restart()?;
    }
    ensure!(source.process.wait()?.success(), "the source failed");
    let total = LINES * 5;
    let got = scene.lines("consume", &output, &[&total.to_string()]);
    let got = got.with_context(|| {
        let log = fs::read_to_string(scene.path("streams.log")).unwrap_or_default();
        let skip = log.lines().count().saturating_sub(60);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    })?;
    drop(app);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in got.lines() {
        let (word, count) = line.split_once('\t').context("a key and a value")?;
        let before = seen.entry(word.to_owned()).or_default();
        ensure!(
            count.parse::<usize>()? == *before + 1,
            "{word} {count} after {before}"
        );
        *before += 1;
    }
    assert_eq!(seen, counts, "how often each word was counted");
    Ok(())
}

/// One request to the worker: status and body.
fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .context("read an answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer of HTTP")?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// Tries until it is true. There is nothing to wait for but another process, so it asks ten times a second.
fn until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let (_never, pause) = mpsc::channel::<()>();
    while !done()? {
        ensure!(Instant::now() < end, "gave up: {what}");
        let _ = pause.recv_timeout(Duration::from_millis(100));
    }
    Ok(())
}

/// A distributed worker and where it answers.
struct Worker {
    program: Program,
    address: SocketAddr,
}

impl Worker {
    fn start(scene: &Scene, name: &str) -> Result<Self> {
        // Whoever takes the port in between makes the worker fail, not the test pass.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let settings = [
            ("bootstrap.servers", scene.broker.address().to_string()),
            ("group.id", name.to_owned()),
            ("listeners", format!("http://{address}")),
            ("rest.advertised.host.name", "127.0.0.1".to_owned()),
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter".to_owned(),
            ),
            (
                "value.converter",
                "org.apache.kafka.connect.storage.StringConverter".to_owned(),
            ),
            ("config.storage.topic", format!("{name}-configs")),
            ("offset.storage.topic", format!("{name}-offsets")),
            ("status.storage.topic", format!("{name}-status")),
            ("config.storage.replication.factor", "1".to_owned()),
            ("offset.storage.replication.factor", "1".to_owned()),
            ("status.storage.replication.factor", "1".to_owned()),
            ("offset.storage.partitions", "3".to_owned()),
            ("offset.flush.interval.ms", "500".to_owned()),
            ("scheduled.rebalance.max.delay.ms", "0".to_owned()),
            ("session.timeout.ms", "6000".to_owned()),
            ("heartbeat.interval.ms", "500".to_owned()),
            ("exactly.once.source.support", "enabled".to_owned()),
            ("plugin.discovery", "only_scan".to_owned()),
        ];
        let text: String = settings
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        let file = scene.path("worker.properties");
        fs::write(&file, text)?;
        let mut command = scene.java("org.apache.kafka.connect.cli.ConnectDistributed")?;
        command.arg(&file);
        let program = Program::start(command, &scene.path("worker.log"))?;
        let worker = Self { program, address };
        until("the worker answers", || {
            Ok(http(address, "GET", "/connectors", None).is_ok_and(|(status, _)| status == 200))
        })?;
        Ok(worker)
    }

    fn connector(&self, name: &str, config: &Value) -> Result<()> {
        let path = format!("/connectors/{name}/config");
        until("the connector is taken", || {
            match http(self.address, "PUT", &path, Some(config))? {
                (200 | 201, _) => Ok(true),
                // A rebalance of the workers is under way.
                (409 | 500, _) => Ok(false),
                (status, body) => bail!("{status} {body}"),
            }
        })
    }
}

#[test]
fn connect_moves_every_line_over_a_crash_of_the_worker() -> Result<()> {
    let Some(mut scene) = Scene::new()? else {
        return Ok(());
    };
    let unique = std::process::id();
    let (name, topic) = (format!("connect-{unique}"), format!("moved-{unique}"));
    let (source, sink) = (scene.path("source.txt"), scene.path("sink.txt"));
    let line = |i: usize| format!("line {i}\n");
    fs::write(&source, (0..1000).map(line).collect::<String>())?;
    scene.lines("create", &topic, &["1"])?;
    let worker = Worker::start(&scene, &name)?;
    worker.connector(
        "source",
        &json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1", "file": source, "topic": topic, "batch.size": "100",
            "exactly.once.support": "requested",
        }),
    )?;
    worker.connector(
        "sink",
        &json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "tasks.max": "1", "file": sink, "topics": topic,
        }),
    )?;
    let arrived = |count: usize| {
        let text = fs::read_to_string(&sink).unwrap_or_default();
        Ok(text
            .lines()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            >= count)
    };
    until("the first lines", || arrived(1000))?;
    worker.program.kill()?;
    if scene.broker.is_own() {
        scene.broker.kill()?;
        scene.broker.restart()?;
    }
    let mut more = fs::File::options().append(true).open(&source)?;
    more.write_all((1000..2000).map(line).collect::<String>().as_bytes())?;
    let worker = Worker::start(&scene, &name)?;
    until("the other lines", || arrived(2000)).with_context(|| {
        let log = fs::read_to_string(scene.path("worker.log")).unwrap_or_default();
        let skip = log.lines().count().saturating_sub(60);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    })?;
    let (status, body) = http(worker.address, "GET", "/connectors/source/status", None)?;
    ensure!(status == 200 && body.contains("RUNNING"), "{status} {body}");
    let got = scene.lines("consume", &topic, &["2000"])?;
    let got: Vec<_> = got
        .lines()
        .map(|line| line.trim_start_matches("null\t"))
        .collect();
    let expected: Vec<_> = (0..2000).map(|i| line(i).trim_end().to_owned()).collect();
    assert_eq!(got, expected, "each line once, and in order");
    Ok(())
}
