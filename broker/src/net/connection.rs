//! One client connection: frames in, responses out in the order of their requests.
//!
//! Requests are served one after the other, as Kafka does. Only Produce is pipelined: its records
//! are appended at once, in order, and several requests may wait for their sync together, so that
//! one sync acknowledges them all. The first records of a transaction are appended when its
//! coordinator knows of them; the connection waits for that. Every complete frame of a read is
//! handled before the next system call; the acknowledgements that are ready leave in one write.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::debug;

use super::admission::{Admission, Grant};
use super::response::{Piece, Response};
use super::send::send_all;
use crate::api::{self, Started, Verifying, Waiting};
use crate::broker::Broker;

/// Produce requests of one connection that wait for their sync at once. An idempotent producer has
/// at most five in flight.
const PIPELINE_MAX: usize = 32;
/// First read of a connection.
const READ_BYTES_MIN: usize = 4 * 1024;
/// Largest speculative read; a frame known to be larger is read whole.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Small requests that may precede authentication or a protocol error must fit this.
const LENGTH_BYTES: usize = 4;

/// Why a connection ended.
#[derive(Debug, Error)]
pub(crate) enum Ended {
    /// The peer closed it.
    #[error("closed by the peer")]
    Peer,
    /// The broker stops.
    #[error("the broker stops")]
    Shutdown,
    /// Nothing was asked for `connections.max.idle.ms`.
    #[error("idle for longer than connections.max.idle.ms")]
    Idle,
    /// A request that cannot be answered, or `acks=0` records that were refused.
    #[error("request cannot be answered")]
    Refused,
    /// A frame length that is negative or above `socket.request.max.bytes`.
    #[error("frame of {length} bytes, socket.request.max.bytes is {bytes_max}")]
    FrameLength {
        /// Length that the peer sent.
        length: i32,
        /// The limit.
        bytes_max: usize,
    },
    /// The socket failed.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
}

/// Who sits at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Address of the client.
    pub(crate) address: SocketAddr,
    /// Index of the listener it came through.
    pub(crate) listener: usize,
}

/// One accepted connection.
pub(crate) struct Connection {
    stream: TcpStream,
    broker: Arc<Broker>,
    peer: Peer,
    client_id: Option<Arc<str>>,
    buffer: BytesMut,
    read_bytes: usize,
    grant: Grant,
    /// Produce requests whose records are appended but not durable yet, oldest first.
    waiting: VecDeque<Waiting>,
    /// Responses that are complete and not sent yet.
    out: VecDeque<Piece>,
    wake: Arc<Notify>,
    closes: bool,
    /// The broker stops: what waits is still answered, nothing more is taken.
    stops: bool,
    muted_until: Option<Instant>,
    active: Instant,
}

