//! Bodies of requests, through the guard and the codecs.

use bytes::Bytes;
use milena_protocol::{api, fetch, guard, message, produce, wire};

use super::mutate::Random;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;

/// Bytes of a body that is drawn, before it is cut where the guard says that it ends.
const DRAWN_BYTES: usize = 600;

/// API, version and body: one byte each for the first two, most of which are served.
#[must_use]
pub fn parts(bytes: &[u8]) -> Option<(i16, i16, &[u8])> {
    let (&[row, version], body) = bytes.split_first_chunk::<2>()?;
    let key = match api::APIS.get(usize::from(row)) {
        Some(api) => api.key,
        None => i16::from(row),
    };
    Some((key, i16::from(version.cast_signed()), body))
}

/// Decodes the body as the broker does.
///
/// # Panics
/// Where the guard, the codecs and the table do not agree.
pub fn check(bytes: &[u8]) {
    let Some((key, version, body)) = parts(bytes) else {
        return;
    };
    let counted = guard::count(key, version, body);
    if let Ok(count) = counted {
        assert!(count <= guard::ELEMENTS_MAX);
        assert!(count <= body.len());
    }
    let is_served = api::info(key).is_some_and(|api| api.serves(version));
    match key {
        PRODUCE if is_served => check_produce(version, body, counted.is_ok()),
        FETCH if is_served => check_fetch(version, body, counted.is_ok()),
        _ => {}
    }
    let decoded = message::decode_request(key, version, &Bytes::copy_from_slice(body));
    if counted.is_err() {
        assert!(decoded.is_err(), "what the guard refuses is not decoded");
    }
}

fn agrees<T>(decoded: &Result<T, wire::Error>, is_guarded: bool) {
    // The guard leaves UTF-8 to the decoder.
    let is_fine = matches!(decoded, Ok(_) | Err(wire::Error::InvalidUtf8));
    let error = decoded.as_ref().err();
    assert!(is_fine || !is_guarded, "the guard takes it: {error:?}");
}

fn check_produce(version: i16, body: &[u8], is_guarded: bool) {
    let mut partitions = Vec::new();
    let decoded = produce::decode_request(version, body, &mut partitions);
    agrees(&decoded, is_guarded);
    if decoded.is_err() {
        return;
    }
    let mut end = 0;
    for partition in &partitions {
        let _ = partition.topic.resolve(body);
        let Some(records) = &partition.records else {
            continue;
        };
        assert!(end <= records.start && records.start <= records.end);
        end = records.end;
        assert!(end <= body.len());
    }
}

fn check_fetch(version: i16, body: &[u8], is_guarded: bool) {
    let (mut partitions, mut forgotten) = (Vec::new(), Vec::new());
    let decoded = fetch::decode_request(version, body, &mut partitions, &mut forgotten);
    agrees(&decoded, is_guarded);
    if decoded.is_err() {
        return;
    }
    for partition in &partitions {
        let _ = partition.topic.resolve(body);
    }
    for partition in &forgotten {
        let _ = partition.topic.resolve(body);
    }
}

/// Valid bodies of every version of every API: drawn until the guard takes one.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = Random::new(18);
    let mut seeds = Vec::new();
    for (row, api) in (0..).zip(api::APIS) {
        for version in api.min_version..=api.max_version {
            let found = (0..20_000).filter_map(|_| draw(&mut random, api.key, version));
            for body in found.take(3) {
                let version = version.to_be_bytes()[1];
                seeds.push([&[row, version][..], &body].concat());
            }
        }
    }
    seeds
}

/// Bytes of which most are zeroes or ones, cut where the guard sees the end.
fn draw(random: &mut Random, key: i16, version: i16) -> Option<Vec<u8>> {
    let ones = *random.pick(&[20, 60, 150, 240]);
    let others = *random.pick(&[0, 2, 10]);
    let mut body: Vec<u8> = (0..DRAWN_BYTES)
        .map(|_| match (random.byte(), random.byte()) {
            (_, other) if other < others => *random.pick(b"\x02\x03\xffa"),
            (one, _) => u8::from(one < ones),
        })
        .collect();
    guard::check(key, version, &body).ok()?;
    // Bytes behind the last field are none of the body's.
    let lengths: Vec<usize> = (0..DRAWN_BYTES).collect();
    let end = lengths.partition_point(|&length| {
        let start = body.get(..length).unwrap_or_default();
        guard::check(key, version, start).is_err()
    });
    body.truncate(end);
    Some(body)
}
