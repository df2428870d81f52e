use super::*;

#[test]
fn nothing_is_on_disk_before_the_first_append() {
    let mut bench = Bench::new(LogConfig::default());
    assert!(!bench.storage.exists(Path::new(FOLDER)).unwrap());
    assert_eq!(bench.log.log_end(), Offset(0));
    bench.log.close().unwrap();
    assert!(
        bench
            .log
            .read(Offset(0), 100, Offset(0), true)
            .unwrap()
            .is_empty()
    );
    assert!(!bench.storage.exists(Path::new(FOLDER)).unwrap());
    assert_eq!(offsets(&bench.append(plain(3, NOW))), (0, 2));
    assert_eq!(offsets(&bench.append(plain(2, NOW))), (3, 4));
    bench.reopen_clean();
    let names: Vec<_> = bench.storage.list(Path::new(FOLDER)).unwrap();
    let names: Vec<_> = names.iter().map(|entry| entry.name.as_str()).collect();
    for name in [
        "00000000000000000000.log",
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        "00000000000000000005.snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(bench.log.log_end(), Offset(5));
    assert_eq!(bench.log.latest_epoch(), Some(EPOCH));
}

#[test]
fn several_batches_go_in_one_call_and_over_segments() {
    let mut bench = Bench::new(small_segments());
    let batches: Vec<_> = (0..30).map(|_| valid(plain(2, NOW))).collect();
    let outcomes = bench.log.append(batches, EPOCH, NOW).unwrap();
    for (number, outcome) in outcomes.iter().enumerate() {
        let first = i64::try_from(number).unwrap() * 2;
        assert_eq!(offsets(outcome), (first, first + 1));
        let Outcome::Appended { bytes, .. } = outcome else {
            unreachable!()
        };
        let (header, batch) = BatchHeader::parse_whole(bytes).unwrap();
        header.check_crc(batch).unwrap();
        assert_eq!(header.leader_epoch, EPOCH);
        assert_eq!(header.base_offset, Offset(first));
    }
    assert!(bench.log.segments().unwrap().len() > 3);
    let expected: Vec<_> = (0..30).map(|number| (number * 2, number * 2 + 1)).collect();
    assert_eq!(read_all(&bench.log, Offset(0), 300), expected);
    bench.log.sync().unwrap();
    assert_eq!(bench.log.flushed(), Offset(60));
    assert_eq!(read_all(&bench.log, Offset(0), 300), expected);
}

#[test]
fn duplicates_and_gaps_of_a_producer_are_told() {
    let mut bench = Bench::new(LogConfig::default());
    let send = |bench: &mut Bench, epoch, sequence, records| {
        bench.append(produced(7, epoch, sequence, records, false))
    };
    assert_eq!(offsets(&send(&mut bench, 0, 0, 2)), (0, 1));
    assert_eq!(offsets(&send(&mut bench, 0, 2, 3)), (2, 4));
    let duplicate = send(&mut bench, 0, 0, 2);
    assert!(
        matches!(
            duplicate,
            Outcome::Duplicate {
                base_offset: Offset(0),
                last_offset: Offset(1),
                ..
            }
        ),
        "{duplicate:?}"
    );
    let refused = |outcome: &Outcome| match outcome {
        Outcome::Refused(refusal) => refusal.code,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(
        refused(&send(&mut bench, 0, 6, 1)),
        ErrorCode::OutOfOrderSequenceNumber
    );
    assert_eq!(offsets(&send(&mut bench, 1, 0, 1)), (5, 5));
    assert_eq!(
        refused(&send(&mut bench, 0, 5, 1)),
        ErrorCode::InvalidProducerEpoch
    );
    bench.reopen_clean();
    let duplicate = send(&mut bench, 1, 0, 1);
    assert!(matches!(
        duplicate,
        Outcome::Duplicate {
            base_offset: Offset(5),
            ..
        }
    ));
    bench.reopen_unclean(Offset(0));
    let duplicate = send(&mut bench, 1, 0, 1);
    assert!(matches!(
        duplicate,
        Outcome::Duplicate {
            base_offset: Offset(5),
            ..
        }
    ));
}

#[test]
fn batches_of_one_call_see_each_other() {
    let mut bench = Bench::new(LogConfig::default());
    let call = [(0, 2), (2, 1), (2, 1), (9, 1), (3, 2), (0, 2)];
    let batches = call
        .iter()
        .map(|&(sequence, records)| valid(produced(7, 0, sequence, records, false)))
        .collect();
    let outcomes = bench.log.append(batches, EPOCH, NOW).unwrap();
    assert_eq!(offsets(&outcomes[0]), (0, 1));
    assert_eq!(offsets(&outcomes[1]), (2, 2));
    assert!(matches!(
        outcomes[2],
        Outcome::Duplicate {
            base_offset: Offset(2),
            ..
        }
    ));
    assert!(matches!(&outcomes[3], Outcome::Refused(refusal)
        if refusal.code == ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(offsets(&outcomes[4]), (3, 4));
    assert!(matches!(
        outcomes[5],
        Outcome::Duplicate {
            base_offset: Offset(0),
            ..
        }
    ));
}

#[test]
fn segments_roll_by_time_and_index_and_on_request() {
    let mut bench = Bench::new(LogConfig {
        segment_ms: 100,
        ..LogConfig::default()
    });
    let count = |bench: &Bench| bench.log.segments().unwrap().len();
    bench.append(plain(1, NOW));
    bench.append(plain(1, NOW.plus_ms(100)));
    assert_eq!(count(&bench), 1);
    bench.append(plain(1, NOW.plus_ms(101)));
    assert_eq!(count(&bench), 2);
    assert_eq!(bench.log.roll(NOW).unwrap(), Offset(3));
    assert_eq!(bench.log.roll(NOW).unwrap(), Offset(3));
    assert_eq!(count(&bench), 3);
    bench.reopen_clean();
    assert_eq!(count(&bench), 3);
    assert_eq!(bench.log.log_end(), Offset(3));

    let mut bench = Bench::new(LogConfig {
        segment_index_bytes: 60,
        index_interval_bytes: 1,
        ..LogConfig::default()
    });
    bench.fill(20, 1);
    assert!(count(&bench) > 3, "{}", count(&bench));
}

#[test]
fn append_time_never_goes_back() {
    let mut bench = Bench::new(LogConfig::default());
    let rules = ValidationRules {
        timestamp_type: TimestampType::LogAppendTime,
        ..ValidationRules::new(&LogConfig::default(), false)
    };
    let late = validate(plain(1, NOW), &rules, NOW.plus_ms(10)).unwrap();
    let early = validate(plain(1, NOW), &rules, NOW).unwrap();
    let outcomes = bench.log.append(vec![late, early], EPOCH, NOW).unwrap();
    for outcome in outcomes {
        let Outcome::Appended {
            append_time, bytes, ..
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert_eq!(append_time, Some(NOW.plus_ms(10)));
        let (header, batch) = BatchHeader::parse_whole(&bytes).unwrap();
        header.check_crc(batch).unwrap();
        assert_eq!(header.max_timestamp, NOW.plus_ms(10));
    }
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let storage = FaultyStorage::new(5);
    let mut bench = Bench::on(Arc::new(storage.clone()), LogConfig::default());
    bench.append(produced(1, 0, 0, 1, false));
    storage.limit_bytes(Some(30));
    let error = bench
        .log
        .append(vec![valid(produced(1, 0, 1, 1, false))], EPOCH, NOW)
        .unwrap_err();
    assert!(matches!(error, AppendError::Full(_)), "{error}");
    assert!(error.is_retriable());
    storage.limit_bytes(None);
    assert_eq!(offsets(&bench.append(produced(1, 0, 1, 1, false))), (1, 1));
    assert_eq!(read_all(&bench.log, Offset(0), 1 << 20), [(0, 0), (1, 1)]);
    storage.fail_write(1);
    assert!(
        bench
            .log
            .append(vec![valid(plain(1, NOW))], EPOCH, NOW)
            .unwrap_err()
            .is_final()
    );
    assert!(matches!(
        bench.log.append(vec![valid(plain(1, NOW))], EPOCH, NOW),
        Err(AppendError::Failed)
    ));
}

#[test]
fn a_failed_sync_ends_the_log() {
    let storage = FaultyStorage::new(5);
    let mut bench = Bench::on(Arc::new(storage.clone()), LogConfig::default());
    bench.append(plain(1, NOW));
    let ticket = bench.log.begin_sync().unwrap();
    assert!(bench.log.begin_sync().is_none(), "one ticket at a time");
    assert_eq!(ticket.upto(), Offset(1));
    storage.fail_sync(1);
    assert!(ticket.sync().is_err());
    bench.log.fail_sync(ticket);
    assert_eq!(bench.log.flushed(), Offset(0));
    assert!(bench.log.is_failed());
    assert!(bench.log.begin_sync().is_none());
}

#[test]
fn a_follower_keeps_offsets_and_epochs() {
    let mut leader = Bench::new(small_segments());
    leader.fill(20, 3);
    leader.append(produced(9, 0, 0, 2, false));
    let mut follower = Bench::new(small_segments());
    let mut next = Offset(0);
    while next < leader.log.log_end() {
        let slice = leader
            .log
            .read(next, 400, leader.log.log_end(), true)
            .unwrap();
        let bytes = Bytes::from(slice.read().unwrap());
        let followed = follower
            .log
            .append_as_follower(bytes, NOW)
            .unwrap()
            .unwrap();
        assert_eq!(followed.first_offset, next);
        next = follower.log.log_end();
    }
    assert_eq!(
        read_all(&leader.log, Offset(0), 500),
        read_all(&follower.log, Offset(0), 500)
    );
    assert_eq!(follower.log.latest_epoch(), Some(EPOCH));
    // It is the leader now and knows what it got as a follower.
    let again = follower.append(produced(9, 0, 0, 2, false));
    assert!(matches!(
        again,
        Outcome::Duplicate {
            base_offset: Offset(60),
            ..
        }
    ));

    let slice = leader
        .log
        .read(Offset(0), 400, leader.log.log_end(), true)
        .unwrap();
    let mut bytes = slice.read().unwrap();
    assert!(matches!(
        follower
            .log
            .append_as_follower(Bytes::from(bytes.clone()), NOW),
        Err(AppendError::UnexpectedOffset { .. })
    ));
    let mut empty = Bench::new(LogConfig::default());
    bytes[70] ^= 1;
    assert!(matches!(
        empty.log.append_as_follower(Bytes::from(bytes), NOW),
        Err(AppendError::Corrupt { index: 0, .. })
    ));
    assert!(
        empty
            .log
            .append_as_follower(Bytes::new(), NOW)
            .unwrap()
            .is_none()
    );
}

#[test]
fn transactions_move_the_last_stable_offset() {
    for reopens in [false, true] {
        let mut bench = Bench::new(small_segments());
        bench.append(produced(1, 0, 0, 2, true));
        bench.append(plain(1, NOW));
        bench.append(produced(2, 0, 0, 2, true));
        bench.log.set_high_watermark(Offset(5));
        assert_eq!(bench.log.last_stable(), Offset(0));
        bench
            .log
            .append(vec![marker(1, 0, false)], EPOCH, NOW)
            .unwrap();
        assert_eq!(
            bench.log.last_stable(),
            Offset(0),
            "the marker is above the high watermark"
        );
        bench.log.set_high_watermark(Offset(6));
        assert_eq!(bench.log.last_stable(), Offset(3));
        bench
            .log
            .append(vec![marker(2, 0, true)], EPOCH, NOW)
            .unwrap();
        bench.log.set_high_watermark(Offset(7));
        assert_eq!(bench.log.last_stable(), Offset(7));
        if reopens {
            bench.reopen_unclean(Offset(0));
        }
        let aborted = bench
            .log
            .aborted_transactions(Offset(0), Offset(7))
            .unwrap();
        assert_eq!(aborted.len(), 1);
        assert_eq!(aborted[0].producer_id, ProducerId(1));
        assert_eq!(
            (aborted[0].first_offset, aborted[0].last_offset),
            (Offset(0), Offset(5))
        );
        bench.fill(30, 2);
        bench.reopen_clean();
        let aborted = bench
            .log
            .aborted_transactions(Offset(0), Offset(7))
            .unwrap();
        assert_eq!(aborted.len(), 1);
        let none = bench
            .log
            .aborted_transactions(Offset(8), Offset(20))
            .unwrap();
        assert!(none.is_empty());
    }
}

#[test]
fn an_unverified_transaction_is_refused() {
    let mut bench = Bench::new(LogConfig::default());
    let header = BatchHeader::parse(&produced(1, 0, 0, 1, true)).unwrap();
    let producers = bench.log.producers_mut();
    let guard = producers.begin_verification(&header, true, NOW).unwrap();
    let batch = |sequence| valid(produced(1, 0, sequence, 1, true)).with_guard(guard);
    let outcomes = bench
        .log
        .append(vec![batch(0), batch(1)], EPOCH, NOW)
        .unwrap();
    assert_eq!(offsets(&outcomes[0]), (0, 0));
    assert_eq!(offsets(&outcomes[1]), (1, 1));
    bench
        .log
        .append(vec![marker(1, 0, false)], EPOCH, NOW)
        .unwrap();
    let outcomes = bench.log.append(vec![batch(2)], EPOCH, NOW).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Refused(refusal)
        if refusal.code == ErrorCode::InvalidTxnState));
}

#[test]
fn a_log_without_offsets_left_takes_no_record() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    storage.create_directory(Path::new("/data")).unwrap();
    let config = Arc::new(small_segments());
    let state = OpenState {
        log_start: Some(Offset(i64::MAX - 3)),
        ..NEW
    };
    let mut log = open(&storage, &config, state);
    let batches = [1, 2, 3].map(|records| valid(plain(records, NOW)));
    let outcomes = log.append(batches.into(), EPOCH, NOW).unwrap();
    assert_eq!(offsets(&outcomes[0]), (i64::MAX - 3, i64::MAX - 3));
    assert_eq!(offsets(&outcomes[1]), (i64::MAX - 2, i64::MAX - 1));
    let Outcome::Refused(refusal) = &outcomes[2] else {
        panic!("appended: {outcomes:?}");
    };
    assert_eq!(refusal.code, ErrorCode::UnknownServerError);
    assert_eq!(log.roll(NOW).unwrap(), Offset(i64::MAX));
    assert_eq!(log.roll(NOW).unwrap(), Offset(i64::MAX));
    log.close().unwrap();
    let state = OpenState { clean: true, ..NEW };
    let log = open(&storage, &config, state);
    assert_eq!(log.log_end(), Offset(i64::MAX));
    assert_eq!(read_all(&log, log.log_start(), 500).len(), 2);

    let mut follower = Bench::new(small_segments()).log;
    let mut copied = plain(2, NOW);
    milena_protocol::batch::patch_base_offset(&mut copied, Offset(i64::MAX - 1));
    let refused = follower.append_as_follower(copied.freeze(), NOW);
    assert!(matches!(
        refused,
        Err(AppendError::Corrupt { index: 0, .. })
    ));
}

#[test]
fn late_offsets_of_a_transaction_that_is_over_are_refused() {
    let mut bench = Bench::new(LogConfig::default());
    // Batches of coordinators have no sequences, so that one looks like the other.
    let bytes = produced(1, 0, -1, 1, true);
    let header = BatchHeader::parse(&bytes).unwrap();
    let batch = || ValidBatch::of_broker(bytes.clone()).unwrap();
    for _ in 0..2 {
        let producers = bench.log.producers_mut();
        let guard = producers.begin_verification(&header, false, NOW).unwrap();
        let first = vec![batch().with_guard(guard), marker(1, 0, true)];
        bench.log.append(first, EPOCH, NOW).unwrap();
    }
    let producers = bench.log.producers_mut();
    let guard = producers.begin_verification(&header, false, NOW).unwrap();
    let late = vec![marker(1, 0, false), batch().with_guard(guard)];
    let outcomes = bench.log.append(late, EPOCH, NOW).unwrap();
    assert!(matches!(&outcomes[1], Outcome::Refused(refusal)
        if refusal.code == ErrorCode::InvalidTxnState));
    assert!(
        !bench
            .log
            .producers()
            .has_open_transaction(ProducerId(1), ProducerEpoch(0))
    );
}

#[test]
fn marker_leaves_the_question_about_the_next_transaction() {
    let mut bench = Bench::new(LogConfig::default());
    let append = |bench: &mut Bench, epoch| {
        let bytes = produced(1, epoch, 0, 1, true);
        let header = BatchHeader::parse(&bytes).unwrap();
        let guard = bench
            .log
            .producers_mut()
            .begin_verification(&header, true, NOW);
        valid(bytes).with_guard(guard.unwrap())
    };
    let first = append(&mut bench, 4);
    bench.log.append(vec![first], EPOCH, NOW).unwrap();
    // The producer was told its next epoch, and the marker that carries it comes later.
    let next = append(&mut bench, 5);
    let outcomes = bench
        .log
        .append(vec![marker(1, 5, true), next], EPOCH, NOW)
        .unwrap();
    assert_eq!(offsets(&outcomes[1]), (2, 2));
    // The marker of that transaction ends whatever else was asked about it.
    let other = append(&mut bench, 6);
    let outcomes = bench
        .log
        .append(vec![marker(1, 7, false), other], EPOCH, NOW)
        .unwrap();
    assert!(matches!(&outcomes[1], Outcome::Refused(refusal)
        if refusal.code == ErrorCode::InvalidProducerEpoch));
}
