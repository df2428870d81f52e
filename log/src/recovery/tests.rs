//! What a log is after power was lost, bytes rotted, or a replacement was interrupted.

use std::path::Path;
use std::sync::Arc;

use milena_protocol::{Offset, Timestamp};
use proptest::prelude::*;

use crate::LogConfig;
use crate::damage;
use crate::error::{AppendError, ReadError};
use crate::log::OpenState;
use crate::log::tests::{
    Bench, NOW, batches, marker, open, plain, produced, read_all, small_segments, valid,
};
use crate::repair::repair;
use crate::segment::name::{self, CLEANED, Kind};
use crate::storage::{FaultyStorage, Storage};

mod resume;

const FOLDER: &str = "/data/topic-0";

fn faulty(seed: u64) -> (FaultyStorage, Bench) {
    let storage = FaultyStorage::new(seed);
    let bench = Bench::on(Arc::new(storage.clone()), small_segments());
    storage.sync_directory(Path::new("/")).unwrap();
    (storage, bench)
}

fn random(state: &mut u64, end: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)) % end
}

/// Every second time with segments that are long enough for resume points in their middle.
fn crashing(seed: u64) -> (FaultyStorage, Bench) {
    let (storage, bench) = faulty(seed);
    if seed.is_multiple_of(2) {
        return (storage, bench);
    }
    let config = LogConfig {
        segment_bytes: 10_000,
        ..small_segments()
    };
    let bench = Bench::on(Arc::new(storage.clone()), config);
    (storage, bench)
}

/// Runs a log until the power goes, several times over, and checks what is left each time.
fn crashes(seed: u64) {
    let (storage, mut bench) = crashing(seed);
    let mut state = seed;
    // Last offset of each batch that was appended and not lost, and the recorded recovery point.
    let mut appended: Vec<(i64, i64)> = Vec::new();
    let mut recorded = Offset(0);
    for round in 0..4 {
        storage.power_off_after(1 + random(&mut state, 60));
        while !storage.is_off() {
            let count = 1 + random(&mut state, 3);
            let batches = (0..count)
                .map(|_| {
                    let records = 1 + usize::try_from(random(&mut state, 12)).unwrap();
                    valid(plain(records, NOW))
                })
                .collect();
            let epoch = milena_protocol::LeaderEpoch(round);
            for outcome in bench.log.append(batches, epoch, NOW).unwrap_or_default() {
                if let crate::Outcome::Appended { .. } = &outcome {
                    appended.push(crate::log::tests::offsets(&outcome));
                }
            }
            if random(&mut state, 5) == 0 {
                bench.log.want_resume_point();
            }
            if random(&mut state, 3) == 0 {
                let _ = bench.log.sync();
            }
            if random(&mut state, 4) == 0 {
                recorded = bench.log.flushed();
            }
            if random(&mut state, 9) == 0 {
                let _ = bench.log.release();
            }
        }
        let flushed = bench.log.flushed();
        storage.crash();
        bench.log = open(
            &bench.storage,
            &bench.config,
            OpenState {
                clean: false,
                recovery_point: recorded,
                log_start: None,
            },
        );
        assert_eq!(bench.log.damage(), None, "seed {seed} round {round}");
        let end = bench.log.log_end();
        assert!(
            end >= flushed,
            "seed {seed} round {round}: {end} < {flushed}"
        );
        let found = read_all(&bench.log, Offset(0), 700);
        let mut next = 0;
        for (first, last) in &found {
            assert_eq!(
                *first, next,
                "seed {seed} round {round}: only a suffix may be lost"
            );
            next = last + 1;
        }
        assert_eq!(next, end.0, "seed {seed} round {round}");
        // What was appended before the crash is a prefix of it or the other way round.
        for (before, after) in appended.iter().zip(&found) {
            assert_eq!(before, after, "seed {seed} round {round}");
        }
        appended = found;
    }
}

