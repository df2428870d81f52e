//! Producers that send one record at a time: Produce v12, acks=all, one batch of one record, the
//! next when the reply is there. Nothing of a record is encoded while the clock runs.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::wire::{Reader, Writer};
use milena_protocol::{ErrorCode, Offset, Timestamp, frame};
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::connection::{Connection, begin, error_of};
use crate::flags::Flags;
use crate::sample::Samples;

const API_KEY: i16 = 0;
const VERSION: i16 = 12;
const ACKS_ALL: i16 = -1;
const TIMEOUT_MS: i32 = 30_000;

/// Pause before a producer connects again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(1);

/// How long one try may take while a broker is away.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What one producer does.
#[derive(Clone, Debug)]
struct Plan {
    address: String,
    request: BytesMut,
    /// Records sent before this do not count.
    from: Instant,
    until: Instant,
    /// Whether it goes on where the broker goes away, or refuses.
    reconnect: bool,
}

/// What one producer saw.
#[derive(Debug, Default)]
struct Seen {
    samples: Samples,
    /// Longest time between two acknowledgements, the warm-up left out.
    longest_gap: Duration,
    /// Time from the last acknowledgement to the end.
    silent_at_end: Duration,
    failures: u64,
}

/// `produce`: all producers together.
///
/// # Errors
/// A broker that refuses or goes away, unless `--reconnect true`.
pub(crate) async fn run(flags: &Flags) -> Result<Value> {
    let partitions: i32 = flags.or("partitions", 1)?;
    let producers: i32 = flags.or("producers", 1)?;
    let record_bytes: usize = flags.or("record-bytes", 100)?;
    let warmup = Duration::from_secs_f64(flags.or("warmup-seconds", 1.0)?);
    let measured = Duration::from_secs_f64(flags.or("seconds", 5.0)?);
    if partitions < 1 || producers < 1 {
        bail!("--partitions and --producers are at least 1");
    }
    let from = Instant::now() + warmup;
    let tracker = TaskTracker::new();
    let mut tasks = Vec::new();
    for producer in 0..producers {
        let plan = Plan {
            address: flags.text("bootstrap")?.to_owned(),
            request: encode(flags.text("topic")?, producer % partitions, record_bytes)?,
            from,
            until: from + measured,
            reconnect: flags.or("reconnect", false)?,
        };
        tasks.push(tracker.spawn(produce(plan)));
    }
    let mut seen = Seen::default();
    for task in tasks {
        let of_one = task.await.context("run a producer")??;
        seen.samples.merge(of_one.samples);
        seen.longest_gap = seen.longest_gap.max(of_one.longest_gap);
        seen.silent_at_end = seen.silent_at_end.max(of_one.silent_at_end);
        seen.failures += of_one.failures;
    }
    let mut report = seen.samples.report(measured.as_secs_f64());
    report["producers"] = producers.into();
    report["partitions"] = partitions.into();
    report["record_bytes"] = record_bytes.into();
    report["longest_gap_ms"] = (seen.longest_gap.as_secs_f64() * 1000.0).into();
    report["silent_at_end_ms"] = (seen.silent_at_end.as_secs_f64() * 1000.0).into();
    report["failures"] = seen.failures.into();
    Ok(report)
}

async fn produce(plan: Plan) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut acknowledged = Instant::now();
    let mut connection = None;
    while Instant::now() < plan.until {
        let sent = Instant::now();
        match send(&plan, &mut connection).await {
            Ok(()) => {
                let now = Instant::now();
                if sent >= plan.from && now < plan.until {
                    seen.samples.add(now - sent);
                }
                let gap = now.saturating_duration_since(acknowledged.max(plan.from));
                seen.longest_gap = seen.longest_gap.max(gap);
                acknowledged = now;
            }
            // A topic that was just made has no leader for a moment.
            Err(_) if plan.reconnect || sent < plan.from => {
                seen.failures += u64::from(sent >= plan.from);
                connection = None;
                sleep(RECONNECT_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    if acknowledged < plan.from {
        bail!("no record was acknowledged");
    }
    // A broker that is still away counts with the time so far.
    seen.silent_at_end = plan.until.saturating_duration_since(acknowledged);
    seen.longest_gap = seen.longest_gap.max(seen.silent_at_end);
    Ok(seen)
}

async fn send(plan: &Plan, connection: &mut Option<Connection>) -> Result<()> {
    if !plan.reconnect {
        return send_on(plan, connection).await;
    }
    timeout(RECONNECT_TIMEOUT, send_on(plan, connection))
        .await
        .context("no reply in time")?
}

async fn send_on(plan: &Plan, connection: &mut Option<Connection>) -> Result<()> {
    let open = match connection.take() {
        Some(open) => connection.insert(open),
        None => connection.insert(Connection::open(&plan.address).await?),
    };
    let reply = open.call(&plan.request).await?;
    acknowledged_offset(&reply).map(drop)
}

/// A whole frame with one record to one partition.
///
/// # Errors
/// A name or record that is too long.
pub(crate) fn encode(topic: &str, partition: i32, record_bytes: usize) -> Result<BytesMut> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("read the clock")?;
    let value: Vec<u8> = (b'a'..=b'z').cycle().take(record_bytes).collect();
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.append(
        Timestamp(i64::try_from(now.as_millis())?),
        None,
        Some(&value),
        [],
    )?;
    let batch = builder.finish(Offset(0));

    let mut request = BytesMut::new();
    let mut out = Writer::new(&mut request);
    let mark = begin(&mut out, API_KEY, VERSION, true)?;
    out.put_compact_nullable_string(None)?;
    out.put_i16(ACKS_ALL);
    out.put_i32(TIMEOUT_MS);
    out.put_compact_len(1)?;
    out.put_compact_string(topic)?;
    out.put_compact_len(1)?;
    out.put_i32(partition);
    out.put_compact_bytes(&batch)?;
    for _structure in ["partition", "topic", "request"] {
        out.put_no_tagged_fields();
    }
    frame::finish(&mut out, &mark)?;
    Ok(request)
}

/// The offset that a reply to [`encode`] gives.
///
/// # Errors
/// A reply that cannot be read, or that says an error.
pub(crate) fn acknowledged_offset(reply: &[u8]) -> Result<Offset> {
    let mut reader = Reader::new(reply);
    reader.i32()?; // correlation id
    reader.skip_tagged_fields()?;
    reader.compact_array_len(2)?;
    reader.compact_string()?;
    reader.compact_array_len(2)?;
    reader.i32()?; // partition
    let code = error_of(reader.i16()?)?;
    if code != ErrorCode::None {
        bail!("the broker answers {code:?}");
    }
    Ok(Offset(reader.i64()?))
}
