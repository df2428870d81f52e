//! The suites fit into the time that they were given, and each has its budget.

use std::fs;

use anyhow::Result;
use milena_conformance::budget::Budgets;
use milena_conformance::setup;

/// Longest run of `make conformance`, the build included, in seconds.
const WHOLE_SECONDS_MAX: u64 = 95 * 60;

/// Longest run of the fixed part, in seconds.
const FIXED_SECONDS_MAX: u64 = 12 * 60;

/// What the test with real faults takes after its faults: clients end, and everything is read.
const CHAOS_END_SECONDS: u64 = 90;

/// Client tests that run at once.
const AT_ONCE: u64 = 2;

#[test]
fn whole_run_fits() -> Result<()> {
    let budgets = Budgets::read()?;
    let sum: u64 = budgets.whole.values().sum();
    assert!(
        sum <= WHOLE_SECONDS_MAX,
        "budgets.toml [whole]: {sum} s, at most {WHOLE_SECONDS_MAX}: make a suite shorter"
    );
    let clients = budgets.full.values().sum::<u64>() / AT_ONCE;
    let given = budgets.whole["clients"];
    let chaos = budgets.chaos["full"] + CHAOS_END_SECONDS;
    assert!(chaos <= budgets.whole["chaos"], "{chaos} s of faults");
    assert!(
        clients <= given,
        "budgets.toml [full]: {clients} s of clients, [whole] gives them {given}"
    );
    Ok(())
}

#[test]
fn fixed_part_fits() -> Result<()> {
    let budgets = Budgets::read()?;
    // The test with real faults runs beside clients; its end takes some time as well.
    let chaos = budgets.chaos["fixed"] + CHAOS_END_SECONDS;
    let sum = (budgets.fixed.values().sum::<u64>() + chaos) / AT_ONCE;
    assert!(
        sum <= FIXED_SECONDS_MAX,
        "budgets.toml [fixed]: {sum} s, at most {FIXED_SECONDS_MAX}: make a case full-only"
    );
    Ok(())
}

#[test]
fn every_client_test_has_its_budgets() -> Result<()> {
    let budgets = Budgets::read()?;
    let text = fs::read_to_string(setup::folder().join("tests/clients.rs"))?;
    let mut tests = Vec::new();
    for line in text.lines() {
        let Some(arguments) = line.strip_prefix("client!(") else {
            continue;
        };
        let (client, rest) = arguments.split_once(',').expect("a module");
        let (_, areas) = rest.split_once(':').expect("areas");
        let areas = areas.trim_end_matches(");").split_whitespace();
        tests.extend(areas.map(|area| (client.to_owned(), area.to_owned())));
    }
    tests.sort();
    for rows in [&budgets.fixed, &budgets.full] {
        let found: Vec<_> = rows.keys().cloned().collect();
        assert_eq!(
            found, tests,
            "rows of budgets.toml against tests/clients.rs"
        );
    }
    Ok(())
}
