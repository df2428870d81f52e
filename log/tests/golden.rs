//! Files that an Apache Kafka 4.3.1 wrote are read, and written back byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use milena_log::checkpoint::{self, Seal};
use milena_log::directory;
use milena_log::index::time::TimeIndex;
use milena_log::index::transaction::TransactionIndex;
use milena_log::producer_state::{ProducerStates, snapshot};
use milena_log::storage::DiskStorage;
use milena_protocol::batch::BatchHeader;
use milena_protocol::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicPartition};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/kafka-4.3")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(golden(name)).expect("golden file is there")
}

/// A directory with copies of the files.
fn copied(names: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    for name in names {
        fs::copy(golden(name), directory.path().join(name)).expect("copy golden file");
    }
    directory
}

#[test]
fn a_replay_gives_kafkas_producer_state_and_transaction_index() {
    let mut states = ProducerStates::new(Offset(0));
    for base in [0, 6] {
        if base == 6 {
            check_snapshot(&states, &bytes("txn-0/00000000000000000006.snapshot"));
        }
        let log = bytes(&format!("txn-0/{base:020}.log"));
        let mut rest = log.as_slice();
        let mut aborted = TransactionIndex::new();
        while !rest.is_empty() {
            let (header, batch) = BatchHeader::parse_whole(rest).expect("works");
            header.check_crc(batch).expect("works");
            let ended = states.apply_batch(&header, batch).expect("works");
            if let Some(txn) = ended.and_then(|ended| ended.aborted()) {
                aborted.append(txn).expect("works");
            }
            rest = &rest[header.size_bytes..];
        }
        if base == 6 {
            assert_eq!(
                aborted.encode(),
                bytes("txn-0/00000000000000000006.txnindex")
            );
        }
    }
    assert_eq!(states.end(), Offset(49));
    assert_eq!(states.first_undecided(), Some(Offset(48)));
    check_snapshot(&states, &bytes("txn-0/00000000000000000049.snapshot"));
    assert_eq!(states.len(), 2);
}

/// Kafka's entries come first, and its file is written as it was read.
fn check_snapshot(states: &ProducerStates, kafka: &[u8]) {
    let taken = snapshot::encode(states);
    // Behind the version and the checksum, which covers what follows Kafka's entries too.
    assert_eq!(taken[6..kafka.len()], kafka[6..]);
    let mut read = ProducerStates::new(states.end());
    for producer in snapshot::decode(kafka).expect("works") {
        read.restore(producer.id(), Some(producer));
    }
    assert_eq!(snapshot::encode(&read), kafka);
}

#[test]
fn indexes_are_read_and_written_as_they_were() {
    for name in [
        "txn-0/00000000000000000006",
        "compacted-0/00000000000000000000",
    ] {
        let file = bytes(&format!("{name}.timeindex"));
        let base = if name.starts_with("txn") { 6 } else { 0 };
        let index = TimeIndex::decode(Offset(base), &file).expect("works");
        assert_eq!(index.len(), 1);
        assert_eq!(index.encode(), file);
    }
}

#[test]
fn files_of_the_log_directory_are_read() {
    let copy = copied(&[
        "meta.properties",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "cleaner-offset-checkpoint",
        "log-start-offset-checkpoint",
    ]);
    let storage = DiskStorage::new();
    let meta = directory::load(&storage, copy.path())
        .expect("works")
        .expect("works");
    assert_eq!(meta.cluster_id, "MjvbOwvwGwisohi3pdjOBw");
    assert_eq!(meta.node_id, BrokerId(1));
    assert!(meta.directory_id.is_some());

    let read = |name: &str| {
        let path = copy.path().join(name);
        let loaded = checkpoint::read_offsets(&storage, &path)
            .expect("works")
            .expect("works");
        assert_eq!(loaded.seal, Seal::Absent);
        loaded.value
    };
    let txn = TopicPartition::new("txn", PartitionIndex(0));
    let compacted = TopicPartition::new("compacted", PartitionIndex(0));
    for name in [checkpoint::RECOVERY_POINT, checkpoint::REPLICATION_OFFSET] {
        let offsets = read(name);
        assert_eq!(offsets.len(), 3);
        assert_eq!(offsets[&txn], Offset(49));
        let text = checkpoint::encode_offsets(&offsets);
        assert_eq!(text.lines().count(), 5);
    }
    assert_eq!(read(checkpoint::CLEANER_OFFSET)[&compacted], Offset(4446));
    assert!(read(checkpoint::LOG_START_OFFSET).is_empty());

    let marker = copy.path().join(directory::CLEAN_MARKER);
    fs::copy(golden("kafka_cleanshutdown"), &marker).expect("works");
    let taken = directory::take_clean_marker(&storage, copy.path()).expect("works");
    let epoch = taken.expect("works").broker_epoch.expect("works");
    assert_eq!(epoch, BrokerEpoch(11));
    directory::put_clean_marker(&storage, copy.path(), epoch).expect("works");
    assert_eq!(
        fs::read(&marker).expect("works"),
        bytes("kafka_cleanshutdown")
    );
}

#[test]
fn files_of_a_partition_are_read_and_written_as_they_were() {
    let storage = DiskStorage::new();
    let copy = tempfile::tempdir().expect("works");
    for name in ["partition.metadata", "leader-epoch-checkpoint"] {
        fs::write(copy.path().join(name), bytes(&format!("txn-0/{name}"))).expect("works");
    }
    let topic_id = directory::read_topic_id(&storage, copy.path()).expect("works");
    directory::write_topic_id(&storage, copy.path(), topic_id.expect("works")).expect("works");
    let path = copy.path().join(checkpoint::LEADER_EPOCH);
    let epochs = checkpoint::read_epochs(&storage, &path)
        .expect("works")
        .expect("works");
    assert_eq!(epochs.value.len(), 1);
    assert_eq!(epochs.value[0].epoch, LeaderEpoch(0));
    checkpoint::write_epochs(&storage, &path, &epochs.value).expect("works");
    for name in ["partition.metadata", "leader-epoch-checkpoint"] {
        let written = fs::read(copy.path().join(name)).expect("works");
        assert_eq!(written, bytes(&format!("txn-0/{name}")), "{name}");
    }
    let again = checkpoint::read_epochs(&storage, &path)
        .expect("works")
        .expect("works");
    assert_eq!(again.seal, Seal::Matches);
}
