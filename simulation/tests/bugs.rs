//! Every fault of the past is found by some seed when it is put back: docs/conformance/bugs.md.

use milena_protocol::bug::{self, Bug};
use milena_simulation::run::{Options, run};

/// Seeds that may be needed.
const SEEDS_MAX: u64 = 2000;

/// The first seed that fails with a bug, and with what. Without the bug it holds.
fn find(bug: Bug) -> Option<(u64, String)> {
    let fails = |seed, present| {
        bug::set(present);
        let failure = run(seed, &Options::default()).failure;
        bug::set(None);
        failure
    };
    (0..SEEDS_MAX).find_map(|seed| {
        let failure = fails(seed, Some(bug))?;
        fails(seed, None).is_none().then_some((seed, failure))
    })
}

fn check(bug: Bug) {
    let found = find(bug);
    assert!(found.is_some(), "{bug:?} is not found in {SEEDS_MAX} seeds");
    if let Some((seed, failure)) = found {
        eprintln!("{bug:?}: seed {seed}: {failure}");
    }
}

/// One test per bug, so that they run beside each other.
macro_rules! bugs {
    ($($name:ident: $bug:ident,)*) => {
        $(
            #[test]
            fn $name() {
                check(Bug::$bug);
            }
        )*

        #[test]
        fn every_bug_has_its_test() {
            assert_eq!(Bug::ALL, [$(Bug::$bug),*]);
        }
    };
}

bugs! {
    guard_unchecked: GuardUnchecked,
    verification_outlives_marker: VerificationOutlivesMarker,
    repeated_marker_refused: RepeatedMarkerRefused,
    abort_not_indexed: AbortNotIndexed,
    duplicate_unknown: DuplicateUnknown,
    old_epoch_appended: OldEpochAppended,
    markers_not_resent: MarkersNotResent,
    complete_after_first: CompleteAfterFirst,
    repeated_end_fenced: RepeatedEndFenced,
    added_while_deciding: AddedWhileDeciding,
    open_transaction_kept: OpenTransactionKept,
    unstable_offset_fetched: UnstableOffsetFetched,
    aborted_offsets_kept: AbortedOffsetsKept,
    owned_twice: OwnedTwice,
    old_generation_commits: OldGenerationCommits,
}
