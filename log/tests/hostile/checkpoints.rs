//! The small files of a log directory and of a partition's folder.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use milena_log::checkpoint;
use milena_log::directory::{self, CLEAN_MARKER, META_PROPERTIES, PARTITION_METADATA};
use milena_log::dump::{self, dump};
use milena_log::epoch_cache::{EpochCache, EpochEntry};
use milena_log::index::offset::OffsetIndex;
use milena_log::index::time::TimeIndex;
use milena_log::index::transaction::{AbortedTxn, TransactionIndex};
use milena_log::index::{offset, time, transaction};
use milena_log::producer_state::{ProducerStates, snapshot};
use milena_log::storage::{MemoryStorage, Storage};
use milena_protocol::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerId, Timestamp,
    TopicPartition,
};

const DIRECTORY: &str = "/data";
const BASE: Offset = Offset(100);
/// Names under which the bytes are dumped.
const NAMES: [&str; 11] = [
    checkpoint::RECOVERY_POINT,
    checkpoint::LEADER_EPOCH,
    "recovery-point-offset-checkpoint.crc32c",
    META_PROPERTIES,
    PARTITION_METADATA,
    CLEAN_MARKER,
    "00000000000000000100.snapshot",
    "00000000000000000100.log",
    "00000000000000000100.index",
    "00000000000000000100.timeindex",
    "00000000000000000100.txnindex",
];

/// Reads the bytes as each of the files.
///
/// # Panics
/// Where what was read and written is read as something else.
pub fn check(bytes: &[u8]) {
    check_checkpoints(bytes);
    check_indexes(bytes);
    check_snapshot(bytes);
    let storage = MemoryStorage::new();
    for name in NAMES {
        put(&storage, name, bytes);
    }
    check_files(&storage);
    check_dump(&storage);
}

fn put(storage: &MemoryStorage, name: &str, bytes: &[u8]) {
    let directory = Path::new(DIRECTORY);
    storage
        .create_directory(directory)
        .expect("memory has room");
    let file = storage
        .open_or_create(&directory.join(name))
        .expect("memory has room");
    file.set_len(0).expect("memory can be cut");
    file.write_at(&[IoSlice::new(bytes)], 0)
        .expect("memory has room");
}

fn check_checkpoints(bytes: &[u8]) {
    let path = Path::new("/file");
    if let Ok(offsets) = checkpoint::decode_offsets(path, bytes) {
        let text = checkpoint::encode_offsets(&offsets);
        let again = checkpoint::decode_offsets(path, text.as_bytes()).expect("it was written");
        assert_eq!(again, offsets);
    }
    if let Ok(epochs) = checkpoint::decode_epochs(path, bytes) {
        let text = checkpoint::encode_epochs(&epochs);
        let again = checkpoint::decode_epochs(path, text.as_bytes()).expect("it was written");
        assert_eq!(again, epochs);
        let cache = EpochCache::from_entries(&epochs);
        let ascends = |pair: &[EpochEntry]| {
            pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset
        };
        assert!(cache.entries().windows(2).all(ascends));
        for entry in epochs.iter().take(20) {
            let _ = cache.epoch_for_offset(entry.start_offset);
            let _ = cache.end_offset_for(entry.epoch, Offset(i64::MAX));
        }
    }
}

fn check_indexes(bytes: &[u8]) {
    let storage = MemoryStorage::new();
    put(&storage, "index", bytes);
    let file = storage
        .open(&Path::new(DIRECTORY).join("index"))
        .expect("it was made");
    for target in [i64::MIN, 0, 100, 5000, i64::MAX] {
        let _ = offset::lookup(&*file, BASE, Offset(target));
        let _ = time::lookup(&*file, BASE, Timestamp(target));
        let mut found = Vec::new();
        let _ = transaction::collect_file(&*file, Offset(0), Offset(target), &mut found);
    }
    let _ = offset::check_file(&*file, 5000);
    let _ = time::check_file(&*file);
    let _ = time::last(&*file, BASE);
    if let Ok(mut index) = OffsetIndex::decode(BASE, bytes) {
        // Zeroes behind the last entry are room that was reserved.
        assert!(bytes.starts_with(&index.encode()));
        let _ = (index.check(5000), index.lookup(Offset(200)), index.last());
        index.truncate_to(Offset(200));
        assert!(index.iter().all(|(offset, _)| offset < Offset(200)));
    }
    if let Ok(mut index) = TimeIndex::decode(BASE, bytes) {
        // Zeroes behind the last entry are room that was reserved.
        assert!(bytes.starts_with(&index.encode()));
        let _ = (index.lookup(Timestamp(200)), index.last());
        index.truncate_to(Offset(200));
        assert!(index.iter().all(|(_, offset)| offset < Offset(200)));
    }
    if let Ok(mut index) = TransactionIndex::decode(bytes) {
        // Zeroes behind the last entry are room that was reserved.
        assert!(bytes.starts_with(&index.encode()));
        index.truncate_to(Offset(200));
        assert!(
            index
                .entries()
                .iter()
                .all(|txn| txn.last_offset < Offset(200))
        );
    }
}

fn check_snapshot(bytes: &[u8]) {
    let Ok(producers) = snapshot::decode(bytes) else {
        return;
    };
    let mut states = ProducerStates::new(BASE);
    for producer in producers {
        states.restore(producer.id(), Some(producer));
    }
    let written = snapshot::encode(&states);
    let count = snapshot::decode(&written).map(|producers| producers.len());
    assert_eq!(count.ok(), Some(states.len()));
    states.on_high_watermark(BASE);
    let _ = states.first_unstable();
}

