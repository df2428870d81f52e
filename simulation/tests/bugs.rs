//! Every fault of the past is found by some seed when it is put back: docs/conformance/bugs.md.

use milena_protocol::bug::{self, Bug};
use milena_simulation::run::{Options, run};

/// Seeds that may be needed.
const SEEDS_MAX: u64 = 10_000;

/// A seed that fails with a bug, and with what; without the bug it holds. The one that did the last
/// time is tried first.
fn find(bug: Bug, last: u64) -> Option<(u64, String)> {
    let fails = |seed, present| {
        bug::set(present);
        let failure = run(seed, &Options::default()).failure;
        bug::set(None);
        failure
    };
    std::iter::once(last).chain(0..SEEDS_MAX).find_map(|seed| {
        let failure = fails(seed, Some(bug))?;
        fails(seed, None).is_none().then_some((seed, failure))
    })
}

fn check(bug: Bug, last: u64) {
    let found = find(bug, last);
    assert!(found.is_some(), "{bug:?} is not found in {SEEDS_MAX} seeds");
    if let Some((seed, failure)) = found {
        eprintln!("{bug:?}: seed {seed}: {failure}");
    }
}

/// One test per bug, so that they run beside each other, with the seed that found it.
macro_rules! bugs {
    ($($name:ident: $bug:ident at $seed:literal,)*) => {
        $(
            #[test]
            fn $name() {
                check(Bug::$bug, $seed);
            }
        )*

        #[test]
        fn every_bug_has_its_test() {
            assert_eq!(Bug::ALL, [$(Bug::$bug),*]);
        }
    };
}

bugs! {
    guard_unchecked: GuardUnchecked at 797,
    verification_outlives_marker: VerificationOutlivesMarker at 2005,
    repeated_marker_refused: RepeatedMarkerRefused at 4,
    abort_not_indexed: AbortNotIndexed at 0,
    duplicate_unknown: DuplicateUnknown at 0,
    old_epoch_appended: OldEpochAppended at 0,
    markers_not_resent: MarkersNotResent at 7,
    complete_after_first: CompleteAfterFirst at 9,
    repeated_end_fenced: RepeatedEndFenced at 54,
    added_while_deciding: AddedWhileDeciding at 4,
    open_transaction_kept: OpenTransactionKept at 0,
    unstable_offset_fetched: UnstableOffsetFetched at 1708,
    aborted_offsets_kept: AbortedOffsetsKept at 0,
    owned_twice: OwnedTwice at 11,
    old_generation_commits: OldGenerationCommits at 450,
}
