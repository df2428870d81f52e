//! One voter.

use std::sync::Arc;
use std::time::Duration;

use milena_log::storage::{DiskStorage, FaultyStorage, MemoryStorage, Storage};
use milena_protocol::{BrokerId, LeaderEpoch, Offset};

use super::{CLUSTER, Log, Words, clock, of, propose, single, words};
use crate::metadata::raft_metadata_log::OpenError;
use crate::metadata::{Entry, MetadataLog, Options, ProposeError, Replayed};

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

#[tokio::test]
async fn a_sole_voter_is_the_controller_when_it_is_open() {
    let log = Log::open(single(&memory()), Words::default())
        .await
        .unwrap();

    let leadership = *log.leadership().borrow();
    assert!(leadership.is_controller);
    assert_eq!(leadership.leader, Some(BrokerId(1)));
    assert_eq!(leadership.epoch, LeaderEpoch(1));
    log.stop().await;
}

#[tokio::test]
async fn a_sole_voter_waits_for_no_timer() {
    let storage = memory();
    for epoch in 1..3 {
        let mut options = single(&storage);
        options.limits.heartbeat = Duration::from_secs(3600);
        options.limits.election_timeout_min = Duration::from_secs(7200);
        options.limits.election_timeout_max = Duration::from_secs(7300);

        let log = Log::open(options, Words::default()).await.unwrap();

        assert_eq!(log.leadership().borrow().epoch, LeaderEpoch(epoch));
        propose(&log, "one").await.unwrap();
        log.stop().await;
    }
}

#[tokio::test]
async fn a_proposal_is_in_the_published_state_when_it_returns() {
    let log = Log::open(single(&memory()), Words::default())
        .await
        .unwrap();
    let subscriber = log.subscribe();

    let proposed = propose(&log, "one").await.unwrap();

    assert!(proposed.applied);
    let published = subscriber.borrow().clone();
    assert_eq!(published.state.words(), ["one"]);
    assert_eq!(published.offset, proposed.offset);
    assert_eq!(proposed.epoch, LeaderEpoch(1));
    log.stop().await;
}

#[tokio::test]
async fn a_proposal_on_another_state_changes_nothing() {
    let log = Log::open(single(&memory()), Words::default())
        .await
        .unwrap();
    propose(&log, "one").await.unwrap();

    let entry = Entry {
        base_digest: Words::default().digest(),
        records: vec!["two".to_owned()],
        timestamp: clock(),
    };
    let proposed = log.propose(entry).await.unwrap();

    assert!(!proposed.applied);
    assert_eq!(words(&log), ["one"]);
    log.stop().await;
}

#[tokio::test]
async fn of_proposals_on_one_state_one_is_applied() {
    let log = Log::open(single(&memory()), Words::default())
        .await
        .unwrap();
    let entry = |word: &str| Entry {
        base_digest: Words::default().digest(),
        records: vec![word.to_owned()],
        timestamp: clock(),
    };

    let (first, second, third) = tokio::join!(
        log.propose(entry("a")),
        log.propose(entry("b")),
        log.propose(entry("c"))
    );

    let applied = [first, second, third].map(|proposed| proposed.unwrap().applied);
    assert_eq!(applied.iter().filter(|applied| **applied).count(), 1);
    assert_eq!(words(&log).len(), 1);
    log.stop().await;
}

#[tokio::test]
async fn a_restart_gives_the_same_state() {
    let storage = memory();
    let log = Log::open(single(&storage), Words::default()).await.unwrap();
    for word in 0..100 {
        propose(&log, &word.to_string()).await.unwrap();
    }
    let before = log.snapshot();
    log.stop().await;

    let log = Log::open(single(&storage), Words::default()).await.unwrap();

    let after = log.snapshot();
    assert_eq!(after.state, before.state);
    assert_eq!(log.leadership().borrow().epoch, LeaderEpoch(2));
    propose(&log, "more").await.unwrap();
    log.stop().await;
}

#[tokio::test]
async fn a_log_that_was_not_stopped_is_recovered() {
    let storage = memory();
    let log = Log::open(single(&storage), Words::default()).await.unwrap();
    propose(&log, "one").await.unwrap();
    let before = log.snapshot();
    drop(log);

    let log = Log::open(single(&storage), Words::default()).await.unwrap();

    assert_eq!(log.snapshot().state, before.state);
    log.stop().await;
}

fn with_snapshots(storage: &Arc<dyn Storage>) -> Options {
    let mut options = single(storage);
    options.limits.snapshot_entries = 10;
    options.limits.entries_kept = 3;
    options.limits.segment_bytes_max = 1000;
    options
}

fn names(storage: &Arc<dyn Storage>, suffix: &str) -> Vec<String> {
    let entries = storage.list("/data/__milena_metadata".as_ref()).unwrap();
    let names = entries.into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(suffix)).collect()
}

#[tokio::test]
async fn snapshots_replace_the_log_and_a_restart_begins_with_them() {
    let storage = memory();
    let log = Log::open(with_snapshots(&storage), Words::default())
        .await
        .unwrap();
    for word in 0..300 {
        propose(&log, &word.to_string()).await.unwrap();
    }
    let before = log.snapshot();
    log.stop().await;
    assert_eq!(names(&storage, ".snapshot").len(), 1);
    let wal = names(&storage, ".wal");
    assert!(!wal.is_empty() && wal.len() < 12, "{wal:?}");
    assert_ne!(wal.first().unwrap(), "00000000000000000000.wal");

    let log = Log::open(with_snapshots(&storage), Words::default())
        .await
        .unwrap();

    assert_eq!(log.snapshot().state, before.state);
    log.stop().await;
}

