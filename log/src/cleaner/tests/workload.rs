//! Compaction under random records, and the choice of logs.

use super::*;

#[derive(Clone, Debug)]
struct Append {
    records: Vec<(u8, Option<u8>)>,
    codec: Compression,
    rolls: bool,
    cleans: bool,
    passed_ms: i64,
}

fn appends() -> impl Strategy<Value = Vec<Append>> {
    let codec = prop_oneof![
        Just(Compression::None),
        Just(Compression::Lz4),
        Just(Compression::Zstd),
    ];
    let record = (0_u8..12, prop::option::weighted(0.8, any::<u8>()));
    let append = (
        prop::collection::vec(record, 1..6),
        codec,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.15),
        0_i64..700,
    );
    let append = append.prop_map(|(records, codec, rolls, cleans, passed_ms)| Append {
        records,
        codec,
        rolls,
        cleans,
        passed_ms,
    });
    prop::collection::vec(append, 1..40)
}

fn append(fixture: &mut Fixture, append: &Append) {
    let mut builder = BatchBuilder::new(append.codec, None);
    for (key, value) in &append.records {
        let value = value.as_ref().map(std::slice::from_ref);
        let timestamp = Timestamp(fixture.now);
        builder.append(timestamp, Some(&[*key]), value, []).unwrap();
    }
    let batch = builder.finish(fixture.end);
    fixture.append(&batch);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn compaction_keeps_the_last_value_of_every_key(
        appends in appends(),
        map_slots in 8_usize..40,
    ) {
        let mut fixture = Fixture::new();
        fixture.settings.map_bytes = map_slots * 24;
        fixture.config.index_interval_bytes = 100;
        let mut originals: BTreeMap<i64, Stored> = BTreeMap::new();
        let mut clean_to = Offset(0);
        for step in &appends {
            fixture.now += step.passed_ms;
            let before = fixture.end.0;
            append(&mut fixture, step);
            let appended = fixture.records().into_iter().filter(|record| record.0 >= before);
            originals.extend(appended.map(|record| (record.0, record)));
            if step.rolls {
                fixture.roll();
            }
            if step.cleans {
                clean_to = fixture.clean(clean_to).unwrap().0;
            }
        }
        fixture.roll();
        while clean_to < fixture.end {
            clean_to = fixture.clean(clean_to).unwrap().0;
        }

        let kept = fixture.records();
        for record in &kept {
            prop_assert_eq!(Some(record), originals.get(&record.0), "records do not change");
        }
        let last_of = |records: &mut dyn Iterator<Item = &Stored>| {
            let mut last = BTreeMap::new();
            for record in records {
                last.insert(record.1.clone(), record.clone());
            }
            last
        };
        let expected = last_of(&mut originals.values());
        let found = last_of(&mut kept.iter());
        prop_assert_eq!(found.len(), kept.len(), "one record of each key");
        for (key, record) in expected {
            match found.get(&key) {
                Some(other) => prop_assert_eq!(other, &record),
                None => prop_assert!(record.2.is_none(), "only tombstones go"),
            }
        }
    }
}

fn segment(base: i64, size_bytes: u64, timestamp: i64) -> SegmentFacts {
    SegmentFacts {
        base_offset: Offset(base),
        end_offset: Offset(base + 10),
        size_bytes,
        largest_timestamp: Timestamp(timestamp),
        first_timestamp: Timestamp(timestamp - 10),
    }
}

fn considered(config: &LogConfig, last_stable: i64, last_clean: Option<i64>) -> Candidate {
    let segments = [
        segment(0, 100, 1000),
        segment(10, 200, 2000),
        segment(20, 400, 3000),
        segment(30, 800, 4000),
    ];
    let view = View {
        segments: &segments,
        log_start: Offset(5),
        last_stable: Offset(last_stable),
        log_end: Offset(40),
    };
    consider(&view, config, last_clean.map(Offset), Timestamp(5000))
}

#[test]
fn the_dirty_part_ends_before_the_active_segment_and_the_stable_offset() {
    let config = LogConfig::default();
    let check = |last_stable, last_clean, expected: (i64, i64, u64, u64)| {
        let found = considered(&config, last_stable, last_clean);
        let found = (
            found.first_dirty.0,
            found.first_uncleanable.0,
            found.clean_bytes,
            found.cleanable_bytes,
        );
        assert_eq!(found, expected, "{last_stable} {last_clean:?}");
    };
    check(40, None, (5, 30, 100, 700));
    check(40, Some(10), (10, 30, 100, 600));
    check(40, Some(15), (15, 30, 300, 600));
    check(40, Some(30), (30, 30, 700, 0));
    check(25, Some(10), (10, 20, 100, 200));
    check(9, Some(5), (5, 0, 100, 0));
    check(40, Some(40), (40, 30, 700, 0));
    assert!(considered(&config, 40, Some(41)).resets_checkpoint);
    assert!(considered(&config, 40, Some(4)).resets_checkpoint);
    assert!(!considered(&config, 40, Some(5)).resets_checkpoint);
}

#[test]
fn young_records_are_not_compacted() {
    let config = LogConfig {
        min_compaction_lag_ms: 2500,
        ..LogConfig::default()
    };
    assert_eq!(
        considered(&config, 40, Some(5)).first_uncleanable,
        Offset(20)
    );
}

#[test]
fn a_log_is_due_when_it_is_dirty_enough_or_for_too_long() {
    let config = |ratio: f64, lag_ms| LogConfig {
        min_cleanable_dirty_ratio: ratio,
        max_compaction_lag_ms: lag_ms,
        ..LogConfig::default()
    };
    let due = |ratio, lag_ms, last_clean| {
        considered(&config(ratio, lag_ms), 40, Some(last_clean)).is_due()
    };
    assert!(due(0.5, i64::MAX, 10));
    assert!(due(0.5, i64::MAX, 20));
    assert!(!due(0.6, i64::MAX, 20));
    assert!(!due(0.6, 2010, 20));
    assert!(due(0.6, 2009, 20));
    assert!(!due(0.0, 0, 30));
}

#[test]
fn the_dirtiest_log_is_first() {
    let of = |last_clean| considered(&LogConfig::default(), 40, Some(last_clean));
    let all = [
        ("clean", of(30)),
        ("some", of(20)),
        ("most", of(10)),
        ("same", of(10)),
    ];
    assert_eq!(choose(all).unwrap().0, "most");
    assert!(choose([("clean", of(30))]).is_none());
}
