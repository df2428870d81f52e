//! One run: clients, faults, last reads, judgement.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use milena_simulation::checker::{self, Anomaly, History, Kind};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::client::{LAST, Life, ROSTER, Starter, history};
use super::plan::{Fault, Plan};
use super::topic;
use crate::broker::Broker;
use crate::setup::Setup;

/// How often processes are looked after.
const TICK: Duration = Duration::from_millis(50);

/// How long a client that ended by itself stays away.
const REST: Duration = Duration::from_millis(500);

/// How long clients may take to end when they are asked to.
const END_PATIENCE: Duration = Duration::from_secs(40);

/// How long the last reads may take; the clients themselves give up before.
const LAST_PATIENCE: Duration = Duration::from_secs(180);

/// What a run brought.
#[derive(Debug)]
pub struct Report {
    /// What must not be.
    pub anomalies: Vec<Anomaly>,
    /// What may be.
    pub allowed: Vec<Anomaly>,
    /// Operations by function and end.
    pub counts: BTreeMap<String, u64>,
    /// Histories and logs, where they were kept: that is where something is wrong.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.counts {
            write!(f, "{name}={count} ")?;
        }
        writeln!(f, "allowed={}", self.allowed.len())?;
        for anomaly in &self.anomalies {
            writeln!(f, "{anomaly}")?;
        }
        Ok(())
    }
}

/// Carries a plan out on a broker and judges what the clients recorded. Faults of the broker are left
/// out where it was not started here.
///
/// # Errors
/// A process cannot be started, the broker does not come back, or the last reads do not get to the
/// end. What was recorded is kept then, and the message has the place.
pub fn run(plan: &Plan, broker: &mut Broker, setup: &Setup) -> Result<Report> {
    let folder = TempDir::with_prefix("milena-chaos-").context("make a directory")?;
    topic::create(broker)?;
    let outcome = act(plan, broker, setup, folder.path())
        .and_then(|processes| judge(folder.path(), processes));
    match outcome {
        Ok(mut report) => {
            if !report.anomalies.is_empty() {
                report.kept = Some(keep(folder, broker));
            }
            Ok(report)
        }
        Err(error) => {
            let kept = keep(folder, broker);
            let place = format!("seed {}, histories in {}", plan.seed, kept.display());
            Err(error.context(place))
        }
    }
}

fn keep(folder: TempDir, broker: &Broker) -> PathBuf {
    let path = folder.keep();
    // Without it the histories are still worth something.
    let _ = fs::write(path.join("broker.log"), broker.log().unwrap_or_default());
    path
}

/// Plays the plan and reads everything; the number of processes that recorded.
fn act(plan: &Plan, broker: &mut Broker, setup: &Setup, folder: &Path) -> Result<u64> {
    let mut stage = Stage::new(plan, broker, setup, folder)?;
    while stage.start.elapsed() < plan.length {
        stage.turn(plan)?;
        thread::sleep(TICK);
    }
    stage.heal()?;
    stage.end_clients()?;
    stage.last_reads()
}

/// A client with its current process.
#[derive(Debug)]
struct Actor {
    life: Option<Life>,
    /// When a missing process is started.
    due: Instant,
    /// When a stopped process goes on.
    wakes: Option<Instant>,
}

/// The broker while it has a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// It is away until then.
    Away(Instant),
    /// It stands still until then.
    Paused(Instant),
}

#[derive(Debug)]
struct Stage<'a> {
    start: Instant,
    broker: &'a mut Broker,
    starter: Starter<'a>,
    actors: Vec<Actor>,
    /// Processes whose place was taken; when they wake up, where they sleep.
    zombies: Vec<(Life, Option<Instant>)>,
    trouble: Trouble,
    /// Index of the next fault.
    next: usize,
    is_own: bool,
}

impl<'a> Stage<'a> {
    fn new(
        plan: &Plan,
        broker: &'a mut Broker,
        setup: &'a Setup,
        folder: &'a Path,
    ) -> Result<Self> {
        let starter = Starter {
            setup,
            folder,
            bootstrap: broker.address(),
            seed: plan.seed,
            started: 0,
        };
        let start = Instant::now();
        let actor = || Actor {
            life: None,
            due: start,
            wakes: None,
        };
        let is_own = broker.pid().is_ok();
        Ok(Self {
            start,
            broker,
            starter,
            actors: ROSTER.iter().map(|_| actor()).collect(),
            zombies: Vec::new(),
            trouble: Trouble::None,
            next: 0,
            is_own,
        })
    }

    fn turn(&mut self, plan: &Plan) -> Result<()> {
        self.mend_broker()?;
        self.tend_clients()?;
        while let Some((at, fault)) = plan.faults.get(self.next)
            && self.start.elapsed() >= *at
        {
            self.next += 1;
            self.strike(*fault)
                .with_context(|| format!("{fault:?} at {at:?}"))?;
        }
        Ok(())
    }

    fn tend_clients(&mut self) -> Result<()> {
        let now = Instant::now();
        for (actor, row) in self.actors.iter_mut().zip(ROSTER) {
            if actor.wakes.is_some_and(|wakes| wakes <= now) {
                actor.wakes = None;
                if let Some(life) = &mut actor.life {
                    life.signal(Signal::CONT)?;
                }
            }
            let has_ended = match &mut actor.life {
                Some(life) => life.ended()?.is_some(),
                None => false,
            };
            if has_ended {
                actor.life = None;
                actor.wakes = None;
                actor.due = now + REST;
            }
            if actor.life.is_none() && actor.due <= now {
                actor.life = Some(self.starter.start(row)?);
            }
        }
        for (life, wakes) in &mut self.zombies {
            if wakes.is_some_and(|wakes| wakes <= now) {
                *wakes = None;
                life.signal(Signal::CONT)?;
            }
        }
        let mut alive = Vec::new();
        for (mut life, wakes) in self.zombies.drain(..) {
            if life.ended()?.is_none() {
                alive.push((life, wakes));
            }
        }
        self.zombies = alive;
        Ok(())
    }

