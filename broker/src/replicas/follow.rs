//! Following the metadata: which partitions are hosted, who leads them, how they are configured.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use milena_cluster::metadata::{self as cluster, ConfigResource, Image};
use milena_log::OpenState;
use milena_log::error::StorageError;
use milena_protocol::config::BrokerValues;
use milena_protocol::{ErrorCode, Offset, PartitionIndex, TopicId, TopicPartition};
use tracing::info;
use uuid::Uuid;

use super::open::Task;
use super::{Replicas, Slot, Topic};
use crate::clock;
use crate::partition::{Directory, Partition, Settings};

/// What changed for this broker between two images.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// Partitions that this broker leads from now on, in a newer epoch.
    pub(crate) led: Vec<Arc<Partition>>,
    /// Topics that are gone: name and id.
    pub(crate) deleted: Vec<(Arc<str>, TopicId)>,
    /// True where logs were opened.
    pub(crate) has_opened: bool,
}

/// How the log of a new partition was left.
pub(super) const NEW_LOG: OpenState = OpenState {
    clean: true,
    recovery_point: Offset(0),
    log_start: None,
};

/// A partition of a topic while its slot is still open.
enum Planned {
    Ready(Slot),
    /// The log at this position of the tasks.
    Opens(usize),
}

/// The logs that an image has opened.
#[derive(Default)]
struct Tasks {
    queue: Vec<Task>,
    /// Replicas of each directory with those that are about to be made; counted where it matters.
    counts: Option<BTreeMap<Uuid, usize>>,
}

impl Replicas {
    /// Takes over a newer image. Opens logs, renames folders: call it off the runtime, and from one
    /// place only.
    pub(crate) fn follow(&self, image: &Arc<Image>, values: &BrokerValues) -> Followed {
        let previous = self
            .followed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(Arc::clone(image));
        let mut followed = Followed::default();
        self.forget_deleted(image, &mut followed);

        let mut tasks = Tasks::default();
        let mut plans = Vec::new();
        for topic in image.topics() {
            let before = previous
                .as_ref()
                .and_then(|image| image.topic_by_id(topic.id));
            if before.is_some_and(|before| before.partitions.ptr_eq(&topic.partitions)) {
                continue;
            }
            let settings = Arc::new(Settings::resolve(&overrides(image, &topic.name), values));
            plans.push((topic, self.plan(topic, &settings, &mut tasks)));
        }
        let threads = usize::try_from(values.int("num.recovery.threads.per.data.dir")).unwrap_or(1);
        followed.has_opened = !tasks.queue.is_empty();
        let opened = self.open_all(tasks.queue, threads * self.handles.len().max(1));
        for (topic, plan) in plans {
            self.install(image, topic, plan, &opened, &mut followed);
        }
        self.set_aside_strays(image, previous.is_none());
        self.metrics.set_partitions(self.all().len());
        followed
    }

    /// Puts changed configurations into force. All of them are resolved again: a value of the broker
    /// is a default of every topic.
    pub(crate) fn configure(&self, image: &Image, values: &BrokerValues) {
        for topic in image.topics() {
            let settings = Arc::new(Settings::resolve(&overrides(image, &topic.name), values));
            for partition in self.of_topic(&topic.name) {
                partition.configure(Arc::clone(&settings));
            }
        }
    }

    /// Decides for each partition of a topic where it stands; logs that have to be opened become
    /// tasks.
    fn plan(
        &self,
        topic: &cluster::Topic,
        settings: &Arc<Settings>,
        tasks: &mut Tasks,
    ) -> Vec<Planned> {
        let present = self.topic_by_id(topic.id);
        let slot = |index: PartitionIndex| {
            let position = usize::try_from(index.0).ok()?;
            present.as_ref()?.slots.get(position).cloned()
        };
        let partitions = topic.partitions.iter();
        partitions
            .map(|(&index, partition)| {
                if !partition.replicas.contains(&self.id) {
                    return Planned::Ready(Slot::Elsewhere);
                }
                if let Some(slot @ (Slot::Hosted(_) | Slot::Offline)) = slot(index) {
                    return Planned::Ready(slot);
                }
                match self.task(topic, index, partition, settings, tasks) {
                    Some(task) => {
                        tasks.queue.push(task);
                        Planned::Opens(tasks.queue.len() - 1)
                    }
                    None => Planned::Ready(Slot::Offline),
                }
            })
            .collect()
    }

