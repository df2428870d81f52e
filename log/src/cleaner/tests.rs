use std::collections::BTreeMap;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression, Records};
use milena_protocol::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp,
    TopicPartition,
};
use proptest::prelude::*;

use super::*;
use crate::LogConfig;
use crate::index::transaction::{AbortedTxn, TransactionIndex};
use crate::index::{offset, time};
use crate::producer_state::{LastRecord, Marker, ProducerStates};
use crate::retention::SegmentFacts;
use crate::segment::name::{CLEANED, Kind, path, path_with};
use crate::segment::scan::BatchScanner;
use crate::storage::{MemoryStorage, Storage};

mod crash;
mod transactional;
mod workload;

const FOLDER: &str = "/t-0";

/// Key, value, timestamp of a record.
type Plain = (Option<&'static str>, Option<&'static str>, i64);
/// Offset, key, value, timestamp of a stored record.
type Stored = (i64, Option<Vec<u8>>, Option<Vec<u8>>, i64);

/// Segments in memory, the last one active.
struct Fixture {
    storage: Arc<MemoryStorage>,
    segments: Vec<SegmentFacts>,
    states: ProducerStates,
    aborted: Vec<AbortedTxn>,
    end: Offset,
    config: LogConfig,
    now: i64,
    settings: Settings,
}

impl Fixture {
    fn new() -> Self {
        let storage = Arc::new(MemoryStorage::new());
        storage.create_directory(Path::new(FOLDER)).unwrap();
        let mut fixture = Self {
            storage,
            segments: Vec::new(),
            states: ProducerStates::new(Offset(0)),
            aborted: Vec::new(),
            end: Offset(0),
            config: LogConfig {
                delete_retention_ms: 1000,
                ..LogConfig::default()
            },
            now: 10_000,
            settings: Settings::default(),
        };
        fixture.roll();
        fixture
    }

    fn roll(&mut self) {
        let file = path(Path::new(FOLDER), self.end, Kind::Log);
        self.storage.open_or_create(&file).unwrap();
        self.segments.push(SegmentFacts {
            base_offset: self.end,
            end_offset: self.end,
            size_bytes: 0,
            largest_timestamp: Timestamp::NONE,
            first_timestamp: Timestamp::NONE,
        });
    }

    fn append(&mut self, batch: &[u8]) {
        let header = BatchHeader::parse(batch).unwrap();
        let ended = self.states.apply_batch(&header, batch).unwrap();
        self.aborted.extend(ended.and_then(|ended| ended.aborted()));
        let segment = self.segments.last_mut().unwrap();
        let file = path(Path::new(FOLDER), segment.base_offset, Kind::Log);
        let file = self.storage.open(&file).unwrap();
        file.write_at(&[IoSlice::new(batch)], segment.size_bytes)
            .unwrap();
        segment.size_bytes += batch.len() as u64;
        segment.end_offset = header.next_offset();
        segment.largest_timestamp = segment.largest_timestamp.max(header.max_timestamp);
        if segment.first_timestamp == Timestamp::NONE {
            segment.first_timestamp = header.max_timestamp;
        }
        self.end = header.next_offset();
    }

    fn data(&mut self, records: &[Plain]) {
        let batch = builder(records).finish(self.end);
        self.append(&batch);
    }

    fn produce(&mut self, id: i64, sequence: i32, is_transactional: bool, records: &[Plain]) {
        let mut builder = builder(records);
        builder.set_producer(ProducerId(id), ProducerEpoch(0), Sequence(sequence));
        if is_transactional {
            builder.set_transactional();
        }
        let batch = builder.finish(self.end);
        self.append(&batch);
    }

    fn marker(&mut self, id: i64, is_commit: bool) {
        let marker = Marker {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(0),
            is_commit,
            coordinator_epoch: 0,
            timestamp: Timestamp(self.now),
        };
        let batch = marker.build(LeaderEpoch(0), self.end);
        self.append(&batch);
    }

