use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression, TimestampType};
use milena_protocol::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp,
    TopicId, TopicPartition,
};

use super::*;
use crate::config::LogConfig;
use crate::error::{AppendError, ReadError};
use crate::handle::Handles;
use crate::producer_state::Marker;
use crate::storage::{FaultyStorage, MemoryStorage, Storage};
use crate::validate::{ValidBatch, ValidationRules, validate};

mod append;
mod lookup;
mod read;
mod truncate;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);
const EPOCH: LeaderEpoch = LeaderEpoch(3);
const FOLDER: &str = "/data/topic-0";

/// A log and what it needs to be opened again.
pub(crate) struct Bench {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) log: Log,
}

pub(crate) fn small_segments() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

pub(crate) fn open(storage: &Arc<dyn Storage>, config: &Arc<LogConfig>, state: OpenState) -> Log {
    let partition = Partition {
        folder: PathBuf::from(FOLDER),
        topic_partition: TopicPartition::new("topic", PartitionIndex(0)),
        topic_id: TopicId::METADATA,
    };
    let handles = Handles::new(Arc::clone(storage), 100);
    Log::open(
        handles,
        partition,
        Arc::clone(config),
        state,
        NOW,
        &mut |_| {},
    )
    .unwrap()
}

pub(crate) const NEW: OpenState = OpenState {
    clean: false,
    recovery_point: Offset(0),
    log_start: None,
};

impl Bench {
    pub(crate) fn on(storage: Arc<dyn Storage>, config: LogConfig) -> Self {
        storage.create_directory(Path::new("/data")).unwrap();
        let config = Arc::new(config);
        let log = open(&storage, &config, NEW);
        Self {
            storage,
            config,
            log,
        }
    }

    pub(crate) fn new(config: LogConfig) -> Self {
        Self::on(Arc::new(MemoryStorage::new()), config)
    }

    pub(crate) fn reopen_clean(&mut self) {
        self.log.close().unwrap();
        self.log = open(
            &self.storage,
            &self.config,
            OpenState {
                clean: true,
                recovery_point: self.log.flushed(),
                log_start: Some(self.log.log_start()),
            },
        );
    }

    pub(crate) fn reopen_unclean(&mut self, recovery_point: Offset) {
        self.log = open(
            &self.storage,
            &self.config,
            OpenState {
                clean: false,
                recovery_point,
                log_start: Some(self.log.log_start()),
            },
        );
    }

    pub(crate) fn append(&mut self, batch: BytesMut) -> Outcome {
        let batch = valid(batch);
        let mut outcomes = self.log.append(vec![batch], EPOCH, NOW).unwrap();
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    /// Appends `count` batches of `records` records and lets everything be seen.
    pub(crate) fn fill(&mut self, count: usize, records: usize) {
        for number in 0..count {
            let timestamp = NOW.plus_ms(i64::try_from(number).unwrap());
            self.append(plain(records, timestamp));
        }
        self.log.set_high_watermark(self.log.log_end());
    }
}

pub(crate) fn valid(batch: BytesMut) -> ValidBatch {
    let rules = ValidationRules::new(&LogConfig::default(), false);
    validate(batch, &rules, NOW).unwrap()
}

/// A batch of records with increasing timestamps.
pub(crate) fn plain(records: usize, timestamp: Timestamp) -> BytesMut {
    let mut builder = BatchBuilder::new(Compression::None, None);
    for number in 0..records {
        let timestamp = timestamp.plus_ms(i64::try_from(number).unwrap());
        let value = [u8::try_from(number % 251).unwrap(); 20];
        builder
            .append(timestamp, Some(b"key"), Some(&value), [])
            .unwrap();
    }
    BytesMut::from(builder.finish(Offset(0)).as_slice())
}

pub(crate) fn produced(id: i64, epoch: i16, sequence: i32, records: usize, txn: bool) -> BytesMut {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    if txn {
        builder.set_transactional();
    }
    for _ in 0..records {
        builder.append(NOW, None, Some(b"value"), []).unwrap();
    }
    BytesMut::from(builder.finish(Offset(0)).as_slice())
}

pub(crate) fn marker(id: i64, epoch: i16, is_commit: bool) -> ValidBatch {
    let marker = Marker {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        is_commit,
        coordinator_epoch: 0,
        timestamp: NOW,
    };
    ValidBatch::of_marker(&marker, 1)
}

pub(crate) fn offsets(outcome: &Outcome) -> (i64, i64) {
    match outcome {
        Outcome::Appended {
            base_offset,
            last_offset,
            ..
        } => (base_offset.0, last_offset.0),
        other => panic!("not appended: {other:?}"),
    }
}

/// Offsets of the whole batches of a slice, first and last.
pub(crate) fn batches(bytes: &[u8]) -> Vec<(i64, i64)> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Ok((header, batch)) = BatchHeader::parse_whole(rest) {
        header.check_crc(batch).unwrap();
        found.push((header.base_offset.0, header.last_offset().0));
        rest = &rest[header.size_bytes..];
    }
    found
}

/// All batches from `start` on, read with `max_bytes` at a time.
pub(crate) fn read_all(log: &Log, start: Offset, max_bytes: usize) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    let mut next = start;
    loop {
        let slice = log.read(next, max_bytes, log.log_end(), true).unwrap();
        let bytes = slice.read().unwrap();
        let read = batches(&bytes);
        let Some(&(_, last)) = read.last() else {
            return found;
        };
        assert_eq!(read[0].0, slice.first_offset.0);
        next = Offset(last + 1);
        found.extend(read);
    }
}
