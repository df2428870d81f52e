use bytes::BytesMut;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    ARRAY_ELEMENTS_MAX, Error, Reader, TAGGED_FIELDS_MAX, Writer, unsigned_varint_bytes,
    varint_bytes, varlong_bytes,
};

fn written(write: impl FnOnce(&mut Writer<'_>)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out
}

fn check_varint(raw: &[u8], expected: Result<u32, Error>) {
    assert_eq!(Reader::new(raw).unsigned_varint(), expected, "{raw:02x?}");
}

#[test]
fn varints_have_at_most_the_bits_of_their_type() {
    let truncated = Error::Truncated {
        needed: 1,
        remaining: 0,
    };
    check_varint(&[], Err(truncated));
    check_varint(&[0x00], Ok(0));
    check_varint(&[0x7f], Ok(127));
    check_varint(&[0x80], Err(truncated));
    check_varint(&[0x80, 0x01], Ok(128));
    check_varint(&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX));
    check_varint(&[0xff, 0xff, 0xff, 0xff, 0x1f], Err(Error::VarintTooLong));
    check_varint(&[0x80, 0x80, 0x80, 0x80, 0x80], Err(Error::VarintTooLong));
    let ten = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(Reader::new(&ten).varlong(), Ok(i64::MIN));
    let mut beyond = ten;
    beyond[9] = 2;
    assert_eq!(Reader::new(&beyond).varlong(), Err(Error::VarintTooLong));
}

#[test]
fn null_and_negative_lengths_are_told_apart() {
    assert_eq!(Reader::new(&[0xff, 0xff]).nullable_string(), Ok(None));
    assert_eq!(Reader::new(&[0xff, 0xff]).string(), Err(Error::Null));
    assert_eq!(
        Reader::new(&[0xff, 0xfe]).nullable_string(),
        Err(Error::NegativeLength { length: -2 })
    );
    assert_eq!(Reader::new(&[0]).compact_nullable_bytes(), Ok(None));
    assert_eq!(Reader::new(&[0]).compact_bytes(), Err(Error::Null));
    assert_eq!(Reader::new(&[1]).compact_string(), Ok(""));
    assert_eq!(
        Reader::new(&[2, 0xc3]).compact_string(),
        Err(Error::InvalidUtf8)
    );
    assert_eq!(Reader::new(&[1]).varint_nullable_bytes(), Ok(None));
    assert_eq!(
        Reader::new(&[3]).varint_nullable_bytes(),
        Err(Error::NegativeLength { length: -2 })
    );
}

#[test]
fn array_counts_are_bounded_by_the_bytes_that_remain() {
    let mut raw = vec![0, 0, 0, 3];
    raw.extend_from_slice(&[0; 12]);
    assert_eq!(Reader::new(&raw).array_len(4), Ok(3));
    assert_eq!(
        Reader::new(&raw).array_len(5),
        Err(Error::TooManyElements { count: 3, max: 2 })
    );
    let huge = written(|out| {
        out.put_array_len(ARRAY_ELEMENTS_MAX + 1).unwrap();
        out.put_slice(&vec![0; ARRAY_ELEMENTS_MAX + 1]);
    });
    assert_eq!(
        Reader::new(&huge).array_len(1),
        Err(Error::TooManyElements {
            count: 1_000_001,
            max: 1_000_000
        })
    );
}

#[test]
fn tagged_fields_are_bounded_and_visited_in_order() {
    let raw = [2, 0, 1, 7, 5, 2, 8, 9, 0xaa];
    let mut reader = Reader::new(&raw);
    let mut seen = Vec::new();
    reader
        .tagged_fields(|tag, value| {
            seen.push((tag, value.rest().to_vec()));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [(0, vec![7]), (5, vec![8, 9])]);
    assert_eq!(reader.position(), 8);
    assert_eq!(reader.end(), Err(Error::TrailingBytes { count: 1 }));

    let many = written(|out| {
        out.put_unsigned_varint(u32::try_from(TAGGED_FIELDS_MAX).unwrap() + 1);
        out.put_slice(&vec![0; 2 * TAGGED_FIELDS_MAX + 2]);
    });
    assert!(matches!(
        Reader::new(&many).skip_tagged_fields(),
        Err(Error::TooManyTaggedFields { count: 10_001, .. })
    ));
}

#[test]
fn too_long_strings_are_refused_and_leave_nothing() {
    let long = "x".repeat(0x8000);
    let out = written(|out| {
        assert!(matches!(out.put_string(&long), Err(Error::TooLong { .. })));
        assert!(matches!(
            out.put_compact_string(&long),
            Err(Error::TooLong { .. })
        ));
    });
    assert!(out.is_empty());
}

#[test]
fn a_mark_is_filled_with_what_followed() {
    let out = written(|out| {
        out.put_i8(1);
        let mark = out.mark_i32();
        out.put_slice(b"abc");
        out.patch_length(&mark).unwrap();
    });
    assert_eq!(out.as_ref(), [1, 0, 0, 0, 3, b'a', b'b', b'c']);
}

proptest! {
    #[test]
    fn numbers_round_trip(a: i16, b: i32, c: i64, d: u32, e: f64, f: bool, g: u128) {
        let out = written(|out| {
            out.put_i16(a);
            out.put_i32(b);
            out.put_i64(c);
            out.put_unsigned_varint(d);
            out.put_varint(b);
            out.put_varlong(c);
            out.put_f64(e);
            out.put_bool(f);
            out.put_uuid(Uuid::from_u128(g));
        });
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.i16(), Ok(a));
        prop_assert_eq!(reader.i32(), Ok(b));
        prop_assert_eq!(reader.i64(), Ok(c));
        let at = reader.position();
        prop_assert_eq!(reader.unsigned_varint(), Ok(d));
        prop_assert_eq!(reader.position() - at, unsigned_varint_bytes(u64::from(d)));
        let at = reader.position();
        prop_assert_eq!(reader.varint(), Ok(b));
        prop_assert_eq!(reader.position() - at, varint_bytes(b));
        let at = reader.position();
        prop_assert_eq!(reader.varlong(), Ok(c));
        prop_assert_eq!(reader.position() - at, varlong_bytes(c));
        prop_assert_eq!(reader.f64().unwrap().to_bits(), e.to_bits());
        prop_assert_eq!(reader.bool(), Ok(f));
        prop_assert_eq!(reader.uuid(), Ok(Uuid::from_u128(g)));
        prop_assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn values_with_a_length_round_trip(text: Option<String>, raw: Option<Vec<u8>>) {
        let (text, raw) = (text.as_deref(), raw.as_deref());
        let out = written(|out| {
            out.put_nullable_string(text).unwrap();
            out.put_compact_nullable_string(text).unwrap();
            out.put_nullable_bytes(raw).unwrap();
            out.put_compact_nullable_bytes(raw).unwrap();
            out.put_varint_nullable_bytes(raw).unwrap();
            out.put_no_tagged_fields();
        });
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.nullable_string(), Ok(text));
        prop_assert_eq!(reader.compact_nullable_string(), Ok(text));
        prop_assert_eq!(reader.nullable_bytes(), Ok(raw));
        prop_assert_eq!(reader.compact_nullable_bytes(), Ok(raw));
        prop_assert_eq!(reader.varint_nullable_bytes(), Ok(raw));
        prop_assert_eq!(reader.skip_tagged_fields(), Ok(()));
        prop_assert_eq!(reader.end(), Ok(()));
    }
}
