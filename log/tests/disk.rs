//! A log on the real file system. The files stay in the target directory, so that Kafka's own
//! tools can be run over them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use milena_log::handle::Handles;
use milena_log::producer_state::Marker;
use milena_log::storage::DiskStorage;
use milena_log::validate::{ValidBatch, ValidationRules, validate};
use milena_log::{Log, LogConfig, OpenState, Outcome, Partition};
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId,
    TopicPartition,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn open(folder: &Path, state: OpenState) -> Log {
    let config = LogConfig {
        segment_bytes: 1 << 20,
        ..LogConfig::default()
    };
    let partition = Partition {
        folder: folder.to_owned(),
        topic_partition: TopicPartition::new("disk", PartitionIndex(0)),
        topic_id: TopicId::METADATA,
    };
    let handles = Handles::new(Arc::new(DiskStorage::new()), 8);
    Log::open(
        handles,
        partition,
        Arc::new(config),
        state,
        NOW,
        &mut |_| {},
    )
    .expect("works")
}

fn batch(number: i32, codec: Compression, is_transactional: bool) -> ValidBatch {
    let mut builder = BatchBuilder::new(codec, None);
    builder.set_producer(ProducerId(1), ProducerEpoch(0), Sequence(number * 50));
    if is_transactional {
        builder.set_transactional();
    }
    for record in 0..50 {
        let timestamp = NOW.plus_ms(i64::from(number) * 10 + record % 7);
        let key = format!("key {record}");
        let value = format!("value {number} {record} {}", "x".repeat(80));
        let headers = [(&b"header"[..], Some(&b"one"[..])), (b"header", None)];
        builder
            .append(
                timestamp,
                Some(key.as_bytes()),
                Some(value.as_bytes()),
                headers,
            )
            .expect("works");
    }
    let bytes = BytesMut::from(builder.finish(Offset(0)).as_slice());
    validate(
        bytes,
        &ValidationRules::new(&LogConfig::default(), true),
        NOW.plus_ms(20_000),
    )
    .expect("works")
}

fn marker(is_commit: bool) -> ValidBatch {
    let marker = Marker {
        producer_id: ProducerId(1),
        producer_epoch: ProducerEpoch(0),
        is_commit,
        coordinator_epoch: 2,
        timestamp: NOW,
    };
    ValidBatch::of_marker(&marker, 1)
}

/// Bytes on disk beyond the size of the segment files.
fn preallocated(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("works");
    entries
        .map(|entry| entry.expect("works").metadata().expect("works"))
        .map(|file| (file.blocks() * 512).saturating_sub(file.size().next_multiple_of(4096)))
        .sum()
}

/// Appends batches of every codec, the last ones transactional, and syncs now and then.
fn fill(log: &mut Log) {
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    let mut count = 0;
    for number in 0..1500 {
        let codec = codecs[usize::try_from(number).expect("works") % 5];
        let is_transactional = number >= 900;
        let mut batches = vec![batch(number, codec, is_transactional)];
        if is_transactional && number % 10 == 9 {
            batches.push(marker(number % 20 == 9));
        }
        let epoch = LeaderEpoch(number / 500);
        for outcome in log.append(batches, epoch, NOW).expect("works") {
            let Outcome::Appended { base_offset, .. } = outcome else {
                panic!("{outcome:?}")
            };
            assert!(base_offset >= Offset(count));
            count += 1;
        }
        if number % 100 == 0 {
            log.sync().expect("works");
        }
    }
}

#[test]
fn files_on_disk_are_those_of_kafka() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("disk/disk-0");
    let _ = std::fs::remove_dir_all(&folder);
    let unknown = OpenState {
        clean: false,
        recovery_point: Offset(0),
        log_start: None,
    };
    let mut log = open(&folder, unknown);
    fill(&mut log);
    assert!(log.segments().expect("works").len() > 2);
    assert!(preallocated(&folder) > 64 << 10);
    let end = log.log_end();
    log.set_high_watermark(end);
    let aborted = log.aborted_transactions(Offset(0), end).expect("works");
    assert_eq!(aborted.len(), 30);
    let found = log.offset_for_timestamp(NOW.plus_ms(8003)).expect("works");
    assert_eq!(found.expect("works").offset, Offset(40_003));
    let newest = log.max_timestamp().expect("works");
    assert_eq!(newest.expect("works").offset, Offset(75_015));
    let slice = log.read(Offset(777), 1000, end, true).expect("works");
    assert!(slice.file.expect("works").descriptor().is_some());
    log.close().expect("works");
    // A block of the file system's own may be left.
    assert!(preallocated(&folder) < 64 << 10);

    let clean = OpenState {
        clean: true,
        recovery_point: end,
        log_start: None,
    };
    for state in [clean, unknown] {
        let mut log = open(&folder, state);
        assert_eq!(log.log_end(), end);
        assert_eq!(log.damage(), None);
        log.set_high_watermark(end);
        assert_eq!(log.last_stable(), end);
        assert_eq!(
            log.aborted_transactions(Offset(0), end).expect("works"),
            aborted
        );
        let again = log.append(
            vec![batch(1499, Compression::Zstd, true)],
            LeaderEpoch(2),
            NOW,
        );
        assert!(matches!(
            again.expect("works")[..],
            [Outcome::Duplicate { .. }]
        ));
        log.close().expect("works");
    }
}
