use super::*;

/// Every record's offset and timestamp, by a scan.
fn records(log: &Log) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    let mut next = log.log_start();
    while next < log.log_end() {
        let slice = log.read(next, 1, log.log_end(), true).unwrap();
        let bytes = slice.read().unwrap();
        let header = BatchHeader::parse(&bytes).unwrap();
        let records = milena_protocol::batch::Records::open(&header, &bytes, 1 << 20).unwrap();
        for record in records.iter() {
            let record = record.unwrap();
            found.push((record.offset(&header).0, record.timestamp(&header).0));
        }
        next = header.next_offset();
    }
    found.retain(|(offset, _)| *offset >= log.log_start().0);
    found
}

fn check(log: &Log) {
    let all = records(log);
    let newest = all.iter().map(|record| record.1).max().unwrap();
    for target in NOW.0 - 30..newest + 3 {
        let expected = all.iter().find(|record| record.1 >= target);
        let found = log.offset_for_timestamp(Timestamp(target)).unwrap();
        let found = found.map(|found| (found.offset.0, found.timestamp.0));
        assert_eq!(found.as_ref(), expected, "target {target}");
    }
    let first_newest = all.iter().find(|record| record.1 == newest).unwrap();
    let found = log.max_timestamp().unwrap().unwrap();
    assert_eq!((found.offset.0, found.timestamp.0), *first_newest);
    assert_eq!(found.leader_epoch, EPOCH);
}

#[test]
fn timestamps_are_found_exactly() {
    let mut bench = Bench::new(small_segments());
    assert_eq!(bench.log.max_timestamp().unwrap(), None);
    assert_eq!(bench.log.offset_for_timestamp(NOW).unwrap(), None);
    for number in 0..60_i64 {
        let mut builder = BatchBuilder::new(
            if number % 3 == 0 {
                Compression::Lz4
            } else {
                Compression::None
            },
            None,
        );
        for record in 0..4 {
            // Up and down, within a batch too.
            let timestamp = NOW.plus_ms((number * 37 + record * 11) % 50 + number);
            builder.append(timestamp, None, Some(b"v"), []).unwrap();
        }
        bench.append(BytesMut::from(builder.finish(Offset(0)).as_slice()));
    }
    check(&bench.log);
    bench.log.sync().unwrap();
    check(&bench.log);
    bench.reopen_clean();
    check(&bench.log);
    bench.reopen_unclean(Offset(100));
    check(&bench.log);
    bench.log.set_high_watermark(bench.log.log_end());
    bench.log.delete_records_before(Offset(77)).unwrap();
    check(&bench.log);
}

#[test]
fn epochs_have_ends() {
    let mut bench = Bench::new(small_segments());
    for epoch in [1, 1, 2, 5, 5] {
        let batch = vec![valid(plain(2, NOW))];
        bench.log.append(batch, LeaderEpoch(epoch), NOW).unwrap();
    }
    for reopens in 0..3 {
        match reopens {
            1 => bench.reopen_clean(),
            2 => bench.reopen_unclean(Offset(3)),
            _ => {}
        }
        let log = &bench.log;
        for (epoch, expected) in [(1, (1, 4)), (2, (2, 6)), (3, (2, 6)), (5, (5, 10))] {
            let (found, end) = log.end_offset_for_epoch(LeaderEpoch(epoch));
            assert_eq!((found.0, end.0), expected);
        }
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(5)));
        assert_eq!(log.earliest().leader_epoch, LeaderEpoch(1));
    }
    bench.log.assign_epoch(LeaderEpoch(7));
    assert_eq!(
        bench.log.end_offset_for_epoch(LeaderEpoch(7)),
        (LeaderEpoch(7), Offset(10))
    );
}

#[test]
fn timestamps_are_looked_up_around_damage() {
    let mut bench = Bench::new(LogConfig::default());
    bench.fill(10, 3);
    bench.log.sync().unwrap();
    let positions: Vec<_> = (0..10)
        .map(|number| {
            let slice = bench.log.read(Offset(number * 3), 1, Offset(30), true);
            slice.unwrap().position
        })
        .collect();
    let path = Path::new(FOLDER).join("00000000000000000000.log");
    let file = bench.storage.open(&path).unwrap();
    // The fourth batch claims to be the first one, behind it stands nothing.
    for (position, bytes) in [(positions[3], [0; 8]), (positions[4] + 12, [9; 8])] {
        file.write_at(&[std::io::IoSlice::new(&bytes)], position)
            .unwrap();
    }
    bench.reopen_unclean(Offset(30));
    assert_eq!(bench.log.damage().unwrap().places.len(), 1);
    let found = |target: i64| {
        let found = bench.log.offset_for_timestamp(NOW.plus_ms(target));
        found.unwrap().map(|found| found.offset)
    };
    assert_eq!(found(2), Some(Offset(2)));
    // Batches overlap in their timestamps: these are the last of the third and the sixth.
    assert_eq!(found(4), Some(Offset(8)));
    assert_eq!(found(5), Some(Offset(15)));
    assert_eq!(found(12), None);
    let newest = bench.log.max_timestamp().unwrap().unwrap();
    assert_eq!(newest.offset, Offset(29));
}
