//! A running digest of records.

use std::fmt;

/// Digest of all records that were applied, in their order. Two images with equal digests have
/// seen the same records; it finds mistakes, not attackers.
///
/// Kept stable: digests of different processes and versions are compared. Each lane folds 8 bytes
/// at a time into a 64-by-64-to-128-bit product, with constants from the digits of pi.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub u128);

const LOW: u64 = 0x243f_6a88_85a3_08d3;
const HIGH: u64 = 0x1319_8a2e_0370_7344;
const MIX: u64 = 0xa409_3822_299f_31d1;

/// Bytes that are folded at a time.
const WORD: usize = 8;

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let [low, high] = halves(product);
    low ^ high
}

fn halves(value: u128) -> [u64; 2] {
    let low = value & u128::from(u64::MAX);
    let high = value >> 64;
    [low, high].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
}

impl Digest {
    /// Digest of no record.
    pub const EMPTY: Self = Self(0);

    /// Digest of the same records and one more, given as bytes.
    #[must_use]
    pub fn then(self, record: &[u8]) -> Self {
        let [mut low, mut high] = halves(self.0);
        // The length keeps records apart that differ in trailing zeros.
        let length = u64::try_from(record.len()).unwrap_or(u64::MAX);
        low = fold(low ^ LOW, length ^ MIX) ^ low.rotate_left(17);
        high = fold(high ^ HIGH, length ^ LOW) ^ high.rotate_left(29);
        for chunk in record.chunks(WORD) {
            let mut bytes = [0; WORD];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            let word = u64::from_le_bytes(bytes);
            low = fold(low ^ word, MIX) ^ high.rotate_left(31);
            high = fold(high ^ word ^ LOW, HIGH) ^ low;
        }
        let low_last = fold(low ^ HIGH, MIX ^ high);
        let high_last = fold(high ^ LOW, MIX ^ low);
        Self((u128::from(high_last) << 64) | u128::from(low_last))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
