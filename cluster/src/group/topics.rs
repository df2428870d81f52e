//! The topics of the cluster as groups see them.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, Vector};
use milena_protocol::{PartitionIndex, TopicId};
use twox_hash::XxHash3_64;

/// First byte of what is hashed of a topic: the version of the layout (KIP-1101).
const HASH_VERSION: u8 = 0;

/// How many changes a view remembers, and how many names of one.
const CHANGES_MAX: usize = 64;
const CHANGED_NAMES_MAX: usize = 1024;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
    /// Racks of the replicas of each partition, by its index; as long as there are partitions.
    pub racks: Vec<BTreeSet<String>>,
}

/// A topic with what is computed of it once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hashed {
    topic: Topic,
    hash: i64,
}

/// A snapshot of all topics of the cluster. A copy is cheap, and so is a view with a few changes.
#[derive(Clone, Debug, Default)]
pub struct TopicView {
    version: i64,
    by_name: OrdMap<String, Arc<Hashed>>,
    names: OrdMap<TopicId, String>,
    /// The last changes, the newest last: the version before each, and the names that it touched.
    changes: Vector<(i64, Arc<[String]>)>,
}

/// How a view came about makes no difference.
impl PartialEq for TopicView {
    fn eq(&self, other: &Self) -> bool {
        (self.version, &self.by_name, &self.names) == (other.version, &other.by_name, &other.names)
    }
}

impl Eq for TopicView {}

impl TopicView {
    /// A view of these topics; of two with one name the later counts. `version` tells this view
    /// from any other of the same broker; it is that of the metadata image.
    #[must_use]
    pub fn new(version: i64, topics: impl IntoIterator<Item = Topic>) -> Self {
        Self::default().changed(version, topics, &[])
    }

    /// This view with some topics that are new or have changed, and without those of the ids in
    /// `removed`.
    #[must_use]
    pub fn changed(
        &self,
        version: i64,
        changed: impl IntoIterator<Item = Topic>,
        removed: &[TopicId],
    ) -> Self {
        let mut view = self.clone();
        view.version = version;
        let mut touched = Vec::new();
        for id in removed {
            if let Some(name) = view.names.remove(id) {
                view.by_name.remove(&name);
                touched.push(name);
            }
        }
        for topic in changed {
            let (id, name) = (topic.id, topic.name.clone());
            let hash = topic_hash(&topic);
            let hashed = Arc::new(Hashed { topic, hash });
            if let Some(before) = view.by_name.insert(name.clone(), hashed)
                && before.topic.id != id
            {
                view.names.remove(&before.topic.id);
            }
            touched.push(name.clone());
            view.names.insert(id, name);
        }
        view.remember(self.version, touched);
        view
    }

    fn remember(&mut self, before: i64, touched: Vec<String>) {
        if touched.len() > CHANGED_NAMES_MAX {
            self.changes.clear();
            return;
        }
        self.changes.push_back((before, Arc::from(touched)));
        if self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
    }

    /// Names of the topics that have come, gone or changed since the view of this version; none
    /// where that is not known any more.
    pub(super) fn changed_since(&self, version: i64) -> Option<BTreeSet<&str>> {
        if version == self.version {
            return Some(BTreeSet::new());
        }
        let first = self
            .changes
            .iter()
            .rposition(|(before, _)| *before == version)?;
        let names = self.changes.iter().skip(first);
        Some(
            names
                .flat_map(|(_, names)| names.iter().map(String::as_str))
                .collect(),
        )
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name).map(|entry| &entry.topic)
    }

    /// The topic with this id.
    #[must_use]
    pub fn topic_of_id(&self, id: TopicId) -> Option<&Topic> {
        self.topic(self.names.get(&id)?)
    }

    /// Names of all topics, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Hash of the topics of these names; 0 where none of them exists. `names` are in order.
    pub(super) fn hash<'a>(&self, names: impl Iterator<Item = &'a str>) -> i64 {
        let mut bytes = Vec::new();
        for name in names {
            if let Some(entry) = self.by_name.get(name) {
                bytes.extend_from_slice(&entry.hash.to_le_bytes());
            }
        }
        if bytes.is_empty() {
            return 0;
        }
        XxHash3_64::oneshot(&bytes).cast_signed()
    }
}

impl Topic {
    /// Count of partitions.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.racks.len()
    }

    /// True where the topic has this partition.
    #[must_use]
    pub fn has_partition(&self, partition: PartitionIndex) -> bool {
        usize::try_from(partition.0).is_ok_and(|index| index < self.racks.len())
    }
}

/// Hash of a topic as Kafka's `Utils.computeTopicHash` has it, so that a group that Kafka stored
/// does not rebalance here.
fn topic_hash(topic: &Topic) -> i64 {
    let (most, least) = topic.id.0.as_u64_pair();
    let mut bytes = vec![HASH_VERSION];
    bytes.extend_from_slice(&most.to_le_bytes());
    bytes.extend_from_slice(&least.to_le_bytes());
    put_string(&mut bytes, &topic.name);
    put_length(&mut bytes, topic.racks.len());
    for (partition, racks) in topic.racks.iter().enumerate() {
        put_length(&mut bytes, partition);
        for rack in racks {
            put_length(&mut bytes, rack.encode_utf16().count());
            put_string(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes).cast_signed()
}

/// UTF-16 units and then their count, as hash4j hashes a string.
fn put_string(bytes: &mut Vec<u8>, string: &str) {
    let mut count = 0;
    for unit in string.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
        count += 1;
    }
    put_length(bytes, count);
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn topic(name: &str, racks: &[&[&str]]) -> Topic {
        Topic {
            name: name.into(),
            id: TopicId(Uuid::from_u64_pair(1, 2)),
            racks: racks
                .iter()
                .map(|racks| racks.iter().map(|rack| (*rack).to_owned()).collect())
                .collect(),
        }
    }

    // Computed with Kafka 4.3.1's hash4j.
    #[test]
    fn hashes_are_kafkas() {
        let cases = [
            (topic("topic", &[&["r1"], &[]]), -5_904_614_904_161_349_653),
            (topic("tüp", &[]), 5_096_608_977_381_316_229),
            (topic(&"x".repeat(300), &[]), -2_438_595_371_280_234_212),
        ];
        for (topic, hash) in cases {
            assert_eq!(topic_hash(&topic), hash, "{}", topic.name);
        }
        let bytes = [5_i64.to_le_bytes(), (-7_i64).to_le_bytes()].concat();
        assert_eq!(
            XxHash3_64::oneshot(&bytes).cast_signed(),
            -4_646_943_608_980_624_969
        );
    }

    #[test]
    fn changes_of_a_view_are_a_new_view() {
        let with_id = |name: &str, id: u64| Topic {
            id: TopicId(Uuid::from_u64_pair(0, id)),
            ..topic(name, &[&[]])
        };
        let before = TopicView::new(1, [with_id("a", 1), with_id("b", 2)]);
        let removed = [TopicId(Uuid::from_u64_pair(0, 2))];
        let after = before.changed(2, [with_id("a", 3), with_id("c", 4)], &removed);
        assert_eq!(after, TopicView::new(2, [with_id("a", 3), with_id("c", 4)]));
        assert_eq!(before.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn topics_that_do_not_exist_are_not_hashed() {
        let view = TopicView::new(1, [topic("a", &[&[]])]);
        assert_eq!(view.hash(["b"].into_iter()), 0);
        assert_ne!(view.hash(["a"].into_iter()), 0);
        assert_eq!(
            view.hash(["a", "b"].into_iter()),
            view.hash(["a"].into_iter())
        );
    }
}
