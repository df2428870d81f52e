//! Seeds that every run of the tests goes through.

use crate::run::{Options, run};

/// Seeds of a change.
const SEEDS: u64 = 1000;
/// Seeds that run twice.
const TWICE: u64 = 50;

#[test]
fn seeds_hold() {
    for seed in 0..SEEDS {
        let report = run(seed, &Options::default());
        assert!(
            report.failure.is_none(),
            "seed {seed}: {:?}; repeat: cargo run -p milena-simulation -- --start {seed} --seeds 1",
            report.failure
        );
    }
}

#[test]
fn one_seed_is_one_trace() {
    for seed in 0..TWICE {
        let (first, second) = (
            run(seed, &Options::default()),
            run(seed, &Options::default()),
        );
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.events, second.events, "seed {seed}");
    }
}

#[test]
fn seeds_differ() {
    let hashes: std::collections::BTreeSet<u64> = (0..20)
        .map(|seed| run(seed, &Options::default()).hash)
        .collect();
    assert_eq!(hashes.len(), 20);
}
