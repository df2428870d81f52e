//! A restart that goes on at a resume point finds what a check of everything finds.

use std::path::Path;
use std::sync::Arc;

use milena_protocol::{LeaderEpoch, Offset, Timestamp};
use proptest::prelude::*;

use super::{FOLDER, random};
use crate::LogConfig;
use crate::log::OpenState;
use crate::log::tests::{Bench, NOW, marker, open, plain, produced, read_all, valid};
use crate::producer_state::snapshot;
use crate::segment::name::{self, Kind};
use crate::storage::{FaultyStorage, MemoryStorage, Storage};

fn long_segments() -> LogConfig {
    LogConfig {
        segment_bytes: 30_000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

fn unclean(recovery_point: Offset) -> OpenState {
    OpenState {
        clean: false,
        recovery_point,
        log_start: None,
    }
}

/// Bytes that opening the log has checked.
fn checked_bytes(bench: &Bench, recovery_point: Offset) -> u64 {
    let partition = crate::Partition {
        folder: FOLDER.into(),
        topic_partition: bench.log.topic_partition().clone(),
        topic_id: bench.log.topic_id(),
    };
    let handles = crate::handle::Handles::new(Arc::clone(&bench.storage), 10);
    let mut checked = 0;
    let config = Arc::clone(&bench.config);
    let state = unclean(recovery_point);
    crate::Log::open(handles, partition, config, state, NOW, &mut |progress| {
        assert!(progress.done_bytes <= progress.total_bytes);
        checked = progress.done_bytes;
    })
    .unwrap();
    checked
}

/// Everything that can be asked of a log, as text.
fn facts(bench: &mut Bench, recovery_point: Offset) -> String {
    bench.log = open(&bench.storage, &bench.config, unclean(recovery_point));
    let log = &mut bench.log;
    let end = log.log_end();
    log.set_high_watermark(end);
    let mut all = format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n",
        log.damage(),
        log.segments().unwrap(),
        read_all(log, Offset(0), 3000),
        log.aborted_transactions(Offset(0), end).unwrap(),
        log.epochs().entries(),
    );
    for step in (0..3000).step_by(7) {
        let found = log.offset_for_timestamp(Timestamp(NOW.0 + step)).unwrap();
        all.push_str(&format!("{found:?}\n"));
    }
    all.push_str(&format!("{:?}\n", log.max_timestamp().unwrap()));
    log.producers_mut().set_end(end);
    all.push_str(&format!("{:?}\n", snapshot::encode(log.producers())));
    all
}

/// Writes a log with resume points here and there, and has it recovered in both ways.
fn check_equal(seed: u64) {
    let mut state = seed;
    let mut bench = Bench::on(Arc::new(MemoryStorage::new()), long_segments());
    let mut sequences = [0; 3];
    let mut recorded = Offset(0);
    for _ in 0..40 + random(&mut state, 200) {
        let timestamp = NOW.plus_ms(i64::try_from(random(&mut state, 2500)).unwrap());
        let count = 1 + usize::try_from(random(&mut state, 6)).unwrap();
        let id = usize::try_from(random(&mut state, 3)).unwrap();
        let batches = match random(&mut state, 4) {
            0 | 1 => vec![valid(plain(count, timestamp))],
            // Producer 2 is in transactions, and half of them are aborted.
            kind => {
                let first = sequences[id];
                sequences[id] += i32::try_from(count).unwrap();
                let number = i64::try_from(id).unwrap();
                let is_transactional = id == 2;
                let batch = valid(produced(number, 0, first, count, is_transactional));
                let ends = is_transactional && kind == 3;
                let end = marker(number, 0, random(&mut state, 2) == 0);
                if ends { vec![batch, end] } else { vec![batch] }
            }
        };
        let epoch = LeaderEpoch(i32::try_from(bench.log.log_end().0 / 300).unwrap());
        bench.log.append(batches, epoch, NOW).unwrap();
        if random(&mut state, 20) == 0 {
            bench.log.want_resume_point();
        }
        if random(&mut state, 6) == 0 {
            bench.log.sync().unwrap();
            if random(&mut state, 3) > 0 {
                recorded = bench.log.flushed();
            }
        }
        if random(&mut state, 60) == 0 {
            bench.reopen_clean();
        }
        if random(&mut state, 60) == 0 {
            bench.log.sync().unwrap();
            bench.reopen_unclean(recorded);
        }
    }
    bench.log.sync().unwrap();
    let resumed = facts(&mut bench, recorded);
    let checked = facts(&mut bench, Offset(0));
    assert_eq!(resumed, checked, "seed {seed}, recovery point {recorded}");
    assert!(resumed.starts_with("None"), "seed {seed}: damage");
}

#[test]
fn a_resumed_log_is_that_of_a_full_check() {
    for seed in 0..60 {
        check_equal(seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn resumed_logs_of_any_seed(seed in any::<u64>()) {
        check_equal(seed);
    }
}

/// A log of one segment: 100 batches, a resume point, 10 batches. Returns the recovery point.
fn resumable(bench: &mut Bench) -> Offset {
    bench.fill(100, 3);
    bench.log.want_resume_point();
    bench.log.sync().unwrap();
    let recovery_point = bench.log.flushed();
    assert_eq!(bench.log.unresumed_bytes(), 0);
    bench.fill(10, 3);
    bench.log.sync().unwrap();
    recovery_point
}

#[test]
fn a_restart_checks_what_follows_the_resume_point() {
    let mut bench = Bench::on(Arc::new(MemoryStorage::new()), long_segments());
    let recovery_point = resumable(&mut bench);
    let all = checked_bytes(&bench, Offset(0));
    let behind = checked_bytes(&bench, recovery_point);
    assert_eq!(behind, all / 11, "10 batches of 110");
    // Above the recovery point a resume point does not count.
    assert_eq!(checked_bytes(&bench, recovery_point.plus(-1)), all);
    // The next one takes the place of the first, and only writes what is new.
    bench.log.want_resume_point();
    bench.log.sync().unwrap();
    let folder = Path::new(FOLDER);
    let snapshots = snapshot::list(&*bench.storage, folder).unwrap();
    assert_eq!(snapshots, [bench.log.log_end()]);
    assert_eq!(checked_bytes(&bench, bench.log.flushed()), 0);
}

#[test]
fn a_clean_stop_is_a_resume_point_for_logs_that_nobody_wrote_to() {
    let mut bench = Bench::on(Arc::new(MemoryStorage::new()), long_segments());
    bench.fill(100, 3);
    bench.reopen_clean();
    assert_eq!(bench.log.unresumed_bytes(), 0);
    assert_eq!(checked_bytes(&bench, bench.log.flushed()), 0);
}

#[test]
fn a_resume_point_that_lacks_a_part_is_passed_over() {
    let file = |kind| name::path(Path::new(FOLDER), Offset(0), kind);
    for kind in Kind::INDEXES {
        for is_lost in [false, true] {
            let mut bench = Bench::on(Arc::new(MemoryStorage::new()), long_segments());
            let recovery_point = resumable(&mut bench);
            let all = checked_bytes(&bench, Offset(0));
            let path = file(kind);
            if !bench.storage.exists(&path).unwrap() {
                continue;
            }
            if is_lost {
                bench.storage.remove_file(&path).unwrap();
            } else {
                let opened = bench.storage.open(&path).unwrap();
                let noise = [std::io::IoSlice::new(&[0xee; 40])];
                opened.write_at(&noise, 16).unwrap();
            }
            assert_eq!(checked_bytes(&bench, recovery_point), all, "{kind:?}");
        }
    }
    let mut bench = Bench::on(Arc::new(MemoryStorage::new()), long_segments());
    let recovery_point = resumable(&mut bench);
    let all = checked_bytes(&bench, Offset(0));
    let path = snapshot::path(Path::new(FOLDER), recovery_point);
    bench.storage.remove_file(&path).unwrap();
    assert_eq!(checked_bytes(&bench, recovery_point), all);
}

#[test]
fn a_tail_behind_a_resume_point_is_cut_and_the_point_holds() {
    for seed in 0..80 {
        let storage = FaultyStorage::new(seed);
        let mut bench = Bench::on(Arc::new(storage.clone()), long_segments());
        storage.sync_directory(Path::new("/")).unwrap();
        let recovery_point = resumable(&mut bench);
        let end = bench.log.log_end();
        // Never synced, together with the next resume point.
        bench.fill(20, 3);
        bench.log.want_resume_point();
        storage.power_off_after(1 + seed % 12);
        let _ = bench.log.sync();
        storage.crash();
        bench.reopen_unclean(recovery_point);
        assert!(bench.log.log_end() >= end, "seed {seed}");
        assert_eq!(bench.log.damage(), None, "seed {seed}");
        let found = read_all(&bench.log, Offset(0), 3000);
        let last = found.last().unwrap().1;
        assert_eq!(last + 1, bench.log.log_end().0, "seed {seed}");
        bench.append(plain(1, NOW));
        bench.reopen_clean();
        assert_eq!(bench.log.log_end(), Offset(last + 2), "seed {seed}");
    }
}

#[test]
fn a_truncated_log_resumes_where_it_may() {
    let mut bench = Bench::on(Arc::new(MemoryStorage::new()), long_segments());
    resumable(&mut bench);
    bench.log.truncate_to(Offset(150), NOW).unwrap();
    bench.fill(70, 2);
    bench.log.want_resume_point();
    bench.log.sync().unwrap();
    let end = bench.log.flushed();
    let resumed = facts(&mut bench, end);
    let checked = facts(&mut bench, Offset(0));
    assert_eq!(resumed, checked);
    assert_eq!(checked_bytes(&bench, end), 0);
}
