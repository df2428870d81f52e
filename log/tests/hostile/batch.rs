//! Record batches as a producer sends them.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use milena_log::handle::Handles;
use milena_log::storage::{MemoryStorage, Storage};
use milena_log::validate::{ValidBatch, ValidationRules, validate};
use milena_log::{Log, LogConfig, OpenState, Outcome, Partition};
use milena_protocol::batch::{
    self, BatchBuilder, BatchHeader, Compression, OpenError, Records, TimestampType,
};
use milena_protocol::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId,
    TopicPartition,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Inflated bytes that are accepted; small, so that bombs are found quickly.
const INFLATE_BYTES_MAX: usize = 256 << 10;
const MESSAGE_BYTES_MAX: usize = 32 << 10;
/// Place of the length in a batch, and what it does not count.
const LENGTH_AT: usize = 8;
const CODECS: [Option<Compression>; 6] = [
    None,
    Some(Compression::None),
    Some(Compression::Gzip),
    Some(Compression::Snappy),
    Some(Compression::Lz4),
    Some(Compression::Zstd),
];

/// Validates and appends the bytes behind the first one, which chooses the rules.
///
/// # Panics
/// Where a batch is accepted that cannot be read.
pub fn check(bytes: &[u8]) {
    let Some((&choice, record_set)) = bytes.split_first() else {
        return;
    };
    let mut record_set = BytesMut::from(record_set);
    // Else no mutation would get past the length and the CRC.
    if choice & 1 == 1 {
        set_length(&mut record_set);
        batch::seal(&mut record_set);
    }
    check_records(&record_set);
    follow(record_set.clone().freeze());
    // As the broker takes what its coordinators built.
    let _ = ValidBatch::of_broker(record_set.clone());
    let rules = ValidationRules {
        max_message_bytes: MESSAGE_BYTES_MAX,
        timestamp_type: match choice & 2 {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        },
        is_compacted: choice & 4 != 0,
        compression_type: CODECS[usize::from(choice >> 5) % CODECS.len()],
        is_strict: choice & 8 != 0,
        inflate_bytes_max: INFLATE_BYTES_MAX,
        ..ValidationRules::new(&LogConfig::default(), false)
    };
    let Ok(valid) = validate(record_set, &rules, NOW) else {
        return;
    };
    assert!(valid.size_bytes() <= MESSAGE_BYTES_MAX);
    let looks_inside = rules.is_strict
        || rules.is_compacted
        || valid.header().attributes.compression() == Some(Compression::None);
    append(valid, looks_inside);
}

