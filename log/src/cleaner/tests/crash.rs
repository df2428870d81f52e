//! Compaction of a real log, and a loss of power at every step of it.

use std::path::PathBuf;

use bytes::BytesMut;
use milena_protocol::TopicId;

use super::*;
use crate::handle::Handles;
use crate::storage::FaultyStorage;
use crate::validate::ValidBatch;
use crate::{Log, OpenState, Partition, retention};

const NOW: Timestamp = Timestamp(1_000_000);

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 600,
        index_interval_bytes: 100,
        cleanup_compact: true,
        cleanup_delete: false,
        ..LogConfig::default()
    })
}

fn open(storage: &Arc<FaultyStorage>, recovery_point: Offset) -> Log {
    let storage: Arc<dyn Storage> = storage.clone();
    let partition = Partition {
        folder: PathBuf::from("/d/t-0"),
        topic_partition: TopicPartition::new("t", PartitionIndex(0)),
        topic_id: TopicId::METADATA,
    };
    let state = OpenState {
        clean: false,
        recovery_point,
        log_start: Some(Offset(0)),
    };
    let handles = Handles::new(storage, 100);
    Log::open(handles, partition, config(), state, NOW, &mut |_| {}).unwrap()
}

/// A log of ten keys, most of them written many times, and transactions that were aborted.
fn filled(storage: &Arc<FaultyStorage>) -> Log {
    storage.create_directory(Path::new("/d")).unwrap();
    storage.sync_directory(Path::new("/")).unwrap();
    let mut log = open(storage, Offset(0));
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for number in 0..60_usize {
        let key = keys[number * number % 10];
        let value = number.to_string();
        let aborts = number % 7 == 3;
        let mut builder = BatchBuilder::new(Compression::None, None);
        let sequence = i32::try_from(number / 7).unwrap();
        if aborts {
            let id = ProducerId(9);
            builder.set_producer(id, ProducerEpoch(0), Sequence(sequence));
            builder.set_transactional();
        }
        builder
            .append(NOW, Some(key.as_bytes()), Some(value.as_bytes()), [])
            .unwrap();
        let batch = BytesMut::from(&*builder.finish(Offset(0)));
        push(&mut log, ValidBatch::of_broker(batch).unwrap());
        if aborts {
            let marker = Marker {
                producer_id: ProducerId(9),
                producer_epoch: ProducerEpoch(0),
                is_commit: false,
                coordinator_epoch: 0,
                timestamp: NOW,
            };
            push(&mut log, ValidBatch::of_marker(&marker, 0));
        }
    }
    log.sync().unwrap();
    log.set_high_watermark(log.log_end());
    log
}

pub(super) fn push(log: &mut Log, batch: ValidBatch) {
    let outcomes = log.append(vec![batch], LeaderEpoch(0), NOW).unwrap();
    assert!(matches!(outcomes[0], crate::Outcome::Appended { .. }));
}

