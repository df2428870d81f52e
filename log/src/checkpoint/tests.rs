use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::Path;

use milena_protocol::{LeaderEpoch, Offset, PartitionIndex, TopicPartition};
use proptest::prelude::*;

use super::*;
use crate::epoch_cache::EpochEntry;
use crate::storage::{MemoryStorage, Storage};

const PATH: &str = "/d/recovery-point-offset-checkpoint";

fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    storage.create_directory(Path::new("/d")).unwrap();
    storage
}

fn overwrite(storage: &MemoryStorage, path: &str, bytes: &[u8]) {
    let file = storage.open_or_create(Path::new(path)).unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
}

fn some_offsets() -> BTreeMap<TopicPartition, Offset> {
    [("a", 0, 5), ("a", 1, 7), ("b.c_d-e", 0, 0)]
        .map(|(topic, partition, offset)| {
            let partition = TopicPartition::new(topic, PartitionIndex(partition));
            (partition, Offset(offset))
        })
        .into()
}

#[test]
fn text_is_kafkas() {
    assert_eq!(
        encode_offsets(&some_offsets()),
        "0\n3\na 0 5\na 1 7\nb.c_d-e 0 0\n"
    );
    let entry = EpochEntry {
        epoch: LeaderEpoch(3),
        start_offset: Offset(10),
    };
    assert_eq!(encode_epochs(&[entry]), "0\n1\n3 10\n");
}

#[test]
fn a_written_file_is_read_and_sealed() {
    let storage = storage();
    let path = Path::new(PATH);
    assert!(read_offsets(&storage, path).unwrap().is_none());
    write_offsets(&storage, path, &some_offsets()).unwrap();
    write_offsets(&storage, path, &some_offsets()).unwrap();
    let loaded = read_offsets(&storage, path).unwrap().unwrap();
    assert_eq!(loaded.value, some_offsets());
    assert_eq!(loaded.seal, Seal::Matches);
}

#[test]
fn a_kill_between_the_renames_leaves_a_sealed_file() {
    let storage = storage();
    let path = Path::new(PATH);
    write_offsets(&storage, path, &some_offsets()).unwrap();
    let sidecar = format!("{PATH}{SIDECAR_SUFFIX}");
    let old = read_whole(&storage, Path::new(&sidecar), 64)
        .unwrap()
        .unwrap();
    write_offsets(&storage, path, &BTreeMap::new()).unwrap();
    let new = read_whole(&storage, Path::new(&sidecar), 64)
        .unwrap()
        .unwrap();
    overwrite(&storage, &sidecar, &old);
    overwrite(&storage, &format!("{sidecar}.tmp"), &new);
    let loaded = read_offsets(&storage, path).unwrap().unwrap();
    assert_eq!(loaded.seal, Seal::Matches);
    assert!(loaded.value.is_empty());
}

#[test]
fn a_foreign_file_is_read_and_told_apart() {
    let storage = storage();
    let path = Path::new(PATH);
    let seal = || read_offsets(&storage, path).unwrap().unwrap().seal;
    overwrite(&storage, PATH, b"0\n1\na 0 5\n");
    assert_eq!(seal(), Seal::Absent);
    write_offsets(&storage, path, &some_offsets()).unwrap();
    overwrite(&storage, PATH, b"0\n1\na 0 5\n");
    assert_eq!(seal(), Seal::Differs);
    // A crash can leave the sidecar empty or cut short.
    let sidecar = format!("{PATH}{SIDECAR_SUFFIX}");
    overwrite(&storage, &sidecar, b"");
    assert_eq!(seal(), Seal::Absent);
    overwrite(&storage, &sidecar, &[0xff; 100]);
    assert_eq!(seal(), Seal::Absent);
}

#[test]
fn malformed_files_are_errors_that_name_them() {
    let check = |text: &[u8], expected: &str| {
        let error = decode_offsets(Path::new(PATH), text).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(PATH), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    check(b"x\n", "line 1");
    check(b"1\n0\n", "version 1");
    check(b"0\nx\n", "line 2");
    check(b"0\n1\na 0\n", "line 3");
    check(b"0\n1\na 0 5 6\n", "line 3");
    check(b"0\n1\na x 5\n", "line 3");
    check(b"0\n2\na 0 5\n", "announces 2 entries and has 1");
    check(b"0\n0\na 0 5\n", "announces 0 entries and has 1");
    check(&[0xff, 0xfe], "UTF-8");
    for empty in [&b""[..], b"0\n", b"0\n0\n"] {
        assert!(decode_offsets(Path::new(PATH), empty).unwrap().is_empty());
    }
    assert!(decode_epochs(Path::new(PATH), b"0\n1\n-1 5\n").is_err());
}

proptest! {
    #[test]
    fn no_content_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_offsets(Path::new(PATH), &bytes);
        let _ = decode_epochs(Path::new(PATH), &bytes);
    }

    #[test]
    fn epochs_round_trip(starts in prop::collection::btree_map(0_i32.., 0_i64.., 0..20)) {
        let entries: Vec<_> = starts
            .into_iter()
            .map(|(epoch, start)| EpochEntry {
                epoch: LeaderEpoch(epoch),
                start_offset: Offset(start),
            })
            .collect();
        let text = encode_epochs(&entries);
        prop_assert_eq!(decode_epochs(Path::new(PATH), text.as_bytes()).unwrap(), entries);
    }
}
