//! Runs a broker from start to stop: `milena dev` and `milena server`.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use milena_broker::{BindError, Embedded, Mode, Options, StartError, Warnings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::Failure;
use crate::admin::{self, Observed, Subject};
use crate::configuration::Settings;
use crate::process::{self, StopSignals, print_line};
use crate::start::Start;

/// How long open requests to the admin listener are waited for.
const ADMIN_STOP_WAIT: Duration = Duration::from_secs(1);

/// How long threads are waited for that still work after everything has stopped.
const THREADS_STOP_WAIT: Duration = Duration::from_secs(1);

impl Observed for Embedded {
    fn reasons_not_ready(&self) -> Vec<String> {
        let health = self.health();
        if health.is_ready || !health.reasons.is_empty() {
            return health.reasons;
        }
        vec!["the broker is not ready".to_owned()]
    }

    fn metrics_text(&self) -> String {
        Embedded::metrics_text(self)
    }
}

/// Starts what is asked for and returns when it has stopped.
///
/// # Errors
/// A configuration with faults, all of them; a broker that does not start, or that fails.
pub(crate) fn run(start: &Start) -> Result<(), Failure> {
    process::start_logs().map_err(Failure::Usage)?;
    process::raise_open_files();
    let options = options(start).map_err(Failure::Usage)?;
    let runtime = process::runtime()?;
    let outcome = runtime.block_on(Box::pin(serve(options, start)));
    runtime.shutdown_timeout(THREADS_STOP_WAIT);
    Ok(outcome?)
}

fn options(start: &Start) -> Result<Options> {
    let mode = if start.is_dev {
        Mode::Dev
    } else {
        Mode::Server
    };
    let (options, warnings) = Options::from_values(start.settings.values(), mode)
        .map_err(|faults| start.settings.describe_faults(&faults))?;
    for line in describe_warnings(&start.settings, &warnings) {
        warn!("{line}");
    }
    Ok(if start.import {
        options.forcing_import()
    } else {
        options
    })
}

/// A line for each key that is likely misspelt, and one for all that are right and do nothing.
fn describe_warnings(settings: &Settings, warnings: &Warnings) -> Vec<String> {
    let describe = |key: &String| settings.describe_fault(key, "unknown key, without effect");
    let mut lines: Vec<String> = warnings.unknown_keys.iter().map(describe).collect();
    if !warnings.keys_without_effect.is_empty() {
        let keys = warnings.keys_without_effect.join(", ");
        lines.push(format!(
            "keys without effect here, docs/configs.md says why: {keys}"
        ));
    }
    lines
}

async fn serve(options: Options, start: &Start) -> Result<()> {
    let mut signals = StopSignals::listen()?;
    let subject = Subject::default();
    let admin = Admin::start(start.admin_port, Arc::clone(&subject)).await?;
    let broker = tokio::select! {
        biased;
        // Recovery begins anew at the next start, so there is nothing to be put in order.
        name = signals.next() => {
            info!(signal = name, "stopped while starting");
            return Ok(());
        }
        started = Embedded::start(options) => {
            Arc::new(started.map_err(|error| explain_start(&start.settings, error))?)
        }
    };
    let observed: Weak<Embedded> = Arc::downgrade(&broker);
    if subject.set(observed).is_err() {
        unreachable!("the subject is set once, here");
    }
    announce(&broker.addresses(), admin.address)?;
    let ended = tokio::select! {
        biased;
        name = signals.next() => {
            info!(signal = name, "stopping");
            Ok(())
        }
        reason = broker.failed() => {
            error!(reason, "the broker cannot go on");
            Err(anyhow!("the broker cannot go on: {reason}"))
        }
    };
    tokio::select! {
        biased;
        name = signals.next() => Err(anyhow!("a second signal, {name}, came before everything was stopped")),
        () = stop(broker, admin) => ended,
    }
}

/// Says where everything listens, then that it serves.
fn announce(addresses: &[(String, SocketAddr)], admin: SocketAddr) -> Result<()> {
    for (index, (name, address)) in addresses.iter().enumerate() {
        // A listener on localhost has two addresses; the first stands for it.
        let is_first = addresses.iter().position(|(other, _)| other == name) == Some(index);
        if is_first {
            print_line(&format!("kafka {address}"))?;
        }
    }
    print_line(&format!("admin {admin}"))?;
    print_line("ready")
}

async fn stop(mut broker: Arc<Embedded>, admin: Admin) {
    let embedded = loop {
        match Arc::try_unwrap(broker) {
            Ok(embedded) => break embedded,
            // A request to the admin listener holds it for the moment that it takes.
            Err(shared) => broker = shared,
        }
        tokio::task::yield_now().await;
    };
    embedded.stop().await;
    admin.stop().await;
}

/// The admin listener and its task.
#[derive(Debug)]
struct Admin {
    address: SocketAddr,
    tracker: TaskTracker,
    token: CancellationToken,
}

impl Admin {
    async fn start(port: u16, subject: Subject) -> Result<Self> {
        let listener = admin::bind(port)
            .await
            .map_err(|error| explain(port, error))?;
        let address = listener
            .local_addr()
            .context("read the address of the admin listener")?;
        let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
        tracker.spawn(Self::serve(listener, subject, token.clone()));
        Ok(Self {
            address,
            tracker,
            token,
        })
    }

    async fn serve(listener: TcpListener, subject: Subject, token: CancellationToken) {
        if let Err(error) = admin::serve(listener, subject, token).await {
            error!(%error, "the admin listener failed");
        }
    }

    async fn stop(self) {
        self.token.cancel();
        self.tracker.close();
        if tokio::time::timeout(ADMIN_STOP_WAIT, self.tracker.wait())
            .await
            .is_err()
        {
            warn!("requests to the admin listener did not end in time");
        }
    }
}

/// Names what has to be changed where another process has a port of ours.
fn explain_start(settings: &Settings, error: StartError) -> anyhow::Error {
    match &error {
        StartError::Bind(BindError { address, source })
            if source.kind() == io::ErrorKind::AddrInUse =>
        {
            let origin = settings.describe_origin("listeners");
            anyhow!("{address} is in use: choose another port with {origin}")
        }
        _ => error.into(),
    }
}

fn explain(port: u16, error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        return anyhow!(
            "port {port} is in use: choose another for health and metrics with --admin-port"
        );
    }
    anyhow!(error).context(format!("listen on port {port} for health and metrics"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Origin;

    #[test]
    fn unknown_keys_have_a_line_each_and_others_share_one() {
        let mut settings = Settings::default();
        settings.set("nmu.partitions", "3", Origin::CommandLine);
        settings.set("odd", "3", Origin::Environment("KAFKA_ODD".to_owned()));
        let owned = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
        let mut warnings = Warnings {
            unknown_keys: owned(&["nmu.partitions", "odd"]),
            keys_without_effect: owned(&["a", "b"]),
        };
        let expected = [
            "nmu.partitions: unknown key, without effect (on the command line)",
            "odd: unknown key, without effect (in the variable KAFKA_ODD)",
            "keys without effect here, docs/configs.md says why: a, b",
        ];
        assert_eq!(describe_warnings(&settings, &warnings), expected);
        warnings = Warnings::default();
        assert!(describe_warnings(&settings, &warnings).is_empty());
    }
}