/// Offset, key and value of the records of committed transactions, and of those outside of one.
pub(super) fn visible(log: &Log) -> Vec<(i64, Vec<u8>, Vec<u8>)> {
    let end = log.log_end();
    let aborted = log.aborted_transactions(Offset(0), end).unwrap();
    let is_aborted = |header: &BatchHeader| {
        let offset = header.base_offset;
        aborted.iter().any(|txn| {
            txn.producer_id == header.producer_id
                && txn.first_offset <= offset
                && offset <= txn.last_offset
        })
    };
    let mut found = Vec::new();
    let mut from = Offset(0);
    while from < end {
        let bytes = log.read(from, 400, end, true).unwrap().read().unwrap();
        let mut rest = bytes.as_slice();
        while let Ok((header, batch)) = BatchHeader::parse_whole(rest) {
            header.check_crc(batch).unwrap();
            rest = &rest[header.size_bytes..];
            from = header.next_offset();
            if header.attributes.is_control() || is_aborted(&header) {
                continue;
            }
            for record in &Records::open(&header, batch, 1 << 20).unwrap() {
                let record = record.unwrap();
                let (key, value) = (record.key.unwrap(), record.value.unwrap());
                found.push((record.offset(&header).0, key.to_vec(), value.to_vec()));
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    found
}

pub(super) type Last = BTreeMap<Vec<u8>, (i64, Vec<u8>)>;

pub(super) fn last(records: &[(i64, Vec<u8>, Vec<u8>)]) -> Last {
    let records = records.iter().cloned();
    records
        .map(|(offset, key, value)| (key, (offset, value)))
        .collect()
}

/// Compacts the log from its start on.
fn compact(storage: &Arc<FaultyStorage>, log: &mut Log) -> Result<Offset, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let candidate = consider_log(log, None, NOW).map_err(|it| text(&it))?;
    let candidate = candidate.unwrap();
    assert!(candidate.is_due());
    let job = Job::of(log, &candidate, NOW).map_err(|it| text(&it))?;
    let storage: Arc<dyn Storage> = storage.clone();
    let settings = Settings {
        write_bytes: 256,
        ..Settings::default()
    };
    let mut go_on = |_| ControlFlow::Continue(());
    let mut run = Run::start(storage, job, settings, &mut go_on).map_err(|it| text(&it))?;
    while let Some(new) = run.next_group(&mut go_on).map_err(|it| text(&it))? {
        log.replace_segments(new.base_offset, &new.replaced)
            .map_err(|it| text(&it))?;
    }
    Ok(run.clean_to())
}

#[test]
fn a_log_is_smaller_and_says_the_same() {
    let storage = Arc::new(FaultyStorage::new(1));
    let mut log = filled(&storage);
    let before = visible(&log);
    let size_bytes = log.size_bytes();
    let states = log.producers().last_records();
    let clean_to = compact(&storage, &mut log).unwrap();
    assert_eq!(Some(clean_to), log.active_base_offset());
    let after = visible(&log);
    assert_eq!(last(&after), last(&before));
    assert!(after.len() < before.len());
    assert!(log.size_bytes() < size_bytes);

    let again = consider_log(&log, Some(clean_to), NOW).unwrap().unwrap();
    assert!(!again.is_due());
    log.sync().unwrap();
    let (flushed, end) = (log.flushed(), log.log_end());
    drop(log);
    storage.crash();
    let log = open(&storage, flushed);
    assert_eq!((log.log_end(), visible(&log)), (end, after));
    assert_eq!(log.producers().last_records(), states);
}

#[test]
fn a_crash_at_any_step_loses_no_last_value() {
    let mut steps = 0;
    for seed in 0..2 {
        for step in 1.. {
            let storage = Arc::new(FaultyStorage::new(seed * 1000 + step));
            let mut log = filled(&storage);
            let before = visible(&log);
            let (flushed, end) = (log.flushed(), log.log_end());
            storage.power_off_after(step);
            let compacted = compact(&storage, &mut log);
            let was_off = storage.is_off();
            assert_eq!(compacted.is_err(), was_off, "{compacted:?}");
            drop(log);
            storage.crash();

            let mut log = open(&storage, flushed);
            assert!(log.damage().is_none(), "step {step}: {:?}", log.damage());
            assert_eq!(log.log_end(), end, "step {step}");
            let after = visible(&log);
            assert_eq!(last(&after), last(&before), "step {step}");
            assert!(after.iter().all(|record| before.contains(record)));
            let entries = storage.list(Path::new("/d/t-0")).unwrap();
            let is_left = |suffix| entries.iter().any(|it| it.name.ends_with(suffix));
            assert!(!is_left(CLEANED), "step {step}: {entries:?}");

            log.set_high_watermark(end);
            compact(&storage, &mut log).unwrap();
            assert_eq!(last(&visible(&log)), last(&before), "step {step}");
            if !was_off {
                steps += step;
                break;
            }
        }
    }
    assert!(steps > 40, "the runs have {steps} steps");
}

#[test]
fn retention_is_measured_on_a_log() {
    let storage = Arc::new(FaultyStorage::new(1));
    let mut log = filled(&storage);
    let mut old = LogConfig::clone(&config());
    old.cleanup_delete = true;
    old.retention_ms = 5;
    log.set_config(Arc::new(old));
    let later = NOW.plus_ms(6);
    assert!(retention::decide_for(&log, NOW).unwrap().doomed.is_empty());
    let decision = retention::decide_for(&log, later).unwrap();
    assert!(decision.roll_active);
    let bases: Vec<_> = decision.doomed.iter().map(|doomed| doomed.0).collect();
    log.delete_segments(&bases, later).unwrap();
    assert_eq!(log.log_start(), log.log_end());
    assert_eq!(log.log_start(), decision.log_start);
}
