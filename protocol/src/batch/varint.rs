//! Zigzag varints of records (KIP-98, protobuf's encoding): 7 bits a byte, lowest first.

/// Reads over borrowed bytes; every read gives nothing where the bytes do not hold it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// What is not read yet.
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// One byte.
    #[inline(always)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Exactly `length` bytes.
    #[inline(always)]
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A zigzag varint of 32 bits in at most five bytes. Bits beyond the 32nd are refused (Java
    /// drops them; no encoder writes them).
    #[inline(always)]
    pub(super) fn varint(&mut self) -> Option<i32> {
        let value = match self.rest {
            [first @ ..0x80, rest @ ..] => {
                self.rest = rest;
                u32::from(*first)
            }
            [first, second @ ..0x80, rest @ ..] => {
                self.rest = rest;
                u32::from(*first & 0x7f) | (u32::from(*second) << 7)
            }
            _ => u32::try_from(self.long_unsigned(5)?).ok()?,
        };
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A zigzag varint of 64 bits in at most ten bytes.
    #[inline(always)]
    pub(super) fn varlong(&mut self) -> Option<i64> {
        let value = match self.rest {
            [first @ ..0x80, rest @ ..] => {
                self.rest = rest;
                u64::from(*first)
            }
            [first, second @ ..0x80, rest @ ..] => {
                self.rest = rest;
                u64::from(*first & 0x7f) | (u64::from(*second) << 7)
            }
            _ => self.long_unsigned(10)?,
        };
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// An unsigned varint of at most `bytes_max` bytes, in general.
    fn long_unsigned(&mut self, bytes_max: usize) -> Option<u64> {
        let mut value = 0_u64;
        let mut shift = 0_u32;
        for (index, &byte) in self.rest.iter().take(bytes_max).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..)?;
                return Some(value);
            }
            shift += 7;
        }
        None
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Appends the zigzag varint of `value`. For a value of 32 bits the bytes are those of the 32-bit
/// form.
pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    loop {
        let [low, ..] = rest.to_le_bytes();
        if rest < 0x80 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
        rest >>= 7;
    }
}

/// Bytes that [`put_varint`] appends, 1 to 10.
pub(super) fn varint_bytes(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extremes_have_the_known_bytes() {
        for (value, bytes) in [
            (0_i64, vec![0_u8]),
            (-1, vec![1]),
            (63, vec![0x7e]),
            (64, vec![0x80, 1]),
            (i64::from(i32::MAX), vec![0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
            (
                i64::MIN,
                vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            ),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(varint_bytes(value), bytes.len());
            assert_eq!(Cursor { rest: &out }.varlong(), Some(value));
        }
    }

    #[test]
    fn overlong_and_cut_numbers_are_refused() {
        for bytes in [
            [0x80; 11].as_slice(),
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x80],
            &[],
        ] {
            assert_eq!(Cursor { rest: bytes }.varint(), None, "{bytes:?}");
        }
        let eleven_bits_too_many = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(
            Cursor {
                rest: &eleven_bits_too_many
            }
            .varlong(),
            None
        );
    }

    proptest! {
        #[test]
        fn numbers_come_back(long in any::<i64>(), int in any::<i32>(), shift in 0_u32..64) {
            let mut out = Vec::new();
            for value in [long, long >> shift, i64::from(int)] {
                out.clear();
                put_varint(&mut out, value);
                prop_assert_eq!(out.len(), varint_bytes(value));
                let mut cursor = Cursor { rest: &out };
                prop_assert_eq!(cursor.varlong(), Some(value));
                prop_assert!(cursor.rest.is_empty());
                let narrow = i32::try_from(value).ok();
                let mut cursor = Cursor { rest: &out };
                prop_assert_eq!(cursor.varint(), narrow);
            }
        }
    }
}
