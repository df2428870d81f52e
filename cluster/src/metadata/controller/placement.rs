//! Where the replicas of new partitions go: striped over racks and brokers, from a random start
//! (`StripedReplicaPlacer`).

use std::collections::BTreeMap;

use milena_protocol::{BrokerId, ErrorCode};

use crate::metadata::{Error, Image};

/// Numbers from a seed (SplitMix64); the same seed gives the same placement.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number in `[0, end)`; 0 where `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, values: &mut [T]) {
        for index in (1..values.len()).rev() {
            let other = self.below(index + 1);
            values.swap(index, other);
        }
    }
}

/// Brokers that are handed out in turn; every round starts one broker further.
#[derive(Default)]
struct Ring {
    brokers: Vec<BrokerId>,
    offset: usize,
    taken: usize,
    round: usize,
}

impl Ring {
    fn next(&mut self, round: usize) -> Option<BrokerId> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.taken >= self.brokers.len() {
            return None;
        }
        let broker = self
            .brokers
            .get((self.taken + self.offset) % self.brokers.len())
            .copied();
        self.taken += 1;
        broker
    }
}

#[derive(Default)]
struct Rack {
    unfenced: Ring,
    fenced: Ring,
}

impl Rack {
    fn next(&mut self, round: usize) -> Option<BrokerId> {
        self.unfenced
            .next(round)
            .or_else(|| self.fenced.next(round))
    }
}

/// Racks and their brokers.
struct Racks {
    racks: Vec<Rack>,
    unfenced_count: usize,
    round: usize,
    offset: usize,
    numbers: Numbers,
}

impl Racks {
    fn of(image: &Image, seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let mut by_name: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
        let mut unfenced_count = 0;
        // A broker that is about to stop takes no new replicas, nor one without a directory.
        let usable = image
            .brokers()
            .filter(|broker| !broker.in_controlled_shutdown && broker.takes_new_replicas());
        for broker in usable {
            let rack = by_name.entry(broker.rack.as_deref()).or_default();
            if broker.fenced {
                rack.fenced.brokers.push(broker.id);
            } else {
                rack.unfenced.brokers.push(broker.id);
                unfenced_count += 1;
            }
        }
        let mut racks: Vec<Rack> = by_name.into_values().collect();
        for rack in &mut racks {
            rack.unfenced.offset = numbers.below(rack.unfenced.brokers.len());
            rack.fenced.offset = numbers.below(rack.fenced.brokers.len());
        }
        let offset = numbers.below(racks.len());
        Self {
            racks,
            unfenced_count,
            round: 0,
            offset,
            numbers,
        }
    }

    fn broker_count(&self) -> usize {
        let counts = self.racks.iter();
        counts
            .map(|rack| rack.unfenced.brokers.len() + rack.fenced.brokers.len())
            .sum()
    }

    fn shuffle(&mut self) {
        self.numbers.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            self.numbers.shuffle(&mut rack.unfenced.brokers);
            self.numbers.shuffle(&mut rack.fenced.brokers);
        }
    }

    /// Replicas of the next partition. The first is unfenced; the others come from the other
    /// racks before a rack has two.
    fn place(&mut self, replicas: usize) -> Vec<BrokerId> {
        if self.round == self.unfenced_count && self.unfenced_count > 1 {
            self.shuffle();
            self.round = 0;
        }
        let count = self.racks.len();
        let round = self.round;
        self.offset %= count;
        let mut placed = Vec::with_capacity(replicas);
        let mut first_rack = None;
        for step in 0..count {
            let index = (self.offset + step) % count;
            if let Some(broker) = self.racks[index].unfenced.next(round) {
                placed.push(broker);
                first_rack = Some(index);
                break;
            }
        }
        let mut index = self.offset;
        // Every rack is asked at most once for each broker it has, and once in vain.
        for _ in 0..count * (self.broker_count() + 2) {
            if placed.len() >= replicas {
                break;
            }
            if first_rack == Some(index) {
                first_rack = None;
            } else if let Some(broker) = self.racks[index].next(round) {
                placed.push(broker);
            }
            index = (index + 1) % count;
        }
        self.round += 1;
        self.offset += 1;
        placed
    }
}

/// Replicas of `partitions` new partitions, each with `replicas` brokers, the preferred leader
/// first. Equal seeds give equal placements.
///
/// # Errors
/// `INVALID_REPLICATION_FACTOR` where there are not as many brokers or all are fenced.
pub(super) fn place(
    image: &Image,
    seed: u64,
    partitions: usize,
    replicas: i16,
) -> Result<Vec<Vec<BrokerId>>, Error> {
    let refused = |message: String| Error::new(ErrorCode::InvalidReplicationFactor, message);
    let count = usize::try_from(replicas)
        .ok()
        .filter(|&count| count > 0)
        .ok_or_else(|| {
            refused(format!(
                "Invalid replication factor {replicas}: the replication factor must be positive."
            ))
        })?;
    let mut racks = Racks::of(image, seed);
    if racks.unfenced_count == 0 {
        return Err(refused("All brokers are currently fenced.".to_owned()));
    }
    let brokers = racks.broker_count();
    if count > brokers {
        return Err(refused(format!(
            "The target replication factor of {replicas} cannot be reached because only \
             {brokers} broker(s) are registered or some brokers have all their log directories \
             cordoned."
        )));
    }
    Ok((0..partitions).map(|_| racks.place(count)).collect())
}
