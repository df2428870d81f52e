use proptest::prelude::*;

use super::super::{BatchBuilder, Compression};
use super::*;

type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

/// What a test puts into a batch and expects back.
#[derive(Clone, Debug)]
struct Sample {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<OwnedHeader>,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let header = (bytes(), prop::option::of(bytes()));
    let sample = (
        prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>(), 0_i64..1000],
        prop::option::of(bytes()),
        prop::option::of(bytes()),
        prop::collection::vec(header, 0..4),
    )
        .prop_map(|(timestamp, key, value, headers)| Sample {
            timestamp,
            key,
            value,
            headers,
        });
    prop::collection::vec(sample, 0..90)
}

fn build(samples: &[Sample], codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec, None);
    for sample in samples {
        let headers = sample
            .headers
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()));
        builder
            .append(
                Timestamp(sample.timestamp),
                sample.key.as_deref(),
                sample.value.as_deref(),
                headers,
            )
            .unwrap();
    }
    builder.finish(Offset(1000))
}

fn simple(count: usize) -> Vec<u8> {
    let sample = Sample {
        timestamp: 7,
        key: Some(b"key".to_vec()),
        value: Some(b"value".to_vec()),
        headers: vec![(b"h".to_vec(), None), (b"h".to_vec(), Some(Vec::new()))],
    };
    build(&vec![sample; count], Compression::None)
}

fn fault_of(records: &[u8], count: i32) -> Option<RecordFault> {
    let skimmed = skim(records, count).err();
    let mut iter = RecordIter::new(records, count);
    let iterated = iter.find_map(Result::err);
    assert!(iter.next().is_none());
    if !matches!(
        skimmed.map(|error| error.fault),
        Some(RecordFault::OffsetDelta { .. })
    ) {
        assert_eq!(skimmed, iterated);
    }
    skimmed.map(|error| error.fault)
}

#[test]
fn wrong_counts_are_found() {
    let batch = simple(3);
    let records = &batch[HEADER_BYTES..];
    let one = records.len() / 3;
    assert_eq!(fault_of(records, 3), None);
    assert_eq!(
        fault_of(records, 2),
        Some(RecordFault::Remaining { extra_bytes: one })
    );
    assert_eq!(fault_of(records, 4), Some(RecordFault::Number));
    assert_eq!(
        fault_of(records, 0),
        Some(RecordFault::Remaining {
            extra_bytes: 3 * one
        })
    );
    assert_eq!(fault_of(&[], -1), Some(RecordFault::Count));
    assert_eq!(fault_of(records, -1), Some(RecordFault::Count));
    assert_eq!(fault_of(&[], 0), None);
    assert_eq!(skim(&[], 0), Ok(Skim::default()));
}

#[test]
fn each_fault_of_a_record_has_its_name() {
    // Length 6: attributes, timestamp delta, offset delta, key, value, header count.
    let good = [12, 0, 0, 0, 1, 1, 0];
    let with = |at: usize, value: u8| {
        let mut bytes = good;
        bytes[at] = value;
        fault_of(&bytes, 1)
    };
    assert_eq!(with(1, 0), None);
    assert_eq!(
        with(0, 14),
        Some(RecordFault::Ends {
            needed_bytes: 7,
            present_bytes: 6
        })
    );
    assert_eq!(with(0, 1), Some(RecordFault::Length { length: -1 }));
    assert_eq!(with(0, 10), Some(RecordFault::Number));
    assert_eq!(with(0, 0), Some(RecordFault::Number));
    assert_eq!(
        with(3, 2),
        Some(RecordFault::OffsetDelta { offset_delta: 1 })
    );
    assert_eq!(with(4, 3), Some(RecordFault::Length { length: -2 }));
    assert_eq!(
        with(4, 40),
        Some(RecordFault::Ends {
            needed_bytes: 20,
            present_bytes: 2
        })
    );
    assert_eq!(with(6, 1), Some(RecordFault::HeaderCount { count: -1 }));
    assert_eq!(with(6, 2), Some(RecordFault::HeaderCount { count: 1 }));
    let longer = [14, 0, 0, 0, 1, 1, 0, 0];
    assert_eq!(
        fault_of(&longer, 1),
        Some(RecordFault::Longer { extra_bytes: 1 })
    );
    let null_header_key = [16, 0, 0, 0, 1, 1, 2, 1, 1];
    assert_eq!(
        fault_of(&null_header_key, 1),
        Some(RecordFault::Length { length: -1 })
    );
}