#[test]
fn every_synced_batch_survives_a_crash_and_only_a_suffix_is_lost() {
    for seed in 0..400 {
        crashes(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn crashes_at_random_points(seed in any::<u64>()) {
        crashes(seed);
    }
}

#[test]
fn producers_and_epochs_survive_a_crash() {
    for seed in 0..50 {
        let (storage, mut bench) = faulty(seed);
        for sequence in 0..20 {
            bench.append(produced(1, 0, sequence * 2, 2, false));
            bench.append(plain(3, NOW));
        }
        bench.log.sync().unwrap();
        let end = bench.log.log_end();
        storage.crash();
        bench.reopen_unclean(Offset(i64::try_from(seed).unwrap() * 2));
        assert_eq!(bench.log.log_end(), end, "seed {seed}");
        let last = bench.append(produced(1, 0, 38, 2, false));
        assert!(
            matches!(last, crate::Outcome::Duplicate { .. }),
            "seed {seed}: {last:?}"
        );
        assert_eq!(
            bench.log.latest_epoch(),
            Some(milena_protocol::LeaderEpoch(3))
        );
    }
}

fn log_path(base_offset: i64) -> std::path::PathBuf {
    name::path(Path::new(FOLDER), Offset(base_offset), Kind::Log)
}

#[test]
fn torn_and_zeroed_tails_are_cut_above_the_recovery_point() {
    for lost in [2, 30, 61, 70, 200, 360] {
        for is_zeroed in [false, true] {
            let (_, mut bench) = faulty(lost);
            bench.append(plain(10, NOW));
            bench.append(plain(10, NOW));
            bench.log.sync().unwrap();
            let file = bench.storage.open(&log_path(0)).unwrap();
            let size = file.len().unwrap();
            file.set_len(size - lost).unwrap();
            if is_zeroed {
                file.set_len(size + 5000).unwrap();
            }
            bench.reopen_unclean(Offset(10));
            assert_eq!(bench.log.log_end(), Offset(10));
            assert!(bench.log.cut_bytes() > 0);
            assert_eq!(bench.log.damage(), None);
            assert_eq!(
                crate::log::tests::offsets(&bench.append(plain(1, NOW))),
                (10, 10)
            );
            bench.reopen_clean();
            assert_eq!(read_all(&bench.log, Offset(0), 100), [(0, 9), (10, 10)]);
        }
    }
}

/// A batch begins with its base offset, and that with zeroes: it is intact even where its first
/// bytes are in a sector that was never written.
#[test]
fn a_lost_sector_may_end_within_an_intact_batch() {
    let storage = FaultyStorage::new(7);
    let mut bench = Bench::on(Arc::new(storage), LogConfig::default());
    let mut from = 0;
    let until = loop {
        bench.append(plain(1, NOW));
        let last = Offset(bench.log.log_end().0 - 1);
        let slice = bench.log.read(last, 1, last.plus(1), true).unwrap();
        if slice.position % 512 > 504 {
            break slice.position;
        }
        from = slice.position;
    };
    bench.log.sync().unwrap();
    let lost = bench.log.log_end().0 - 2;
    let file = bench.storage.open(&log_path(0)).unwrap();
    let zeroes = vec![0; usize::try_from(until - from).unwrap()];
    file.write_at(&[std::io::IoSlice::new(&zeroes)], from)
        .unwrap();
    bench.reopen_unclean(Offset(lost));
    assert_eq!(bench.log.damage(), None);
    assert_eq!(bench.log.log_end(), Offset(lost));
}

#[test]
fn a_batch_larger_than_the_index_interval_costs_nothing() {
    let (_, mut bench) = faulty(1);
    for _ in 0..3 {
        bench.append(plain(20, NOW));
    }
    bench.log.sync().unwrap();
    let file = bench.storage.open(&log_path(40)).unwrap();
    file.set_len(file.len().unwrap() - 5).unwrap();
    bench.reopen_unclean(Offset(0));
    assert_eq!(bench.log.log_end(), Offset(40));
    assert_eq!(read_all(&bench.log, Offset(0), 100), [(0, 19), (20, 39)]);
}

/// A log of 30 batches of 3 records with a flipped byte in batch `number`, opened again.
fn rotten(storage: &FaultyStorage, bench: &mut Bench, number: i64, recovery_point: i64) {
    bench.fill(30, 3);
    bench.log.sync().unwrap();
    let slice = bench
        .log
        .read(Offset(number * 3), 1, Offset(90), true)
        .unwrap();
    let segments = bench.log.segments().unwrap();
    let segment = segments
        .iter()
        .rfind(|segment| segment.base_offset.0 <= number * 3)
        .unwrap();
    storage
        .flip_byte(&log_path(segment.base_offset.0), slice.position + 70)
        .unwrap();
    bench.reopen_unclean(Offset(recovery_point));
}

#[test]
fn damage_is_served_around_and_never_cut() {
    // Below the recovery point, and above it with intact batches behind.
    for (number, recovery_point) in [(1, 0), (27, 84), (28, 80), (29, 90)] {
        for reopens in [false, true] {
            let (storage, mut bench) = faulty(3);
            rotten(&storage, &mut bench, number, recovery_point);
            if reopens {
                bench.reopen_clean();
            }
            let log = &mut bench.log;
            let damage = log.damage().unwrap();
            assert_eq!(damage.places.len(), 1);
            assert_eq!(damage.places[0].first_offset, Offset(number * 3));
            assert_eq!(damage.places[0].next_offset, Offset(number * 3 + 3));
            assert_eq!(log.log_end(), Offset(90));
            for offset in 0..90 {
                let read = log.read(Offset(offset), 5000, Offset(90), true);
                if offset / 3 == number {
                    assert!(
                        matches!(read, Err(ReadError::Damaged { next_offset, .. })
                            if next_offset == Offset(number * 3 + 3)),
                        "{read:?}"
                    );
                } else {
                    let read = batches(&read.unwrap().read().unwrap());
                    assert_eq!(read[0].0, offset / 3 * 3);
                    assert!(read.iter().all(|batch| batch.0 != number * 3));
                }
            }
            let refused = log.append(
                vec![valid(plain(1, NOW))],
                milena_protocol::LeaderEpoch(3),
                NOW,
            );
            assert!(matches!(refused, Err(AppendError::Damaged)));
            let found = log
                .offset_for_timestamp(Timestamp(NOW.0 + 10))
                .unwrap()
                .unwrap();
            assert!(found.timestamp.0 >= NOW.0 + 10);
        }
    }
}

#[test]
fn the_last_batch_above_the_recovery_point_is_cut_and_kept_aside() {
    let (storage, mut bench) = faulty(3);
    rotten(&storage, &mut bench, 29, 84);
    assert_eq!(bench.log.log_end(), Offset(87));
    assert_eq!(bench.log.damage(), None);
    let names = bench.storage.list(Path::new(FOLDER)).unwrap();
    assert!(names.iter().any(|entry| entry.name.ends_with(".log.cut")));
    bench.reopen_clean();
    let names = bench.storage.list(Path::new(FOLDER)).unwrap();
    assert!(!names.iter().any(|entry| entry.name.ends_with(".log.cut")));
}

#[test]
fn damage_goes_with_its_segment() {
    let (storage, mut bench) = faulty(3);
    rotten(&storage, &mut bench, 1, 0);
    assert!(bench.log.damage().is_some());
    bench.log.set_high_watermark(Offset(90));
    bench.log.delete_segments(&[Offset(0)], NOW).unwrap();
    assert!(bench.log.damage().is_none());
    assert!(
        !bench
            .storage
            .exists(&Path::new(FOLDER).join(damage::FILE))
            .unwrap()
    );
    bench.append(plain(1, NOW));
    bench.reopen_clean();
    assert!(bench.log.damage().is_none());
}

#[test]
fn progress_reaches_its_end() {
    let (_, mut bench) = faulty(1);
    bench.fill(30, 3);
    bench.log.sync().unwrap();
    let mut seen = Vec::new();
    let partition = crate::Partition {
        folder: FOLDER.into(),
        topic_partition: bench.log.topic_partition().clone(),
        topic_id: bench.log.topic_id(),
    };
    let state = OpenState {
        clean: false,
        recovery_point: Offset(0),
        log_start: None,
    };
    let handles = crate::handle::Handles::new(Arc::clone(&bench.storage), 10);
    let config = Arc::clone(&bench.config);
    crate::Log::open(handles, partition, config, state, NOW, &mut |progress| {
        seen.push((progress.done_bytes, progress.total_bytes));
    })
    .unwrap();
    assert!(seen.len() > 3);
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let last = seen.last().unwrap();
    assert_eq!(last.0, last.1);
}

/// Writes `<base>.*.cleaned` with every second batch of the first `count` segments.
fn write_cleaned(bench: &Bench, count: usize) -> Vec<Offset> {
    let segments = bench.log.segments().unwrap();
    let replaced: Vec<_> = segments[..count]
        .iter()
        .map(|segment| segment.base_offset)
        .collect();
    let mut bytes = Vec::new();
    let mut next = Offset(0);
    while next < segments[count].base_offset {
        let slice = bench
            .log
            .read(next, 1, segments[count].base_offset, true)
            .unwrap();
        let batch = slice.read().unwrap();
        let read = batches(&batch)[0];
        // The end of the last segments is compacted away.
        if read.0 % 2 == 0 && read.0 < segments[count].base_offset.0 - 12 {
            bytes.extend_from_slice(&batch);
        }
        next = Offset(read.1 + 1);
    }
    for (kind, bytes) in [
        (Kind::Log, bytes.as_slice()),
        (Kind::Index, &[]),
        (Kind::TimeIndex, &[]),
    ] {
        let path = name::path_with(Path::new(FOLDER), Offset(0), kind, CLEANED);
        let file = bench.storage.open_or_create(&path).unwrap();
        file.write_at(&[std::io::IoSlice::new(bytes)], 0).unwrap();
        file.sync().unwrap();
    }
    replaced
}

#[test]
fn a_replacement_is_whole_or_not_at_all() {
    for point in 1..40 {
        for seed in 0..8 {
            let (storage, mut bench) = faulty(seed);
            bench.fill(40, 3);
            bench.log.sync().unwrap();
            let before = read_all(&bench.log, Offset(0), 500);
            let replaced = write_cleaned(&bench, 3);
            storage.sync_directory(Path::new(FOLDER)).unwrap();
            let behind = bench.log.segments().unwrap()[3].base_offset;
            let after: Vec<_> = before
                .iter()
                .copied()
                .filter(|batch| {
                    batch.0 >= behind.0 || (batch.0 % 2 == 0 && batch.0 < behind.0 - 12)
                })
                .collect();
            storage.power_off_after(point);
            let result = bench.log.replace_segments(Offset(0), &replaced);
            let is_done = !storage.is_off();
            if is_done {
                assert_eq!(read_all(&bench.log, Offset(0), 500), after);
                for path in result.unwrap() {
                    let _ = storage.remove_file(&path);
                }
            }
            storage.crash();
            for clean in [false, true, true] {
                let state = OpenState {
                    clean,
                    recovery_point: Offset(120),
                    log_start: None,
                };
                bench.log = open(&bench.storage, &bench.config, state);
                let found = read_all(&bench.log, Offset(0), 500);
                if is_done {
                    assert_eq!(found, after, "point {point} seed {seed}");
                } else {
                    assert!(
                        found == before || found == after,
                        "point {point} seed {seed}: {found:?}"
                    );
                }
                bench.log.close().unwrap();
            }
        }
    }
}

#[test]
fn kafkas_unfinished_replacement_is_finished() {
    let (_, mut bench) = faulty(1);
    bench.fill(40, 3);
    bench.log.sync().unwrap();
    write_cleaned(&bench, 2);
    for kind in [Kind::Log, Kind::Index, Kind::TimeIndex] {
        let from = name::path_with(Path::new(FOLDER), Offset(0), kind, CLEANED);
        let to = name::path_with(Path::new(FOLDER), Offset(0), kind, name::SWAP);
        bench.storage.rename(&from, &to).unwrap();
    }
    bench.reopen_unclean(Offset(120));
    assert_eq!(bench.log.log_end(), Offset(120));
    assert!(read_all(&bench.log, Offset(0), 500).len() < 40);
    assert_eq!(bench.log.damage(), None);
}

#[test]
fn repair_gives_up_what_is_lost_and_nothing_else() {
    for (number, recovery_point) in [(0, 0), (1, 0), (17, 60), (27, 90), (29, 90)] {
        for point in (1..60).step_by(3).chain([u64::MAX]) {
            let (storage, mut bench) = faulty(point);
            rotten(&storage, &mut bench, number, recovery_point);
            let shared: Arc<dyn Storage> = Arc::new(storage.clone());
            let folder = Path::new(FOLDER);
            let lost = vec![Offset(number * 3)..Offset(number * 3 + 3)];
            let report = repair(&shared, folder, false).unwrap();
            assert_eq!((report.lost, report.is_repaired), (lost.clone(), false));
            bench.log.close().unwrap();
            storage.power_off_after(point);
            let result = repair(&shared, folder, true);
            let was_off = storage.is_off();
            storage.crash();
            if was_off {
                // What was cut out before the power went is not damaged any more.
                repair(&shared, folder, true).unwrap();
            } else {
                let report = result.unwrap();
                assert_eq!((report.lost, report.is_repaired), (lost, true));
                assert_eq!(report.kept.len(), 1);
            }
            for clean in [true, false] {
                let state = OpenState {
                    clean,
                    recovery_point: Offset(90),
                    log_start: None,
                };
                bench.log = open(&bench.storage, &bench.config, state);
                assert_eq!(bench.log.damage(), None, "number {number} point {point}");
                assert_eq!(
                    bench.log.log_end(),
                    Offset(90),
                    "number {number} point {point}"
                );
                let found = read_all(&bench.log, Offset(0), 500);
                let expected: Vec<_> = (0..30)
                    .filter(|batch| *batch != number)
                    .map(|batch| (batch * 3, batch * 3 + 2))
                    .collect();
                assert_eq!(found, expected, "number {number} point {point}");
            }
            assert_eq!(
                crate::log::tests::offsets(&bench.append(plain(1, NOW))),
                (90, 90)
            );
        }
    }
}

#[test]
fn segment_that_was_durable_before_it_was_closed_keeps_its_aborted_transactions() {
    let storage = FaultyStorage::new(3);
    let mut bench = Bench::on(Arc::new(storage.clone()), small_segments());
    storage.sync_directory(Path::new("/")).unwrap();
    let append = |bench: &mut Bench, batch| {
        let outcomes = bench
            .log
            .append(vec![batch], milena_protocol::LeaderEpoch(0), NOW)
            .unwrap();
        assert!(matches!(outcomes[0], crate::Outcome::Appended { .. }));
    };
    append(&mut bench, valid(produced(7, 0, 0, 1, true)));
    append(&mut bench, marker(7, 0, false));
    bench.fill(3, 5);
    bench.log.sync().unwrap();
    let recorded = bench.log.flushed();
    assert_eq!(bench.log.segments().unwrap().len(), 1);
    // The next batch begins a segment, and the power goes before the next sync.
    append(&mut bench, valid(plain(10, NOW)));
    assert_eq!(bench.log.segments().unwrap()[1].base_offset, recorded);
    let file = bench.log.segment_file(recorded).unwrap();
    file.sync().unwrap();
    storage.sync_directory(Path::new(FOLDER)).unwrap();
    storage.crash();
    bench.reopen_unclean(recorded);
    assert_eq!(bench.log.segments().unwrap().len(), 2);
    let aborted = bench.log.aborted_transactions(Offset(0), recorded).unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!(aborted[0].producer_id.0, 7);
}

#[test]
fn segment_whose_closing_was_lost_is_not_compacted_before_and_has_its_snapshot_after() {
    let storage = FaultyStorage::new(5);
    let config = LogConfig {
        cleanup_delete: false,
        cleanup_compact: true,
        ..small_segments()
    };
    let mut bench = Bench::on(Arc::new(storage.clone()), config);
    storage.sync_directory(Path::new("/")).unwrap();
    bench.fill(4, 5);
    bench.log.sync().unwrap();
    bench.log.set_high_watermark(bench.log.log_end());
    let base = bench.log.log_end();
    bench.fill(1, 10);
    assert_eq!(bench.log.segments().unwrap()[1].base_offset, base);
    let candidate = crate::cleaner::consider_log(&bench.log, None, NOW).unwrap();
    assert_eq!(candidate.unwrap().first_uncleanable, Offset(0));

    let file = bench.log.segment_file(base).unwrap();
    file.sync().unwrap();
    storage.sync_directory(Path::new(FOLDER)).unwrap();
    storage.crash();
    bench.reopen_unclean(Offset(0));
    assert_eq!(bench.log.segments().unwrap().len(), 2);
    let path = crate::producer_state::snapshot::path(Path::new(FOLDER), base);
    assert!(storage.exists(&path).unwrap());
    bench.log.set_high_watermark(bench.log.log_end());
    let candidate = crate::cleaner::consider_log(&bench.log, None, NOW).unwrap();
    assert_eq!(candidate.unwrap().first_uncleanable, base);
}

/// The process is killed before its first sync, and its successor loses power after one: the names
/// that the first one made are durable then.
#[test]
fn names_of_a_killed_process_are_durable_with_the_records_of_the_next() {
    // What is not synced may survive all the same.
    for (seed, has_records) in (0..16).flat_map(|seed| [(seed, false), (seed, true)]) {
        let storage = FaultyStorage::new(seed);
        let mut bench = Bench::on(Arc::new(storage.clone()), small_segments());
        storage.sync_directory(Path::new("/")).unwrap();
        if has_records {
            bench.fill(1, 2);
        } else {
            storage.create_directory(Path::new(FOLDER)).unwrap();
        }
        bench.reopen_unclean(Offset(0));
        let recovered = bench.log.flushed();
        assert_eq!(recovered, Offset(if has_records { 2 } else { 0 }));
        if has_records {
            // What was recovered counts as durable at once.
            storage.crash();
            bench.reopen_unclean(Offset(0));
            assert_eq!(bench.log.log_end(), recovered);
        }
        bench.fill(1, 3);
        bench.log.sync().unwrap();
        let flushed = bench.log.flushed();
        storage.crash();
        bench.reopen_unclean(Offset(0));
        assert_eq!(bench.log.log_end(), flushed, "seed {seed}, {has_records}");
    }
}
