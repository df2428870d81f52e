//! A partition's folder with any files in it is opened, read, written to and repaired.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use milena_log::error::ReadError;
use milena_log::handle::Handles;
use milena_log::index::offset::OffsetIndex;
use milena_log::index::time::TimeIndex;
use milena_log::repair::repair;
use milena_log::storage::{MemoryStorage, Storage};
use milena_log::validate::{ValidationRules, validate};
use milena_log::{Log, LogConfig, OpenState, Outcome, Partition};
use milena_protocol::batch::{self, BatchBuilder, BatchHeader, Compression};
use milena_protocol::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId,
    TopicPartition,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const FOLDER: &str = "/data/topic-0";
/// Names that a folder may have files under; an input chooses by number.
const NAMES: [&str; 32] = [
    "00000000000000000000.log",
    "00000000000000000010.log",
    "00000000000000000020.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000010.index",
    "00000000000000000010.timeindex",
    "00000000000000000010.txnindex",
    "00000000000000000020.index",
    "00000000000000000020.timeindex",
    "00000000000000000020.txnindex",
    "00000000000000000010.snapshot",
    "00000000000000000020.snapshot",
    "00000000000000000030.snapshot",
    "leader-epoch-checkpoint",
    "leader-epoch-checkpoint.crc32c",
    "milena.damage",
    "milena.swap",
    "partition.metadata",
    "00000000000000000000.log.cleaned",
    "00000000000000000000.log.swap",
    "00000000000000000000.index.swap",
    "00000000000000000000.timeindex.swap",
    "00000000000000000010.log.swap",
    "00000000000000000010.log.deleted",
    "00000000000000000010.log.cut",
    "00000000000000000010.txnindex.swap",
    "09223372036854775807.log",
    "09223372036854775800.log",
    "00000000002147483648.log",
    "00000000000000000025.snapshot",
];
/// Set in the number of a file whose batches get their right checksum.
const SEALED: u8 = 0x80;
const RECOVERY_POINTS: [i64; 8] = [0, 0, 0, 5, 10, 25, 1 << 40, i64::MAX];
const LOG_STARTS: [Option<i64>; 4] = [None, Some(0), Some(12), Some(1 << 40)];

/// Lays out the files of an input and opens the log.
///
/// # Panics
/// Where the log gives out what is damaged, or is another one after it was closed.
pub fn check(bytes: &[u8]) {
    let Some((&[choice, second], files)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    lay_out(&*storage, files);
    let state = OpenState {
        clean: choice & 1 == 1,
        recovery_point: Offset(RECOVERY_POINTS[usize::from(choice >> 1) % 8]),
        log_start: LOG_STARTS[usize::from(second) % 4].map(Offset),
    };
    // What is below the recovery point was checked when it was written, not again.
    let is_checked = !state.clean && state.recovery_point == Offset(0);
    let mut log = open(&storage, state);
    let found = read_all(&log, is_checked);
    look_up(&mut log);
    if !is_checked {
        return use_log(&mut log, false);
    }
    if log.damage().is_none() {
        log.close().expect("memory does not fail");
        let reopened = reopen(&storage, &log, true);
        assert_eq!(reopened.log_end(), log.log_end());
        assert_eq!(read_all(&reopened, true), found);
        log = reopened;
        use_log(&mut log, true);
        log.close().expect("memory does not fail");
    }
    drop(log);
    repair(&storage, Path::new(FOLDER), true).expect("memory does not fail");
    let repaired = open(&storage, state);
    assert_eq!(repaired.damage(), None);
    read_all(&repaired, true);
}

/// Number of the name, length in two bytes, content; as long as there are any.
fn lay_out(storage: &dyn Storage, mut files: &[u8]) {
    let folder = Path::new(FOLDER);
    storage.create_directory(folder).expect("memory has room");
    while let Some((&[number, high, low], rest)) = files.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (content, behind) = rest.split_at(length);
        files = behind;
        let mut content = content.to_vec();
        if number & SEALED != 0 {
            seal_all(&mut content);
        }
        let path = folder.join(NAMES[usize::from(number & !SEALED) % NAMES.len()]);
        let file = storage.open_or_create(&path).expect("memory has room");
        file.set_len(0).expect("memory can be cut");
        file.write_at(&[IoSlice::new(&content)], 0)
            .expect("memory has room");
    }
}

fn seal_all(mut rest: &mut [u8]) {
    while let Ok((header, _)) = BatchHeader::parse_whole(rest) {
        let (batch, behind) = rest.split_at_mut(header.size_bytes);
        batch::seal(batch);
        rest = behind;
    }
}