#[test]
fn duplicate_headers_stay() {
    let batch = simple(1);
    let header = BatchHeader::parse(&batch).unwrap();
    let records = Records::open(&header, &batch, 0).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(record.headers.len(), 2);
    let headers: Vec<_> = record.headers.collect();
    let empty: &[u8] = b"";
    assert_eq!(
        headers,
        [(b"h".as_slice(), None), (b"h".as_slice(), Some(empty))]
    );
}

#[test]
fn unknown_codec_and_cut_batch_are_errors() {
    let batch = simple(1);
    let mut header = BatchHeader::parse(&batch).unwrap();
    assert!(matches!(
        Records::open(&header, &batch[..batch.len() - 1], 0),
        Err(OpenError::Incomplete { .. })
    ));
    header.attributes.0 |= 5;
    assert_eq!(
        Records::open(&header, &batch, 0).unwrap_err(),
        OpenError::Codec { attributes: 5 }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_come_back(samples in samples()) {
        for codec in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let batch = build(&samples, codec);
            let (header, batch) = BatchHeader::parse_whole(&batch).unwrap();
            prop_assert_eq!(header.check_crc(batch), Ok(()));
            prop_assert_eq!(header.base_offset, Offset(1000));
            prop_assert_eq!(usize::try_from(header.record_count).unwrap(), samples.len());
            let max = samples.iter().map(|sample| sample.timestamp).max().unwrap_or(-1);
            prop_assert_eq!(header.max_timestamp, Timestamp(max));

            let records = Records::open(&header, batch, 1 << 20).unwrap();
            let mut size_bytes = 0;
            for (index, record) in records.iter().enumerate() {
                let record = record.unwrap();
                let sample = &samples[index];
                size_bytes += record.size_bytes();
                prop_assert_eq!(usize::try_from(record.offset_delta).unwrap(), index);
                prop_assert_eq!(
                    header.base_timestamp.0.wrapping_add(record.timestamp_delta),
                    sample.timestamp
                );
                prop_assert_eq!(record.key, sample.key.as_deref());
                prop_assert_eq!(record.value, sample.value.as_deref());
                let headers: Vec<OwnedHeader> = record
                    .headers
                    .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
                    .collect();
                prop_assert_eq!(&headers, &sample.headers);
            }
            prop_assert_eq!(size_bytes, records.bytes().len());
            let skimmed = records.skim().unwrap();
            let first_null = samples.iter().position(|sample| sample.key.is_none());
            prop_assert_eq!(
                skimmed.first_null_key.map(|index| usize::try_from(index).unwrap()),
                first_null
            );
        }
    }

    #[test]
    fn kafka_protocol_reads_the_same(samples in samples()) {
        use kafka_protocol::records::RecordBatchDecoder;
        prop_assume!(!samples.is_empty());
        // That decoder refuses timestamps that it cannot add up, and keeps one of equal headers.
        let mut samples = samples;
        for sample in &mut samples {
            sample.timestamp = sample.timestamp.rem_euclid(1 << 40);
            sample.headers.truncate(1);
            for (key, _) in &mut sample.headers {
                key.iter_mut().for_each(|byte| *byte &= 0x7f);
            }
        }
        let batch = build(&samples, Compression::None);
        let decoded = RecordBatchDecoder::decode(&mut bytes::Bytes::from(batch)).unwrap();
        prop_assert_eq!(decoded.records.len(), samples.len());
        for (index, (record, sample)) in decoded.records.iter().zip(&samples).enumerate() {
            prop_assert_eq!(record.offset, 1000 + i64::try_from(index).unwrap());
            prop_assert_eq!(record.timestamp, sample.timestamp);
            prop_assert_eq!(record.key.as_deref(), sample.key.as_deref());
            prop_assert_eq!(record.value.as_deref(), sample.value.as_deref());
            prop_assert_eq!(record.headers.len(), sample.headers.len());
        }
    }

    #[test]
    fn skim_and_iterator_agree_on_damaged_bytes(
        samples in samples(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<prop::sample::Index>(),
        count in -2_i32..100,
    ) {
        let mut batch = build(&samples, Compression::None).split_off(HEADER_BYTES);
        let samples_count = i32::try_from(samples.len()).unwrap();
        if !batch.is_empty() {
            let at = at.index(batch.len());
            batch[at] ^= flip;
            fault_of(&batch, samples_count);
            batch.truncate(cut.index(batch.len()));
        }
        fault_of(&batch, samples_count);
        fault_of(&batch, count);
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in any::<i32>()) {
        fault_of(&bytes, count);
        for record in RecordIter::new(&bytes, count).flatten() {
            let _ = record.headers.count();
        }
    }
}
