use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind};

use super::shape::{Field, Kind, Request};
use super::table::REQUESTS;
use super::{ELEMENTS_MAX, Error, check, count};
use crate::wire::{self, Writer};

/// A small generator of numbers (xorshift), so that a failure repeats.
struct Seeded(u64);

impl Seeded {
    fn new(key: i16, version: i16, round: u64) -> Self {
        let key = u64::from(key.unsigned_abs());
        let version = u64::from(version.unsigned_abs());
        Self(0x9e37_79b9_7f4a_7c15 ^ (key << 40) ^ (version << 20) ^ round)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> usize {
        usize::try_from((self.next() >> 11) % end).unwrap()
    }
}

/// Writes a body with random values in every field that the table has.
struct Filler {
    random: Seeded,
    version: i16,
    is_flexible: bool,
}

impl Filler {
    fn structure(&mut self, out: &mut Writer<'_>, fields: &[Field]) {
        let (tagged, inline): (Vec<&Field>, Vec<&Field>) = fields
            .iter()
            .filter(|field| field.versions.contains(self.version))
            .partition(|field| field.is_tagged(self.version));
        for field in inline {
            self.value(out, field);
        }
        if !self.is_flexible {
            return;
        }
        let mut values = Vec::new();
        for field in tagged {
            if self.random.below(4) > 0 {
                let mut value = BytesMut::new();
                self.value(&mut Writer::new(&mut value), field);
                values.push((field.tag.unwrap().0, value));
            }
        }
        if self.random.below(4) == 0 {
            values.push((1000, BytesMut::from(&b"unknown"[..])));
        }
        out.put_unsigned_varint(u32::try_from(values.len()).unwrap());
        for (tag, value) in values {
            out.put_unsigned_varint(tag);
            out.put_unsigned_varint(u32::try_from(value.len()).unwrap());
            out.put_slice(&value);
        }
    }

    fn value(&mut self, out: &mut Writer<'_>, field: &Field) {
        let is_null = field.nullable.contains(self.version) && self.random.below(4) == 0;
        match field.kind {
            Kind::Fixed(size) => self.fixed(out, size),
            Kind::String => self.string(out, is_null),
            Kind::Bytes => {
                let raw = vec![7; self.random.below(9)];
                let raw = (!is_null).then_some(raw.as_slice());
                if self.is_flexible {
                    out.put_compact_nullable_bytes(raw).unwrap();
                } else {
                    out.put_nullable_bytes(raw).unwrap();
                }
            }
            Kind::Struct(fields) => {
                if is_null {
                    return out.put_i8(-1);
                }
                if field.nullable.contains(self.version) {
                    out.put_i8(1);
                }
                self.structure(out, fields);
            }
            Kind::FixedArray(size) => {
                for _ in 0..self.array(out, is_null) {
                    self.fixed(out, size);
                }
            }
            Kind::StringArray => {
                for _ in 0..self.array(out, is_null) {
                    self.string(out, false);
                }
            }
            Kind::StructArray(_, fields) => {
                for _ in 0..self.array(out, is_null) {
                    self.structure(out, fields);
                }
            }
        }
    }

    fn fixed(&mut self, out: &mut Writer<'_>, size: u8) {
        for _ in 0..size {
            out.put_slice(&self.random.next().to_be_bytes()[..1]);
        }
    }

    fn string(&mut self, out: &mut Writer<'_>, is_null: bool) {
        let text = "größer als"
            .chars()
            .take(self.random.below(11))
            .collect::<String>();
        let text = (!is_null).then_some(text.as_str());
        if self.is_flexible {
            out.put_compact_nullable_string(text).unwrap();
        } else {
            out.put_nullable_string(text).unwrap();
        }
    }

