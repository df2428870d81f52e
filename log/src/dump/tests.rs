use std::io::IoSlice;
use std::path::{Path, PathBuf};

use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{LeaderEpoch, Offset, Timestamp};

use super::*;
use crate::checkpoint;
use crate::epoch_cache::EpochEntry;
use crate::index::offset::OffsetIndex;
use crate::index::time::TimeIndex;
use crate::storage::{MemoryStorage, Storage};

const FOLDER: &str = "/t-0/";

fn storage(files: &[(&str, &[u8])]) -> MemoryStorage {
    let storage = MemoryStorage::new();
    storage.create_directory(Path::new(FOLDER)).unwrap();
    for (name, bytes) in files {
        let path = Path::new(FOLDER).join(name);
        let file = storage.open_or_create(&path).unwrap();
        file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
    }
    storage
}

/// What is printed of the files, what is wrong with them, and the counts. The folder is left out.
fn dumped(
    storage: &dyn Storage,
    names: &[&str],
    options: &Options<'_>,
) -> (String, String, Report) {
    let paths: Vec<_> = names
        .iter()
        .map(|name| Path::new(FOLDER).join(name))
        .collect();
    let (mut out, mut faults) = (Vec::new(), Vec::new());
    let report = dump(storage, &paths, options, &mut out, &mut faults).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(FOLDER, "");
    (text(out), text(faults), report)
}

fn batches(count: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        let mut builder = BatchBuilder::new(Compression::Zstd, None);
        for record in 0..2 {
            let timestamp = Timestamp(100 * number + record);
            builder
                .append(timestamp, Some(b"k"), Some(b"v"), [])
                .unwrap();
        }
        bytes.extend(builder.finish(Offset(number * 2)));
    }
    bytes
}

macro_rules! golden {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../tests/golden/kafka-4.3/txn-0/", $name)).as_slice(),
        )
    };
}

