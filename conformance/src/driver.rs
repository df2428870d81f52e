//! Runs the driver of a client against a broker and judges what it says.
//!
//! A driver is a program under `clients/`. It takes the bootstrap address and the names of cases or
//! areas, and prints `PASS NAME SECONDS` or `FAIL NAME SECONDS MESSAGE` for each case.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::broker::Broker;
use crate::budget::Budgets;
use crate::command::{self, Finished};
use crate::setup::{self, Setup};

/// A client that has a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// aiokafka (Python).
    Aiokafka,
    /// confluent-kafka (Python over librdkafka).
    ConfluentKafka,
    /// Apache Kafka's own clients.
    Java,
    /// kcat (librdkafka of the system).
    Kcat,
    /// kafka-python (Python).
    KafkaPython,
    /// KafkaJS (Node.js).
    Kafkajs,
    /// IBM/sarama (Go).
    Sarama,
    /// Apache Kafka's command-line tools.
    Tools,
}

impl Client {
    /// Folder below `clients/`, and name in the lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aiokafka => "aiokafka",
            Self::ConfluentKafka => "confluent_kafka",
            Self::Java => "java",
            Self::Kcat => "kcat",
            Self::KafkaPython => "kafka_python",
            Self::Kafkajs => "kafkajs",
            Self::Sarama => "sarama",
            Self::Tools => "tools",
        }
    }

    /// Parts of the set-up that its driver needs.
    const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Aiokafka | Self::ConfluentKafka | Self::KafkaPython => &["python"],
            Self::Java => &["java"],
            Self::Tools | Self::Kcat => &["python", "java"],
            Self::Kafkajs => &["node"],
            Self::Sarama => &["go"],
        }
    }

    /// The driver, without arguments.
    fn program(self, setup: &Setup) -> Result<Command> {
        let sources = setup::folder().join("clients").join(self.name());
        Ok(match self {
            Self::Aiokafka | Self::ConfluentKafka | Self::KafkaPython | Self::Kcat => {
                python(setup, &sources)?
            }
            Self::Tools => {
                let mut command = python(setup, &sources)?;
                command.env("CONFORMANCE_CLASSPATH", class_path(setup)?);
                command
            }
            Self::Java => {
                let mut command = Command::new("java");
                command.args([
                    "-Xmx512M",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                ]);
                command.arg(class_path(setup)?).arg("Driver");
                command
            }
            Self::Kafkajs => {
                let mut command = Command::new("node");
                command.arg(sources.join("driver.js"));
                command.env(
                    "CONFORMANCE_MODULES",
                    setup.folder("node")?.join("node_modules"),
                );
                command
            }
            Self::Sarama => Command::new(setup.folder("go")?.join("driver")),
        })
    }
}

fn python(setup: &Setup, sources: &Path) -> Result<Command> {
    let mut command = Command::new(setup.folder("python")?.join("bin/python"));
    // Compiled files would lie about in the checkout.
    command.arg("-B").arg(sources.join("driver.py"));
    Ok(command)
}

/// The class path of the drivers in Java and of the jars that they use.
///
/// # Errors
/// The set-up was not asked for `java`.
pub fn class_path(setup: &Setup) -> Result<String> {
    Ok(format!(
        "{}:{}:{}/*",
        setup::folder().join("clients/java").display(),
        setup.folder("drivers")?.join("classes").display(),
        setup.folder("java")?.join("libs").display()
    ))
}

/// Whether the cases that only `make conformance` runs are wanted.
#[must_use]
pub fn is_full() -> bool {
    env::var_os("MILENA_CONFORMANCE_FULL").is_some()
}

/// Runs the cases of one area with one client against a broker of its own. Where the clients are
/// not set up, and this is not CI, it says so and is content.
///
/// # Errors
/// A case failed, no case ran, or the driver did not end within its limit. The message has the
/// failed lines and what the driver and the broker said.
pub fn check(client: Client, area: &str) -> Result<()> {
    check_with(client, area, &[])
}

/// As [`check`], with settings for the broker.
///
/// # Errors
/// As [`check`].
pub fn check_with(client: Client, area: &str, settings: &[&str]) -> Result<()> {
    let Some(setup) = Setup::find(client.parts())? else {
        return Ok(());
    };
    let broker = if settings.is_empty() {
        Broker::any()?
    } else {
        Broker::start(settings)?
    };
    let limit = Budgets::read()?.limit(client.name(), area, is_full())? * 2;
    let mut program = client.program(&setup)?;
    program.arg(broker.address().to_string()).arg(area);
    let finished = command::run(&mut program, limit)?;
    judge(client, area, &finished).with_context(|| {
        let tail = broker.log_tail();
        format!("{}\n{}\nbroker: {tail}", finished.stdout, finished.stderr)
    })
}

fn judge(client: Client, area: &str, finished: &Finished) -> Result<()> {
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for line in finished.stdout.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(result @ ("PASS" | "FAIL")), Some(case), Some(seconds)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let message = words.next().unwrap_or_default().replace('\t', " ");
        rows.push(format!(
            "{}\t{area}\t{case}\t{result}\t{seconds}\t{message}",
            client.name()
        ));
        if result == "FAIL" {
            failed.push(line.to_owned());
        }
    }
    report(client, area, &rows)?;
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    ensure!(!rows.is_empty(), "no case of '{area}' ran");
    if !finished.status.success() {
        bail!("the driver ended with {}", finished.status);
    }
    Ok(())
}

/// Leaves the rows for the lists, where somebody wants them.
fn report(client: Client, area: &str, rows: &[String]) -> Result<()> {
    let Some(folder) = env::var_os("MILENA_CONFORMANCE_RESULTS") else {
        return Ok(());
    };
    fs::create_dir_all(&folder).context("make the folder of the results")?;
    let path = Path::new(&folder).join(format!("{}-{area}.tsv", client.name()));
    let mut file = File::create(path).context("make a file of results")?;
    for row in rows {
        writeln!(file, "{row}").context("write results")?;
    }
    Ok(())
}