    fn view(&self) -> View<'_> {
        View {
            segments: &self.segments,
            log_start: Offset(0),
            last_stable: self.states.first_undecided().unwrap_or(self.end),
            log_end: self.end,
        }
    }

    fn job(&self, first_dirty: Offset) -> Job {
        let now = Timestamp(self.now);
        let candidate = consider(&self.view(), &self.config, Some(first_dirty), now);
        Job {
            folder: FOLDER.into(),
            topic_partition: TopicPartition::new("t", PartitionIndex(0)),
            segments: self.segments.clone(),
            first_dirty: candidate.first_dirty,
            first_uncleanable: candidate.first_uncleanable,
            aborted: self.aborted.clone(),
            last_records: self.states.last_records(),
            config: Arc::new(self.config.clone()),
            now,
        }
    }

    /// Compacts and swaps; returns the offset for the checkpoint.
    fn clean(&mut self, first_dirty: Offset) -> Result<(Offset, Stats), Error> {
        let storage: Arc<dyn Storage> = self.storage.clone();
        let mut go_on = |_| ControlFlow::Continue(());
        let job = self.job(first_dirty);
        let mut run = Run::start(storage, job, self.settings, &mut go_on)?;
        while let Some(replacement) = run.next_group(&mut go_on)? {
            self.swap(&replacement);
        }
        Ok((run.clean_to(), run.stats()))
    }

    fn swap(&mut self, new: &Replacement) {
        let folder = Path::new(FOLDER);
        for &base in &new.replaced {
            for kind in Kind::ALL {
                let _ = self.storage.remove_file(&path(folder, base, kind));
            }
        }
        for kind in Kind::ALL {
            let from = path_with(folder, new.base_offset, kind, CLEANED);
            if self.storage.exists(&from).unwrap() {
                let to = path(folder, new.base_offset, kind);
                self.storage.rename(&from, &to).unwrap();
            }
        }
        let at = self
            .segments
            .iter()
            .position(|it| it.base_offset == new.base_offset)
            .unwrap();
        let facts = SegmentFacts {
            end_offset: new.end_offset,
            size_bytes: new.size_bytes,
            largest_timestamp: new.largest_timestamp,
            ..self.segments[at]
        };
        let count = new.replaced.len();
        self.segments.splice(at..at + count, [facts]);
        self.check_indexes(&facts);
        self.aborted.clear();
        let bases: Vec<_> = self.segments.iter().map(|it| it.base_offset).collect();
        for base in bases {
            let Ok(file) = self.storage.open(&path(folder, base, Kind::TxnIndex)) else {
                continue;
            };
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_at(&mut bytes, 0).unwrap();
            let index = TransactionIndex::decode(&bytes).unwrap();
            self.aborted.extend_from_slice(index.entries());
        }
    }

    fn check_indexes(&self, segment: &SegmentFacts) {
        let open = |kind| {
            let path = path(Path::new(FOLDER), segment.base_offset, kind);
            self.storage.open(&path).unwrap()
        };
        let offsets = open(Kind::Index);
        offset::check_file(&*offsets, segment.size_bytes).unwrap();
        let times = open(Kind::TimeIndex);
        time::check_file(&*times).unwrap();
        let last = time::last(&*times, segment.base_offset).unwrap();
        let largest = last.map_or(Timestamp::NONE, |last| last.0);
        assert_eq!(largest, segment.largest_timestamp);
        for (position, header, _) in self.batches(segment) {
            let target = header.last_offset();
            let from = offset::lookup(&*offsets, segment.base_offset, target).unwrap();
            assert!(u64::from(from) <= position);
        }
    }

    fn batches(&self, segment: &SegmentFacts) -> Vec<(u64, BatchHeader, Vec<u8>)> {
        let file = path(Path::new(FOLDER), segment.base_offset, Kind::Log);
        let file = self.storage.open(&file).unwrap();
        let end = file.len().unwrap();
        let mut scanner = BatchScanner::batches(file, 0, end);
        let mut found = Vec::new();
        while let Some(batch) = scanner.next_batch().unwrap() {
            batch.header.check_crc(batch.bytes).unwrap();
            found.push((batch.position, batch.header, batch.bytes.to_vec()));
        }
        found
    }

    fn all_batches(&self) -> Vec<(BatchHeader, Vec<u8>)> {
        let batches = self.segments.iter().flat_map(|it| self.batches(it));
        batches.map(|(_, header, bytes)| (header, bytes)).collect()
    }

    /// All data records.
    fn records(&self) -> Vec<Stored> {
        let mut found = Vec::new();
        for (header, batch) in self.all_batches() {
            if header.attributes.is_control() {
                continue;
            }
            let records = Records::open(&header, &batch, 1 << 20).unwrap();
            for record in &records {
                let record = record.unwrap();
                found.push((
                    record.offset(&header).0,
                    record.key.map(<[u8]>::to_vec),
                    record.value.map(<[u8]>::to_vec),
                    record.timestamp(&header).0,
                ));
            }
        }
        assert!(found.is_sorted_by_key(|record| record.0));
        found
    }

    /// Key and value of the records as text.
    fn texts(&self) -> Vec<String> {
        let text = |bytes: Option<Vec<u8>>| {
            bytes.map_or("-".to_owned(), |it| String::from_utf8(it).unwrap())
        };
        let records = self.records().into_iter();
        let line = |(offset, key, value, _)| format!("{offset} {} {}", text(key), text(value));
        records.map(line).collect()
    }

    fn markers(&self) -> Vec<(i64, Option<Timestamp>)> {
        let batches = self.all_batches().into_iter();
        batches
            .filter(|(header, _)| header.attributes.is_control() && header.record_count > 0)
            .map(|(header, _)| (header.base_offset.0, header.delete_horizon()))
            .collect()
    }
}

