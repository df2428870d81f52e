//! A broker and stock clients with real faults, by seed: kill -9, SIGSTOP, stolen transactional ids.
//! What the clients saw must have no anomaly.
//!
//! `MILENA_CHAOS_SEED` repeats a plan (the timing of the processes stays their own),
//! `MILENA_CHAOS_SECONDS` sets its length, else `budgets.toml`.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use milena_conformance::broker::Broker;
use milena_conformance::budget::Budgets;
use milena_conformance::chaos::{self, CLIENTS, Fault, Plan};
use milena_conformance::driver::is_full;
use milena_conformance::setup::{Setup, note};

fn number(name: &str) -> Result<Option<u64>> {
    let text = env::var(name).ok();
    text.map(|text| text.parse().with_context(|| format!("parse {name}")))
        .transpose()
}

#[test]
fn clients_see_no_anomaly_under_faults() -> Result<()> {
    let Some(setup) = Setup::find(&["python", "java", "drivers"])? else {
        return Ok(());
    };
    let seed = number("MILENA_CHAOS_SEED")?.unwrap_or_else(|| u64::from(std::process::id()));
    let length = match number("MILENA_CHAOS_SECONDS")? {
        Some(seconds) => Duration::from_secs(seconds),
        None => Budgets::read()?.chaos(is_full())?,
    };
    note(&format!("MILENA_CHAOS_SEED={seed}"));
    let plan = Plan::new(seed, length, CLIENTS);
    let mut broker = Broker::any()?;
    let report = chaos::run(&plan, &mut broker, &setup)?;
    note(&format!("{} faults, {report}", plan.faults.len()));
    ensure!(
        report.anomalies.is_empty(),
        "seed {seed}, histories in {:?}\n{report}",
        report.kept
    );
    for needed in [
        "send:ok",
        "txn:ok",
        "txn:fail",
        "poll:ok",
        "commit:ok",
        "finish:ok",
    ] {
        let count = report.counts.get(needed).copied().unwrap_or(0);
        ensure!(count > 0, "no {needed}: {report}");
    }
    Ok(())
}

#[test]
fn plan_follows_from_its_seed() {
    let length = Duration::from_secs(300);
    let plan = Plan::new(7, length, CLIENTS);
    assert_eq!(plan, Plan::new(7, length, CLIENTS));
    assert_ne!(plan.faults, Plan::new(8, length, CLIENTS).faults);
    let has = |wanted: fn(&Fault) -> bool| plan.faults.iter().any(|(_, fault)| wanted(fault));
    assert!(has(|fault| matches!(fault, Fault::KillBroker { .. })));
    assert!(has(|fault| matches!(fault, Fault::Hijack { .. })));
    assert!(plan.faults.iter().all(|(at, _)| *at < length));
}
