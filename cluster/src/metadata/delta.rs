//! What changed between two images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use milena_protocol::{BrokerId, PartitionIndex, TopicId};

use super::{ConfigResource, Image, QuotaEntity, Topic};

/// How something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created,
    /// It is another value.
    Changed,
    /// It is gone.
    Removed,
}

/// What changed between two images. A topic that was removed and created again under the same
/// name is both in `topics_removed` and in `topics_created`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Delta {
    /// Topics of the newer image that the older one lacks, by id.
    pub topics_created: BTreeMap<TopicId, Arc<Topic>>,
    /// Topics of the older image that the newer one lacks, by id.
    pub topics_removed: BTreeMap<TopicId, Arc<Topic>>,
    /// Partitions that are new or changed of topics that both images have.
    pub partitions_changed: BTreeMap<TopicId, BTreeSet<PartitionIndex>>,
    /// Brokers that changed.
    pub brokers: BTreeMap<BrokerId, Change>,
    /// Resources whose configurations changed.
    pub configs: BTreeSet<ConfigResource>,
    /// Entities whose quotas changed.
    pub client_quotas: BTreeSet<QuotaEntity>,
    /// True where a finalized feature changed.
    pub features_changed: bool,
    /// True where a block of producer ids was given away.
    pub producer_ids_changed: bool,
    /// True where an ACL, SCRAM credential or delegation token changed.
    pub others_changed: bool,
}

impl Delta {
    /// What changed from `old` to `new`.
    #[must_use]
    pub fn between(old: &Image, new: &Image) -> Self {
        let mut delta = Self::default();
        let (before, after) = (old.state(), new.state());
        delta.note_topics(before.topics.diff(&after.topics));
        delta.brokers = changes(&before.brokers, &after.brokers).collect();
        delta.configs = changes(&before.configs, &after.configs)
            .map(|(key, _)| key)
            .collect();
        delta.client_quotas = changes(&before.quotas, &after.quotas)
            .map(|(key, _)| key)
            .collect();
        delta.features_changed = before.features != after.features;
        delta.producer_ids_changed = before.producer_ids != after.producer_ids;
        delta.others_changed = before.others != after.others;
        delta
    }

    fn note_topics<'a>(
        &mut self,
        items: impl Iterator<Item = DiffItem<'a, 'a, TopicId, Arc<Topic>>>,
    ) {
        for item in items {
            match item {
                DiffItem::Add(&id, topic) => {
                    self.topics_created.insert(id, topic.clone());
                }
                DiffItem::Remove(&id, topic) => {
                    self.topics_removed.insert(id, topic.clone());
                }
                DiffItem::Update {
                    old: (&id, old),
                    new: (_, new),
                } => {
                    let changed: BTreeSet<_> = changes(&old.partitions, &new.partitions)
                        .map(|(index, _)| index)
                        .collect();
                    if !changed.is_empty() {
                        self.partitions_changed.insert(id, changed);
                    }
                }
            }
        }
    }

    /// True where nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Keys whose values differ, ascending.
fn changes<K: Ord + Clone, V: PartialEq>(
    old: &OrdMap<K, V>,
    new: &OrdMap<K, V>,
) -> impl Iterator<Item = (K, Change)> {
    old.diff(new).map(|item| match item {
        DiffItem::Add(key, _) => (key.clone(), Change::Created),
        DiffItem::Update { new: (key, _), .. } => (key.clone(), Change::Changed),
        DiffItem::Remove(key, _) => (key.clone(), Change::Removed),
    })
}
