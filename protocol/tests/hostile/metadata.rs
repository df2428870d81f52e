//! Records of the metadata log and of `__consumer_offsets`.

use bytes::BytesMut;
use milena_protocol::stored::{group, metadata};
use milena_protocol::wire;

use super::mutate::Random;

/// Bytes of a record that is drawn, before it is cut where its end is.
const DRAWN_BYTES: usize = 400;
/// No record has a key above.
const KEY_MAX: u8 = 40;
const VERSION_MAX: u8 = 4;

/// Reads the bytes as records of both kinds. What was read is written and read again.
///
/// # Panics
/// Where that gives another record.
pub fn check(bytes: &[u8]) {
    check_metadata(bytes);
    let Some((&shape, rest)) = bytes.split_first() else {
        return;
    };
    check_group(None, Some(rest));
    check_group(Some(rest), None);
    let key_bytes = usize::from(shape).min(rest.len());
    let (key, value) = rest.split_at(key_bytes);
    check_group(Some(key), Some(value));
}

fn check_metadata(bytes: &[u8]) {
    let Ok((record, version)) = metadata::Record::decode_versioned(bytes) else {
        return;
    };
    assert!(version <= record.latest_version());
    if let metadata::Record::Other(other) = &record {
        // It may be malformed; that is an error, not a panic.
        let _ = other.identity();
        let _ = other.removes();
    }
    let mut out = BytesMut::new();
    record
        .encode_version(version, &mut out)
        .expect("what was read in a version can be written in it");
    let (again, again_version) =
        metadata::Record::decode_versioned(&out).expect("what was written can be read");
    assert_eq!(
        (again.api_key(), again_version),
        (record.api_key(), version)
    );
    // Bytes are compared, since a quota may be NaN.
    let mut twice = BytesMut::new();
    again
        .encode_version(version, &mut twice)
        .expect("the same once more");
    assert_eq!(twice, out);
}

fn check_group(key: Option<&[u8]>, value: Option<&[u8]>) {
    let Ok(record) = group::Record::decode(key, value) else {
        return;
    };
    if let Some(group) = record.group() {
        let partition = group::partition_for(group, 50);
        assert!((0..50).contains(&partition.0));
    }
    let (key, value) = record.encode().expect("what was read can be written");
    let again = group::Record::decode(Some(&key), value.as_deref());
    assert_eq!(again, Ok(record));
}

/// Valid records of every kind and version: drawn until one can be read.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = Random::new(19);
    let mut seeds = Vec::new();
    for key in 0..=KEY_MAX {
        for version in 0..=VERSION_MAX {
            let drawn = (0..3000).filter_map(|_| draw_metadata(&mut random, key, version));
            seeds.extend(drawn.take(2));
        }
    }
    for key_type in 0..=2 {
        for version in 0..=VERSION_MAX {
            let drawn = (0..3000).filter_map(|_| draw_group(&mut random, key_type, version));
            seeds.extend(drawn.take(2));
        }
    }
    seeds
}

fn draw(random: &mut Random, bytes: &mut Vec<u8>) {
    let ones = *random.pick(&[20, 60, 150, 240]);
    bytes.resize_with(DRAWN_BYTES, || match random.byte() {
        0..4 => *random.pick(b"\x02\x03\xffa"),
        byte => u8::from(byte < ones),
    });
}

fn draw_metadata(random: &mut Random, key: u8, version: u8) -> Option<Vec<u8>> {
    let mut bytes = vec![1, key, version];
    draw(random, &mut bytes);
    match metadata::Record::decode(&bytes) {
        Ok(_) => Some(bytes),
        Err(metadata::Error::Wire(wire::Error::TrailingBytes { count })) => {
            bytes.truncate(DRAWN_BYTES - usize::try_from(count).ok()?);
            metadata::Record::decode(&bytes).is_ok().then_some(bytes)
        }
        Err(_) => None,
    }
}

fn draw_group(random: &mut Random, key_type: u8, version: u8) -> Option<Vec<u8>> {
    let key = [&[0, key_type][..], b"\0\x01g\0\x01t\0\0\0\x05"].concat();
    let mut value = vec![0, version];
    draw(random, &mut value);
    group::Record::decode(Some(&key), Some(&value)).ok()?;
    let key_bytes = u8::try_from(key.len()).ok()?;
    Some([&[key_bytes][..], &key, &value].concat())
}
