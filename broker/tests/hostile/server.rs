//! A broker on a directory of its own, and plain sockets to it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, Once};
use std::time::Duration;

use milena_broker::{Embedded, Mode, Options, StartError};
use milena_protocol::api;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Longest wait for an answer; a broker that does not answer is a failure.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const WORKER: &str = "broker-worker";

/// What panicked in a broker of this process.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A running broker. When it is dropped it is stopped, and must not have panicked.
pub(crate) struct Server {
    runtime: Runtime,
    broker: Option<Embedded>,
    pub(crate) address: SocketAddr,
    directory: Option<TempDir>,
}

fn watch_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if name.starts_with(WORKER) || name.starts_with("sync-") || name.starts_with("metadata")
            {
                PANICS.lock().unwrap().push(format!("{name}: {panic}"));
            }
        }));
    });
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).unwrap()
    }

    /// Starts on a directory that may have been used before.
    pub(crate) fn start_in(directory: TempDir) -> Result<Self, StartError> {
        watch_panics();
        let log_dirs = directory.path().join("data").display().to_string();
        let values = BTreeMap::from(
            [
                ("listeners", "PLAINTEXT://127.0.0.1:0"),
                ("log.dirs", &log_dirs),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let (options, _) = Options::from_values(values, Mode::Dev).unwrap();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(WORKER)
            .enable_all()
            .build()
            .unwrap();
        let broker = runtime.block_on(Embedded::start(options))?;
        Ok(Self {
            runtime,
            address: broker.address(),
            broker: Some(broker),
            directory: Some(directory),
        })
    }

    /// Stops; returns the directory.
    pub(crate) fn stop(mut self) -> TempDir {
        self.directory.take().unwrap()
    }

    pub(crate) fn assert_no_panic(after: &str) {
        assert_eq!(*PANICS.lock().unwrap(), [""; 0], "after {after}");
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        stream
    }

    /// Asks for the versions on a new connection.
    pub(crate) fn assert_alive(&self, after: &str) {
        let mut stream = self.connect();
        stream
            .write_all(&frame(&header(api::API_VERSIONS, 0, 99)))
            .unwrap();
        let answer = answer(&mut stream).unwrap_or_else(|| panic!("closed after {after}"));
        assert_eq!(answer[..6], [0, 0, 0, 99, 0, 0], "after {after}");
        Self::assert_no_panic(after);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.stop());
        }
        if !std::thread::panicking() {
            Self::assert_no_panic("the stop");
        }
    }
}

/// The header of a request, in the version that its API has.
pub(crate) fn header(key: i16, version: i16, correlation_id: i32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(&key.to_be_bytes());
    header.extend_from_slice(&version.to_be_bytes());
    header.extend_from_slice(&correlation_id.to_be_bytes());
    header.extend_from_slice(b"\0\x04test");
    if api::info(key).is_some_and(|api| api.is_flexible(version)) {
        header.push(0);
    }
    header
}

/// The bytes with their length before them.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The next frame; none where the broker closes the connection.
pub(crate) fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    read_exact(stream, &mut length)?;
    let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    read_exact(stream, &mut bytes)?;
    Some(bytes)
}

fn read_exact(stream: &mut TcpStream, bytes: &mut [u8]) -> Option<()> {
    match stream.read_exact(bytes) {
        Ok(()) => Some(()),
        Err(error) if is_closed(error.kind()) => None,
        Err(error) => panic!("neither an answer nor an end: {error}"),
    }
}

/// Sends the bytes and nothing more, and reads until the broker closes.
pub(crate) fn send_and_drain(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    // The broker may close before everything is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    match stream.read_to_end(&mut answers) {
        Ok(_) => answers,
        Err(error) if is_closed(error.kind()) => answers,
        Err(error) => panic!("the connection does not end: {error}"),
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
