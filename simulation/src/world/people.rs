//! Who lives in a world.

use crate::client::{Admin, Client, Producer, Reader};
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
    if random.chance(30) {
        clients.push(Box::new(Admin::new("admin".to_owned())));
    }
    clients
}
