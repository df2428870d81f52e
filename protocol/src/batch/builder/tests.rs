use super::super::{Records, RecordsError};
use super::*;

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// Offset, timestamp, key and value of each record.
type Content = Vec<(i64, i64, Vec<u8>, Vec<u8>)>;

fn content(batch: &[u8]) -> Content {
    let (header, batch) = BatchHeader::parse_whole(batch).unwrap();
    header.check_crc(batch).unwrap();
    let records = Records::open(&header, batch, 1 << 20).unwrap();
    let content: Content = records
        .iter()
        .map(|record| {
            let record = record.unwrap();
            (
                record.offset(&header).0,
                record.timestamp(&header).0,
                record.key.unwrap_or_default().to_vec(),
                record.value.unwrap_or_default().to_vec(),
            )
        })
        .collect();
    content
}

/// Ten records of a transaction with timestamps 100, 97, 94 and so on.
fn batch(codec: Compression, append_time: Option<Timestamp>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec, None).with_capacity(100);
    assert!(builder.is_empty());
    builder.set_producer(ProducerId(9), ProducerEpoch(2), Sequence(70));
    builder.set_transactional();
    builder.set_leader_epoch(LeaderEpoch(5));
    if let Some(append_time) = append_time {
        builder.set_append_time(append_time);
    }
    let header: [(&[u8], Option<&[u8]>); 1] = [(b"trace", Some(b"x"))];
    for index in 0..10_u8 {
        let timestamp = Timestamp(100 - 3 * i64::from(index));
        builder
            .append(timestamp, Some(&[index]), Some(b"value"), header)
            .unwrap();
    }
    assert_eq!(builder.record_count(), 10);
    builder.finish(Offset(40))
}