fn check_files(storage: &MemoryStorage) {
    let directory = Path::new(DIRECTORY);
    if let Ok(Some(properties)) = directory::load(storage, directory) {
        let written = MemoryStorage::new();
        written
            .create_directory(directory)
            .expect("memory has room");
        directory::format(&written, directory, &properties).expect("memory has room");
        let again = directory::load(&written, directory).expect("it was written");
        assert_eq!(again, Some(properties));
    }
    let _ = directory::read_topic_id(storage, directory);
    let path = directory.join(checkpoint::RECOVERY_POINT);
    let _ = checkpoint::read_offsets(storage, &path);
    let marker = directory::take_clean_marker(storage, directory).expect("memory is read");
    assert!(marker.is_some(), "whatever is in it, it is there");
    let again = directory::take_clean_marker(storage, directory).expect("memory is read");
    assert_eq!(again, None);
    let range = snapshot::Range {
        log_start: Offset(0),
        log_end: Offset(1000),
        now: Timestamp(0),
        expiration_ms: i64::MAX,
    };
    snapshot::load(storage, directory, &range).expect("memory is read");
}

fn check_dump(storage: &MemoryStorage) {
    let entries = storage.list(Path::new(DIRECTORY)).expect("memory is read");
    let paths: Vec<PathBuf> = entries
        .iter()
        .map(|entry| Path::new(DIRECTORY).join(&entry.name))
        .collect();
    for options in [
        dump::Options {
            print_data_log: true,
            ..dump::Options::default()
        },
        dump::Options {
            verify_index_only: true,
            ..dump::Options::default()
        },
        dump::Options {
            index_sanity_check: true,
            ..dump::Options::default()
        },
    ] {
        let (mut out, mut faults) = (Vec::new(), Vec::new());
        dump(storage, &paths, &options, &mut out, &mut faults).expect("memory is read");
    }
}

/// One valid file of each kind.
///
/// # Panics
/// Never: they are valid.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let entry = |epoch, start| EpochEntry {
        epoch: LeaderEpoch(epoch),
        start_offset: Offset(start),
    };
    let offsets = [
        (TopicPartition::new("topic", PartitionIndex(0)), Offset(5)),
        (TopicPartition::new("topic", PartitionIndex(12)), Offset(70)),
    ];
    let mut offset_index = OffsetIndex::new(BASE);
    let mut time_index = TimeIndex::new(BASE);
    let mut txn_index = TransactionIndex::new();
    for number in 1..4 {
        let at = BASE.plus(number * 50);
        let position = u32::try_from(number).unwrap_or_default() * 1000;
        offset_index.append(at, position).expect("it ascends");
        time_index
            .append(Timestamp(number * 1000), at)
            .expect("it ascends");
        let txn = AbortedTxn {
            producer_id: ProducerId(number),
            first_offset: at,
            last_offset: at.plus(5),
            last_stable_offset: at,
        };
        txn_index.append(txn).expect("it ascends");
    }
    let mut seeds = vec![
        checkpoint::encode_offsets(&offsets.into()).into_bytes(),
        checkpoint::encode_epochs(&[entry(1, 0), entry(4, 50), entry(5, 51)]).into_bytes(),
        b"deadbeef 20\n".to_vec(),
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ".to_vec(),
        b"0\n0 10 20 3 4\n".to_vec(),
        b"0 10 20".to_vec(),
        offset_index.encode(),
        time_index.encode(),
        txn_index.encode(),
        producer_snapshot(),
    ];
    seeds.extend(directory_files());
    let batches = super::batch::seeds();
    seeds.extend(batches.iter().step_by(7).map(|seed| seed[1..].to_vec()));
    seeds
}

/// A snapshot of a producer in a transaction.
///
/// # Panics
/// Never: its batch is valid.
#[must_use]
pub fn producer_snapshot() -> Vec<u8> {
    use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression};
    use milena_protocol::{ProducerEpoch, Sequence};

    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(ProducerId(7), ProducerEpoch(1), Sequence(0));
    builder.set_transactional();
    builder
        .append(Timestamp(5), None, Some(b"value"), [])
        .expect("one record fits");
    let batch = builder.finish(Offset(90));
    let header = BatchHeader::parse(&batch).expect("it was built");
    let mut states = ProducerStates::new(Offset(0));
    states
        .apply_batch(&header, &batch)
        .expect("it is no control batch");
    snapshot::encode(&states)
}

fn directory_files() -> Vec<Vec<u8>> {
    let storage = MemoryStorage::new();
    let directory = Path::new(DIRECTORY);
    storage
        .create_directory(directory)
        .expect("memory has room");
    directory::put_clean_marker(&storage, directory, BrokerEpoch(12)).expect("memory has room");
    let properties = directory::MetaProperties {
        cluster_id: "cluster".to_owned(),
        node_id: BrokerId(1),
        directory_id: None,
    };
    directory::format(&storage, directory, &properties).expect("memory has room");
    [CLEAN_MARKER, META_PROPERTIES]
        .into_iter()
        .filter_map(|name| {
            checkpoint::read_whole(&storage, &directory.join(name), 1 << 20)
                .expect("memory is read")
        })
        .collect()
}
