//! Every fault of the past is found by some seed when it is put back: docs/conformance/bugs.md.

use milena_protocol::bug::{self, Bug};
use milena_simulation::run::{Options, run};

/// Seeds that may be needed.
const SEEDS_MAX: u64 = 2000;

/// The first seed that fails with a bug, and with what.
fn find(bug: Bug) -> Option<(u64, String)> {
    bug::set(Some(bug));
    let found = (0..SEEDS_MAX).find_map(|seed| {
        let failure = run(seed, &Options::default()).failure?;
        Some((seed, failure))
    });
    bug::set(None);
    found
}

#[test]
fn every_bug_is_found() {
    // A failure is told once, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        match find(bug) {
            Some((seed, failure)) => println!("{bug:?}: seed {seed}: {failure}"),
            None => missed.push(bug),
        }
    }
    let _ = std::panic::take_hook();
    assert!(
        missed.is_empty(),
        "not found in {SEEDS_MAX} seeds: {missed:?}"
    );
}
