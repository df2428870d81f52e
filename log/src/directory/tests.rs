use std::io::IoSlice;
use std::path::{Path, PathBuf};

use milena_protocol::{BrokerEpoch, BrokerId, PartitionIndex, TopicId, TopicPartition};
use uuid::Uuid;

use super::*;
use crate::storage::{MemoryStorage, Storage};

const DIRECTORY: &str = "/d";

fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    storage.create_directory(Path::new(DIRECTORY)).unwrap();
    storage
}

fn put(storage: &MemoryStorage, name: &str, text: &str) {
    let path = Path::new(DIRECTORY).join(name);
    let file = storage.open_or_create(&path).unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[IoSlice::new(text.as_bytes())], 0).unwrap();
}

#[test]
fn folder_names_are_understood() {
    let check = |name: &str, expected: Option<(FolderKind, &str, i32)>| {
        let found = parse_folder(name);
        let found = found.as_ref().map(|folder| {
            let TopicPartition { topic, partition } = &folder.topic_partition;
            (folder.kind, &**topic, partition.0)
        });
        assert_eq!(found, expected, "{name}");
    };
    check("topic-0", Some((FolderKind::Live, "topic", 0)));
    check("a.b_c-d-12", Some((FolderKind::Live, "a.b_c-d", 12)));
    check("my-delete-3", Some((FolderKind::Live, "my-delete", 3)));
    check("t-1.0a1b-delete", Some((FolderKind::Delete, "t", 1)));
    check("t.x-1.0a1b-future", Some((FolderKind::Future, "t.x", 1)));
    check("t-1.0a1b-stray", Some((FolderKind::Stray, "t", 1)));
    for name in [
        "",
        "-",
        "topic",
        "topic-",
        "-0",
        "topic-x",
        "topic--1-",
        "topic-+1",
        "t-1-delete",
        "lost+found",
        "t p-0",
        "topic-99999999999",
    ] {
        check(name, None);
    }
}

#[test]
fn made_names_are_understood_and_fit_the_file_system() {
    let unique = Uuid::from_u128(5);
    for topic in ["t".to_owned(), "x".repeat(249)] {
        let partition = TopicPartition::new(topic.as_str(), PartitionIndex(1_000_000));
        let names = [
            delete_name(&partition, unique),
            stray_name(&partition, unique),
        ];
        for name in names {
            assert!(name.len() <= 255);
            let folder = parse_folder(&name).unwrap();
            assert!(topic.starts_with(&*folder.topic_partition.topic));
            assert_eq!(folder.topic_partition.partition, partition.partition);
        }
        for name in [future_name(&partition, unique), live_name(&partition)] {
            assert_eq!(parse_folder(&name).unwrap().topic_partition, partition);
        }
    }
}

#[test]
fn folders_are_listed_and_others_reported() {
    let storage = storage();
    for name in ["t-0", "t-1.ab-delete", "lost+found"] {
        let path = Path::new(DIRECTORY).join(name);
        storage.create_directory(&path).unwrap();
    }
    put(&storage, "t-9", "a file, no folder");
    let found = folders(&storage, Path::new(DIRECTORY)).unwrap();
    let names: Vec<_> = found.partitions.iter().map(|folder| &folder.name).collect();
    assert_eq!(names, ["t-0", "t-1.ab-delete"]);
    assert_eq!(found.others, ["lost+found"]);
}

#[test]
fn clean_marker_is_there_once() {
    let storage = storage();
    let directory = Path::new(DIRECTORY);
    let take = || take_clean_marker(&storage, directory).unwrap();
    assert_eq!(take(), None);
    put_clean_marker(&storage, directory, BrokerEpoch(42)).unwrap();
    let broker_epoch = Some(BrokerEpoch(42));
    assert_eq!(take(), Some(CleanMarker { broker_epoch }));
    assert_eq!(take(), None);
    for (text, expected) in [
        ("", None),
        ("{\"version\":0,\"brokerEpoch\":5}", Some(5)),
        ("{ \"brokerEpoch\" : -1, \"version\" : 3 }", Some(-1)),
        ("{\"brokerEpoch\":null}", None),
    ] {
        put(&storage, CLEAN_MARKER, text);
        let broker_epoch = expected.map(BrokerEpoch);
        assert_eq!(take(), Some(CleanMarker { broker_epoch }), "{text}");
    }
}

