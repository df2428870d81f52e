//! The last offset of every key (Kafka class `SkimpyOffsetMap`).

use std::hash::{DefaultHasher, Hasher};

use milena_protocol::Offset;

/// Bytes per key.
const SLOT_BYTES: usize = size_of::<Slot>();

#[derive(Clone, Copy)]
struct Slot {
    hash: [u64; 2],
    /// -1 where the slot is free.
    offset: i64,
}

/// The map has no room for another key.
#[derive(Debug)]
pub(super) struct Full;

/// A hash table of fixed size without keys.
pub(super) struct OffsetMap {
    slots: Vec<Slot>,
    used: usize,
    limit: usize,
    seed: u64,
    latest: Offset,
}

impl OffsetMap {
    /// An empty map of at most `bytes` bytes that is filled up to `load_factor`; smaller where
    /// `keys_max` keys need less. `latest` is the offset before the first one that comes.
    pub(super) fn new(
        bytes: usize,
        load_factor: f64,
        keys_max: u64,
        seed: u64,
        latest: Offset,
    ) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.95);
        let percent = percent_of(load_factor);
        let slots_max = (bytes / SLOT_BYTES).max(2);
        // One more than needed, so that a search always meets a free slot.
        let wanted = keys_max.saturating_mul(100) / u64::from(percent) + 2;
        let slots = usize::try_from(wanted).map_or(slots_max, |wanted| wanted.min(slots_max));
        let limit = slots / 100 * usize::from(percent) + slots % 100 * usize::from(percent) / 100;
        let free = Slot {
            hash: [0; 2],
            offset: -1,
        };
        Self {
            slots: vec![free; slots],
            used: 0,
            limit: limit.clamp(1, slots - 1),
            seed,
            latest,
        }
    }

    /// Remembers the offset of a key; offsets ascend.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let hash = self.hash(key);
        let at = self.find(hash);
        let has_room = self.used < self.limit;
        let slot = self.slots.get_mut(at).ok_or(Full)?;
        if slot.offset < 0 {
            if !has_room {
                return Err(Full);
            }
            self.used += 1;
        }
        *slot = Slot {
            hash,
            offset: offset.0,
        };
        Ok(())
    }

    /// The last offset of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots.get(self.find(self.hash(key)))?;
        (slot.offset >= 0).then_some(Offset(slot.offset))
    }

    /// The last offset below which all keys are in the map, inclusive.
    pub(super) const fn latest(&self) -> Offset {
        self.latest
    }

    /// All keys up to `offset` are in the map.
    pub(super) fn reach(&mut self, offset: Offset) {
        self.latest = self.latest.max(offset);
    }

    pub(super) const fn len(&self) -> usize {
        self.used
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// The slot of the hash, or the free one where it would go.
    fn find(&self, hash: [u64; 2]) -> usize {
        let count = self.slots.len() as u64;
        let mut at = usize::try_from(hash[0] % count).unwrap_or(0);
        while let Some(slot) = self.slots.get(at) {
            if slot.offset < 0 || slot.hash == hash {
                break;
            }
            at = if at + 1 == self.slots.len() {
                0
            } else {
                at + 1
            };
        }
        at
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [0_u8, 1].map(|round| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(self.seed);
            hasher.write_u8(round);
            hasher.write(key);
            hasher.finish()
        })
    }
}

/// A factor of at most 0.95 in whole percent, at least 1.
fn percent_of(factor: f64) -> u8 {
    (1..=95_u8)
        .rev()
        .find(|percent| f64::from(*percent) <= factor * 100.0)
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_a_key_is_found() {
        let mut map = OffsetMap::new(1 << 20, 0.9, 2000, 5, Offset(-1));
        for round in 0..3 {
            for key in 0..2000_i64 {
                map.put(&key.to_be_bytes(), Offset(round * 2000 + key))
                    .unwrap();
            }
        }
        assert_eq!(map.len(), 2000);
        for key in 0..2000_i64 {
            assert_eq!(map.get(&key.to_be_bytes()), Some(Offset(4000 + key)));
        }
        assert_eq!(map.get(b"other"), None);
    }

    #[test]
    fn a_full_map_takes_known_keys_only() {
        let mut map = OffsetMap::new(10 * SLOT_BYTES, 0.5, u64::MAX, 0, Offset(-1));
        assert_eq!(map.limit(), 5);
        for key in 0..5_u8 {
            map.put(&[key], Offset(i64::from(key))).unwrap();
        }
        assert!(map.put(&[9], Offset(9)).is_err());
        assert!(map.put(&[0], Offset(10)).is_ok());
        assert_eq!(map.get(&[9]), None);
        assert_eq!(map.get(&[0]), Some(Offset(10)));
    }

    #[test]
    fn sizes_stay_within_the_memory() {
        for bytes in [0, 24, 48, 1000, 100_000] {
            for keys in [0, 1, 7, 1_000_000, u64::MAX] {
                let map = OffsetMap::new(bytes, 0.9, keys, 0, Offset(-1));
                assert!(map.slots.len() * SLOT_BYTES <= bytes.max(48));
                assert!(map.limit() >= 1 && map.limit() < map.slots.len());
            }
        }
    }
}