fn open(storage: &Arc<dyn Storage>, state: OpenState) -> Log {
    let partition = Partition {
        folder: PathBuf::from(FOLDER),
        topic_partition: TopicPartition::new("topic", PartitionIndex(0)),
        topic_id: TopicId::METADATA,
    };
    let config = Arc::new(LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    });
    let handles = Handles::new(Arc::clone(storage), 4);
    let mut ends = 0;
    let mut progress = |progress: milena_log::recovery::Progress| {
        assert!(progress.done_bytes <= progress.total_bytes);
        ends += 1;
    };
    Log::open(handles, partition, config, state, NOW, &mut progress).expect("memory does not fail")
}

fn reopen(storage: &Arc<dyn Storage>, log: &Log, clean: bool) -> Log {
    let state = OpenState {
        clean,
        recovery_point: log.flushed(),
        log_start: Some(log.log_start()),
    };
    open(storage, state)
}

/// First and last offset of every batch.
fn read_all(log: &Log, is_checked: bool) -> Vec<(Offset, Offset)> {
    let mut found: Vec<(Offset, Offset)> = Vec::new();
    let mut next = log.log_start();
    while next < log.log_end() {
        let slice = match log.read(next, 700, log.log_end(), true) {
            Ok(slice) => slice,
            Err(ReadError::Damaged { next_offset, .. }) => {
                assert!(next < next_offset, "{next} to {next_offset}");
                next = next_offset;
                continue;
            }
            Err(error) => {
                assert!(!is_checked, "{next}: {error}");
                return found;
            }
        };
        if slice.is_empty() {
            return found;
        }
        let bytes = slice.read().expect("memory is read");
        let batches = whole_batches(&bytes, is_checked);
        let &(first, last) = batches.first().expect("the first batch is whole");
        assert_eq!(first, slice.first_offset);
        assert!(
            !is_checked || next <= last,
            "asked {next}, got {first} to {last}"
        );
        if is_checked {
            // The first batch may begin below what was asked for, not below what was got.
            let before = found.last().copied();
            let ends = before.into_iter().chain(batches.iter().copied());
            let ends: Vec<_> = ends.collect();
            assert!(
                ends.windows(2).all(|pair| pair[0].1 < pair[1].0),
                "{ends:?}"
            );
        }
        let end = batches.iter().map(|batch| batch.1.plus(1)).max();
        found.extend(batches);
        next = end.unwrap_or(next).max(next.plus(1));
    }
    found
}

fn whole_batches(mut rest: &[u8], is_checked: bool) -> Vec<(Offset, Offset)> {
    let mut found = Vec::new();
    while let Ok((header, batch)) = BatchHeader::parse_whole(rest) {
        if is_checked {
            header.check_crc(batch).expect("no corrupt batch is read");
        }
        found.push((header.base_offset, header.last_offset()));
        rest = &rest[header.size_bytes..];
    }
    found
}

fn look_up(log: &mut Log) {
    log.set_high_watermark(log.log_end());
    assert!(log.last_stable() <= log.high_watermark());
    for timestamp in [i64::MIN, -1, 0, NOW.0 + 10, i64::MAX] {
        let _ = log.offset_for_timestamp(Timestamp(timestamp));
    }
    let _ = log.max_timestamp();
    let _ = log.earliest();
    let _ = log.aborted_transactions(log.log_start(), log.log_end());
    log.segments().expect("memory is read");
    for epoch in [-1, 0, 3, i32::MAX] {
        let (_, end) = log.end_offset_for_epoch(LeaderEpoch(epoch));
        assert!(end <= log.log_end());
    }
    let _ = log.producers().last_records();
}

/// Writes, moves both ends and reads, with whatever comes of it.
fn use_log(log: &mut Log, is_checked: bool) {
    let end = log.log_end();
    let rules = ValidationRules::new(log.config(), true);
    let batch = BytesMut::from(plain(Offset(0), 2).as_slice());
    let valid = validate(batch, &rules, NOW).expect("it was built");
    if let Ok(outcomes) = log.append(vec![valid], LeaderEpoch(9), NOW)
        && let [Outcome::Appended { base_offset, .. }] = outcomes.as_slice()
    {
        assert_eq!(*base_offset, end);
        match log.read(end, 1, log.log_end(), true) {
            Ok(slice) => assert_eq!(slice.first_offset, end),
            // What nobody has looked at may be in the way, and says so.
            Err(error) => assert!(!is_checked, "{end} was appended: {error}"),
        }
    }
    log.set_high_watermark(log.log_end());
    let middle = Offset(log.log_start().0.midpoint(log.log_end().0));
    let _ = log.delete_records_before(middle);
    let _ = log.roll(NOW);
    let _ = log.truncate_to(middle.plus(1), NOW);
    read_all(log, false);
}

