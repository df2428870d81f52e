//! Names of the folders of partitions (Kafka class `LocalLog`).

use std::io;
use std::path::Path;

use milena_protocol::{PartitionIndex, TopicPartition};
use uuid::Uuid;

use crate::storage::Storage;

/// Longest name that file systems take, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What a folder is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderKind {
    /// The replica in use.
    Live,
    /// Waits for its removal.
    Delete,
    /// A replica that is being moved to this directory (KIP-113).
    Future,
    /// Belongs to no replica of this broker.
    Stray,
}

/// One folder of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Name within the log directory.
    pub name: String,
    /// What it is there for.
    pub kind: FolderKind,
    /// The partition. Its topic can be cut short in names of folders to delete and strays.
    pub topic_partition: TopicPartition,
}

/// What [`folders`] found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Folders {
    /// Folders of partitions, sorted by name.
    pub partitions: Vec<Folder>,
    /// Names of other directories, sorted. Kafka refuses to start with such; nothing touches them.
    pub others: Vec<String>,
}

const KINDS: [(&str, FolderKind); 3] = [
    ("-delete", FolderKind::Delete),
    ("-future", FolderKind::Future),
    ("-stray", FolderKind::Stray),
];

/// Understands the name of a folder; none where it is no partition's.
#[must_use]
pub fn parse_folder(name: &str) -> Option<Folder> {
    // A live topic may end in `-delete` only if a partition number follows, so a name with such an
    // ending is one of ours or none.
    let (kind, full) = KINDS
        .iter()
        .find_map(|(suffix, kind)| name.strip_suffix(suffix).map(|rest| (*kind, rest)))
        .map_or((FolderKind::Live, Some(name)), |(kind, rest)| {
            (kind, rest.rsplit_once('.').map(|(full, _)| full))
        });
    let (topic, partition) = full?.rsplit_once('-')?;
    let is_topic = !topic.is_empty()
        && topic
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_number = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let index = partition.parse().ok().filter(|_| is_topic && is_number)?;
    Some(Folder {
        name: name.to_owned(),
        kind,
        topic_partition: TopicPartition::new(topic, PartitionIndex(index)),
    })
}

/// Name of the folder of a replica in use.
#[must_use]
pub fn live_name(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// Name that a folder gets before it is removed; `unique` keeps names of the same partition apart.
#[must_use]
pub fn delete_name(partition: &TopicPartition, unique: Uuid) -> String {
    capped(partition, unique, "-delete")
}

/// Name of the folder of a replica that is being moved.
#[must_use]
pub fn future_name(partition: &TopicPartition, unique: Uuid) -> String {
    format!("{partition}.{}-future", unique.simple())
}

/// Name that a folder gets that belongs to no replica.
#[must_use]
pub fn stray_name(partition: &TopicPartition, unique: Uuid) -> String {
    capped(partition, unique, "-stray")
}

/// Cuts the topic so that the name fits.
fn capped(partition: &TopicPartition, unique: Uuid, suffix: &str) -> String {
    let tail = format!("-{}.{}{suffix}", partition.partition, unique.simple());
    let room = NAME_BYTES_MAX.saturating_sub(tail.len());
    // Names of topics are ASCII; for others the whole name is kept.
    let topic = partition.topic.get(..room).unwrap_or(&partition.topic);
    format!("{topic}{tail}")
}

/// The folders in a log directory.
///
/// # Errors
/// What the file system says.
pub fn folders(storage: &dyn Storage, directory: &Path) -> io::Result<Folders> {
    let mut found = Folders::default();
    for entry in storage.list(directory)? {
        if !entry.is_directory {
            continue;
        }
        match parse_folder(&entry.name) {
            Some(folder) => found.partitions.push(folder),
            None => found.others.push(entry.name),
        }
    }
    Ok(found)
}
