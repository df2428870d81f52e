//! openraft's own suite, damage at every byte, cuts at every byte, full disks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use milena_log::storage::{FaultyStorage, MemoryStorage, Storage};
use milena_protocol::Timestamp;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, RaftLogReader, StorageError};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use super::{Error, RaftLog};
use crate::metadata::raft_config::{LogEntry, LogId, Proposal, TypeConfig, Vote};
use crate::metadata::raft_snapshot::Snapshots;
use crate::metadata::raft_state_machine::{StateMachine, Surroundings};
use crate::metadata::tests::Words;
use crate::metadata::{Limits, Published};

const DIRECTORY: &str = "/data/log";

type Failure = watch::Receiver<Option<String>>;

fn open_with(storage: &Arc<dyn Storage>, limits: &Limits) -> Result<(RaftLog, Failure), Error> {
    let (sender, failure) = watch::channel(None);
    let log = RaftLog::open(
        Arc::clone(storage),
        PathBuf::from(DIRECTORY),
        ("cluster", 1.into()),
        limits,
        TaskTracker::new(),
        sender,
    )?;
    Ok((log, failure))
}

fn open(storage: &Arc<dyn Storage>) -> Result<RaftLog, Error> {
    open_with(storage, &Limits::default()).map(|(log, _)| log)
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

fn entry(term: u64, index: u64) -> LogEntry {
    let text = format!("entry {index} of term {term}");
    LogEntry {
        log_id: LogId::new_term_index(term, index),
        payload: EntryPayload::Normal(Proposal {
            base_digest: u128::from(index),
            timestamp: Timestamp(7),
            records: Bytes::from(text),
        }),
    }
}

/// Appends entries and waits until they are on disk.
async fn append(
    log: &mut RaftLog,
    entries: impl IntoIterator<Item = LogEntry>,
) -> Result<(), String> {
    let (sender, receiver) = TypeConfig::oneshot();
    let entries: Vec<_> = entries.into_iter().collect();
    log.append(entries, IOFlushed::signal(sender))
        .await
        .map_err(|error| error.to_string())?;
    let flushed = receiver.await.map_err(|error| error.to_string())?;
    flushed.map_err(|error| error.to_string())
}

async fn entries(log: &mut RaftLog) -> Vec<LogEntry> {
    log.check_invariants();
    log.try_get_log_entries(..).await.unwrap()
}

fn files(storage: &Arc<dyn Storage>) -> Vec<(PathBuf, Bytes)> {
    let mut found = Vec::new();
    for listed in storage.list(Path::new(DIRECTORY)).unwrap() {
        let path = Path::new(DIRECTORY).join(listed.name);
        let bytes = super::read_whole(&*storage.open(&path).unwrap()).unwrap();
        found.push((path, bytes));
    }
    found
}

/// A new file system with these files.
fn with_files(files: &[(PathBuf, Bytes)]) -> Arc<dyn Storage> {
    let storage = memory();
    storage.create_directory(Path::new(DIRECTORY)).unwrap();
    for (path, bytes) in files {
        let file = storage.open_or_create(path).unwrap();
        file.write_at(&[std::io::IoSlice::new(bytes)], 0).unwrap();
        file.sync().unwrap();
    }
    storage
}

struct Builder;

impl StoreBuilder<TypeConfig, RaftLog, StateMachine<Words>> for Builder {
    async fn build(&self) -> Result<((), RaftLog, StateMachine<Words>), StorageError<TypeConfig>> {
        let storage = memory();
        let log = open(&storage).unwrap();
        let state = Words::default();
        let (publisher, _) = watch::channel(Published {
            state: Arc::new(state.clone()),
            offset: milena_protocol::Offset::NONE,
        });
        let around = Surroundings {
            snapshots: Arc::new(Snapshots::open(storage, DIRECTORY.into()).unwrap()),
            tracker: TaskTracker::new(),
            publisher,
            snapshot_due: Arc::new(Notify::new()),
            snapshot_bytes: u64::MAX,
        };
        Ok(((), log, StateMachine::new(state, around)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_of_openraft_passes() {
    Suite::test_all(Builder).await.unwrap();
}

#[tokio::test]
async fn vote_marks_and_entries_survive() {
    let storage = memory();
    let mut log = open(&storage).unwrap();
    let mut vote = Vote::new(3, 1.into());
    vote.committed = true;
    log.save_vote(&vote).await.unwrap();
    append(&mut log, (0..10).map(|index| entry(2, index)))
        .await
        .unwrap();
    log.save_committed(Some(LogId::new_term_index(2, 8)))
        .await
        .unwrap();
    log.truncate_after(Some(LogId::new_term_index(2, 8)))
        .await
        .unwrap();
    append(&mut log, [entry(3, 9), entry(3, 10)]).await.unwrap();
    log.purge(LogId::new_term_index(2, 4)).await.unwrap();
    log.close().await;

    let mut log = open(&storage).unwrap();

    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    let committed = log.read_committed().await.unwrap();
    assert_eq!(committed, Some(LogId::new_term_index(2, 8)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(LogId::new_term_index(2, 4)));
    assert_eq!(state.last_log_id, Some(LogId::new_term_index(3, 10)));
    let expected: Vec<_> = (5..9)
        .map(|index| entry(2, index))
        .chain([entry(3, 9), entry(3, 10)])
        .collect();
    assert_eq!(entries(&mut log).await, expected);
    log.close().await;
}

#[tokio::test]
async fn a_closed_log_accepts_nothing() {
    let storage = memory();
    let mut log = open(&storage).unwrap();
    log.close().await;

    assert!(append(&mut log, [entry(1, 0)]).await.is_err());
    assert!(log.save_vote(&Vote::new(1, 1.into())).await.is_err());
}

#[tokio::test]
async fn a_hole_is_refused() {
    let storage = memory();
    let mut log = open(&storage).unwrap();
    append(&mut log, [entry(2, 0)]).await.unwrap();

    assert!(append(&mut log, [entry(2, 2)]).await.is_err());
    assert!(append(&mut log, [entry(1, 1)]).await.is_err());
    log.close().await;
}

/// The files after `entries` were confirmed, and after one more write was.
async fn two_writes() -> (Vec<(PathBuf, Bytes)>, Vec<(PathBuf, Bytes)>) {
    let storage = memory();
    let mut log = open(&storage).unwrap();
    log.save_vote(&Vote::new(1, 1.into())).await.unwrap();
    append(&mut log, (0..5).map(|index| entry(1, index)))
        .await
        .unwrap();
    let before = files(&storage);
    append(&mut log, (5..8).map(|index| entry(1, index)))
        .await
        .unwrap();
    let after = files(&storage);
    log.close().await;
    (before, after)
}

#[tokio::test]
async fn a_write_cut_at_any_byte_loses_nothing_confirmed() {
    let (before, after) = two_writes().await;
    let (path, whole) = after.last().unwrap();
    let confirmed = before.last().unwrap().1.len();
    for length in confirmed..=whole.len() {
        for tail in [0_usize, 40] {
            // A crash may leave zeroes where blocks were added but not written.
            let mut bytes = whole[..length].to_vec();
            bytes.resize(length + tail, 0);
            let storage = with_files(&[(path.clone(), bytes.into())]);

            let mut log = open(&storage).unwrap();
            let found = entries(&mut log).await;
            assert!(
                (5..=8).contains(&found.len()),
                "cut at {length}: {}",
                found.len()
            );
            let expected: Vec<_> = (0..found.len() as u64)
                .map(|index| entry(1, index))
                .collect();
            assert_eq!(found, expected, "cut at {length}");
            assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(1, 1.into())));

            // What follows is appended where the cut was, and found again.
            append(&mut log, [entry(2, found.len() as u64)])
                .await
                .unwrap();
            log.close().await;
            let mut log = open(&storage).unwrap();
            assert_eq!(entries(&mut log).await.len(), found.len() + 1);
            log.close().await;
        }
    }
}

#[tokio::test]
async fn a_changed_byte_that_was_on_disk_is_damage() {
    let (before, after) = two_writes().await;
    let (path, whole) = after.last().unwrap();
    for position in 0..before.last().unwrap().1.len() {
        let mut bytes = whole.to_vec();
        bytes[position] ^= 0x55;
        let storage = with_files(&[(path.clone(), bytes.into())]);

        match open(&storage) {
            Err(Error::Damaged {
                path: at,
                position: found,
                ..
            }) => {
                assert_eq!(&at, path);
                assert!(
                    found <= position as u64,
                    "byte {position} reported at {found}"
                );
            }
            Err(other) => panic!("byte {position}: {other}"),
            Ok(_) => panic!("byte {position}: opened"),
        }
        // Nothing was cut or rewritten.
        assert_eq!(files(&storage).last().unwrap().1.len(), whole.len());
    }
}

#[tokio::test]
async fn after_an_orderly_close_the_last_entry_is_checked_too() {
    let storage = memory();
    let mut log = open(&storage).unwrap();
    append(&mut log, [entry(1, 0), entry(1, 1)]).await.unwrap();
    let end = files(&storage).last().unwrap().1.len();
    log.close().await;
    let (path, whole) = files(&storage).pop().unwrap();
    let mut bytes = whole.to_vec();
    bytes[end - 1] ^= 1;

    let opened = open(&with_files(&[(path, bytes.into())]));

    assert!(matches!(opened, Err(Error::Damaged { .. })));
}

fn small() -> Limits {
    Limits {
        segment_bytes_max: 400,
        cache_bytes_max: 100,
        ..Limits::default()
    }
}

#[tokio::test]
async fn files_follow_each_other_and_purged_ones_go() {
    let storage = memory();
    let (mut log, _) = open_with(&storage, &small()).unwrap();
    log.save_vote(&Vote::new(1, 1.into())).await.unwrap();
    for index in 0..50 {
        append(&mut log, [entry(1, index)]).await.unwrap();
    }
    let count = files(&storage).len();
    assert!(count > 5, "{count} files");
    let expected: Vec<_> = (0..50).map(|index| entry(1, index)).collect();
    assert_eq!(entries(&mut log).await, expected);

    log.purge(LogId::new_term_index(1, 39)).await.unwrap();
    append(&mut log, [entry(1, 50)]).await.unwrap();
    log.close().await;
    assert!(files(&storage).len() < count / 2);

    let (mut log, _) = open_with(&storage, &small()).unwrap();
    let expected: Vec<_> = (40..51).map(|index| entry(1, index)).collect();
    assert_eq!(entries(&mut log).await, expected);
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(1, 1.into())));
    log.close().await;
}

#[tokio::test]
async fn a_missing_file_is_noticed() {
    let storage = memory();
    let (mut log, _) = open_with(&storage, &small()).unwrap();
    for index in 0..50 {
        append(&mut log, [entry(1, index)]).await.unwrap();
    }
    log.close().await;
    let all = files(&storage);

    for missing in 0..all.len() - 1 {
        let mut rest = all.clone();
        rest.remove(missing);
        let opened = open_with(&with_files(&rest), &small());
        match opened.err() {
            Some(Error::Damaged { .. }) => assert!(missing > 0),
            Some(Error::Incomplete { .. }) => assert_eq!(missing, 0),
            other => panic!("without file {missing}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn entries_that_left_the_memory_are_read_and_checked() {
    let storage = memory();
    let (mut log, _) = open_with(&storage, &small()).unwrap();
    for index in 0..20 {
        append(&mut log, [entry(1, index)]).await.unwrap();
    }
    let limited = log.limited_get_log_entries(3, 6).await.unwrap();
    assert_eq!(limited, [entry(1, 3), entry(1, 4), entry(1, 5)]);

    let (path, bytes) = files(&storage).into_iter().next().unwrap();
    let file = storage.open(&path).unwrap();
    let changed = [bytes[bytes.len() - 1] ^ 1];
    file.write_at(&[std::io::IoSlice::new(&changed)], bytes.len() as u64 - 1)
        .unwrap();

    let error = log.try_get_log_entries(0..20).await.unwrap_err();
    assert!(error.to_string().contains("CRC"), "{error}");
    log.close().await;
}

#[tokio::test]
async fn a_full_disk_is_waited_out() {
    let faulty = FaultyStorage::new(1);
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    let (mut log, failure) = open_with(&storage, &Limits::default()).unwrap();
    append(&mut log, [entry(1, 0)]).await.unwrap();

    faulty.limit_bytes(Some(10));
    let mut waits = Box::pin(append(&mut log, [entry(1, 1)]));
    assert!(futures_util::poll!(&mut waits).is_pending());
    faulty.limit_bytes(None);
    waits.await.unwrap();

    assert_eq!(*failure.borrow(), None);
    log.close().await;
    let mut log = open(&storage).unwrap();
    assert_eq!(entries(&mut log).await.len(), 2);
    log.close().await;
}

#[tokio::test]
async fn a_failed_write_is_final() {
    for fail in [FaultyStorage::fail_write, FaultyStorage::fail_sync] {
        let faulty = FaultyStorage::new(1);
        let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
        storage.create_directory("/data".as_ref()).unwrap();
        storage.sync_directory("/".as_ref()).unwrap();
        let (mut log, failure) = open_with(&storage, &Limits::default()).unwrap();
        append(&mut log, [entry(1, 0)]).await.unwrap();

        fail(&faulty, 1);

        assert!(append(&mut log, [entry(1, 1)]).await.is_err());
        assert!(failure.borrow().is_some());
        assert!(log.save_vote(&Vote::new(2, 1.into())).await.is_err());
        log.close().await;

        faulty.crash();
        let mut log = open(&storage).unwrap();
        assert_eq!(entries(&mut log).await.first(), Some(&entry(1, 0)));
        log.close().await;
    }
}