fn keep(
    batch: &[u8],
    codec: Compression,
    horizon: Option<Timestamp>,
    mut keeps: impl FnMut(&Record<'_>) -> bool,
) -> Vec<u8> {
    let header = BatchHeader::parse(batch).unwrap();
    let records = Records::open(&header, batch, 1 << 20).unwrap();
    let all: Result<Vec<_>, RecordsError> = records.iter().collect();
    let kept = all.unwrap().into_iter().filter(|record| keeps(record));
    rebuild(&header, kept, codec, None, horizon).unwrap()
}

#[test]
fn header_says_what_was_set() {
    for codec in CODECS {
        let batch = batch(codec, None);
        let (header, whole) = BatchHeader::parse_whole(&batch).unwrap();
        assert_eq!(whole.len(), batch.len());
        let expected = BatchHeader {
            base_offset: Offset(40),
            size_bytes: batch.len(),
            leader_epoch: LeaderEpoch(5),
            crc: header.crc,
            attributes: Attributes::new(codec).with_transactional(),
            last_offset_delta: 9,
            base_timestamp: Timestamp(100),
            max_timestamp: Timestamp(100),
            producer_id: ProducerId(9),
            producer_epoch: ProducerEpoch(2),
            base_sequence: Sequence(70),
            record_count: 10,
        };
        assert_eq!(header, expected);
    }
}

#[test]
fn control_batch_is_marked() {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_transactional();
    builder.set_control();
    builder
        .append(Timestamp(5), Some(&[0, 0, 0, 1]), Some(&[0; 6]), [])
        .unwrap();
    assert_eq!(builder.size_bytes(), HEADER_BYTES + 17);
    let header = BatchHeader::parse(&builder.finish(Offset(0))).unwrap();
    assert!(header.attributes.is_control() && header.attributes.is_transactional());
}

#[test]
fn rebuilt_batch_keeps_offsets_timestamps_and_producer() {
    for from in CODECS {
        for to in CODECS {
            let before = batch(from, None);
            let after = keep(&before, to, None, |record| record.offset_delta % 3 == 1);
            let expected: Content = content(&before)
                .into_iter()
                .filter(|(offset, ..)| (offset - 40) % 3 == 1)
                .collect();
            assert_eq!(content(&after), expected);
            let (was, is) = (
                BatchHeader::parse(&before).unwrap(),
                BatchHeader::parse(&after).unwrap(),
            );
            let expected = BatchHeader {
                size_bytes: after.len(),
                crc: is.crc,
                attributes: was.attributes.with_compression(to),
                max_timestamp: Timestamp(97),
                record_count: 3,
                ..was
            };
            assert_eq!(is, expected);
        }
    }
}

#[test]
fn delete_horizon_moves_the_base_and_not_the_timestamps() {
    let before = batch(Compression::None, None);
    let horizon = Timestamp(1_700_000_000_000);
    let with_horizon = keep(&before, Compression::Lz4, Some(horizon), |_| true);
    assert_eq!(content(&with_horizon), content(&before));
    let header = BatchHeader::parse(&with_horizon).unwrap();
    assert_eq!(header.delete_horizon(), Some(horizon));
    assert_eq!(header.max_timestamp, Timestamp(100));
    // The next cleaning keeps the horizon that is there, or moves it again.
    let again = keep(&with_horizon, Compression::None, None, |record| {
        record.offset_delta > 4
    });
    assert_eq!(
        BatchHeader::parse(&again).unwrap().delete_horizon(),
        Some(horizon)
    );
    assert_eq!(content(&again), content(&before).split_off(5));
    let moved = keep(&with_horizon, Compression::None, Some(Timestamp(3)), |_| {
        true
    });
    assert_eq!(content(&moved), content(&before));
}

#[test]
fn append_time_survives_a_rebuild() {
    let before = batch(Compression::Zstd, Some(Timestamp(500)));
    let after = keep(&before, Compression::Zstd, Some(Timestamp(900)), |record| {
        record.offset_delta == 8
    });
    assert_eq!(content(&after), [(48, 500, vec![8], b"value".to_vec())]);
    assert_eq!(
        BatchHeader::parse(&after).unwrap().max_timestamp,
        Timestamp(500)
    );
}

#[test]
fn emptied_batch_keeps_its_offsets_and_producer() {
    for horizon in [None, Some(Timestamp(77))] {
        let before = batch(Compression::Gzip, None);
        let after = keep(&before, Compression::Gzip, horizon, |_| false);
        assert_eq!(after.len(), HEADER_BYTES);
        assert!(content(&after).is_empty());
        let was = BatchHeader::parse(&before).unwrap();
        let is = BatchHeader::parse(&after).unwrap();
        let expected = BatchHeader {
            size_bytes: HEADER_BYTES,
            crc: is.crc,
            attributes: was.attributes.with_compression(Compression::None),
            base_timestamp: Timestamp::NONE,
            record_count: 0,
            ..was
        };
        assert_eq!(is, expected);
        assert_eq!(is.last_offset(), Offset(49));
        assert!(content(&keep(&after, Compression::Lz4, None, |_| true)).is_empty());
    }
}

#[test]
fn recompressed_batch_differs_in_codec_only() {
    for from in CODECS {
        let before = batch(from, None);
        let header = BatchHeader::parse(&before).unwrap();
        let records = Records::open(&header, &before, 1 << 20).unwrap();
        for to in CODECS {
            let after = recompress(&header, records.bytes(), to, Some(1)).unwrap();
            assert_eq!(content(&after), content(&before));
            let is = BatchHeader::parse(&after).unwrap();
            let expected = BatchHeader {
                size_bytes: after.len(),
                crc: is.crc,
                attributes: header.attributes.with_compression(to),
                ..header
            };
            assert_eq!(is, expected);
        }
    }
}

#[test]
fn builder_without_records_gives_an_empty_batch() {
    for codec in CODECS {
        let batch = BatchBuilder::new(codec, None).finish(Offset(3));
        assert_eq!(batch.len(), HEADER_BYTES);
        assert!(content(&batch).is_empty());
    }
}
