use std::io::Write;

use proptest::prelude::*;

use super::*;

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// Bytes that compress, a little over several blocks of any codec.
fn text(size_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut number = 1_u32;
    while out.len() < size_bytes {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        out.extend_from_slice(format!("key-{} ", number >> 20).as_bytes());
    }
    out.truncate(size_bytes);
    out
}

#[test]
fn what_is_compressed_inflates_to_the_same() {
    for codec in CODECS {
        for size_bytes in [0, 1, 100, 32 * 1024, 32 * 1024 + 1, 300_000] {
            let plain = text(size_bytes);
            let compressed = compress(codec, None, &plain);
            assert_eq!(
                inflate(codec, &compressed, size_bytes).as_deref(),
                Ok(plain.as_slice()),
                "{codec:?} {size_bytes}"
            );
            if size_bytes > 1000 && codec != Compression::None {
                assert!(compressed.len() < size_bytes, "{codec:?}");
            }
        }
    }
}

#[test]
fn the_cap_holds_to_the_byte() {
    let plain = text(200_000);
    for codec in CODECS {
        let compressed = compress(codec, None, &plain);
        for cap_bytes in [0, 1, 65_536, 199_999] {
            assert_eq!(
                inflate(codec, &compressed, cap_bytes),
                Err(InflateError::TooLarge { codec, cap_bytes })
            );
        }
    }
}

#[test]
fn a_bomb_is_refused_and_not_unpacked() {
    let plain = vec![0; 16 << 20];
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let compressed = compress(codec, None, &plain);
        assert_eq!(
            inflate(codec, &compressed, 1 << 20),
            Err(InflateError::TooLarge {
                codec,
                cap_bytes: 1 << 20
            })
        );
    }
    // A raw snappy block of six bytes that claims almost 4 GiB.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    assert!(inflate(Compression::Snappy, &claim, usize::MAX).is_err());
}

#[test]
fn levels_out_of_range_are_moved_into_it() {
    let plain = text(10_000);
    for level in [i32::MIN, -131_073, -1, 0, 1, 9, 22, 23, i32::MAX] {
        for codec in CODECS {
            let compressed = compress(codec, Some(level), &plain);
            assert_eq!(
                inflate(codec, &compressed, plain.len()).as_deref(),
                Ok(plain.as_slice())
            );
        }
    }
    let fast = compress(Compression::Gzip, Some(1), &plain);
    let small = compress(Compression::Gzip, Some(9), &plain);
    assert!(small.len() < fast.len());
}

#[test]
fn snappy_is_read_raw_and_in_several_streams() {
    let plain = text(100_000);
    let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    assert_eq!(
        inflate(Compression::Snappy, &raw, 100_000).as_deref(),
        Ok(plain.as_slice())
    );

    let mut twice = compress(Compression::Snappy, None, &plain);
    twice.extend_from_slice(&twice.clone());
    let both = [plain.clone(), plain].concat();
    assert_eq!(
        inflate(Compression::Snappy, &twice, 200_000).as_deref(),
        Ok(both.as_slice())
    );
}

#[test]
fn xerial_framing_has_its_magic_and_versions() {
    let compressed = compress(Compression::Snappy, None, b"abc");
    assert_eq!(
        compressed,
        b"\x82SNAPPY\0\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x05\x03\x08abc"
    );
}

#[test]
fn lz4_frame_has_independent_blocks_and_a_header_checksum() {
    let compressed = compress(Compression::Lz4, None, b"abc");
    // Magic, FLG: version 1 and independent blocks, BD: 64 KiB, checksum of the two.
    assert_eq!(
        compressed.get(..7),
        Some(b"\x04\x22\x4d\x18\x60\x40\x82".as_slice())
    );
    let mut wrong = compressed;
    wrong[6] ^= 1;
    assert!(inflate(Compression::Lz4, &wrong, 100).is_err());
}

#[test]
fn lz4_content_checksum_is_not_looked_at() {
    let plain = text(70_000);
    for linked in [false, true] {
        use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
        let mode = if linked {
            BlockMode::Linked
        } else {
            BlockMode::Independent
        };
        let info = FrameInfo::new()
            .block_mode(mode)
            .content_checksum(true)
            .block_checksums(true);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&plain).unwrap();
        let mut frame = encoder.finish().unwrap();
        assert_eq!(
            inflate(Compression::Lz4, &frame, 70_000).as_deref(),
            Ok(plain.as_slice())
        );
        *frame.last_mut().unwrap() ^= 1;
        assert_eq!(
            inflate(Compression::Lz4, &frame, 70_000).as_deref(),
            Ok(plain.as_slice())
        );
        assert_eq!(
            inflate(Compression::Lz4, &frame, 70_001).as_deref(),
            Ok(plain.as_slice())
        );
    }
}

#[test]
fn members_and_frames_behind_one_another_are_read() {
    for codec in [Compression::Gzip, Compression::Zstd] {
        let joined = [
            compress(codec, None, b"one "),
            compress(codec, None, b"two"),
        ]
        .concat();
        assert_eq!(
            inflate(codec, &joined, 7).as_deref(),
            Ok(b"one two".as_slice())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_come_back(plain in prop::collection::vec(any::<u8>(), 0..2000)) {
        for codec in CODECS {
            let compressed = compress(codec, None, &plain);
            let inflated = inflate(codec, &compressed, plain.len());
            prop_assert_eq!(inflated.as_deref(), Ok(plain.as_slice()));
        }
    }

    #[test]
    fn damaged_bytes_never_panic_or_pass_the_cap(
        size_bytes in 0_usize..5000,
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        for codec in CODECS {
            let mut bytes = compress(codec, None, &text(size_bytes));
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
                for slice in [bytes.as_slice(), &bytes[..cut.index(bytes.len())]] {
                    if let Ok(inflated) = inflate(codec, slice, 4000) {
                        prop_assert!(inflated.len() <= 4000);
                    }
                }
            }
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for codec in CODECS {
            let _ = inflate(codec, &bytes, 1000);
            let with_magic = [XERIAL_MAGIC.as_slice(), &bytes].concat();
            let _ = inflate(Compression::Snappy, &with_magic, 1000);
        }
    }
}
