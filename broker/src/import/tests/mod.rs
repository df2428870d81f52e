//! Folders that Apache Kafka 4.3.1 left behind: `static` has one static voter and no snapshot,
//! `snapshot` a snapshot in the middle of its log, `dynamic` a dynamic voter (KIP-853), `several` two
//! voters that are both brokers of a topic with two replicas.

use std::path::Path;
use std::sync::Arc;

use milena_cluster::metadata::{Digest, Image, Position};
use milena_log::storage::{DiskStorage, MemoryStorage, Storage};
use milena_protocol::stored::metadata::{
    AbortTransaction, BeginTransaction, EndTransaction, NoOp, Record, RemoveTopic,
};
use milena_protocol::{BrokerId, LeaderEpoch, Offset, Timestamp};

use super::transaction::Effects;
use super::{Error, Source, read_directory};

const FOLDER: &str = "/data/__cluster_metadata-0";

/// The files of a folder, in memory.
fn folder(name: &str) -> Arc<MemoryStorage> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/import/tests/fixtures")
        .join(name);
    let disk = DiskStorage::new();
    let storage = Arc::new(MemoryStorage::new());
    storage.create_directory(Path::new(FOLDER)).unwrap();
    for entry in disk.list(&from).unwrap() {
        let bytes = content(&disk, &from.join(&entry.name));
        put(&*storage, &entry.name, &bytes);
    }
    storage
}

fn content(storage: &dyn Storage, path: &Path) -> Vec<u8> {
    let file = storage.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn put(storage: &dyn Storage, name: &str, bytes: &[u8]) {
    let file = storage
        .open_or_create(&Path::new(FOLDER).join(name))
        .unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[std::io::IoSlice::new(bytes)], 0).unwrap();
}

/// The only file with this ending: its name and bytes.
fn only(storage: &dyn Storage, suffix: &str) -> (String, Vec<u8>) {
    let entries = storage.list(Path::new(FOLDER)).unwrap();
    let entry = entries
        .into_iter()
        .find(|entry| entry.name.ends_with(suffix))
        .unwrap();
    let bytes = content(storage, &Path::new(FOLDER).join(&entry.name));
    (entry.name, bytes)
}

fn source() -> Source<'static> {
    Source {
        directory: Path::new("/data"),
        node_id: BrokerId(1),
        is_clean: true,
        is_forced: false,
        served: &[],
        now: Timestamp(0),
    }
}

fn records(storage: &dyn Storage) -> Vec<Record> {
    read_directory(storage, &source()).unwrap().unwrap()
}

fn image(records: &[Record]) -> Image {
    let position = Position {
        offset: Offset(1),
        epoch: LeaderEpoch(1),
    };
    Image::from_records("cluster", records, position, Digest(0))
}

/// Names of topics and how many partitions they have.
fn topics(image: &Image) -> Vec<(String, usize)> {
    image
        .topics()
        .map(|topic| (topic.name.to_string(), topic.partitions.len()))
        .collect()
}

#[test]
fn a_log_gives_its_topics_features_and_brokers() {
    let image = image(&records(&*folder("static")));

    assert_eq!(topics(&image), [("alpha".to_owned(), 3)]);
    assert_eq!(image.feature("metadata.version"), 30);
    // Of what Kafka finalized, nothing else is said to be served.
    assert_eq!(image.features().count(), 1);
    assert!(image.broker(BrokerId(1)).is_some());
}

#[test]
fn a_snapshot_and_what_follows_it_give_the_state_of_the_whole_log() {
    let storage = folder("snapshot");
    let from_snapshot = image(&records(&*storage));
    let (name, _) = only(&*storage, ".checkpoint");
    storage.remove_file(&Path::new(FOLDER).join(name)).unwrap();
    let from_log = image(&records(&*storage));

    let expected: Vec<_> = (1..5).map(|topic| (format!("t{topic}"), 5)).collect();
    assert_eq!(topics(&from_snapshot), expected);
    assert_eq!(topics(&from_log), expected);
    for (one, other) in from_snapshot.topics().zip(from_log.topics()) {
        assert_eq!(one.id, other.id);
        assert_eq!(one.partitions, other.partitions);
    }
}

#[test]
fn a_dynamic_voter_is_found() {
    let image = image(&records(&*folder("dynamic")));

    assert_eq!(topics(&image), [("beta".to_owned(), 2)]);
}

#[test]
fn a_directory_without_a_metadata_log_gives_nothing() {
    let storage = MemoryStorage::new();
    storage.create_directory(Path::new("/data")).unwrap();

    assert!(read_directory(&storage, &source()).unwrap().is_none());
}

#[test]
fn an_unclean_folder_is_refused_unless_forced() {
    let storage = folder("static");
    let mut source = source();
    source.is_clean = false;

    let refused = read_directory(&*storage, &source).unwrap_err();
    assert!(matches!(refused, Error::Unclean { .. }));

    source.is_forced = true;
    assert!(read_directory(&*storage, &source).unwrap().is_some());
}

