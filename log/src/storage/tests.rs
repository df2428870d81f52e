use std::io::{self, IoSlice};
use std::path::Path;

use super::*;

fn put(file: &dyn File, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_at(&[IoSlice::new(bytes)], position)
}

fn bytes_of(storage: &dyn Storage, path: &Path) -> Vec<u8> {
    let file = storage.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// What every implementation does.
fn check(storage: &dyn Storage, root: &Path) {
    let directory = root.join("a/b");
    storage.create_directory(&directory).unwrap();
    let path = directory.join("file");
    assert!(!storage.exists(&path).unwrap());
    let missing = storage.open(&path).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    let file = storage.open_or_create(&path).unwrap();
    assert!(file.is_empty().unwrap());
    let buffers = [
        IoSlice::new(b"one"),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    file.write_at(&buffers, 2).unwrap();
    assert_eq!(bytes_of(storage, &path), b"\0\0onetwo");
    let mut buffer = [0; 9];
    assert_eq!(file.read_at(&mut buffer, 5).unwrap(), 3);
    assert_eq!(&buffer[..3], b"two");
    file.reserve(8, 4096).unwrap();
    assert_eq!(file.len().unwrap(), 8);
    file.set_len(4).unwrap();
    file.set_len(6).unwrap();
    assert_eq!(bytes_of(storage, &path), b"\0\0on\0\0");
    file.sync().unwrap();
    let many: Vec<_> = (0..3000).map(|_| IoSlice::new(b"x")).collect();
    file.write_at(&many, 0).unwrap();
    assert_eq!(bytes_of(storage, &path), vec![b'x'; 3000]);

    let other = directory.join("other");
    storage.open_or_create(&other).unwrap();
    let names = |storage: &dyn Storage, directory: &Path| -> Vec<String> {
        let entries = storage.list(directory).unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(storage, &directory), ["file", "other"]);
    storage.rename(&path, &other).unwrap();
    assert_eq!(names(storage, &directory), ["other"]);
    assert_eq!(file.len().unwrap(), 3000);
    storage.sync_directory(&directory).unwrap();
    storage.rename(&directory, &root.join("c")).unwrap();
    assert_eq!(bytes_of(storage, &root.join("c/other")).len(), 3000);
    assert!(storage.space(&root.join("c")).unwrap().total_bytes > 0);
    storage.remove_file(&root.join("c/other")).unwrap();
    assert!(storage.remove_file(&root.join("c/other")).is_err());
    storage.remove_directory(&root.join("c")).unwrap();
    assert!(storage.list(&root.join("c")).is_err());
}

#[test]
fn implementations_agree() {
    let folder = tempfile::tempdir().unwrap();
    check(&DiskStorage::new(), folder.path());
    let root = Path::new("/root");
    for storage in [
        Box::new(MemoryStorage::new()) as Box<dyn Storage>,
        Box::new(FaultyStorage::new(1)),
    ] {
        storage.create_directory(root).unwrap();
        check(&*storage, root);
    }
}

#[test]
fn crash_keeps_what_was_synced() {
    let path = Path::new("/d/file");
    for seed in 0..200 {
        let storage = FaultyStorage::new(seed);
        storage.create_directory(Path::new("/d")).unwrap();
        let file = storage.open_or_create(path).unwrap();
        put(&*file, &[1; 3000], 0).unwrap();
        file.sync().unwrap();
        storage.sync_directory(Path::new("/d")).unwrap();
        storage.sync_directory(Path::new("/")).unwrap();
        put(&*file, &[2; 3000], 3000).unwrap();
        storage.open_or_create(Path::new("/d/new")).unwrap();
        storage.crash();
        let bytes = bytes_of(&storage, path);
        assert_eq!(&bytes[..3000], [1; 3000], "seed {seed}");
        assert!((3000..=6000).contains(&bytes.len()), "seed {seed}");
        assert!(
            bytes[3000..].iter().all(|&byte| byte == 2 || byte == 0),
            "seed {seed}"
        );
    }
}

#[test]
fn planned_faults_come_when_planned() {
    let storage = FaultyStorage::new(7);
    let file = storage.open_or_create(Path::new("/file")).unwrap();
    storage.fail_write(2);
    put(&*file, b"one", 0).unwrap();
    assert!(put(&*file, b"two", 3).is_err());
    put(&*file, b"two", 3).unwrap();
    storage.limit_bytes(Some(4));
    let full = put(&*file, b"three", 6).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    storage.limit_bytes(None);
    storage.sync_directory(Path::new("/")).unwrap();
    storage.fail_sync(1);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    storage.power_off_after(2);
    put(&*file, b"four", 6).unwrap();
    assert!(put(&*file, b"five", 10).is_err());
    assert!(storage.is_off());
    assert!(file.sync().is_err());
    storage.crash();
    storage.open(Path::new("/file")).unwrap();
}
