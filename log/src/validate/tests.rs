use bytes::BytesMut;
use milena_protocol::batch::{
    BatchBuilder, BatchHeader, Compression, Records, TimestampType, patch_base_offset, seal,
};
use milena_protocol::{ErrorCode, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

use super::*;
use crate::LogConfig;

const NOW: Timestamp = Timestamp(1_000_000_000);

fn rules() -> ValidationRules {
    ValidationRules::new(&LogConfig::default(), false)
}

fn build(codec: Compression, records: &[(i64, Option<&[u8]>)]) -> BytesMut {
    let mut builder = BatchBuilder::new(codec, None);
    for (timestamp, key) in records {
        builder
            .append(Timestamp(*timestamp), *key, Some(b"value"), [])
            .unwrap();
    }
    BytesMut::from(builder.finish(Offset(0)).as_slice())
}

fn three(codec: Compression) -> BytesMut {
    let now = NOW.0;
    build(
        codec,
        &[(now, Some(b"a")), (now + 5, Some(b"b")), (now + 2, None)],
    )
}

/// Changes bytes of the batch and makes the CRC right again.
fn with(at: usize, bytes: &[u8]) -> BytesMut {
    let mut batch = three(Compression::None);
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    seal(&mut batch);
    batch
}

fn check(batch: BytesMut, rules: &ValidationRules, expected: ErrorCode) -> Vec<i32> {
    let invalid = validate(batch, rules, NOW).unwrap_err();
    assert_eq!(invalid.code, expected, "{invalid}");
    let errors = invalid.record_errors.iter();
    errors.map(|error| error.index).collect()
}

#[test]
fn a_good_batch_stays_as_it_is() {
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        for is_strict in [false, true] {
            let batch = three(codec);
            let rules = ValidationRules {
                is_strict,
                ..rules()
            };
            let valid = validate(batch.clone(), &rules, NOW).unwrap();
            assert_eq!(valid.bytes, batch);
            assert_eq!(valid.header().max_timestamp, NOW.plus_ms(5));
            // An incomplete batch behind it is cut.
            let mut longer = batch.clone();
            longer.extend_from_slice(&batch[..40]);
            assert_eq!(validate(longer, &rules, NOW).unwrap().bytes, batch);
        }
    }
}

#[test]
fn faults_of_the_record_set_get_kafkas_codes() {
    let good = three(Compression::None);
    let rules = rules();
    check(BytesMut::new(), &rules, ErrorCode::InvalidRecord);
    check(
        BytesMut::from(&good[..60]),
        &rules,
        ErrorCode::InvalidRecord,
    );
    check(
        BytesMut::from(&good[..good.len() - 1]),
        &rules,
        ErrorCode::InvalidRecord,
    );
    let twice = [&good[..], &good[..]].concat();
    check(BytesMut::from(&twice[..]), &rules, ErrorCode::InvalidRecord);
    check(with(16, &[1]), &rules, ErrorCode::InvalidRecord);
    check(with(16, &[3]), &rules, ErrorCode::CorruptMessage);
    check(with(8, &[0, 0, 0, 9]), &rules, ErrorCode::CorruptMessage);
    let mut flipped = good.clone();
    flipped[70] ^= 1;
    check(flipped, &rules, ErrorCode::CorruptMessage);
    let mut moved = good.clone();
    patch_base_offset(&mut moved, Offset(1));
    check(moved, &rules, ErrorCode::InvalidRecord);
    let small = ValidationRules {
        max_message_bytes: good.len() - 1,
        ..rules
    };
    check(good, &small, ErrorCode::MessageTooLarge);
}