impl Connection {
    /// Takes over an accepted socket.
    pub(crate) fn new(stream: TcpStream, broker: Arc<Broker>, peer: Peer) -> Self {
        Self {
            stream,
            broker,
            peer,
            client_id: None,
            buffer: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            grant: None,
            waiting: VecDeque::new(),
            out: VecDeque::new(),
            wake: Arc::new(Notify::new()),
            closes: false,
            stops: false,
            muted_until: None,
            active: Instant::now(),
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn run(mut self) -> Ended {
        let mut stop = Box::pin(self.broker.stopping().cancelled_owned());
        let mut timer = Box::pin(tokio::time::sleep(self.idle_max()));
        let ended = loop {
            if let Err(ended) = self.serve_frames().await {
                break ended;
            }
            self.collect_settled();
            if let Err(error) = send_all(&self.stream, &mut self.out, self.broker.tracker()).await {
                break error.into();
            }
            if self.closes {
                break Ended::Refused;
            }
            if self.has_frame() && self.takes_requests() {
                // The acknowledgements that held it back came before they were waited for, and the
                // client may have nothing more to send.
                continue;
            }
            if let Err(ended) = self.wait(&mut timer, stop.as_mut()).await {
                break ended;
            }
        };
        debug!(peer = %self.peer.address, client_id = self.client_id.as_deref(), reason = %ended,
            "connection ended");
        ended
    }

    fn idle_max(&self) -> Duration {
        self.broker.limits().connections_max_idle
    }

    /// Handles every complete frame of the buffer.
    async fn serve_frames(&mut self) -> Result<(), Ended> {
        while !self.closes && self.takes_requests() {
            let Some(frame) = self.next_frame()? else {
                break;
            };
            self.active = Instant::now();
            let grant = self.grant.take();
            let request = api::Incoming {
                frame,
                peer: &self.peer,
                client_id: &mut self.client_id,
                wake: &self.wake,
                grant,
            };
            match api::start(&self.broker, request) {
                Started::Waiting(waiting) => self.waiting.push_back(waiting),
                Started::Verifying(verifying) => self.verify(verifying).await?,
                Started::Serial(request) => {
                    self.settle_all().await?;
                    send_all(&self.stream, &mut self.out, self.broker.tracker()).await?;
                    let response = api::serve(&self.broker, request).await;
                    self.queue(response);
                }
                Started::Ready(response) => {
                    self.settle_all().await?;
                    self.queue(response);
                }
            }
        }
        Ok(())
    }

    /// Waits until the records of a transaction are appended, or refused; what follows may belong to
    /// the same producer. Acknowledgements leave meanwhile.
    async fn verify(&mut self, mut verifying: Verifying) -> Result<(), Ended> {
        loop {
            let now = Instant::now();
            let due = self.waiting.front().map_or(now, |first| first.deadline);
            tokio::select! {
                biased;
                waiting = &mut verifying => {
                    self.waiting.push_back(waiting);
                    return Ok(());
                }
                () = self.wake.notified(), if !self.waiting.is_empty() => {}
                () = tokio::time::sleep_until(due), if !self.waiting.is_empty() => {}
            }
            self.collect_settled();
            send_all(&self.stream, &mut self.out, self.broker.tracker()).await?;
        }
    }

    /// False while the client is throttled, and from the moment on at which it is known that it will
    /// be; while many of its acknowledgements are due; and when the broker stops.
    fn takes_requests(&self) -> bool {
        self.muted_until.is_none()
            && !self.stops
            && self.waiting.len() < PIPELINE_MAX
            && self
                .waiting
                .back()
                .is_none_or(|last| !last.reply.is_throttled())
    }

    /// True where the buffer begins with a complete frame, or with a length that is to be refused.
    fn has_frame(&self) -> bool {
        match self.frame_length() {
            Ok(Some(length)) => LENGTH_BYTES + length <= self.buffer.len(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Cuts the next complete frame from the buffer.
    fn next_frame(&mut self) -> Result<Option<BytesMut>, Ended> {
        let Some(length) = self.frame_length()? else {
            return Ok(None);
        };
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length)))
    }

    /// Length of the frame at the front of the buffer, once its four bytes are there.
    fn frame_length(&self) -> Result<Option<usize>, Ended> {
        let Some(prefix) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*prefix);
        let bytes_max = self.broker.limits().request_bytes_max;
        match usize::try_from(length) {
            Ok(bytes) if bytes <= bytes_max => Ok(Some(bytes)),
            _ => Err(Ended::FrameLength { length, bytes_max }),
        }
    }

    /// Puts a response behind those that wait to be sent.
    fn queue(&mut self, mut response: Response) {
        // A fetch or a join may have waited for longer than a connection may be idle.
        self.active = Instant::now();
        self.out.append(&mut response.pieces);
        self.closes |= response.closes;
        if !response.throttle.is_zero() {
            let until = Instant::now() + response.throttle;
            self.muted_until = self.muted_until.max(Some(until));
        }
    }

    /// Moves the acknowledgements that are final (or timed out) to what is sent.
    fn collect_settled(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(first) = self.waiting.front() {
            if !first.completion.is_done() && now < first.deadline {
                break;
            }
            if let Some(waiting) = self.waiting.pop_front() {
                let response = api::finish(&self.broker, waiting);
                self.queue(response);
            }
        }
    }

    /// Waits for every acknowledgement that is due before the next response.
    async fn settle_all(&mut self) -> Result<(), Ended> {
        loop {
            self.collect_settled();
            let Some(first) = self.waiting.front() else {
                return Ok(());
            };
            let deadline = first.deadline;
            send_all(&self.stream, &mut self.out, self.broker.tracker()).await?;
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    /// Waits for bytes, for an acknowledgement, or for the end.
    async fn wait(
        &mut self,
        timer: &mut Pin<Box<Sleep>>,
        mut stop: Pin<&mut WaitForCancellationFutureOwned>,
    ) -> Result<(), Ended> {
        if self.stops && self.waiting.is_empty() {
            return Err(Ended::Shutdown);
        }
        let takes = self.takes_requests();
        let wanted = if takes { self.wanted_grant()? } else { None };
        let reads = takes && wanted.is_none();
        if reads {
            self.make_room()?;
        }
        let broker = Arc::clone(&self.broker);
        let due = self.next_due();
        if due < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            () = &mut stop, if !self.stops => {
                self.stops = true;
                Ok(())
            }
            () = self.wake.notified(), if !self.waiting.is_empty() => Ok(()),
            () = timer.as_mut() => self.on_timer(),
            // Acknowledgements leave meanwhile: they hold memory that others, and this connection,
            // wait for.
            grant = broker.admission().grant(wanted.unwrap_or(0)), if wanted.is_some() => {
                self.grant = grant;
                Ok(())
            }
            ready = self.stream.readable(), if reads => {
                ready?;
                self.read()
            }
        }
    }

    /// The next instant at which something has to happen without input.
    fn next_due(&self) -> Instant {
        let idle = self.active + self.idle_max();
        let acknowledgement = self.waiting.front().map(|waiting| waiting.deadline);
        [acknowledgement, self.muted_until]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    fn on_timer(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if self.muted_until.is_some_and(|until| until <= now) {
            self.muted_until = None;
            self.active = now;
        }
        if self.waiting.is_empty()
            && self.muted_until.is_none()
            && self.active + self.idle_max() <= now
        {
            return Err(Ended::Idle);
        }
        Ok(())
    }

    /// Size of the frame that has begun, where its memory has to be granted before it is read on.
    fn wanted_grant(&self) -> Result<Option<usize>, Ended> {
        let length = self.frame_length()?;
        Ok(length.filter(|&length| self.grant.is_none() && Admission::grants(length)))
    }

    /// Makes room for the rest of a frame that has begun and whose memory is granted.
    fn make_room(&mut self) -> Result<(), Ended> {
        if let Some(length) = self.frame_length()? {
            let missing = (LENGTH_BYTES + length).saturating_sub(self.buffer.len());
            self.buffer.reserve(missing.max(1));
        }
        Ok(())
    }

    /// Reads what is there, without waiting.
    fn read(&mut self) -> Result<(), Ended> {
        if self.buffer.capacity() - self.buffer.len() == 0 || self.buffer.is_empty() {
            self.buffer.reserve(self.read_bytes);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        match self.stream.try_read_buf(&mut self.buffer) {
            Ok(0) => Err(Ended::Peer),
            Ok(read) => {
                if read == room {
                    self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
                } else if read < self.read_bytes / 4 {
                    self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_MIN);
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