fn plain(base_offset: Offset, records: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_leader_epoch(LeaderEpoch(3));
    for record in 0..records {
        builder
            .append(
                NOW.plus_ms(base_offset.0 + record),
                None,
                Some(&[7; 30]),
                [],
            )
            .expect("a few records fit");
    }
    builder.finish(base_offset)
}

fn produced(base_offset: Offset, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::Lz4, None);
    builder.set_leader_epoch(LeaderEpoch(4));
    builder.set_producer(ProducerId(7), ProducerEpoch(1), Sequence(sequence));
    builder.set_transactional();
    builder
        .append(NOW, Some(b"key"), Some(&[8; 30]), [])
        .expect("one record fits");
    builder.finish(base_offset)
}

fn marker(base_offset: Offset, is_commit: bool) -> Vec<u8> {
    milena_log::producer_state::Marker {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(1),
        is_commit,
        coordinator_epoch: 0,
        timestamp: NOW,
    }
    .build(LeaderEpoch(4), base_offset)
}

/// Ten records in several batches.
fn segment(base: i64) -> Vec<u8> {
    let at = |relative| Offset(base.saturating_add(relative));
    [
        plain(at(0), 2),
        produced(at(2), 0),
        produced(at(3), 1),
        marker(at(4), false),
        plain(at(5), 4),
        produced(at(9), 2),
    ]
    .concat()
}

/// The files of an input.
fn written(choices: [u8; 2], files: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = choices.to_vec();
    for (number, content) in files {
        let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
        bytes.push(*number);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(content);
    }
    bytes
}

/// What a sync leaves of the segment at 20 when everything below 25 is durable.
fn resume_point() -> Vec<(u8, Vec<u8>)> {
    let position = plain(Offset(20), 2).len() + 2 * produced(Offset(22), 0).len();
    let position = u32::try_from(position).unwrap_or_default();
    let mut offsets = OffsetIndex::new(Offset(20));
    let mut times = TimeIndex::new(Offset(20));
    offsets
        .append(Offset(24), position)
        .expect("it is the first");
    times.append(NOW, Offset(24)).expect("it is the first");
    vec![
        (9, offsets.encode()),
        (10, times.encode()),
        (31, super::checkpoints::producer_snapshot()),
    ]
}

/// Folders of a log of three segments: after a crash, after a stop, with leftovers of compaction.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let logs = [
        (SEALED, segment(0)),
        (SEALED | 1, segment(10)),
        (SEALED | 2, segment(20)),
    ];
    let epochs = (15, b"0\n2\n3 0\n4 2\n".to_vec());
    let mut seeds = Vec::new();
    for choice in 0..16 {
        for second in 0..4 {
            let mut files = logs.to_vec();
            files.push(epochs.clone());
            seeds.push(written([choice, second], &files));
        }
    }
    let mut with = |choice: u8, more: &[(u8, Vec<u8>)]| {
        seeds.push(written(
            [choice, 0],
            &[&logs[..], std::slice::from_ref(&epochs), more].concat(),
        ));
    };
    for choice in 0..2 {
        with(choice, &[(3, Vec::new()), (4, Vec::new()), (6, vec![0; 8])]);
        with(choice, &[(17, b"0\n10 0 10 10 12\n".to_vec())]);
        with(choice, &[(21, segment(0)), (18, b"0 0 10".to_vec())]);
        with(
            choice,
            &[
                (24, segment(10)),
                (18, b"10 10 20".to_vec()),
                (27, vec![0; 34]),
            ],
        );
        with(
            choice,
            &[(20, segment(0)), (25, segment(10)), (26, vec![1; 9])],
        );
        with(choice, &[(SEALED | 30, plain(Offset(1 << 31), 3))]);
        with(
            choice,
            &[(SEALED | 29, plain(Offset(9_223_372_036_854_775_800), 3))],
        );
        // After a crash behind a resume point in the last segment.
        let resume = resume_point();
        with(choice | 5 << 1, &resume);
        with(choice, &resume);
        // A batch that does not follow, bytes that are none, a tail of zeroes.
        with(
            choice,
            &[(SEALED | 2, [segment(20), plain(Offset(3), 2)].concat())],
        );
        with(
            choice,
            &[(2, [segment(20), vec![9; 90], plain(Offset(40), 2)].concat())],
        );
        with(choice, &[(2, [segment(20), vec![0; 600]].concat())]);
    }
    seeds
}
