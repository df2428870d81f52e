//! Who lives in a world.

use crate::client::{Admin, Client, Habit, Member, Producer, Reader, Transactor};
use crate::layout;
use crate::random::Random;

/// The clients of a world. Not every world has every kind.
pub(super) fn draw(random: &mut Random) -> Vec<Box<dyn Client>> {
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    for number in 0..random.between(1, 2) {
        let depth = 1 + random.index(4);
        let batches = 20 + random.below(120);
        let name = format!("producer-{number}");
        clients.push(Box::new(Producer::new(name, depth, batches)));
    }
    for number in 0..random.between(1, 2) {
        let is_committed = random.chance(60);
        let topics = [layout::INPUT, layout::OUTPUT];
        let partitions = topics
            .iter()
            .flat_map(|topic| (0..layout::PARTITIONS).map(|index| layout::partition(topic, index)))
            .collect();
        let name = format!("reader-{number}");
        clients.push(Box::new(Reader::new(name, is_committed, partitions)));
    }
    transactors(random, &mut clients);
    for number in 0..random.between(0, 2) {
        let is_classic = random.chance(50);
        let is_committed = random.chance(50);
        for member in 0..random.between(1, 3) {
            let name = format!("member-{number}-{member}");
            let group = format!("group-{number}");
            clients.push(Box::new(Member::new(name, group, is_classic, is_committed)));
        }
    }
    if random.chance(30) {
        clients.push(Box::new(Admin::new("admin".to_owned())));
    }
    clients
}

fn transactors(random: &mut Random, clients: &mut Vec<Box<dyn Client>>) {
    let version = if random.chance(75) { 2 } else { 1 };
    let habit = |random: &mut Random, transactional_id: String| Habit {
        transactional_id,
        version,
        timeout_ms: i32::try_from(random.between(1500, 8000)).unwrap_or(0),
        is_alone: true,
        transactions: 5 + random.below(60),
        source: None,
    };
    for number in 0..random.between(0, 2) {
        let mut of = habit(random, format!("txn-{number}"));
        // Two processes with one id fence each other.
        let count = if random.chance(25) { 2 } else { 1 };
        of.is_alone = count == 1;
        for rival in 0..count {
            let name = format!("transactor-{number}-{rival}");
            clients.push(Box::new(Transactor::new(name, of.clone())));
        }
    }
    for index in 0..random.between(0, 2) {
        let mut of = habit(random, format!("copier-{index}"));
        let index = i32::try_from(index).unwrap_or(0);
        of.source = Some(layout::partition(layout::INPUT, index));
        let count = if random.chance(25) { 2 } else { 1 };
        of.is_alone = count == 1;
        for rival in 0..count {
            let name = format!("copier-{index}-{rival}");
            clients.push(Box::new(Transactor::new(name, of.clone())));
        }
    }
}
