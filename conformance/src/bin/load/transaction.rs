//! One transactional producer: Produce v12 and EndTxn v5, as clients of transaction version 2 (KIP-890)
//! send them. A transaction begins with its first record and ends when its commit is answered.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::wire::Writer;
use milena_protocol::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp, frame};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::connection::{Connection, after_header, begin, error_of};
use crate::flags::Flags;
use crate::sample::Samples;

/// Pause before a request is sent again that met an earlier transaction, or a coordinator that loads.
const RETRY_PAUSE: Duration = Duration::from_micros(500);

/// How long a coordinator may take until it is there.
const COORDINATOR_TIMEOUT: Duration = Duration::from_secs(30);

const TIMEOUT_MS: i32 = 30_000;
const ACKS_ALL: i16 = -1;
const TRANSACTION: i8 = 1;

/// What one producer does, and where it stands.
struct Producer<'a> {
    connection: Connection,
    topic: &'a str,
    /// Nothing for an idempotent producer without transactions.
    transactional_id: Option<String>,
    id: ProducerId,
    epoch: ProducerEpoch,
    sequence: i32,
    value: Vec<u8>,
    /// Requests that were sent once more.
    retries: u64,
}

/// `transact`: transactions of `--records` records in `--requests` requests, or with `--plain true` the
/// same requests of an idempotent producer.
///
/// # Errors
/// A broker that refuses or goes away.
pub(crate) async fn run(flags: &Flags) -> Result<Value> {
    let records: usize = flags.or("records", 1)?;
    let requests: usize = flags.or("requests", 1)?;
    let record_bytes: usize = flags.or("record-bytes", 100)?;
    let is_plain = flags.or("plain", false)?;
    if requests < 1 || records < requests {
        bail!("--requests is at least 1 and at most --records");
    }
    let measured = Duration::from_secs_f64(flags.or("seconds", 5.0)?);
    let id = (!is_plain).then(|| format!("load-{}", std::process::id()));
    let mut producer = Producer {
        connection: Connection::open(flags.text("bootstrap")?).await?,
        topic: flags.text("topic")?,
        transactional_id: id,
        id: ProducerId::NONE,
        epoch: ProducerEpoch::NONE,
        sequence: 0,
        value: (b'a'..=b'z').cycle().take(record_bytes).collect(),
        retries: 0,
    };
    producer.begin().await?;
    let from = Instant::now() + Duration::from_secs_f64(flags.or("warmup-seconds", 1.0)?);
    let until = from + measured;
    let (mut whole, mut commits) = (Samples::default(), Samples::default());
    let mut retries_before = 0;
    while Instant::now() < until {
        let start = Instant::now();
        for request in 0..requests {
            let share = records / requests + usize::from(request < records % requests);
            producer.produce(share).await?;
        }
        let produced = Instant::now();
        if !is_plain {
            producer.commit().await?;
        }
        let now = Instant::now();
        if start >= from && now < until {
            whole.add(now - start);
            commits.add(now - produced);
        } else if start < from {
            retries_before = producer.retries;
        }
    }
    let seconds = measured.as_secs_f64();
    Ok(json!({
        "records": records,
        "requests": requests,
        "plain": is_plain,
        "retries": producer.retries - retries_before,
        "transaction": whole.report(seconds),
        "commit": commits.report(seconds),
    }))
}

