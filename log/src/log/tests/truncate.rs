use super::*;

#[test]
fn truncation_forgets_what_is_behind_it() {
    for point in 0..40 {
        let mut bench = Bench::new(small_segments());
        bench.fill(10, 3);
        for sequence in 0..10 {
            bench.append(produced(4, 0, sequence, 1, false));
        }
        if point % 2 == 0 {
            bench.log.sync().unwrap();
        }
        let before = read_all(&bench.log, Offset(0), 500);
        bench.log.truncate_to(Offset(point), NOW).unwrap();
        let end = if point < 30 { point / 3 * 3 } else { point };
        let kept: Vec<_> = before.into_iter().filter(|batch| batch.1 < end).collect();
        assert_eq!(bench.log.log_end(), Offset(end), "point {point}");
        assert_eq!(read_all(&bench.log, Offset(0), 500), kept, "point {point}");
        let sequence = i32::try_from((point - 30).max(0)).unwrap();
        assert_eq!(
            offsets(&bench.append(produced(4, 0, sequence, 1, false))),
            (end, end),
            "point {point}"
        );
        bench.reopen_unclean(Offset(0));
        assert_eq!(read_all(&bench.log, Offset(0), 500).len(), kept.len() + 1);
        bench.reopen_clean();
        assert_eq!(read_all(&bench.log, Offset(0), 500).len(), kept.len() + 1);
    }
}

#[test]
fn a_ticket_from_before_a_truncation_makes_nothing_else_durable() {
    let mut bench = Bench::new(small_segments());
    bench.fill(20, 3);
    let ticket = bench.log.begin_sync().unwrap();
    bench.log.truncate_to(Offset(9), NOW).unwrap();
    bench.append(plain(1, NOW));
    ticket.sync().unwrap();
    assert_eq!(bench.log.finish_sync(ticket), Offset(0));
    bench.log.sync().unwrap();
    assert_eq!(bench.log.flushed(), Offset(10));
    bench.reopen_unclean(Offset(10));
    assert_eq!(bench.log.log_end(), Offset(10));
    assert_eq!(bench.log.damage(), None);
}

#[test]
fn a_log_can_start_anew_at_an_offset() {
    let mut bench = Bench::new(small_segments());
    bench
        .log
        .truncate_fully_and_start_at(Offset(7), NOW)
        .unwrap();
    assert_eq!(bench.log.log_start(), Offset(7));
    bench.fill(10, 3);
    bench
        .log
        .truncate_fully_and_start_at(Offset(1000), NOW)
        .unwrap();
    for reopens in 0..3 {
        match reopens {
            1 => bench.reopen_unclean(Offset(1000)),
            2 => bench.reopen_clean(),
            _ => {}
        }
        assert_eq!(
            (bench.log.log_start(), bench.log.log_end()),
            (Offset(1000), Offset(1000))
        );
    }
    assert_eq!(offsets(&bench.append(plain(2, NOW))), (1000, 1001));
}

#[test]
fn old_segments_can_be_deleted() {
    let mut bench = Bench::new(small_segments());
    bench.fill(30, 3);
    bench.log.sync().unwrap();
    let bases: Vec<_> = bench
        .log
        .segments()
        .unwrap()
        .iter()
        .map(|segment| segment.base_offset)
        .collect();
    assert!(bench.log.delete_segments(&bases[1..2], NOW).is_err());
    // That was a mistake of the caller, not of the disk.
    let mut bench = Bench::new(small_segments());
    bench.fill(30, 3);
    let files = bench.log.delete_segments(&bases[..2], NOW).unwrap();
    assert!(
        files
            .iter()
            .all(|path| path.to_string_lossy().ends_with(".deleted"))
    );
    assert_eq!(bench.log.log_start(), bases[2]);
    assert!(bench.log.read(Offset(0), 10, Offset(90), true).is_err());
    assert_eq!(read_all(&bench.log, bases[2], 500)[0].0, bases[2].0);
    bench.reopen_clean();
    assert_eq!(bench.log.log_start(), bases[2]);
    for path in files {
        assert!(!bench.storage.exists(&path).unwrap());
    }
    bench.log.set_high_watermark(Offset(90));
    bench.log.delete_segments(&bases[2..], NOW).unwrap();
    assert_eq!(
        (bench.log.log_start(), bench.log.log_end()),
        (Offset(90), Offset(90))
    );
    assert_eq!(bench.log.segments().unwrap().len(), 1);
    bench.reopen_unclean(Offset(90));
    assert_eq!(bench.log.log_end(), Offset(90));
    assert_eq!(offsets(&bench.append(plain(1, NOW))), (90, 90));
}