#[test]
fn kafkas_files_are_printed_as_kafka_prints_them() {
    let files = [
        golden!("00000000000000000006.log"),
        golden!("00000000000000000006.index"),
        golden!("00000000000000000006.timeindex"),
        golden!("00000000000000000006.txnindex"),
        golden!("00000000000000000006.snapshot"),
        golden!("00000000000000000049.snapshot"),
    ];
    let storage = storage(&files);
    let options = Options {
        print_data_log: true,
        ..Options::default()
    };
    let (text, faults, report) = dumped(&storage, &files.map(|file| file.0), &options);
    let expected = include_str!("../../tests/golden/kafka-4.3/txn-0/dump.txt");
    for (line, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(text, expected);
    assert_eq!((faults.as_str(), report.faults), ("", 0));
    assert_eq!(report.batches, 23);
}

#[test]
fn less_is_printed_on_demand() {
    let bytes = batches(3);
    let name = "00000000000000000000.log";
    let storage = storage(&[(name, &bytes)]);
    let lines = |options: Options<'_>| dumped(&storage, &[name], &options).0.lines().count();
    assert_eq!(lines(Options::default()), 5);
    let deep_iteration = true;
    let deep = Options {
        deep_iteration,
        ..Options::default()
    };
    assert_eq!(lines(deep), 11);
    let first = bytes.len() as u64 / 3;
    let cut = Options {
        max_bytes: first + 10,
        ..deep
    };
    assert_eq!(lines(cut), 5);
    let decoder = |_: Option<&[u8]>, value: Option<&[u8]>| (None, value.map(|_| "V".to_owned()));
    let decoded = Options {
        decoder: Some(&decoder),
        skip_record_metadata: true,
        ..Options::default()
    };
    let text = dumped(&storage, &[name], &decoded).0;
    assert_eq!(text.lines().nth(3), Some(" payload: V"));
}

#[test]
fn damage_is_told() {
    let mut bytes = batches(3);
    let first = bytes.len() / 3;
    bytes[first + 70] ^= 1;
    bytes.extend_from_slice(b"rubbish");
    let name = "00000000000000000000.log";
    let storage = storage(&[(name, &bytes)]);
    let deep = Options {
        deep_iteration: true,
        ..Options::default()
    };
    let (text, faults, report) = dumped(&storage, &[name], &deep);
    assert_eq!(text.matches("isvalid: true").count(), 2);
    assert_eq!(text.matches("isvalid: false").count(), 1);
    assert!(text.ends_with(&format!("Found 7 invalid bytes at the end of {name}\n")));
    assert!(faults.contains("batch with base offset 2"), "{faults}");
    assert_eq!(report.batches, 3);
}

#[test]
fn indexes_are_compared_with_their_segment() {
    let log = batches(4);
    let quarter = u32::try_from(log.len() / 4).unwrap();
    let mut offsets = OffsetIndex::new(Offset(0));
    offsets.append(Offset(3), quarter).unwrap();
    offsets.append(Offset(4), quarter * 2).unwrap();
    let mut times = TimeIndex::new(Offset(0));
    times.append(Timestamp(101), Offset(3)).unwrap();
    times.append(Timestamp(250), Offset(5)).unwrap();
    times.append(Timestamp(301), Offset(6)).unwrap();
    let [index, time] = [
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
    ];
    let storage = storage(&[
        ("00000000000000000000.log", &log),
        (index, &offsets.encode()),
        (time, &times.encode()),
    ]);
    let (text, faults, report) = dumped(&storage, &[index, time], &Options::default());
    assert!(text.contains(&format!("offset: 3 position: {quarter}\n")));
    assert!(text.contains("timestamp: 250 offset: 5\n"));
    assert_eq!(report.faults, 3);
    assert!(
        faults.contains("  Index offset: 4, log offset: 5\n"),
        "{faults}"
    );
    assert!(faults.contains("  Index timestamp: 250, log timestamp: 201\n"));
    assert!(faults.contains("Indexed offset: 6, found log offset: 7\n"));

    let sanity = Options {
        index_sanity_check: true,
        ..Options::default()
    };
    let (text, _, report) = dumped(&storage, &[index, time], &sanity);
    assert_eq!(text.matches("passed sanity check.").count(), 2);
    assert_eq!(report.faults, 0);
    let verify = Options {
        verify_index_only: true,
        ..Options::default()
    };
    let (text, _, report) = dumped(&storage, &[index, time], &verify);
    assert_eq!((text.lines().count(), report.faults), (2, 3));
}

#[test]
fn small_files_and_unknown_ones() {
    let storage = storage(&[
        ("meta.properties", b"version=1\n"),
        ("00000000000000000000.index", b"odd"),
        ("00000000000000000005.snapshot", b"short"),
        ("other.txt", b""),
    ]);
    let path = PathBuf::from(FOLDER).join(checkpoint::LEADER_EPOCH);
    let entry = EpochEntry {
        epoch: LeaderEpoch(3),
        start_offset: Offset(9),
    };
    checkpoint::write_epochs(&storage, &path, &[entry]).unwrap();
    let names = [
        "meta.properties",
        checkpoint::LEADER_EPOCH,
        checkpoint::RECOVERY_POINT,
        "00000000000000000000.index",
        "00000000000000000005.snapshot",
        "other.txt",
    ];
    let (text, faults, report) = dumped(&storage, &names, &Options::default());
    assert!(text.contains("Dumping meta.properties\nversion=1\n"));
    assert!(text.contains("epoch: 3 startOffset: 9\nchecksum: matches\n"));
    assert!(faults.contains("recovery-point-offset-checkpoint is missing"));
    assert!(faults.contains("Ignoring unknown file other.txt"));
    assert_eq!((report.faults, report.ignored), (3, 1));
    let missing = [PathBuf::from("/t-0/00000000000000000009.log")];
    let options = Options::default();
    let error = dump(
        &storage,
        &missing,
        &options,
        &mut Vec::new(),
        &mut Vec::new(),
    );
    assert!(matches!(error, Err(Error::Read { .. })));
}
