//! What coordinators are told of the cluster: its topics, and the settings of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_cluster::group::{ConsumerConfig, Event, GroupConfig, Topic, TopicView};
use milena_cluster::metadata::{self as cluster, ConfigResource, Delta, Image, ResourceKind};
use milena_protocol::TopicId;
use milena_protocol::config::{BrokerValues, GroupConfig as Resolved};

/// The newest of it that was followed. A copy costs little where few groups have settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    image: Option<Arc<Image>>,
    view: TopicView,
    /// Settings of the broker that differ from those that shards are made with; none where none do.
    consumer: Option<ConsumerConfig>,
    /// Groups with settings of their own.
    configs: BTreeMap<Arc<str>, GroupConfig>,
}

/// What has changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The topics, where any of them has changed in a way that assignments depend on.
    pub(super) view: Option<TopicView>,
    /// Groups whose settings have changed.
    pub(super) configs: Vec<(Arc<str>, GroupConfig)>,
}

impl Changes {
    /// What a newer image changes. To see all topics of a large cluster takes more than a moment:
    /// call it without a lock.
    pub(super) fn between(known: &Surroundings, image: &Image, values: &BrokerValues) -> Self {
        let Some(before) = &known.image else {
            let all = image.topics().map(|topic| seen(image, topic));
            let resources = image.config_resources();
            return Self {
                view: Some(TopicView::new(version(image), all)),
                configs: resources
                    .filter_map(|resource| config_of(image, resource, values))
                    .collect(),
            };
        };
        let delta = Delta::between(before, image);
        let resources = delta.configs.iter();
        Self {
            view: changed_view(&known.view, before, image, &delta),
            configs: resources
                .filter_map(|resource| config_of(image, resource, values))
                .collect(),
        }
    }
}

impl Surroundings {
    /// Takes over a newer image and what it changes.
    pub(super) fn take(&mut self, image: Arc<Image>, changes: &Changes) {
        self.image = Some(image);
        if let Some(view) = &changes.view {
            self.view = view.clone();
        }
        for (group, config) in &changes.configs {
            if *config == GroupConfig::default() {
                self.configs.remove(group);
            } else {
                self.configs.insert(Arc::clone(group), *config);
            }
        }
    }

    /// Takes over other settings of the broker. None where they are the same.
    pub(super) fn set_consumer(&mut self, consumer: &ConsumerConfig) -> Option<Event> {
        if self.consumer.as_ref() == Some(consumer) {
            return None;
        }
        self.consumer = Some(consumer.clone());
        Some(Event::ConsumerConfigChanged(consumer.clone()))
    }

    /// Everything that a new coordinator has to know. `is_its_group` says which groups are its own.
    pub(super) fn events(&self, is_its_group: impl Fn(&str) -> bool) -> Vec<Event> {
        // Without an image nothing is known of the topics, which is not the same as none.
        let view = self.image.as_ref().map(|_| self.view.clone());
        let configs = self.configs.iter().filter(|(group, _)| is_its_group(group));
        let consumer = self.consumer.clone().map(Event::ConsumerConfigChanged);
        consumer
            .into_iter()
            .chain(view.map(Event::TopicsChanged))
            .chain(configs.map(|(group, config)| changed(group, *config)))
            .collect()
    }
}

/// The event of a group whose settings are these.
pub(super) fn changed(group: &str, config: GroupConfig) -> Event {
    Event::GroupConfigChanged {
        group: group.to_owned(),
        config,
    }
}

/// A group and its settings; none where the resource is none.
fn config_of(
    image: &Image,
    resource: &ConfigResource,
    values: &BrokerValues,
) -> Option<(Arc<str>, GroupConfig)> {
    if resource.kind != ResourceKind::Group {
        return None;
    }
    let overrides: BTreeMap<String, String> = image
        .configs(resource)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    Some((Arc::from(&*resource.name), config(&overrides, values)))
}

/// Settings of a group, within the bounds of the broker.
fn config(overrides: &BTreeMap<String, String>, values: &BrokerValues) -> GroupConfig {
    let resolved = Resolved::resolve(overrides, values);
    let own = |key: &str, value: i32| overrides.contains_key(key).then_some(value);
    GroupConfig {
        consumer_session_timeout_ms: own(
            "consumer.session.timeout.ms",
            resolved.consumer_session_timeout_ms,
        ),
        consumer_heartbeat_interval_ms: own(
            "consumer.heartbeat.interval.ms",
            resolved.consumer_heartbeat_interval_ms,
        ),
        consumer_assignment_interval_ms: own(
            "consumer.assignment.interval.ms",
            resolved.consumer_assignment_interval_ms,
        ),
    }
}

/// The topics of a newer image; none where nothing has changed that assignments depend on. A new
/// leader changes none.
fn changed_view(
    view: &TopicView,
    before: &Image,
    after: &Image,
    delta: &Delta,
) -> Option<TopicView> {
    let rack = |image: &Image, id| image.broker(id).and_then(|broker| broker.rack.clone());
    let has_other_rack = |id: &_| rack(before, *id) != rack(after, *id);
    if delta.brokers.keys().any(has_other_rack) {
        let all = after.topics().map(|topic| seen(after, topic));
        return Some(TopicView::new(version(after), all));
    }
    let replicas = |topic: &cluster::Topic, index| {
        let partition = topic.partition(index)?;
        Some(partition.replicas.iter().copied().collect::<BTreeSet<_>>())
    };
    let moved = delta
        .partitions_changed
        .iter()
        .filter_map(|(id, partitions)| {
            let (old, new) = (before.topic_by_id(*id)?, after.topic_by_id(*id)?);
            let is_other = |index: &_| replicas(old, *index) != replicas(new, *index);
            partitions.iter().any(is_other).then_some(new)
        });
    let changed: Vec<Topic> = delta
        .topics_created
        .values()
        .chain(moved)
        .map(|topic| seen(after, topic))
        .collect();
    let removed: Vec<TopicId> = delta.topics_removed.keys().copied().collect();
    let is_same = changed.is_empty() && removed.is_empty();
    (!is_same).then(|| view.changed(version(after), changed, &removed))
}

fn version(image: &Image) -> i64 {
    image.position().offset.0
}

fn seen(image: &Image, topic: &cluster::Topic) -> Topic {
    let racks = topic.partitions.values().map(|partition| {
        let brokers = partition.replicas.iter().filter_map(|id| image.broker(*id));
        brokers
            .filter_map(|broker| broker.rack.as_deref().map(str::to_owned))
            .collect()
    });
    Topic {
        name: topic.name.to_string(),
        id: topic.id,
        racks: racks.collect(),
    }
}