fn builder(records: &[Plain]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Compression::None, None);
    for (key, value, timestamp) in records {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        builder
            .append(Timestamp(*timestamp), key, value, [])
            .unwrap();
    }
    builder
}

#[test]
fn the_last_record_of_a_key_stays() {
    let mut fixture = Fixture::new();
    fixture.data(&[(Some("a"), Some("1"), 1), (Some("b"), Some("1"), 2)]);
    fixture.data(&[(Some("a"), Some("2"), 3), (None, Some("lost"), 3)]);
    fixture.roll();
    fixture.data(&[(Some("c"), Some("1"), 4), (Some("a"), Some("3"), 5)]);
    fixture.roll();
    fixture.data(&[(Some("b"), Some("active"), 6)]);
    let (clean_to, stats) = fixture.clean(Offset(0)).unwrap();
    assert_eq!(clean_to, Offset(6));
    assert_eq!(fixture.texts(), ["1 b 1", "4 c 1", "5 a 3", "6 b active"]);
    assert_eq!(stats.keys, 3);
    assert_eq!((stats.records_read, stats.records_kept), (6, 3));
    assert_eq!(stats.records_without_key, 1);
    let bases: Vec<_> = fixture.segments.iter().map(|it| it.base_offset.0).collect();
    assert_eq!(bases, [0, 6], "two small segments became one");
}

#[test]
fn a_tombstone_goes_after_its_horizon() {
    let mut fixture = Fixture::new();
    fixture.data(&[(Some("a"), Some("1"), 1), (Some("b"), Some("1"), 2)]);
    fixture.data(&[(Some("a"), None, 3), (Some("c"), Some("1"), 3)]);
    fixture.roll();
    let add_dirt = |fixture: &mut Fixture| {
        fixture.data(&[(Some("d"), Some("x"), 9)]);
        fixture.roll();
    };
    add_dirt(&mut fixture);
    let clean_to = fixture.clean(Offset(0)).unwrap().0;
    let horizons = |fixture: &Fixture| {
        let batches = fixture.all_batches().into_iter();
        let horizons = batches.filter_map(|(header, _)| header.delete_horizon());
        horizons.map(|it| it.0).collect::<Vec<_>>()
    };
    assert_eq!(horizons(&fixture), [11_000]);
    assert_eq!(fixture.texts(), ["1 b 1", "2 a -", "3 c 1", "4 d x"]);
    assert_eq!(fixture.records()[1].3, 3, "timestamps stay");

    fixture.now = 10_999;
    add_dirt(&mut fixture);
    let clean_to = fixture.clean(clean_to).unwrap().0;
    assert_eq!(horizons(&fixture), [11_000]);
    assert_eq!(fixture.texts(), ["1 b 1", "2 a -", "3 c 1", "5 d x"]);

    fixture.now = 11_000;
    add_dirt(&mut fixture);
    fixture.clean(clean_to).unwrap();
    assert_eq!(fixture.texts(), ["1 b 1", "3 c 1", "6 d x"]);
}

#[test]
fn aborted_records_go_and_their_marker_follows() {
    let mut fixture = Fixture::new();
    fixture.produce(1, 0, true, &[(Some("a"), Some("aborted"), 1)]);
    fixture.produce(2, 0, true, &[(Some("a"), Some("committed"), 1)]);
    fixture.marker(1, false);
    fixture.marker(2, true);
    fixture.produce(1, 1, true, &[(Some("b"), Some("later"), 1)]);
    fixture.marker(1, true);
    fixture.roll();
    let mut sequence = 1;
    let mut add_dirt = |fixture: &mut Fixture| {
        fixture.produce(2, sequence, false, &[(Some("d"), Some("x"), 9)]);
        sequence += 1;
        fixture.roll();
    };
    add_dirt(&mut fixture);
    let clean_to = fixture.clean(Offset(0)).unwrap().0;
    assert_eq!(fixture.texts(), ["1 a committed", "4 b later", "6 d x"]);
    // The markers are needed by readers of the batches that were here a moment ago.
    assert_eq!(fixture.markers(), [(2, None), (3, None), (5, None)]);
    assert_eq!(fixture.aborted.len(), 1);

    add_dirt(&mut fixture);
    let clean_to = fixture.clean(clean_to).unwrap().0;
    let horizon = Some(Timestamp(11_000));
    assert_eq!(fixture.markers(), [(2, horizon), (3, None), (5, None)]);
    assert!(fixture.aborted.is_empty());

    fixture.now = 12_000;
    add_dirt(&mut fixture);
    fixture.clean(clean_to).unwrap();
    assert_eq!(fixture.markers(), [(3, None), (5, None)]);
    assert_eq!(fixture.texts(), ["1 a committed", "4 b later", "8 d x"]);
}