fn some_properties() -> MetaProperties {
    MetaProperties {
        cluster_id: "Nk018hRAQFytWskYqtQduw".to_owned(),
        node_id: BrokerId(3),
        directory_id: Some(Uuid::from_u128(77)),
    }
}

#[test]
fn meta_properties_round_trip() {
    let storage = storage();
    let directory = Path::new(DIRECTORY);
    assert_eq!(load(&storage, directory).unwrap(), None);
    for cluster_id in ["Nk018hRAQFytWskYqtQduw", "a=b:c\\d#"] {
        let properties = MetaProperties {
            cluster_id: cluster_id.to_owned(),
            ..some_properties()
        };
        format(&storage, directory, &properties).unwrap();
        assert_eq!(load(&storage, directory).unwrap(), Some(properties));
    }
}

#[test]
fn meta_properties_of_others_are_refused_with_the_reason() {
    let storage = storage();
    let check = |text: &str, expected: &str| {
        put(&storage, META_PROPERTIES, text);
        let error = load(&storage, Path::new(DIRECTORY)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/d/meta.properties"), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    check("version=2\n", "version is 2");
    check(
        "version=1\nmilena.format.version=1\n",
        "milena.format.version is 1",
    );
    check("version=x\n", "malformed");
    check("broker.id=0\n", "ZooKeeper");
    check("version=0\nbroker.id=0\n", "ZooKeeper");
    check("version=1\nnode.id=1\n", "cluster.id is missing");
    check("version=1\ncluster.id=c\n", "node.id is missing");
    check("version=1\ncluster.id=c\nnode.id=-1\n", "node.id has");
    check(
        "version=1\ncluster.id=c\nnode.id=1\ndirectory.id=?\n",
        "directory.id has",
    );
    put(
        &storage,
        META_PROPERTIES,
        "#\n#Mon Jan 01 00:00:00 UTC 2026\n cluster.id = c\\:d\nnode.id=1\nversion=1\n",
    );
    let loaded = load(&storage, Path::new(DIRECTORY)).unwrap().unwrap();
    assert_eq!((&*loaded.cluster_id, loaded.directory_id), ("c:d", None));
}

#[test]
fn all_mismatches_are_named() {
    let good = some_properties();
    let other = MetaProperties {
        cluster_id: "other".to_owned(),
        node_id: BrokerId(4),
        ..some_properties()
    };
    let directories = [(PathBuf::from("/a"), good), (PathBuf::from("/b"), other)];
    let found = mismatches(&directories, None, BrokerId(3));
    assert_eq!(found.len(), 3);
    let text: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(text[0].contains("/b belongs to cluster other"), "{text:?}");
    assert!(text[1].contains("/b belongs to node 4, not 3"), "{text:?}");
    assert!(text[2].contains("/a and /b have the same"), "{text:?}");
    assert_eq!(mismatches(&directories[..1], None, BrokerId(3)), []);
    assert_eq!(
        mismatches(&directories[..1], Some("third"), BrokerId(3)).len(),
        1
    );
}

#[test]
fn topic_id_of_a_folder() {
    let storage = storage();
    let folder = Path::new(DIRECTORY);
    assert_eq!(read_topic_id(&storage, folder).unwrap(), None);
    let id = TopicId(Uuid::from_u128(1234));
    write_topic_id(&storage, folder, id).unwrap();
    assert_eq!(read_topic_id(&storage, folder).unwrap(), Some(id));
    put(
        &storage,
        PARTITION_METADATA,
        &format!("version: 7\ntopic_id: {id}\nmore: 1\n"),
    );
    assert_eq!(read_topic_id(&storage, folder).unwrap(), Some(id));
    for text in [
        "",
        "version: 0\n",
        "version: x\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n",
        "version: 0\ntopic_id: short\n",
        "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA\n",
    ] {
        put(&storage, PARTITION_METADATA, text);
        assert!(read_topic_id(&storage, folder).is_err(), "{text}");
    }
}

#[test]
fn a_directory_is_locked_once() {
    let directory = tempfile::tempdir().unwrap();
    let first = lock(directory.path()).unwrap();
    let second = lock(directory.path()).unwrap_err();
    assert!(matches!(second, LockError::InUse { .. }), "{second}");
    drop(first);
    assert!(lock(directory.path()).is_ok());
    let missing = lock(&directory.path().join("missing")).unwrap_err();
    assert!(matches!(missing, LockError::Io { .. }), "{missing}");
}
