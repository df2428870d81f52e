//! Committed offsets of many groups without members: OffsetCommit v8 and OffsetFetch v8.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use milena_protocol::wire::Writer;
use milena_protocol::{ErrorCode, frame};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::connection::{Connection, after_header, begin, error_of};
use crate::flags::Flags;
use crate::sample::Samples;

/// Groups in one OffsetFetch.
const GROUPS_PER_FETCH: usize = 500;

/// The offset that is committed for every group.
const OFFSET: i64 = 4_711;

/// Pause before a request is sent again that met a coordinator that loads, or no broker.
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// How long all groups may take to be there.
const AWAIT_TIMEOUT: Duration = Duration::from_secs(120);

/// What one connection does.
#[derive(Clone, Debug)]
struct Plan {
    address: String,
    topic: String,
    groups: Range<usize>,
    from: Instant,
    until: Instant,
}

/// `commit-offsets`: each connection commits one partition for one of its groups after the other, all
/// of them at least once, until the time is up.
///
/// # Errors
/// A broker that refuses or goes away.
pub(crate) async fn commit(flags: &Flags) -> Result<Value> {
    let groups: usize = flags.or("groups", 10_000)?;
    let connections: usize = flags.or("connections", 50)?;
    ensure!(
        (1..=groups).contains(&connections),
        "--connections is at least 1 and at most --groups"
    );
    let from = Instant::now() + Duration::from_secs_f64(flags.or("warmup-seconds", 1.0)?);
    let measured = Duration::from_secs_f64(flags.or("seconds", 5.0)?);
    let tracker = TaskTracker::new();
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let plan = Plan {
            address: flags.text("bootstrap")?.to_owned(),
            topic: flags.text("topic")?.to_owned(),
            groups: groups * connection / connections..groups * (connection + 1) / connections,
            from,
            until: from + measured,
        };
        tasks.push(tracker.spawn(commit_all(plan)));
    }
    let mut samples = Samples::default();
    for task in tasks {
        samples.merge(task.await.context("run a connection")??);
    }
    let mut report = samples.report(measured.as_secs_f64());
    report["groups"] = groups.into();
    report["connections"] = connections.into();
    Ok(report)
}

async fn commit_all(plan: Plan) -> Result<Samples> {
    let mut connection = Connection::open(&plan.address).await?;
    find_coordinator(&mut connection).await?;
    let mut requests = Vec::with_capacity(plan.groups.len());
    for group in plan.groups.clone() {
        requests.push(encode_commit(&name(group), &plan.topic)?);
    }
    let mut samples = Samples::default();
    for (sent, request) in requests.iter().cycle().enumerate() {
        if Instant::now() >= plan.until && sent >= requests.len() {
            break;
        }
        let start = Instant::now();
        while !is_committed(&connection.call(request).await?)? {
            sleep(RETRY_PAUSE).await;
        }
        let now = Instant::now();
        if start >= plan.from && now < plan.until {
            samples.add(now - start);
        }
    }
    Ok(samples)
}

fn name(group: usize) -> String {
    format!("load-group-{group:06}")
}

/// Asks once, which makes the topic of offsets, until it is there.
async fn find_coordinator(connection: &mut Connection) -> Result<()> {
    let mut request = BytesMut::new();
    let mut out = Writer::new(&mut request);
    let mark = begin(&mut out, 10, 3, true)?;
    out.put_compact_string(&name(0))?;
    out.put_i8(0);
    out.put_no_tagged_fields();
    frame::finish(&mut out, &mark)?;
    let end = Instant::now() + AWAIT_TIMEOUT;
    loop {
        let reply = connection.call(&request).await?;
        let mut reader = after_header(&reply)?;
        reader.i32()?; // throttle time
        match error_of(reader.i16()?)? {
            ErrorCode::None => return Ok(()),
            code if Instant::now() > end => bail!("FindCoordinator: {code:?}"),
            _ => sleep(RETRY_PAUSE).await,
        }
    }
}

fn encode_commit(group: &str, topic: &str) -> Result<BytesMut> {
    let mut request = BytesMut::new();
    let mut out = Writer::new(&mut request);
    let mark = begin(&mut out, 8, 8, true)?;
    out.put_compact_string(group)?;
    out.put_i32(-1);
    out.put_compact_string("")?;
    out.put_compact_nullable_string(None)?;
    out.put_compact_len(1)?;
    out.put_compact_string(topic)?;
    out.put_compact_len(1)?;
    out.put_i32(0);
    out.put_i64(OFFSET);
    out.put_i32(-1);
    out.put_compact_nullable_string(Some(""))?;
    for _structure in ["partition", "topic", "request"] {
        out.put_no_tagged_fields();
    }
    frame::finish(&mut out, &mark)?;
    Ok(request)
}