fn set_length(batch: &mut [u8]) {
    let Some(length) = batch.len().checked_sub(batch::LOG_OVERHEAD_BYTES) else {
        return;
    };
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    batch[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
}

/// Reads the records, whatever the CRC says.
fn check_records(bytes: &[u8]) {
    let Ok((header, batch)) = BatchHeader::parse_whole(bytes) else {
        return;
    };
    assert_eq!(batch.len(), header.size_bytes);
    let records = match Records::open(&header, batch, INFLATE_BYTES_MAX) {
        Ok(records) => records,
        Err(OpenError::Incomplete { .. }) => panic!("the batch is whole"),
        Err(_) => return,
    };
    let is_compressed = header.attributes.compression() != Some(Compression::None);
    assert!(!is_compressed || records.bytes().len() <= INFLATE_BYTES_MAX);
    let mut kept = Vec::new();
    let mut is_whole = true;
    for record in &records {
        match record {
            Ok(record) => kept.push(record),
            Err(_) => is_whole = false,
        }
    }
    for record in &kept {
        let _ = (record.offset(&header), record.timestamp(&header));
        assert!(record.headers.into_iter().count() <= record.size_bytes());
    }
    if records.skim().is_ok() {
        assert!(is_whole, "what skims is read to its end");
    }
    if is_whole {
        assert_eq!(Ok(kept.len()), usize::try_from(header.record_count));
        let horizon = Some(Timestamp(5));
        let count = kept.len();
        let rebuilt = batch::rebuild(&header, kept, Compression::None, None, horizon)
            .expect("what came out of a batch fits into one");
        let (header, batch) = BatchHeader::parse_whole(&rebuilt).expect("a batch was built");
        header.check_crc(batch).expect("with its checksum");
        let again = Records::open(&header, batch, 0).expect("it is not compressed");
        assert_eq!(again.iter().filter(Result::is_ok).count(), count);
    }
}

/// A log without records.
fn empty_log() -> Log {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    storage
        .create_directory(&PathBuf::from("/data"))
        .expect("memory has room");
    let partition = Partition {
        folder: PathBuf::from("/data/topic-0"),
        topic_partition: TopicPartition::new("topic", PartitionIndex(0)),
        topic_id: TopicId::METADATA,
    };
    let state = OpenState {
        clean: false,
        recovery_point: Offset(0),
        log_start: None,
    };
    let config = Arc::new(LogConfig {
        max_message_bytes: MESSAGE_BYTES_MAX,
        ..LogConfig::default()
    });
    let handles = Handles::new(storage, 10);
    Log::open(handles, partition, config, state, NOW, &mut |_| {})
        .expect("an empty folder is a log")
}

/// Takes the bytes as a leader's answer to a follower, which has to check them too.
fn follow(bytes: Bytes) {
    let mut log = empty_log();
    let Ok(Some(followed)) = log.append_as_follower(bytes.clone(), NOW) else {
        return;
    };
    assert!(bytes.starts_with(&followed.bytes));
    let mut next = log.log_start();
    let mut rest = &followed.bytes[..];
    while let Ok((header, batch)) = BatchHeader::parse_whole(rest) {
        header.check_crc(batch).expect("the checksum was checked");
        assert!(next <= header.base_offset && header.base_offset <= header.last_offset());
        next = header.next_offset();
        rest = &rest[header.size_bytes..];
    }
    assert!(rest.is_empty());
    assert_eq!(next, log.log_end());
    let slice = log
        .read(Offset(0), usize::MAX, next, true)
        .expect("it is there");
    assert!(
        followed
            .bytes
            .starts_with(&slice.read().expect("memory is read"))
    );
}

/// Appends the batch to an empty log. It must be readable there.
fn append(valid: ValidBatch, looks_inside: bool) {
    let mut log = empty_log();
    let outcomes = log
        .append(vec![valid], LeaderEpoch(3), NOW)
        .expect("memory has room");
    let [Outcome::Appended { bytes, .. }] = outcomes.as_slice() else {
        assert_eq!(log.log_end(), Offset(0));
        return;
    };
    let (header, batch) = BatchHeader::parse_whole(bytes).expect("a batch was appended");
    assert_eq!(batch.len(), bytes.len());
    header.check_crc(batch).expect("with its checksum");
    assert_eq!(header.base_offset, Offset(0));
    assert_eq!(header.next_offset(), log.log_end());
    if looks_inside {
        let records = Records::open(&header, batch, INFLATE_BYTES_MAX).expect("it was looked into");
        records.skim().expect("its records are whole");
    }
    let slice = log
        .read(Offset(0), 1, log.log_end(), true)
        .expect("it is there");
    assert_eq!(slice.read().expect("memory is read"), **bytes);
}

/// Batches of every codec, with and without a producer.
///
/// # Panics
/// Never: they are valid.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, codec) in (0..).zip(CODECS.into_iter().flatten()) {
        for has_producer in [false, true] {
            let mut builder = BatchBuilder::new(codec, None);
            if has_producer {
                builder.set_producer(ProducerId(7), ProducerEpoch(1), Sequence(0));
            }
            for record in 0..number + 2 {
                let headers = [(&b"name"[..], Some(&b"value"[..])), (b"null", None)];
                builder
                    .append(
                        NOW.plus_ms(record),
                        Some(b"key"),
                        Some(&[b'v'; 40]),
                        headers,
                    )
                    .expect("a few records fit");
            }
            let batch = builder.finish(Offset(0));
            for choice in [0, 1, 9, 13, 8 | 64 | 1, 8 | 128 | 1, 8 | 2 | 1] {
                seeds.push([&[choice][..], &batch].concat());
            }
            let mut second = batch.clone();
            batch::patch_base_offset(&mut second, Offset(20));
            seeds.push([&[0][..], &batch, &second].concat());
        }
    }
    seeds
}
