//! Hostile inputs from valid ones, the same ones for the same seed.

/// A sequence of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or_default()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.number().to_be_bytes()[0]
    }

    /// One of the things.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Values at which lengths, counts and offsets go wrong.
const EDGES: &[i64] = &[
    0,
    1,
    -1,
    -2,
    2,
    127,
    128,
    255,
    0x7fff,
    -0x8000,
    0xffff,
    1_000_000,
    0x7fff_ffff,
    -0x8000_0000,
    0xffff_ffff,
    i64::MAX,
    i64::MIN,
    i64::MAX - 1,
];

/// One of `seeds`, changed in a few places.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(seeds).clone();
    for _ in 0..=random.below(6) {
        change(random, seeds, &mut bytes);
    }
    bytes
}

fn change(random: &mut Random, seeds: &[Vec<u8>], bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    match random.below(9) {
        0 | 1 => {
            let bit = 1 << random.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
        2 => {
            let value = random.byte();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        3 | 4 => {
            let edge = random.pick(EDGES).to_be_bytes();
            let width = *random.pick(&[1, 2, 4, 8]);
            for (byte, value) in bytes[at..].iter_mut().zip(&edge[8 - width..]) {
                *byte = *value;
            }
        }
        5 => bytes.truncate(at),
        6 => {
            let end = (at + random.below(32)).min(bytes.len());
            bytes.drain(at..end);
        }
        7 => {
            let count = random.below(16);
            let inserted: Vec<u8> = (0..count).map(|_| random.byte()).collect();
            bytes.splice(at..at, inserted);
        }
        _ => {
            let other = random.pick(seeds);
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

/// Says which input it was where a check fails.
struct Case<'a> {
    seed: u64,
    number: u64,
    bytes: &'a [u8],
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {}, case {}: {:02x?}",
                self.seed, self.number, self.bytes
            );
        }
    }
}

/// Checks every seed and `cases` inputs that are made from them.
pub fn hammer(seed: u64, cases: u64, seeds: &[Vec<u8>], check: impl Fn(&[u8])) {
    let mut random = Random::new(seed);
    let made = (0..cases).map(|_| mutate(&mut random, seeds));
    for (number, bytes) in (0..).zip(seeds.iter().cloned().chain(made)) {
        let case = Case {
            seed,
            number,
            bytes: &bytes,
        };
        check(case.bytes);
    }
}
