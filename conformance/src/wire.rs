//! Frames of Kafka's protocol over a plain socket, well formed or not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest answer that is read, in bytes.
const FRAME_BYTES_MAX: usize = 128 << 20;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            correlation_id: 0,
        })
    }

    /// Writes these bytes as they are.
    ///
    /// # Errors
    /// The peer does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("write bytes")
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn finish_writing(&mut self) -> Result<()> {
        let both = std::net::Shutdown::Write;
        self.stream.shutdown(both).context("shut down")
    }

    /// Writes a frame: length and these bytes.
    ///
    /// # Errors
    /// As [`Connection::write`].
    pub fn write_frame(&mut self, payload: &[u8]) -> Result<()> {
        let mut frame = BytesMut::with_capacity(payload.len() + 4);
        frame.put_i32(i32::try_from(payload.len()).context("frame size")?);
        frame.put_slice(payload);
        self.write(&frame)
    }

    /// Reads one frame without its length; nothing where the peer closed the connection.
    ///
    /// # Errors
    /// The peer is silent, or stops within a frame, or the length is absurd.
    pub fn read_frame(&mut self) -> Result<Option<Bytes>> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error).context("read a frame"),
        }
        let length = usize::try_from(i32::from_be_bytes(length)).context("frame length")?;
        ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        self.stream
            .read_exact(&mut payload)
            .context("read the rest of a frame")?;
        Ok(Some(payload.into()))
    }

    /// Sends a request; its correlation id is returned.
    ///
    /// # Errors
    /// The request cannot be encoded, or as of [`Connection::write`].
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<i32> {
        self.correlation_id += 1;
        let payload = request_payload(self.correlation_id, version, request)?;
        self.write_frame(&payload)?;
        Ok(self.correlation_id)
    }

    /// Reads the answer to a request sent with this version and correlation id.
    ///
    /// # Errors
    /// The connection was closed, the answer is not of this shape, or bytes are left over.
    pub fn receive<R: Request>(
        &mut self,
        version: i16,
        correlation_id: i32,
    ) -> Result<R::Response> {
        let Some(mut payload) = self.read_frame()? else {
            bail!("the broker closed the connection instead of answering");
        };
        let header_version = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut payload, header_version)?;
        ensure!(
            header.correlation_id == correlation_id,
            "answer to {} instead of {correlation_id}",
            header.correlation_id
        );
        let response = R::Response::decode(&mut payload, version)?;
        ensure!(
            !payload.has_remaining(),
            "{} bytes left over",
            payload.remaining()
        );
        Ok(response)
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// As [`Connection::send`] and [`Connection::receive`].
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let correlation_id = self.send(version, request)?;
        self.receive::<R>(version, correlation_id)
    }
}

/// Header and body of a request, without the length.
///
/// # Errors
/// The request cannot be encoded in this version.
pub fn request_payload<R: Request>(
    correlation_id: i32,
    version: i16,
    request: &R,
) -> Result<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("milena-conformance")));
    let mut payload = BytesMut::new();
    header.encode(&mut payload, R::header_version(version))?;
    request.encode(&mut payload, version)?;
    Ok(payload)
}