#[tokio::test]
async fn many_bytes_make_a_snapshot_too() {
    let storage = memory();
    let mut options = single(&storage);
    options.limits.snapshot_bytes = 1000;
    let log = Log::open(options, Words::default()).await.unwrap();
    for _ in 0..20 {
        propose(&log, &"w".repeat(100)).await.unwrap();
    }
    log.stop().await;

    assert_eq!(names(&storage, ".snapshot").len(), 1);
}

#[tokio::test]
async fn a_log_without_its_snapshot_is_refused() {
    let storage = memory();
    let log = Log::open(with_snapshots(&storage), Words::default())
        .await
        .unwrap();
    for word in 0..100 {
        propose(&log, &word.to_string()).await.unwrap();
    }
    log.stop().await;
    for name in names(&storage, ".snapshot") {
        let path = std::path::Path::new("/data/__milena_metadata").join(name);
        storage.remove_file(&path).unwrap();
    }

    let opened = Log::open(with_snapshots(&storage), Words::default()).await;

    let error = opened.unwrap_err().to_string();
    assert!(error.contains("no snapshot has them"), "{error}");
}

#[tokio::test]
async fn a_snapshot_without_its_log_is_refused() {
    let storage = memory();
    let log = Log::open(with_snapshots(&storage), Words::default())
        .await
        .unwrap();
    for word in 0..100 {
        propose(&log, &word.to_string()).await.unwrap();
    }
    log.stop().await;
    for name in names(&storage, ".wal") {
        let path = std::path::Path::new("/data/__milena_metadata").join(name);
        storage.remove_file(&path).unwrap();
    }

    let opened = Log::open(with_snapshots(&storage), Words::default()).await;

    let error = opened.unwrap_err().to_string();
    assert!(error.contains("no log"), "{error}");
    assert!(names(&storage, ".wal").is_empty());
}

#[tokio::test]
async fn an_entry_beyond_the_limit_is_refused() {
    let mut options = single(&memory());
    options.limits.entry_bytes_max = 100;
    let log = Log::open(options, Words::default()).await.unwrap();

    let refused = propose(&log, &"w".repeat(200)).await.unwrap_err();

    assert!(matches!(
        refused,
        ProposeError::TooLarge {
            limit_bytes: 100,
            ..
        }
    ));
    propose(&log, "short").await.unwrap();
    log.stop().await;
}

#[tokio::test]
async fn a_stopped_log_refuses_proposals() {
    let log = Log::open(single(&memory()), Words::default())
        .await
        .unwrap();
    log.stop().await;

    assert_eq!(propose(&log, "late").await, Err(ProposeError::Stopping));
    assert_eq!(*log.failure().borrow(), None);
}

#[tokio::test]
async fn a_failed_sync_ends_the_log_for_good() {
    let faulty = FaultyStorage::new(7);
    let storage: Arc<dyn Storage> = Arc::new(faulty.clone());
    let log = Log::open(single(&storage), Words::default()).await.unwrap();
    propose(&log, "one").await.unwrap();
    let mut failure = log.failure();

    faulty.fail_sync(1);
    let refused = propose(&log, "two").await.unwrap_err();

    assert!(matches!(refused, ProposeError::Storage(_)), "{refused}");
    assert!(failure.wait_for(Option::is_some).await.is_ok());
    assert!(matches!(
        propose(&log, "three").await,
        Err(ProposeError::Storage(_))
    ));
    assert_eq!(words(&log), ["one"]);
    log.stop().await;
}

#[tokio::test]
async fn a_directory_of_another_replica_is_refused() {
    let storage = memory();
    let log = Log::open(single(&storage), Words::default()).await.unwrap();
    log.stop().await;
    for options in [of("another", 1, &storage), of(CLUSTER, 2, &storage)] {
        let opened = Log::open(options, Words::default()).await;
        let error = opened.unwrap_err();
        assert!(error.to_string().contains("is of cluster"), "{error}");
    }
}

#[tokio::test]
async fn a_replica_that_is_no_voter_is_refused() {
    let mut options = single(&memory());
    options.voters.clear();

    let opened = Log::open(options, Words::default()).await;

    assert!(matches!(opened, Err(OpenError::Options(_))));
}

#[tokio::test]
async fn the_status_of_a_sole_voter_is_its_own() {
    let log = Log::open(single(&memory()), Words::default())
        .await
        .unwrap();
    let proposed = propose(&log, "one").await.unwrap();

    let status = log.status();

    assert_eq!(status.leader, Some(BrokerId(1)));
    assert_eq!(status.epoch, LeaderEpoch(1));
    assert_eq!(status.high_watermark, Offset(proposed.offset.0 + 1));
    assert_eq!(status.voters.len(), 1);
    assert_eq!(status.voters[0].log_end, status.high_watermark);
    assert_eq!(status.voters[0].last_caught_up, clock());
    assert!(status.observers.is_empty());
    log.stop().await;
}

#[tokio::test]
async fn it_works_on_a_disk() {
    let directory = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage::new());
    let options = || Options {
        directory: directory.path().to_path_buf(),
        ..single(&storage)
    };
    let log = Log::open(options(), Words::default()).await.unwrap();
    for word in 0..50 {
        propose(&log, &word.to_string()).await.unwrap();
    }
    log.stop().await;

    let log = Log::open(options(), Words::default()).await.unwrap();

    assert_eq!(words(&log).len(), 50);
    log.stop().await;
}