#[test]
fn a_transaction_that_spans_segments_and_runs_is_known_to_be_aborted() {
    let mut fixture = Fixture::new();
    fixture.data(&[(Some("a"), Some("kept"), 1)]);
    fixture.roll();
    fixture.produce(1, 0, true, &[(Some("a"), Some("aborted"), 1)]);
    fixture.roll();
    fixture.produce(1, 1, true, &[(Some("a"), Some("aborted"), 1)]);
    fixture.roll();
    let (clean_to, _) = fixture.clean(Offset(0)).unwrap();
    assert_eq!(clean_to, Offset(1), "not beyond the open transaction");
    fixture.marker(1, false);
    fixture.roll();
    fixture.data(&[(Some("z"), Some("active"), 1)]);
    fixture.clean(clean_to).unwrap();
    assert_eq!(fixture.texts(), ["0 a kept", "4 z active"]);
}

#[test]
fn the_last_batch_of_a_producer_stays_without_records() {
    let mut fixture = Fixture::new();
    fixture.produce(1, 0, false, &[(Some("a"), Some("1"), 1)]);
    fixture.produce(1, 1, false, &[(Some("a"), Some("2"), 2)]);
    fixture.produce(2, 0, false, &[(Some("a"), Some("3"), 3)]);
    fixture.roll();
    fixture.data(&[(Some("a"), Some("4"), 4)]);
    fixture.roll();
    let before = fixture.states.clone();
    fixture.clean(Offset(0)).unwrap();
    assert_eq!(fixture.texts(), ["3 a 4"]);
    let mut replayed = ProducerStates::new(Offset(0));
    for (header, batch) in fixture.all_batches() {
        replayed.apply_batch(&header, &batch).unwrap();
    }
    for producer in before.iter() {
        let other = replayed.get(producer.id()).unwrap();
        assert_eq!(other.last_sequence(), producer.last_sequence());
        assert_eq!(other.last_offset(), producer.last_offset());
    }
    let first = BatchHeader {
        last_offset_delta: 0,
        ..fixture.all_batches()[0].0
    };
    assert_eq!((first.base_offset, first.record_count), (Offset(1), 0));
    assert_eq!(first.max_timestamp, Timestamp(2));
}

#[test]
fn the_last_marker_of_a_producer_without_records_stays() {
    let mut fixture = Fixture::new();
    fixture.marker(1, true);
    fixture.marker(2, true);
    fixture.roll();
    let epoch = ProducerEpoch(0);
    let last_offset = None;
    let known = BTreeMap::from([(ProducerId(1), LastRecord { last_offset, epoch })]);
    for _ in 0..3 {
        let storage: Arc<dyn Storage> = fixture.storage.clone();
        let mut job = fixture.job(Offset(0));
        job.last_records = known.clone();
        let mut go_on = |_| ControlFlow::Continue(());
        let mut run = Run::start(storage, job, fixture.settings, &mut go_on).unwrap();
        while let Some(replacement) = run.next_group(&mut go_on).unwrap() {
            fixture.swap(&replacement);
        }
        fixture.now += 2000;
    }
    let headers = fixture.all_batches();
    let ids: Vec<_> = headers
        .iter()
        .map(|(header, _)| header.producer_id.0)
        .collect();
    assert_eq!(ids, [1, 2], "the second one is the last batch of the run");
    assert!(headers.iter().all(|(header, _)| header.record_count == 0));
}

