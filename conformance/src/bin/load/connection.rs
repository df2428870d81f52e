//! One connection with one request in flight.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use milena_protocol::wire::{Mark, Reader, Writer};
use milena_protocol::{ErrorCode, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest reply in bytes.
const REPLY_BYTES_MAX: usize = 1 << 20;

const CLIENT_ID: &str = "load";

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

impl Connection {
    /// Connects to `address`, `HOST:PORT`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        Ok(Self {
            stream,
            received: BytesMut::with_capacity(1 << 12),
        })
    }

    /// Sends a whole frame and returns the reply, without its length.
    ///
    /// # Errors
    /// A connection that breaks, a reply that is too large or too late.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<BytesMut> {
        timeout(REPLY_TIMEOUT, self.exchange(request))
            .await
            .context("no reply in time")?
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<BytesMut> {
        self.stream
            .write_all(request)
            .await
            .context("send a request")?;
        loop {
            if let Some(length) = frame::peek(&self.received, REPLY_BYTES_MAX)?
                && self.received.len() >= frame::LENGTH_BYTES + length
            {
                let mut reply = self.received.split_to(frame::LENGTH_BYTES + length);
                let _ = reply.split_to(frame::LENGTH_BYTES);
                return Ok(reply);
            }
            let count = self
                .stream
                .read_buf(&mut self.received)
                .await
                .context("read a reply")?;
            if count == 0 {
                bail!("the broker closed the connection");
            }
        }
    }
}

/// Begins a frame with the header of a request: version 2 of the header where `flexible`, else 1.
/// The correlation id is 0.
///
/// # Errors
/// None in practice: the client id is short.
pub(crate) fn begin(out: &mut Writer<'_>, key: i16, version: i16, flexible: bool) -> Result<Mark> {
    let mark = frame::begin(out);
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(0);
    out.put_string(CLIENT_ID)?;
    if flexible {
        out.put_no_tagged_fields();
    }
    Ok(mark)
}

/// The error that a code in a reply stands for.
///
/// # Errors
/// A code that Kafka does not have.
pub(crate) fn error_of(code: i16) -> Result<ErrorCode> {
    ErrorCode::from_code(code).with_context(|| format!("error code {code} in a reply"))
}

/// A reader behind the header of a flexible reply.
///
/// # Errors
/// A reply that is too short.
pub(crate) fn after_header(reply: &[u8]) -> Result<Reader<'_>> {
    let mut reader = Reader::new(reply);
    reader.i32()?; // correlation id
    reader.skip_tagged_fields()?;
    Ok(reader)
}