#[test]
fn a_folder_can_be_renamed_while_a_ticket_is_out() {
    let mut bench = Bench::new(small_segments());
    bench.fill(20, 3);
    let ticket = bench.log.begin_sync().unwrap();
    let other = PathBuf::from("/data/topic-0.abc-delete");
    bench.log.rename_directory(other.clone()).unwrap();
    ticket.sync().unwrap();
    assert_eq!(bench.log.finish_sync(ticket), Offset(0));
    bench.log.sync().unwrap();
    assert_eq!(bench.log.flushed(), Offset(60));
    assert!(
        bench
            .storage
            .exists(&other.join("leader-epoch-checkpoint"))
            .unwrap()
    );
    assert!(!bench.storage.exists(Path::new(FOLDER)).unwrap());
    assert_eq!(read_all(&bench.log, Offset(0), 500).len(), 20);
}

#[test]
fn a_damaged_follower_goes_on_from_the_last_intact_batch() {
    for number in [0, 4, 19] {
        let storage = FaultyStorage::new(1);
        let mut bench = Bench::on(Arc::new(storage.clone()), small_segments());
        bench.fill(20, 3);
        bench.log.sync().unwrap();
        let end = bench.log.log_end();
        let slice = bench.log.read(Offset(number * 3), 1, end, true).unwrap();
        let base =
            bench.log.segments[bench.log.floor_segment(Offset(number * 3)).unwrap()].base_offset;
        let path =
            crate::segment::name::path(Path::new(FOLDER), base, crate::segment::name::Kind::Log);
        storage.flip_byte(&path, slice.position + 80).unwrap();
        bench.reopen_unclean(Offset(number * 3 + 1));
        assert!(bench.log.damage().is_some());
        let from = bench.log.truncate_to_damage(NOW).unwrap();
        assert_eq!(from, Offset(number * 3));
        assert_eq!((bench.log.log_end(), bench.log.damage()), (from, None));
        bench.append(plain(1, NOW));
        bench.reopen_unclean(from);
        assert_eq!(bench.log.damage(), None);
        assert_eq!(bench.log.log_end(), from.plus(1));
    }
}

#[test]
fn bytes_that_rot_do_not_keep_a_log_from_truncation() {
    let mut bench = Bench::new(LogConfig {
        index_interval_bytes: 200,
        ..LogConfig::default()
    });
    bench.fill(10, 3);
    let rotten = bench.log.read(Offset(3), 1, Offset(30), true).unwrap();
    let file = rotten.file.unwrap();
    let length = [std::io::IoSlice::new(&[0x7f; 4])];
    file.write_at(&length, rotten.position + 8).unwrap();
    bench.log.truncate_to(Offset(24), NOW).unwrap();
    assert!(!bench.log.is_failed());
    assert_eq!(bench.log.log_end(), Offset(24));
    let behind = bench.log.read(Offset(21), 500, Offset(24), true);
    assert!(matches!(behind, Err(ReadError::Corrupt { .. })));
    assert_eq!(offsets(&bench.append(plain(1, NOW))), (24, 24));
    bench.reopen_unclean(Offset(24));
    assert_eq!(bench.log.log_end(), Offset(25));
    assert_eq!(bench.log.damage().unwrap().places.len(), 1);
    let found = bench.log.read(Offset(21), 500, Offset(25), true).unwrap();
    assert_eq!(batches(&found.read().unwrap()), [(21, 23), (24, 24)]);
}
