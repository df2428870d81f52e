//! What coordinators are told of the cluster: its topics, and the settings of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_cluster::group::{Event, GroupConfig, Topic, TopicView};
use milena_cluster::metadata::{self as cluster, ConfigResource, Delta, Image, ResourceKind};
use milena_protocol::config::{BrokerValues, GroupConfig as Resolved};

/// The newest of it that was followed.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    image: Option<Arc<Image>>,
    view: TopicView,
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

impl Surroundings {
    /// Takes over a newer image.
    pub(super) fn follow(&mut self, image: &Arc<Image>, values: &BrokerValues) -> Changes {
        let before = self.image.replace(Arc::clone(image));
        let mut changes = Changes::default();
        let Some(before) = before else {
            self.view = view(image);
            changes.view = Some(self.view.clone());
            for resource in image.config_resources() {
                self.configure(image, resource, values, &mut changes);
            }
            return changes;
        };
        if Arc::ptr_eq(&before, image) {
            return changes;
        }
        let delta = Delta::between(&before, image);
        if concerns_assignments(&before, image, &delta) {
            self.view = view(image);
            changes.view = Some(self.view.clone());
        }
        for resource in &delta.configs {
            self.configure(image, resource, values, &mut changes);
        }
        changes
    }

    fn configure(
        &mut self,
        image: &Image,
        resource: &ConfigResource,
        values: &BrokerValues,
        changes: &mut Changes,
    ) {
        if resource.kind != ResourceKind::Group {
            return;
        }
        let overrides: BTreeMap<String, String> = image
            .configs(resource)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        let config = config(&overrides, values);
        let group: Arc<str> = Arc::from(&*resource.name);
        if overrides.is_empty() {
            self.configs.remove(&group);
        } else {
            self.configs.insert(Arc::clone(&group), config);
        }
        changes.configs.push((group, config));
    }

    /// Everything that a new coordinator has to know. `is_its_group` says which groups are its own.
    pub(super) fn events(&self, is_its_group: impl Fn(&str) -> bool) -> Vec<Event> {
        // Without an image nothing is known of the topics, which is not the same as none.
        let view = self.image.as_ref().map(|_| self.view.clone());
        let configs = self.configs.iter().filter(|(group, _)| is_its_group(group));
        view.map(Event::TopicsChanged)
            .into_iter()
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

/// True where topics came or went, grew, moved, or where racks are others. A new leader changes no
/// assignment.
fn concerns_assignments(before: &Image, after: &Image, delta: &Delta) -> bool {
    if !delta.topics_created.is_empty() || !delta.topics_removed.is_empty() {
        return true;
    }
    let rack = |image: &Image, id| image.broker(id).and_then(|broker| broker.rack.clone());
    let has_other_rack = |id: &_| rack(before, *id) != rack(after, *id);
    if delta.brokers.keys().any(has_other_rack) {
        return true;
    }
    delta.partitions_changed.iter().any(|(topic, partitions)| {
        let of = |image: &Image| image.topic_by_id(*topic).cloned();
        let (Some(old), Some(new)) = (of(before), of(after)) else {
            return true;
        };
        let replicas = |topic: &cluster::Topic, index| {
            let partition = topic.partition(index)?;
            Some(partition.replicas.iter().copied().collect::<BTreeSet<_>>())
        };
        partitions
            .iter()
            .any(|index| replicas(&old, *index) != replicas(&new, *index))
    })
}

fn view(image: &Image) -> TopicView {
    let version = image.position().offset.0;
    TopicView::new(version, image.topics().map(|topic| seen(image, topic)))
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