    /// How a log is opened: where it was found, or in the directory that the metadata names, or in
    /// the emptiest one. None where its directory is offline.
    fn task(
        &self,
        topic: &cluster::Topic,
        index: PartitionIndex,
        partition: &cluster::Partition,
        settings: &Arc<Settings>,
        tasks: &mut Tasks,
    ) -> Option<Task> {
        let topic_partition = TopicPartition::new(Arc::clone(&topic.name), index);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = |id: Option<TopicId>| id.is_none_or(|id| id == topic.id);
        let claimed = match found.get(&topic_partition) {
            Some(entry) if is_ours(entry.topic_id) => found.remove(&topic_partition),
            _ => None,
        };
        let (directory, state, high_watermark) = match claimed {
            Some(found) => {
                if found.topic_id.is_none() {
                    name_folder(&found.directory, &topic_partition, topic.id);
                }
                (found.directory, found.state, found.high_watermark)
            }
            None => {
                if let Some(other) = found.remove(&topic_partition) {
                    // The topic was deleted and made again while this broker was away.
                    drop(found);
                    self.set_aside(&other.directory, &topic_partition);
                }
                let assigned = partition.directory(self.id).unwrap_or(Uuid::nil());
                (
                    Arc::clone(self.choose(assigned, tasks)?),
                    NEW_LOG,
                    Offset(0),
                )
            }
        };
        if directory.is_failed() {
            return None;
        }
        let settings = Arc::clone(settings);
        let topic_id = topic.id;
        Some(Task {
            topic_partition,
            topic_id,
            directory,
            state,
            high_watermark,
            settings,
        })
    }

    fn choose(&self, assigned: Uuid, tasks: &mut Tasks) -> Option<&Arc<Directory>> {
        if let Some(directory) = self
            .directories
            .iter()
            .find(|directory| directory.id() == assigned)
        {
            return Some(directory);
        }
        if !cluster::directory::is_reserved(assigned) {
            // Assigned to a directory that is not here any more: its records are not here either.
            return None;
        }
        let counts = tasks.counts.get_or_insert_with(|| {
            let mut counts = BTreeMap::new();
            for partition in self.all() {
                *counts.entry(partition.directory().id()).or_default() += 1;
            }
            counts
        });
        let chosen = self
            .directories
            .emptiest(|directory| counts.get(&directory.id()).copied().unwrap_or(0))?;
        *counts.entry(chosen.id()).or_default() += 1;
        Some(chosen)
    }

    fn install(
        &self,
        image: &Image,
        topic: &cluster::Topic,
        plan: Vec<Planned>,
        opened: &[Option<Arc<Partition>>],
        followed: &mut Followed,
    ) {
        let slots: Vec<Slot> = plan
            .into_iter()
            .map(|planned| match planned {
                Planned::Ready(slot) => slot,
                Planned::Opens(position) => match opened.get(position).cloned().flatten() {
                    Some(partition) => Slot::Hosted(partition),
                    None => Slot::Offline,
                },
            })
            .collect();
        for (slot, registered) in slots.iter().zip(topic.partitions.values()) {
            if let Slot::Hosted(partition) = slot
                && partition.take_role(self.id, registered, image)
            {
                followed.led.push(Arc::clone(partition));
            }
        }
        let topic = Arc::new(Topic {
            id: topic.id,
            name: Arc::clone(&topic.name),
            slots,
        });
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.by_id.insert(topic.id, Arc::clone(&topic));
        topics.by_name.insert(Arc::clone(&topic.name), topic);
    }

