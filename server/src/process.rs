//! What the process asks of the system: limits, logs, signals, threads.

use std::io::{self, IsTerminal as _, Write as _};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

/// Variable of the log filter, such as `debug` or `info,milena_log=trace`.
const LOG_VARIABLE: &str = "MILENA_LOG";

/// Threads that serve connections, at most. Connections are cheap; beyond this the lock of a hot
/// partition, not the processor, is what threads wait for.
const WORKERS_MAX: usize = 64;

/// Threads for blocking work, at most: syncs, recovery, compression of large batches.
const BLOCKING_THREADS_MAX: usize = 64;

/// Raises the limit of open files to what the system allows: segments and connections need them.
pub(crate) fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current = ?limits.current, "limit of open files not raised");
    }
}

/// Keeps the kernel from backing the heap with huge pages, which the allocator asks for: an idle
/// broker would hold 54 MB of them where it needs 14 MB. The page cache is not concerned.
pub(crate) fn refuse_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages not switched off");
    }
}

/// The environment, without what is not Unicode: that is no configuration of ours.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// What is logged unless told otherwise. openraft tells of each of its steps at INFO.
const LOG_DEFAULT: &str = "info,openraft=error";

/// Sends logs to standard error, from INFO up unless `MILENA_LOG` says otherwise.
///
/// # Errors
/// A filter that cannot be read.
pub(crate) fn start_logs() -> Result<()> {
    let filter = match std::env::var(LOG_VARIABLE) {
        Ok(text) if !text.trim().is_empty() => EnvFilter::try_new(filter_text(&text))
            .with_context(|| format!("read {LOG_VARIABLE}='{text}'"))?,
        _ => EnvFilter::new(LOG_DEFAULT),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}

/// A filter as it is given, with openraft quieter than the rest where it is not named: its steps
/// drown everything else.
fn filter_text(text: &str) -> String {
    if text.contains("openraft") {
        return text.to_owned();
    }
    let level = text
        .split(',')
        .map(|part| part.trim().to_ascii_lowercase())
        .rfind(|part| !part.contains(['=', ':', '[']));
    match level.as_deref() {
        Some("debug" | "trace") => format!("{text},openraft=info"),
        Some("info" | "warn") => format!("{text},openraft=error"),
        _ => text.to_owned(),
    }
}

/// The runtime of the shells, one worker for each processor.
///
/// # Errors
/// Threads that the system refuses.
pub(crate) fn runtime() -> Result<Runtime> {
    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(WORKERS_MAX);
    Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("milena")
        .enable_all()
        .build()
        .context("start the runtime")
}

/// Writes a line to standard output and flushes it: whoever started us may read it through a pipe.
///
/// # Errors
/// What the system says.
pub(crate) fn print_line(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("write to standard output")
}

/// The signals that stop a server.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    repetition: Repetition,
}

/// How long a signal that comes again is the same wish: a supervisor and a terminal may both send
/// one.
const REPETITION_WINDOW: Duration = Duration::from_secs(1);

/// Tells a signal that is meant from the echo of the one before.
#[derive(Debug, Default)]
struct Repetition {
    counted: Option<Instant>,
}

impl Repetition {
    /// True where a signal that comes now counts.
    fn counts(&mut self, now: Instant) -> bool {
        let is_echo = self
            .counted
            .is_some_and(|counted| now.duration_since(counted) < REPETITION_WINDOW);
        if !is_echo {
            self.counted = Some(now);
        }
        !is_echo
    }
}

impl StopSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listen for SIGINT")?,
            repetition: Repetition::default(),
        })
    }

    /// Waits for the next signal and gives its name. What comes within a second of the one before
    /// is passed over.
    ///
    /// # Cancel safety
    /// Cancel-safe: a signal that was not returned is returned by the next call.
    pub(crate) async fn next(&mut self) -> &'static str {
        loop {
            let name = tokio::select! {
                biased;
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            };
            if self.repetition.counts(Instant::now()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_within_a_second_is_no_second_one() {
        let mut repetition = Repetition::default();
        let start = Instant::now();
        for (after_ms, expected) in [
            (0, true),
            (1, false),
            (999, false),
            (1000, true),
            (1001, false),
        ] {
            let now = start + Duration::from_millis(after_ms);
            assert_eq!(repetition.counts(now), expected, "{after_ms}");
        }
    }

    #[test]
    fn openraft_stays_quiet_unless_it_is_named() {
        for (text, expected) in [
            ("debug", "debug,openraft=info"),
            ("TRACE", "TRACE,openraft=info"),
            ("info", "info,openraft=error"),
            (
                "milena_log=debug,info",
                "milena_log=debug,info,openraft=error",
            ),
            ("milena_log=debug", "milena_log=debug"),
            ("warn", "warn,openraft=error"),
            ("error", "error"),
            ("debug,openraft=trace", "debug,openraft=trace"),
        ] {
            assert_eq!(filter_text(text), expected);
            assert!(EnvFilter::try_new(filter_text(text)).is_ok(), "{text}");
        }
    }
}
