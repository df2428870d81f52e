//! Seeds that every run of the tests goes through.

use crate::run::{Options, run};

/// Seeds of each of the four tests that run at once: with each change 1,000.
const SEEDS: u64 = 250;
/// Seeds that run twice.
const TWICE: u64 = 50;

fn check(part: u64) {
    for seed in part * SEEDS..(part + 1) * SEEDS {
        let report = run(seed, &Options::default());
        assert!(
            report.failure.is_none(),
            "seed {seed}: {:?}; repeat: cargo run -p milena-simulation -- --start {seed} --seeds 1",
            report.failure
        );
    }
}

#[test]
fn seeds_of_the_first_quarter_hold() {
    check(0);
}

#[test]
fn seeds_of_the_second_quarter_hold() {
    check(1);
}

#[test]
fn seeds_of_the_third_quarter_hold() {
    check(2);
}

#[test]
fn seeds_of_the_last_quarter_hold() {
    check(3);
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

#[test]
fn what_is_left_out_does_not_happen() {
    let whole = run(7, &Options::default());
    let options = Options {
        without_faults: (0..whole.faults.len()).collect(),
        without_clients: [0].into(),
        until_ms: Some(3000),
        keeps_trace: true,
    };
    let part = run(7, &options);
    assert_eq!(part.failure, None);
    assert_eq!(part.clients.len() + 1, whole.clients.len());
    assert!(part.lines.iter().all(|line| !line.contains("fault")));
    assert!(
        options
            .arguments(7)
            .contains("--without-clients 0 --until-ms 3000")
    );
}