impl Producer<'_> {
    /// Finds the coordinator, which also makes it, and takes a producer id.
    async fn begin(&mut self) -> Result<()> {
        let end = Instant::now() + COORDINATOR_TIMEOUT;
        loop {
            let code = match self.find_coordinator().await? {
                ErrorCode::None => self.init_producer_id().await?,
                code => code,
            };
            match code {
                ErrorCode::None => return Ok(()),
                code if Instant::now() > end => bail!("no producer id: {code:?}"),
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn find_coordinator(&mut self) -> Result<ErrorCode> {
        let Some(id) = &self.transactional_id else {
            return Ok(ErrorCode::None);
        };
        let mut request = BytesMut::new();
        let mut out = Writer::new(&mut request);
        let mark = begin(&mut out, 10, 3, true)?;
        out.put_compact_string(id)?;
        out.put_i8(TRANSACTION);
        out.put_no_tagged_fields();
        frame::finish(&mut out, &mark)?;
        let reply = self.connection.call(&request).await?;
        let mut reader = after_header(&reply)?;
        reader.i32()?; // throttle time
        error_of(reader.i16()?)
    }

    async fn init_producer_id(&mut self) -> Result<ErrorCode> {
        let mut request = BytesMut::new();
        let mut out = Writer::new(&mut request);
        let mark = begin(&mut out, 22, 5, true)?;
        out.put_compact_nullable_string(self.transactional_id.as_deref())?;
        out.put_i32(60_000);
        out.put_i64(-1);
        out.put_i16(-1);
        out.put_no_tagged_fields();
        frame::finish(&mut out, &mark)?;
        let reply = self.connection.call(&request).await?;
        let mut reader = after_header(&reply)?;
        reader.i32()?; // throttle time
        let code = error_of(reader.i16()?)?;
        self.id = ProducerId(reader.i64()?);
        self.epoch = ProducerEpoch(reader.i16()?);
        Ok(code)
    }

    async fn produce(&mut self, count: usize) -> Result<()> {
        let request = self.encode(count)?;
        loop {
            let reply = self.connection.call(&request).await?;
            let mut reader = after_header(&reply)?;
            reader.compact_array_len(2)?;
            reader.compact_string()?;
            reader.compact_array_len(2)?;
            reader.i32()?; // partition
            match error_of(reader.i16()?)? {
                ErrorCode::None => break,
                // The markers of the transaction before are under way, or the topic is new.
                ErrorCode::ConcurrentTransactions
                | ErrorCode::NotLeaderOrFollower
                | ErrorCode::UnknownTopicOrPartition => {
                    self.retries += 1;
                    sleep(RETRY_PAUSE).await;
                }
                code => bail!("Produce: {code:?}"),
            }
        }
        self.sequence += i32::try_from(count)?;
        Ok(())
    }

    fn encode(&self, count: usize) -> Result<BytesMut> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("read the clock")?;
        let now = Timestamp(i64::try_from(now.as_millis())?);
        let mut builder = BatchBuilder::new(Compression::None, None);
        builder.set_producer(self.id, self.epoch, Sequence(self.sequence));
        if self.transactional_id.is_some() {
            builder.set_transactional();
        }
        for _ in 0..count {
            builder.append(now, None, Some(&self.value), [])?;
        }
        let batch = builder.finish(Offset(0));
        let mut request = BytesMut::with_capacity(batch.len() + 256);
        let mut out = Writer::new(&mut request);
        let mark = begin(&mut out, 0, 12, true)?;
        out.put_compact_nullable_string(self.transactional_id.as_deref())?;
        out.put_i16(ACKS_ALL);
        out.put_i32(TIMEOUT_MS);
        out.put_compact_len(1)?;
        out.put_compact_string(self.topic)?;
        out.put_compact_len(1)?;
        out.put_i32(0);
        out.put_compact_bytes(&batch)?;
        for _structure in ["partition", "topic", "request"] {
            out.put_no_tagged_fields();
        }
        frame::finish(&mut out, &mark)?;
        Ok(request)
    }

    async fn commit(&mut self) -> Result<()> {
        let id = self.transactional_id.as_deref().context("an id")?;
        let mut request = BytesMut::new();
        let mut out = Writer::new(&mut request);
        let mark = begin(&mut out, 26, 5, true)?;
        out.put_compact_string(id)?;
        out.put_i64(self.id.0);
        out.put_i16(self.epoch.0);
        out.put_bool(true);
        out.put_no_tagged_fields();
        frame::finish(&mut out, &mark)?;
        loop {
            let reply = self.connection.call(&request).await?;
            let mut reader = after_header(&reply)?;
            reader.i32()?; // throttle time
            match error_of(reader.i16()?)? {
                ErrorCode::None => {
                    self.id = ProducerId(reader.i64()?);
                    self.epoch = ProducerEpoch(reader.i16()?);
                    self.sequence = 0;
                    return Ok(());
                }
                ErrorCode::ConcurrentTransactions => {
                    self.retries += 1;
                    sleep(RETRY_PAUSE).await;
                }
                code => bail!("EndTxn: {code:?}"),
            }
        }
    }
}