    fn strike(&mut self, fault: Fault) -> Result<()> {
        let now = Instant::now();
        match fault {
            Fault::KillClient { client, away } => {
                let actor = &mut self.actors[client];
                // Dropping it kills it.
                actor.life = None;
                actor.wakes = None;
                actor.due = now + away;
            }
            Fault::PauseClient { client, pause } => {
                let actor = &mut self.actors[client];
                if let Some(life) = &mut actor.life {
                    life.signal(Signal::STOP)?;
                    actor.wakes = Some(now + pause);
                }
            }
            Fault::Hijack { client, pause } => {
                let actor = &mut self.actors[client];
                if let Some(mut life) = actor.life.take() {
                    life.signal(Signal::STOP)?;
                    self.zombies.push((life, Some(now + pause)));
                }
                actor.wakes = None;
                actor.due = now;
            }
            Fault::KillBroker { .. } | Fault::PauseBroker { .. } | Fault::StopBroker { .. } => {
                if self.is_own && self.trouble == Trouble::None {
                    self.strike_broker(fault, now)?;
                }
            }
        }
        Ok(())
    }

    fn strike_broker(&mut self, fault: Fault, now: Instant) -> Result<()> {
        match fault {
            Fault::KillBroker { away } => {
                self.broker.kill()?;
                self.trouble = Trouble::Away(now + away);
            }
            Fault::StopBroker { away } => {
                self.broker.stop()?;
                self.trouble = Trouble::Away(now + away);
            }
            Fault::PauseBroker { pause } => {
                self.signal_broker(Signal::STOP)?;
                self.trouble = Trouble::Paused(now + pause);
            }
            Fault::KillClient { .. } | Fault::PauseClient { .. } | Fault::Hijack { .. } => {}
        }
        Ok(())
    }

    fn signal_broker(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.broker.pid()?).context("a process id")?;
        let pid = Pid::from_raw(pid).context("a process id")?;
        rustix::process::kill_process(pid, signal).context("signal the broker")
    }

    fn mend_broker(&mut self) -> Result<()> {
        let now = Instant::now();
        match self.trouble {
            Trouble::Away(until) if until <= now => self.broker.restart()?,
            Trouble::Paused(until) if until <= now => self.signal_broker(Signal::CONT)?,
            _ => return Ok(()),
        }
        self.trouble = Trouble::None;
        Ok(())
    }

    /// No fault is left.
    fn heal(&mut self) -> Result<()> {
        match self.trouble {
            Trouble::Away(_) => self.broker.restart()?,
            Trouble::Paused(_) => self.signal_broker(Signal::CONT)?,
            Trouble::None => {}
        }
        self.trouble = Trouble::None;
        for actor in &mut self.actors {
            if let Some(life) = &mut actor.life {
                life.signal(Signal::CONT)?;
            }
        }
        for (life, _) in &mut self.zombies {
            life.signal(Signal::CONT)?;
        }
        Ok(())
    }

    /// Asks the clients to end, and ends those that do not.
    fn end_clients(&mut self) -> Result<()> {
        let actors = self.actors.drain(..).filter_map(|actor| actor.life);
        let zombies = self.zombies.drain(..).map(|(life, _)| life);
        let mut lives: Vec<Life> = actors.chain(zombies).collect();
        for life in &mut lives {
            life.signal(Signal::TERM)?;
        }
        await_all(&mut lives, END_PATIENCE)
    }

    fn last_reads(&mut self) -> Result<u64> {
        let mut lives = Vec::new();
        for row in LAST {
            lives.push(self.starter.start(row)?);
        }
        await_all(&mut lives, LAST_PATIENCE)?;
        for life in &mut lives {
            let status = life.ended()?.context("the last reads did not end")?;
            ensure!(status.success(), "the last reads ended with {status}");
        }
        Ok(self.starter.started)
    }
}

fn await_all(lives: &mut [Life], patience: Duration) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < patience {
        let mut is_over = true;
        for life in &mut *lives {
            is_over &= life.ended()?.is_some();
        }
        if is_over {
            break;
        }
        thread::sleep(TICK);
    }
    Ok(())
}

fn judge(folder: &Path, processes: u64) -> Result<Report> {
    let mut all = History::default();
    for number in 1..=processes {
        // A client that was killed early has recorded nothing.
        let Ok(file) = File::open(history(folder, number)) else {
            continue;
        };
        let read = History::read(BufReader::new(file));
        all.extend(read.with_context(|| format!("history {number}"))?);
    }
    let mut counts = BTreeMap::new();
    for event in all.events() {
        if !matches!(event.kind, Kind::Invoke | Kind::Prepare) {
            let name = format!("{:?}:{:?}", event.function, event.kind).to_lowercase();
            *counts.entry(name).or_default() += 1;
        }
    }
    let found = checker::check(&all);
    let (allowed, anomalies) = found.into_iter().partition(Anomaly::is_allowed);
    Ok(Report {
        anomalies,
        allowed,
        counts,
        kept: None,
    })
}