#[test]
fn faults_of_the_header_are_invalid_records() {
    let rules = rules();
    for (at, bytes) in [
        (23, &[0, 0, 0, 3][..]),
        (23, &[255, 255, 255, 255]),
        (57, &[0, 0, 0, 2]),
        (57, &[0, 0, 0, 0]),
        (57, &[255, 255, 255, 255]),
        (21, &[0, 0x20]),
        (21, &[0, 0x10]),
        // A producer without sequence, and one without epoch.
        (43, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (43, &[0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 0, 0, 0, 1]),
        // Records that are no records.
        (61, &[255]),
    ] {
        check(with(at, bytes), &rules, ErrorCode::InvalidRecord);
    }
    check(with(21, &[0, 7]), &rules, ErrorCode::CorruptMessage);
}

#[test]
fn compacted_topics_need_keys() {
    let rules = ValidationRules {
        is_compacted: true,
        ..rules()
    };
    let records: &[(i64, Option<&[u8]>)] = &[(5, None), (5, Some(b"k")), (5, None)];
    for codec in [Compression::None, Compression::Lz4] {
        let indexes = check(build(codec, records), &rules, ErrorCode::InvalidRecord);
        assert_eq!(indexes, [0, 2]);
    }
}

#[test]
fn timestamps_are_held_to_the_bounds() {
    let rules = ValidationRules {
        timestamp_before_max_ms: 100,
        timestamp_after_max_ms: 50,
        ..rules()
    };
    let now = NOW.0;
    for codec in [Compression::None, Compression::Zstd] {
        let late = build(codec, &[(now, None), (now + 51, None), (now + 50, None)]);
        assert_eq!(
            check(late.clone(), &rules, ErrorCode::InvalidTimestamp),
            [1]
        );
        let early = build(codec, &[(now - 101, None), (now, None), (-1, None)]);
        assert_eq!(check(early, &rules, ErrorCode::InvalidTimestamp), [0]);
        let edge = build(codec, &[(now - 100, None), (now + 50, None), (-1, None)]);
        validate(edge, &rules, NOW).unwrap();
        let append_time = ValidationRules {
            timestamp_type: TimestampType::LogAppendTime,
            ..rules
        };
        let valid = validate(late, &append_time, NOW).unwrap();
        assert_eq!(valid.header().max_timestamp, NOW);
        valid.header().check_crc(&valid.bytes).unwrap();
        assert_eq!(
            valid.header().attributes.timestamp_type(),
            TimestampType::LogAppendTime
        );
    }
}

#[test]
fn a_wrong_max_timestamp_or_type_is_corrected() {
    let valid = validate(with(35, &[0; 8]), &rules(), NOW).unwrap();
    assert_eq!(valid.header().max_timestamp, NOW.plus_ms(5));
    valid.header().check_crc(&valid.bytes).unwrap();
    let valid = validate(with(21, &[0, 8]), &rules(), NOW).unwrap();
    assert_eq!(valid.bytes, three(Compression::None));
}

#[test]
fn another_codec_is_recompressed() {
    for (from, to) in [
        (Compression::Gzip, Compression::Zstd),
        (Compression::None, Compression::Snappy),
        (Compression::Lz4, Compression::None),
        (Compression::Lz4, Compression::Lz4),
    ] {
        let rules = ValidationRules {
            compression_type: Some(to),
            ..rules()
        };
        let original = three(from);
        let valid = validate(original.clone(), &rules, NOW).unwrap();
        let header = *valid.header();
        assert_eq!(header.attributes.compression(), Some(to));
        header.check_crc(&valid.bytes).unwrap();
        let before = BatchHeader::parse(&original).unwrap();
        let before = Records::open(&before, &original, 1 << 20).unwrap();
        let after = Records::open(&header, &valid.bytes, 1 << 20).unwrap();
        assert_eq!(before.bytes(), after.bytes());
    }
}

#[test]
fn idempotent_batches_pass() {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(ProducerId(7), ProducerEpoch(0), Sequence(3));
    builder.set_transactional();
    builder.append(NOW, None, Some(b"v"), []).unwrap();
    let batch = BytesMut::from(builder.finish(Offset(0)).as_slice());
    let valid = validate(batch, &rules(), NOW).unwrap();
    assert!(valid.header().attributes.is_transactional());
}

#[test]
fn a_bomb_is_refused() {
    let mut builder = BatchBuilder::new(Compression::Zstd, None);
    builder
        .append(NOW, Some(b"k"), Some(&vec![0; 1 << 20]), [])
        .unwrap();
    let batch = BytesMut::from(builder.finish(Offset(0)).as_slice());
    let strict = ValidationRules {
        is_strict: true,
        inflate_bytes_max: 1 << 16,
        ..rules()
    };
    check(batch, &strict, ErrorCode::MessageTooLarge);
}
