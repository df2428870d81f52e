//! Starts a server and measures how long it takes to the first acknowledged record.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::connection::Connection;
use crate::flags::Flags;
use crate::{produce, topic};

const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(1);

/// `first`: the server goes on running; its process id is in the report.
///
/// # Errors
/// A server that ends, or that is not ready within two minutes.
pub(crate) async fn run(flags: &Flags) -> Result<Value> {
    let address = flags.text("bootstrap")?;
    let Some((program, arguments)) = flags.server().split_first() else {
        bail!("the command of the server is missing: -- SERVER ARGUMENTS...");
    };
    let request = produce::encode(flags.text("topic")?, 0, 100)?;
    let log = File::create(flags.or("log", "/dev/null".to_owned())?).context("create the log")?;
    let started = Instant::now();
    let mut server = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("share the log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("start {program}"))?;
    match acknowledged(flags, address, &request, &mut server).await {
        Ok(connected) => Ok(json!({
            "pid": server.id(),
            "connected_ms": (connected - started).as_secs_f64() * 1000.0,
            "acknowledged_ms": started.elapsed().as_secs_f64() * 1000.0,
        })),
        Err(error) => {
            server.kill().context("end the server")?;
            Err(error)
        }
    }
}

/// Waits until a record is acknowledged; returns when the broker took the connection.
async fn acknowledged(
    flags: &Flags,
    address: &str,
    request: &BytesMut,
    server: &mut Child,
) -> Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    let mut connected = None;
    let mut last = String::new();
    while Instant::now() < deadline {
        if let Some(status) = server.try_wait().context("watch the server")? {
            bail!("the server ended: {status}");
        }
        match attempt(flags, address, request, &mut connected).await {
            Ok(()) => return connected.context("a connection"),
            Err(error) => last = format!("{error:#}"),
        }
        sleep(PAUSE).await;
    }
    bail!("no record was acknowledged within {PATIENCE:?}: {last}")
}

async fn attempt(
    flags: &Flags,
    address: &str,
    request: &BytesMut,
    connected: &mut Option<Instant>,
) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    connected.get_or_insert_with(Instant::now);
    let reply = connection.call(request).await?;
    if produce::acknowledged_offset(&reply).is_ok() {
        return Ok(());
    }
    topic::create(flags).await?;
    let reply = connection.call(request).await?;
    produce::acknowledged_offset(&reply).map(drop)
}