    /// Closes the partitions of topics that are gone and sets their folders aside for removal.
    fn forget_deleted(&self, image: &Image, followed: &mut Followed) {
        let gone: Vec<Arc<Topic>> = {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            let gone: Vec<Arc<Topic>> = topics
                .by_id
                .values()
                .filter(|topic| image.topic_by_id(topic.id).is_none())
                .cloned()
                .collect();
            for topic in &gone {
                topics.by_id.remove(&topic.id);
                if topics
                    .by_name
                    .get(&topic.name)
                    .is_some_and(|named| named.id == topic.id)
                {
                    topics.by_name.remove(&topic.name);
                }
            }
            gone
        };
        let mut changed: BTreeMap<Uuid, Arc<Directory>> = BTreeMap::new();
        for topic in gone {
            for slot in &topic.slots {
                if let Slot::Hosted(partition) = slot {
                    self.delete(partition);
                    let directory = partition.directory();
                    changed.insert(directory.id(), directory);
                }
            }
            followed.deleted.push((Arc::clone(&topic.name), topic.id));
        }
        // A folder that gets its name back by a crash would belong to no topic and stay for ever.
        for directory in changed.values().filter(|directory| !directory.is_failed()) {
            if let Err(error) = directory.storage().sync_directory(directory.path()) {
                directory.fail_because(&error);
            }
        }
    }

    fn delete(&self, partition: &Arc<Partition>) {
        partition.close(ErrorCode::UnknownTopicOrPartition);
        let directory = partition.directory();
        let name = milena_log::directory::delete_name(partition.topic_partition(), Uuid::new_v4());
        let renamed = directory.path().join(name);
        let outcome = partition.with_log(|log| {
            log.rename_directory(renamed.clone())?;
            log.forget_files();
            Ok::<_, StorageError>(())
        });
        match outcome {
            Ok(()) => {
                let delay_ms = partition.settings().log.file_delete_delay_ms;
                directory.doom([renamed], clock::now().plus_ms(delay_ms));
            }
            Err(error) => directory.fail_because(&error),
        }
    }

    /// Renames folders that belong to no topic, once, after the first image. Nothing is removed: a
    /// stray folder may hold the only copy of something.
    fn set_aside_strays(&self, image: &Image, is_first: bool) {
        if !is_first {
            return;
        }
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        for (topic_partition, found) in found {
            let is_hosted = image
                .topic(&topic_partition.topic)
                .and_then(|topic| topic.partition(topic_partition.partition))
                .is_some_and(|partition| partition.replicas.contains(&self.id));
            if !is_hosted {
                self.set_aside(&found.directory, &topic_partition);
            }
        }
    }

    fn set_aside(&self, directory: &Directory, topic_partition: &TopicPartition) {
        let live = milena_log::directory::live_name(topic_partition);
        let stray = milena_log::directory::stray_name(topic_partition, Uuid::new_v4());
        let (from, to) = (directory.path().join(live), directory.path().join(stray));
        let renamed = directory
            .storage()
            .rename(&from, &to)
            .and_then(|()| directory.storage().sync_directory(directory.path()));
        match renamed {
            Ok(()) => info!(
                partition = %topic_partition, path = %to.display(),
                "folder belongs to no topic and was set aside; remove it when it is not needed"
            ),
            Err(error) => directory.fail_because(&error),
        }
    }
}

/// Writes the topic id into a folder that has none, or one that cannot be read.
fn name_folder(directory: &Directory, topic_partition: &TopicPartition, id: TopicId) {
    let live = milena_log::directory::live_name(topic_partition);
    let folder = directory.path().join(live);
    if let Err(error) = milena_log::directory::write_topic_id(&**directory.storage(), &folder, id) {
        directory.fail_because(&error);
    }
}

/// Configurations of a topic that differ from the broker's.
pub(crate) fn overrides(image: &Image, topic: &str) -> BTreeMap<String, String> {
    let configs = image.configs(&ConfigResource::topic(topic));
    let configs = configs.into_iter().flatten();
    configs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}
