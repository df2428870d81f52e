//! One seed is one run; a run that fails is made smaller.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::Fault;
use crate::world::World;

/// What is left out of a run, and what is kept of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Numbers of faults that do not happen.
    pub without_faults: BTreeSet<usize>,
    /// Numbers of clients that do not live.
    pub without_clients: BTreeSet<usize>,
    /// When faults and new work stop at the latest, in milliseconds from the beginning.
    pub until_ms: Option<i64>,
    /// Keep the trace.
    pub keeps_trace: bool,
}

/// What a run was like.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Hash of its trace: equal for equal runs.
    pub hash: u64,
    /// What did not hold; none where everything did.
    pub failure: Option<String>,
    /// The faults that were drawn, also those left out.
    pub faults: Vec<Fault>,
    /// The clients that lived.
    pub clients: Vec<String>,
    /// The trace where it was kept.
    pub lines: Vec<String>,
    /// Events that happened.
    pub events: u64,
    /// How long it took in the world, in milliseconds.
    pub simulated_ms: i64,
    /// Values that were sent.
    pub values: usize,
}

/// Runs the world of a seed. A panic is a failure like any other.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Report {
    let mut world = World::new(seed, options);
    let clients = world.client_names();
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Some(format!("panic: {}", text.unwrap_or_default()))
        }
    };
    Report {
        seed,
        hash: world.trace.hash(),
        failure,
        faults: std::mem::take(&mut world.faults),
        clients,
        lines: world.trace.take_lines(),
        events: world.events,
        simulated_ms: world.now,
        values: world.truth.sent.len(),
    }
}

/// Makes a run that fails smaller: leaves out faults and clients and stops earlier, as long as it
/// still fails, whatever with.
#[must_use]
pub fn minimise(seed: u64) -> Options {
    let mut smallest = Options::default();
    let Some(report) = failing(seed, &smallest) else {
        return smallest;
    };
    let mut until_ms = report.simulated_ms;
    while 250 < until_ms {
        until_ms /= 2;
        let candidate = Options {
            until_ms: Some(until_ms),
            ..smallest.clone()
        };
        if failing(seed, &candidate).is_none() {
            break;
        }
        smallest = candidate;
    }
    for fault in 0..report.faults.len() {
        let mut candidate = smallest.clone();
        candidate.without_faults.insert(fault);
        if failing(seed, &candidate).is_some() {
            smallest = candidate;
        }
    }
    for client in 0..report.clients.len() {
        let mut candidate = smallest.clone();
        candidate.without_clients.insert(client);
        if failing(seed, &candidate).is_some() {
            smallest = candidate;
        }
    }
    smallest
}

fn failing(seed: u64, options: &Options) -> Option<Report> {
    let report = run(seed, options);
    report.failure.is_some().then_some(report)
}

impl Options {
    /// The arguments of `milena-simulate` that repeat a run with these options.
    #[must_use]
    pub fn arguments(&self, seed: u64) -> String {
        let mut text = format!("--start {seed} --seeds 1 --trace");
        let mut list = |flag: &str, numbers: &BTreeSet<usize>| {
            if !numbers.is_empty() {
                let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
                text.push_str(&format!(" {flag} {}", numbers.join(",")));
            }
        };
        list("--without-faults", &self.without_faults);
        list("--without-clients", &self.without_clients);
        if let Some(until_ms) = self.until_ms {
            text.push_str(&format!(" --until-ms {until_ms}"));
        }
        text
    }
}