    fn array(&mut self, out: &mut Writer<'_>, is_null: bool) -> usize {
        let count = if is_null { 0 } else { self.random.below(4) };
        match (is_null, self.is_flexible) {
            (true, true) => out.put_compact_null(),
            (true, false) => out.put_null_array(),
            (false, true) => out.put_compact_len(count).unwrap(),
            (false, false) => out.put_array_len(count).unwrap(),
        }
        count
    }
}

/// A valid body with random values; the same for the same `round`.
pub(crate) fn filled(api_key: i16, version: i16, round: u64) -> Bytes {
    let request = super::request(api_key).unwrap();
    let mut filler = Filler {
        random: Seeded::new(request.key, version, round),
        version,
        is_flexible: request.flexible.contains(version),
    };
    let mut out = BytesMut::new();
    filler.structure(&mut Writer::new(&mut out), request.fields);
    out.freeze()
}

/// Versions that `ApiKey::valid_versions` claims, but the decoder of the request refuses.
const OVERSTATED: [(i16, i16); 3] = [(8, 10), (9, 10), (22, 6)];

/// Calls `each` with every request and version of the table, and whether kafka-protocol knows it.
fn for_each_version(mut each: impl FnMut(&Request, i16, Option<ApiKey>)) {
    for request in REQUESTS {
        let known = ApiKey::try_from(request.key).ok();
        for version in request.versions.first..=request.versions.last {
            let known = known.filter(|api| {
                let versions = api.valid_versions();
                versions.min <= version
                    && version <= versions.max
                    && !OVERSTATED.contains(&(request.key, version))
            });
            each(request, version, known);
        }
    }
}

/// Decodes as the broker does; the result and the bytes that were left over.
fn decoded(api: ApiKey, version: i16, body: &Bytes) -> (Option<RequestKind>, usize) {
    let mut rest = body.clone();
    let result = catch_unwind(AssertUnwindSafe(|| {
        RequestKind::decode(api, &mut rest, version).ok()
    }));
    match result {
        Ok(request) => (request, rest.len()),
        Err(_) => panic!("{api:?} version {version} panics on {body:02x?}"),
    }
}

#[test]
fn only_newer_versions_than_the_decoder_knows_are_compared_with_nothing() {
    let mut unknown = Vec::new();
    for_each_version(|request, version, known| {
        if known.is_none() {
            unknown.push((request.key, version));
        }
    });
    let expected = [
        (2, 11),
        (8, 10),
        (9, 10),
        (22, 6),
        (27, 2),
        (35, 5),
        (63, 2),
        (78, 2),
        (79, 2),
        (80, 1),
        (85, 1),
        (87, 1),
        (88, 0),
        (89, 0),
        (90, 1),
    ];
    assert_eq!(unknown, expected);
}

#[test]
fn bodies_of_every_request_and_version_agree_with_the_decoder_and_encoder() {
    for_each_version(|request, version, known| {
        for round in 0..20 {
            let body = filled(request.key, version, round);
            let context = format!("{} version {version}: {body:02x?}", request.name);
            assert_eq!(check(request.key, version, &body), Ok(()), "{context}");
            let Some(api) = known else { continue };
            let (decoded, left) = decoded(api, version, &body);
            let decoded = decoded.unwrap_or_else(|| panic!("not decoded: {context}"));
            assert_eq!(left, 0, "{context}");
            let mut encoded = BytesMut::new();
            decoded.encode(&mut encoded, version).unwrap();
            let again = check(request.key, version, &encoded);
            assert_eq!(again, Ok(()), "{context}: {encoded:02x?}");
        }
    });
}

#[test]
fn a_body_that_ends_early_is_refused_and_what_follows_it_ignored() {
    for_each_version(|request, version, _| {
        let body = filled(request.key, version, 3);
        for short in 0..body.len() {
            let result = check(request.key, version, &body[..short]);
            assert!(
                result.is_err(),
                "{} version {version} at {short}",
                request.name
            );
        }
        let mut late = body.to_vec();
        late.push(0);
        assert_eq!(check(request.key, version, &late), Ok(()));
    });
}

#[test]
fn whatever_passes_is_decoded_without_a_panic_from_the_same_bytes() {
    let mut passed = 0u32;
    for_each_version(|request, version, known| {
        let mut random = Seeded::new(request.key, version, 99);
        for round in 0..4 {
            let original = filled(request.key, version, round);
            for at in 0..original.len() {
                let mut body = original.to_vec();
                body[at] ^= random.next().to_be_bytes()[0].max(1);
                if random.below(4) == 0 {
                    body[at] = 0xff;
                }
                if check(request.key, version, &body).is_err() {
                    continue;
                }
                passed += 1;
                let Some(api) = known else { continue };
                // What the guard lets through may be refused by the decoder, but not end it.
                let _ = decoded(api, version, &body.into());
            }
        }
    });
    assert!(passed > 1000, "{passed} bodies passed");
}

#[test]
fn random_bytes_are_refused_or_decoded() {
    for_each_version(|request, version, known| {
        let mut random = Seeded::new(request.key, version, 7);
        for _ in 0..50 {
            let length = random.below(40);
            // Small bytes are plausible lengths, so that the walk gets further than one field.
            let body: Vec<u8> = (0..length)
                .map(|_| u8::try_from(random.below(5)).unwrap())
                .collect();
            if check(request.key, version, &body).is_ok()
                && let Some(api) = known
            {
                let _ = decoded(api, version, &body.into());
            }
        }
    });
}

#[test]
fn requests_and_versions_outside_the_schemas_are_refused() {
    assert_eq!(check(4, 0, &[]), Err(Error::UnknownApi { api_key: 4 }));
    for version in [-1, 10] {
        let unknown = Error::UnknownVersion {
            api: "JoinGroup",
            version,
        };
        assert_eq!(check(11, version, &[]), Err(unknown));
    }
}

fn check_field(key: i16, version: i16, body: &[u8], field: &str, source: wire::Error) {
    match check(key, version, body) {
        Err(Error::Field {
            field: actual,
            source: reason,
            ..
        }) => {
            assert_eq!((actual, reason), (field, source));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn declared_counts_beyond_the_bytes_are_refused_at_once() {
    // Metadata version 0: topics of at least 2 bytes each.
    let two_of_one = wire::Error::TooManyElements {
        count: 0x7fff_ffff,
        max: 0,
    };
    check_field(3, 0, &[0x7f, 0xff, 0xff, 0xff, 0], "Topics", two_of_one);
    check_field(
        3,
        0,
        &[0xff, 0xff, 0xff, 0xfe],
        "Topics",
        wire::Error::NegativeLength { length: -2 },
    );
    check_field(3, 0, &[0xff; 4], "Topics", wire::Error::Null);
    // Metadata version 9 has a compact array: 0xffffffff is 4,294,967,294 elements.
    let compact = wire::Error::TooManyElements {
        count: 0xffff_fffe,
        max: 0,
    };
    check_field(3, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f], "Topics", compact);
    check_field(
        3,
        9,
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        "Topics",
        wire::Error::VarintTooLong,
    );
}

#[test]
fn elements_of_all_arrays_and_tagged_fields_are_counted_together() {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    // ListTransactions version 0: two arrays, each within the limit of one array.
    writer.put_compact_len(600_000).unwrap();
    writer.put_slice(&vec![1; 600_000]);
    writer.put_compact_len(600_000).unwrap();
    writer.put_slice(&vec![0; 8 * 600_000]);
    writer.put_no_tagged_fields();
    let source = wire::Error::TooManyElements {
        count: 1_200_000,
        max: 1_000_000,
    };
    assert_eq!(ELEMENTS_MAX, 1_000_000);
    check_field(66, 0, &out, "ProducerIdFilters", source);
    // Two states, one producer id, one unknown tagged field.
    let small = [3, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 9, 0];
    assert_eq!(count(66, 0, &small), Ok(4));
}

#[test]
fn a_known_tagged_field_has_the_size_that_it_declares() {
    // ApiVersions has no tagged request field, Fetch version 12 has ClusterId with tag 0.
    let fetch = |tagged: &[u8]| {
        let mut body = vec![0; 4 + 4 + 4 + 4 + 1 + 4 + 4];
        body.extend_from_slice(&[1, 1, 1]);
        body.extend_from_slice(tagged);
        body
    };
    assert_eq!(check(1, 12, &fetch(&[1, 0, 3, 3, b'a', b'b'])), Ok(()));
    let late = wire::Error::TrailingBytes { count: 1 };
    check_field(
        1,
        12,
        &fetch(&[1, 0, 4, 3, b'a', b'b', b'c']),
        "ClusterId",
        late,
    );
    let early = wire::Error::Truncated {
        needed: 2,
        remaining: 1,
    };
    check_field(1, 12, &fetch(&[1, 0, 2, 3, b'a', b'b']), "ClusterId", early);
}