#[test]
fn the_log_of_another_node_is_refused() {
    for name in ["static", "dynamic"] {
        let mut source = source();
        source.node_id = BrokerId(2);

        let refused = read_directory(&*folder(name), &source).unwrap_err();
        assert!(matches!(
            refused,
            Error::NotVoter {
                voter: BrokerId(1),
                ..
            }
        ));
    }
}

#[test]
fn one_of_several_is_refused_and_goes_on_alone_where_forced() {
    let storage = folder("several");
    let refused = read_directory(&*storage, &source()).unwrap_err();
    assert!(matches!(refused, Error::SeveralVoters { count: 2, .. }));

    let mut source = source();
    source.is_forced = true;
    let records = read_directory(&*storage, &source).unwrap().unwrap();
    let image = image(&records);
    assert_eq!(topics(&image), [("pair".to_owned(), 2)]);
    for (_, partition) in &image.topic("pair").unwrap().partitions {
        assert_eq!(partition.replicas, [BrokerId(1)]);
        assert_eq!(partition.isr, [BrokerId(1)]);
        assert_eq!(partition.directories.len(), 1);
    }
    assert!(image.broker(BrokerId(1)).is_some());
    assert!(image.broker(BrokerId(2)).is_none());
}

#[test]
fn a_changed_byte_is_damage_wherever_it_is() {
    let storage = folder("snapshot");
    for suffix in [".log", ".checkpoint"] {
        let (name, bytes) = only(&*storage, suffix);
        for position in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[position] ^= 0x55;
            put(&*storage, &name, &changed);

            // The base offset and leader epoch of a batch are not under its CRC; a wrong offset
            // shows as a gap or not at all, where it hides nothing.
            match read_directory(&*storage, &source()) {
                Ok(found) => assert_eq!(found.unwrap().len(), records_of(&bytes, &storage, &name)),
                Err(Error::Damaged { .. } | Error::Gap { .. }) => {}
                Err(other) => panic!("{name} at {position}: {other}"),
            }
        }
        put(&*storage, &name, &bytes);
    }
}

fn records_of(bytes: &[u8], storage: &Arc<MemoryStorage>, name: &str) -> usize {
    put(&**storage, name, bytes);
    records(&**storage).len()
}

#[test]
fn a_snapshot_that_ends_early_is_refused() {
    let storage = folder("snapshot");
    let (name, bytes) = only(&*storage, ".checkpoint");
    // Without its last batch, which is the footer of 75 bytes.
    put(&*storage, &name, &bytes[..bytes.len() - 75]);

    let refused = read_directory(&*storage, &source()).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
}

#[test]
fn a_torn_end_is_cut_when_forced() {
    let storage = folder("static");
    let (name, bytes) = only(&*storage, ".log");
    put(&*storage, &name, &bytes[..bytes.len() - 3]);

    assert!(matches!(
        read_directory(&*storage, &source()),
        Err(Error::Damaged { .. })
    ));
    let mut source = source();
    source.is_forced = true;
    assert!(read_directory(&*storage, &source).unwrap().is_some());
}

#[test]
fn a_missing_begin_is_a_gap() {
    let storage = folder("static");
    let (name, bytes) = only(&*storage, ".log");
    storage.remove_file(&Path::new(FOLDER).join(name)).unwrap();
    put(&*storage, "00000000000000000005.log", &bytes);

    let refused = read_directory(&*storage, &source()).unwrap_err();
    assert!(
        matches!(refused, Error::Gap { to: Offset(5), .. }),
        "{refused}"
    );
}

fn effects(records: Vec<Record>) -> Result<usize, String> {
    let mut effects = Effects::default();
    for record in records {
        effects.take(record)?;
    }
    Ok(effects.finish().len())
}

#[test]
fn only_ended_transactions_have_an_effect() {
    let begin = || Record::BeginTransaction(BeginTransaction::default());
    let end = || Record::EndTransaction(EndTransaction::default());
    let abort = || Record::AbortTransaction(AbortTransaction::default());
    let some = || Record::RemoveTopic(RemoveTopic::default());
    let nothing = || Record::NoOp(NoOp::default());

    let cases = [
        (vec![some(), nothing()], Ok(1)),
        (vec![begin(), some(), some(), end()], Ok(2)),
        (vec![some(), begin(), some(), abort(), some()], Ok(2)),
        (vec![some(), begin(), some()], Ok(1)),
    ];
    for (records, expected) in cases {
        assert_eq!(effects(records), expected);
    }
    assert!(effects(vec![begin(), begin()]).is_err());
    assert!(effects(vec![end()]).is_err());
    assert!(effects(vec![abort()]).is_err());
}

#[test]
fn every_record_survives_the_way_into_our_log() {
    for name in ["static", "snapshot", "dynamic"] {
        for record in records(&*folder(name)) {
            let mut bytes = bytes::BytesMut::new();
            record
                .encode_version(record.latest_version(), &mut bytes)
                .unwrap();
            assert_eq!(Record::decode(&bytes).unwrap(), record);
        }
    }
}