fn is_committed(reply: &[u8]) -> Result<bool> {
    let mut reader = after_header(reply)?;
    reader.i32()?; // throttle time
    reader.compact_array_len(2)?;
    reader.compact_string()?;
    reader.compact_array_len(2)?;
    reader.i32()?; // partition
    let code = error_of(reader.i16()?)?;
    match code {
        ErrorCode::None => Ok(true),
        code if is_temporary(code) => Ok(false),
        code => bail!("OffsetCommit: {code:?}"),
    }
}

const fn is_temporary(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::UnknownTopicOrPartition
    )
}

/// `await-offsets`: asks for the offsets of all groups, from a broker that may still be away, until each
/// has been answered with what was committed.
///
/// # Errors
/// An offset that is not the committed one, or groups that are not there in time.
pub(crate) async fn await_all(flags: &Flags) -> Result<Value> {
    let groups: usize = flags.or("groups", 10_000)?;
    let topic = flags.text("topic")?;
    let address = flags.text("bootstrap")?;
    let start = Instant::now();
    let mut left: Vec<usize> = (0..groups).collect();
    let mut connection = None;
    let mut served_ms = None;
    while !left.is_empty() {
        ensure!(
            start.elapsed() < AWAIT_TIMEOUT,
            "{} groups are missing",
            left.len()
        );
        let open = match connection.take() {
            Some(open) => open,
            None => match timeout(Duration::from_secs(1), Connection::open(address)).await {
                Ok(Ok(open)) => open,
                _ => {
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
            },
        };
        let open = connection.insert(open);
        let asked: Vec<usize> = left.iter().copied().take(GROUPS_PER_FETCH).collect();
        // A broker that is about to serve may close the connection once more.
        let Ok(reply) = open.call(&encode_fetch(&asked, topic)?).await else {
            connection = None;
            continue;
        };
        served_ms.get_or_insert(start.elapsed().as_secs_f64() * 1000.0);
        let missing = missing(&reply, &asked)?;
        let is_waiting = missing.len() == asked.len();
        left.drain(..asked.len());
        left.extend(missing);
        if is_waiting {
            sleep(RETRY_PAUSE).await;
        }
    }
    Ok(json!({
        "groups": groups,
        "first_reply_ms": served_ms,
        "ms": start.elapsed().as_secs_f64() * 1000.0,
    }))
}

fn encode_fetch(groups: &[usize], topic: &str) -> Result<BytesMut> {
    let mut request = BytesMut::new();
    let mut out = Writer::new(&mut request);
    let mark = begin(&mut out, 9, 8, true)?;
    out.put_compact_len(groups.len())?;
    for group in groups {
        out.put_compact_string(&name(*group))?;
        out.put_compact_len(1)?;
        out.put_compact_string(topic)?;
        out.put_compact_len(1)?;
        out.put_i32(0);
        out.put_no_tagged_fields();
        out.put_no_tagged_fields();
    }
    out.put_bool(false);
    out.put_no_tagged_fields();
    frame::finish(&mut out, &mark)?;
    Ok(request)
}

/// The groups that are not loaded yet.
fn missing(reply: &[u8], asked: &[usize]) -> Result<Vec<usize>> {
    let mut reader = after_header(reply)?;
    reader.i32()?; // throttle time
    let count = reader.compact_array_len(4)?;
    ensure!(
        count == asked.len(),
        "{count} of {} groups answered",
        asked.len()
    );
    let mut missing = Vec::new();
    for _ in 0..count {
        let name = reader.compact_string()?;
        let group: usize = name.rsplit('-').next().unwrap_or_default().parse()?;
        let mut offset = None;
        for _topic in 0..reader.compact_array_len(3)? {
            reader.compact_string()?;
            for _partition in 0..reader.compact_array_len(18)? {
                reader.i32()?; // partition
                offset = Some(reader.i64()?);
                reader.i32()?; // leader epoch
                reader.compact_nullable_string()?;
                error_of(reader.i16()?)?;
                reader.skip_tagged_fields()?;
            }
            reader.skip_tagged_fields()?;
        }
        let code = error_of(reader.i16()?)?;
        reader.skip_tagged_fields()?;
        match code {
            ErrorCode::None if offset == Some(OFFSET) => {}
            ErrorCode::None => bail!("{name}: offset {offset:?}"),
            code if is_temporary(code) => missing.push(group),
            code => bail!("OffsetFetch: {code:?}"),
        }
    }
    Ok(missing)
}
