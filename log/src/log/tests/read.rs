use super::*;

#[test]
fn ten_segments_give_every_record_with_every_fetch_size() {
    let mut bench = Bench::new(small_segments());
    let mut number = 0;
    while bench.log.segments().unwrap().len() < 10 {
        bench.append(plain(1 + number % 5, NOW));
        number += 1;
    }
    let end = bench.log.log_end();
    let total = usize::try_from(bench.log.size_bytes()).unwrap();
    for reopens in [false, true] {
        if reopens {
            bench.reopen_clean();
        }
        let expected = read_all(&bench.log, Offset(0), total);
        assert_eq!(expected.len(), number);
        for max_bytes in (1..2100).step_by(37).chain([total, total - 1]) {
            assert_eq!(
                read_all(&bench.log, Offset(0), max_bytes),
                expected,
                "{max_bytes}"
            );
        }
        // From the middle of a batch the whole batch is there.
        for start in 0..end.0 {
            let slice = bench.log.read(Offset(start), 1, end, true).unwrap();
            let read = batches(&slice.read().unwrap());
            assert_eq!(read.len(), 1);
            assert!(read[0].0 <= start && start <= read[0].1);
        }
    }
}

#[test]
fn a_read_ends_where_the_end_offset_begins() {
    let mut bench = Bench::new(small_segments());
    bench.fill(20, 3);
    for end in 0..=60 {
        let mut next = Offset(0);
        loop {
            let slice = bench.log.read(next, 5000, Offset(end), true).unwrap();
            let read = batches(&slice.read().unwrap());
            let Some(last) = read.last() else { break };
            assert!(last.1 < end);
            next = Offset(last.1 + 1);
        }
        assert_eq!(next, Offset(end / 3 * 3), "end {end}");
    }
}

#[test]
fn limits_and_ranges_are_kept() {
    let mut bench = Bench::new(small_segments());
    bench.fill(5, 3);
    let log = &bench.log;
    let end = log.log_end();
    assert!(log.read(Offset(0), 10, end, false).unwrap().is_empty());
    assert!(log.read(Offset(0), 0, end, false).unwrap().is_empty());
    let slice = log.read(Offset(0), 200, end, false).unwrap();
    assert_eq!(slice.length, 200);
    assert_eq!(batches(&slice.read().unwrap()), [(0, 2)]);
    assert!(log.read(end, 10, end, true).unwrap().is_empty());
    for offset in [-1, end.0 + 1] {
        assert!(matches!(
            log.read(Offset(offset), 10, end, true),
            Err(ReadError::OutOfRange { .. })
        ));
    }
    bench.log.delete_records_before(Offset(4)).unwrap();
    assert!(bench.log.read(Offset(3), 10, end, true).is_err());
    let slice = bench.log.read(Offset(4), 10, end, true).unwrap();
    assert_eq!(slice.first_offset, Offset(3));
}

#[test]
fn gaps_of_compaction_are_skipped() {
    let mut leader = Bench::new(LogConfig::default());
    leader.fill(10, 3);
    let all = leader
        .log
        .read(Offset(0), 1 << 20, Offset(30), true)
        .unwrap()
        .read()
        .unwrap();
    let mut follower = Bench::new(small_segments());
    let mut rest = &all[..];
    let mut number = 0;
    while let Ok((header, batch)) = BatchHeader::parse_whole(rest) {
        if number % 3 != 1 {
            let batch = Bytes::copy_from_slice(batch);
            follower
                .log
                .append_as_follower(batch, NOW)
                .unwrap()
                .unwrap();
        }
        rest = &rest[header.size_bytes..];
        number += 1;
    }
    for reopens in 0..3 {
        match reopens {
            1 => follower.reopen_unclean(Offset(0)),
            2 => follower.reopen_clean(),
            _ => follower.log.sync().unwrap(),
        }
        for start in 0..30 {
            let slice = follower
                .log
                .read(Offset(start), 1, Offset(30), true)
                .unwrap();
            let batch = start / 3;
            let expected = if batch % 3 == 1 { batch + 1 } else { batch };
            assert_eq!(
                slice.first_offset,
                Offset(expected * 3),
                "start {start} {reopens}"
            );
        }
    }
}

#[test]
fn an_idle_log_lets_go_and_works_on() {
    let mut bench = Bench::new(small_segments());
    bench.fill(10, 3);
    bench.log.release().unwrap();
    assert!(bench.log.handles.is_empty());
    assert!(
        bench
            .log
            .segments
            .iter()
            .all(|segment| segment.active.is_none())
    );
    let before = read_all(&bench.log, Offset(0), 500);
    assert_eq!(before.len(), 10);
    assert_eq!(offsets(&bench.append(plain(3, NOW))), (30, 32));
    bench.reopen_clean();
    assert_eq!(read_all(&bench.log, Offset(0), 500).len(), 11);
    bench.reopen_unclean(Offset(0));
    assert_eq!(read_all(&bench.log, Offset(0), 500).len(), 11);
}

#[test]
fn a_broken_index_costs_nothing_but_time() {
    let mut bench = Bench::new(small_segments());
    bench.fill(30, 3);
    let expected = read_all(&bench.log, Offset(0), 500);
    bench.log.close().unwrap();
    let folder = Path::new(FOLDER);
    for entry in bench.storage.list(folder).unwrap() {
        if entry.name.ends_with("index") {
            let file = bench.storage.open(&folder.join(&entry.name)).unwrap();
            file.write_at(&[std::io::IoSlice::new(&[0xff; 16])], 0)
                .unwrap();
        }
    }
    assert_eq!(read_all(&bench.log, Offset(0), 500), expected);
    bench.reopen_clean();
    assert_eq!(read_all(&bench.log, Offset(0), 500), expected);
    let found = bench
        .log
        .offset_for_timestamp(NOW.plus_ms(15))
        .unwrap()
        .unwrap();
    assert!(found.timestamp >= NOW.plus_ms(15));
}

#[test]
fn an_idle_partition_is_small() {
    let bytes = size_of::<Log>() + 4 * size_of::<crate::segment::Segment>();
    assert!(bytes < 1500, "{bytes}");
}
