//! Bytes that a log did not write, from producers or on its disk: they never panic, and what is
//! damaged is never given out. Seeded mutations of valid inputs, a fixed number of cases each;
//! `scripts/fuzz` runs the same checks for longer.

pub mod batch;
pub mod checkpoints;
#[path = "../../../protocol/tests/hostile/mutate.rs"]
pub mod mutate;
pub mod recovery;

use mutate::hammer;

#[test]
fn batches_of_producers_withstand_hostile_bytes() {
    hammer(1, 15_000, &batch::seeds(), batch::check);
}

#[test]
fn small_files_withstand_hostile_bytes() {
    hammer(2, 6_000, &checkpoints::seeds(), checkpoints::check);
}

#[test]
fn recovery_withstands_hostile_files() {
    hammer(3, 3_000, &recovery::seeds(), recovery::check);
}