#[test]
fn a_small_map_needs_more_runs_and_gives_the_same() {
    let mut fixture = Fixture::new();
    for round in 0..3 {
        for key in ["a", "b", "c", "d", "e", "f"] {
            let value = if round == 2 { "last" } else { "old" };
            fixture.data(&[(Some(key), Some(value), round)]);
        }
        fixture.roll();
    }
    fixture.settings.map_bytes = 5 * 24;
    let mut from = Offset(0);
    let mut runs = 0;
    while from < Offset(18) {
        let (clean_to, stats) = fixture.clean(from).unwrap();
        assert!(clean_to > from);
        assert_eq!(stats.is_map_full, clean_to < Offset(18));
        from = clean_to;
        runs += 1;
    }
    assert!(runs > 2);
    let texts = fixture.texts();
    assert_eq!(texts.len(), 6);
    assert!(texts.iter().all(|text| text.ends_with("last")), "{texts:?}");

    fixture.data(&[
        (Some("x"), None, 1),
        (Some("y"), None, 1),
        (Some("z"), None, 1),
    ]);
    fixture.roll();
    fixture.settings.map_bytes = 3 * 24;
    let error = fixture.clean(Offset(18)).unwrap_err();
    assert!(matches!(error, Error::MapTooSmall { .. }) && error.is_final());
}

#[test]
fn segments_are_put_together_up_to_the_segment_size() {
    let mut fixture = Fixture::new();
    for _ in 0..6 {
        fixture.data(&[(Some("k"), Some("v"), 1)]);
        fixture.roll();
    }
    fixture.config.segment_bytes = u32::try_from(fixture.segments[0].size_bytes * 2).unwrap();
    fixture.clean(Offset(0)).unwrap();
    let bases: Vec<_> = fixture.segments.iter().map(|it| it.base_offset.0).collect();
    assert_eq!(bases, [0, 2, 4, 6]);
    assert_eq!(fixture.texts(), ["5 k v"]);
    assert_eq!(fixture.segments[0].size_bytes, 0);
}

#[test]
fn a_segment_that_stays_as_it_is_is_not_replaced() {
    let mut fixture = Fixture::new();
    fixture.data(&[(Some("a"), Some("1"), 1)]);
    fixture.roll();
    fixture.config.segment_bytes = 1;
    let mut go_on = |_| ControlFlow::Continue(());
    let storage: Arc<dyn Storage> = fixture.storage.clone();
    let job = fixture.job(Offset(0));
    let mut run = Run::start(storage, job, fixture.settings, &mut go_on).unwrap();
    assert_eq!(run.next_group(&mut go_on).unwrap(), None);
    assert_eq!(run.clean_to(), Offset(1));
    assert_no_cleaned(&fixture);
}

fn assert_no_cleaned(fixture: &Fixture) {
    let entries = fixture.storage.list(Path::new(FOLDER)).unwrap();
    assert!(entries.iter().all(|entry| !entry.name.ends_with(CLEANED)));
}

#[test]
fn damage_ends_the_run_and_leaves_the_log_as_it_was() {
    for phase in [Offset(0), Offset(2)] {
        let mut fixture = Fixture::new();
        fixture.data(&[(Some("a"), Some("1"), 1)]);
        fixture.data(&[(Some("a"), Some("2"), 1)]);
        fixture.roll();
        fixture.data(&[(Some("a"), Some("3"), 1)]);
        fixture.roll();
        let file = path(Path::new(FOLDER), Offset(0), Kind::Log);
        let file = fixture.storage.open(&file).unwrap();
        let middle = fixture.segments[0].size_bytes / 2;
        file.write_at(&[IoSlice::new(&[0xff])], middle + 65)
            .unwrap();
        let error = fixture.clean(phase).unwrap_err();
        assert!(error.is_final());
        match error {
            Error::Damaged { position, path, .. } => {
                assert_eq!(position, middle);
                assert!(path.ends_with("00000000000000000000.log"));
            }
            other => panic!("{other}"),
        }
        assert_no_cleaned(&fixture);
    }
}

#[test]
fn the_caller_can_end_a_run() {
    let mut fixture = Fixture::new();
    fixture.data(&[(Some("a"), Some("1"), 1)]);
    fixture.data(&[(Some("a"), Some("2"), 1)]);
    fixture.roll();
    let storage: Arc<dyn Storage> = fixture.storage.clone();
    let job = fixture.job(Offset(0));
    let mut stop = |progress: Progress| match progress.phase {
        Phase::Map => ControlFlow::Continue(()),
        Phase::Clean => ControlFlow::Break(()),
    };
    let mut run = Run::start(storage, job, fixture.settings, &mut stop).unwrap();
    let first = run.next_group(&mut stop).unwrap();
    assert!(first.is_some(), "less than a mebibyte");
    assert!(matches!(run.next_group(&mut stop), Err(Error::Stopped)));
}
