//! Checkpoints of recovery points, log starts and high watermarks: one file of each per directory.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use milena_log::checkpoint;
use milena_protocol::{ErrorCode, Offset, TopicPartition};

use super::Replicas;
use crate::partition::{Directory, Partition, Relocation};

type Offsets = BTreeMap<TopicPartition, Offset>;

/// What the files hold, so that a file is written only when something has moved.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<PathBuf, Offsets>);

/// A kind of checkpoint: the name of its file, the offset of a partition, and that of a copy that is
/// on its way into the directory; none leaves it out.
type Kind = (
    &'static str,
    fn(&Arc<Partition>) -> Option<Offset>,
    fn(&Arc<Partition>, &Relocation) -> Option<Offset>,
);

const KINDS: [Kind; 3] = [
    (
        checkpoint::RECOVERY_POINT,
        |partition| Some(partition.with_log(|log| log.flushed())),
        |_, relocation| Some(relocation.flushed()),
    ),
    (checkpoint::LOG_START_OFFSET, log_start, |partition, _| {
        log_start(partition)
    }),
    (
        checkpoint::REPLICATION_OFFSET,
        |partition| Some(partition.high_watermark()),
        |partition, _| Some(partition.high_watermark()),
    ),
];

/// Kafka leaves out logs that start where their first segment does.
fn log_start(partition: &Arc<Partition>) -> Option<Offset> {
    Some(partition.log_start()).filter(|start| start.0 > 0)
}

impl Replicas {
    /// Has logs to which much was written make resume points with their next sync, which is queued.
    pub(crate) fn propose_resume_points(&self) {
        for partition in self.all() {
            partition.propose_resume_point();
        }
    }

    /// Writes what has moved since the last time. A directory that cannot be written goes offline,
    /// unless it is full.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` where a directory failed or is full.
    pub(crate) fn checkpoint(&self) -> Result<(), ErrorCode> {
        // Held from the look at the partitions to the last write, so that an older state never
        // replaces a newer one.
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let partitions = self.all();
        let mut outcome = Ok(());
        for directory in self
            .directories
            .iter()
            .filter(|directory| !directory.is_failed())
        {
            let hosted = |partition: &&Arc<Partition>| {
                partition.directory().id() == directory.id()
                    && partition.closed() != Some(ErrorCode::UnknownTopicOrPartition)
            };
            let here: Vec<_> = partitions.iter().filter(hosted).cloned().collect();
            for (name, offset, offset_of_copy) in KINDS {
                let offsets = here.iter().filter_map(|partition| {
                    Some((partition.topic_partition().clone(), offset(partition)?))
                });
                // A copy becomes the log with one renaming; what it needs then stands here before.
                let copies = partitions.iter().filter_map(|partition| {
                    let relocation = partition.relocation()?;
                    let comes = relocation.target().id() == directory.id();
                    let offset = offset_of_copy(partition, &relocation).filter(|_| comes)?;
                    Some((partition.topic_partition().clone(), offset))
                });
                let offsets = copies.chain(offsets).collect();
                if let Err(error) = write(&mut written, directory, name, offsets) {
                    // An older checkpoint is true as well.
                    directory.note_unwritten(&error);
                    outcome = Err(ErrorCode::KafkaStorageError);
                    break;
                }
            }
        }
        outcome
    }
}

fn write(
    written: &mut Written,
    directory: &Directory,
    name: &str,
    offsets: Offsets,
) -> io::Result<()> {
    let path = directory.path().join(name);
    if written.0.get(&path) != Some(&offsets) {
        checkpoint::write_offsets(&**directory.storage(), &path, &offsets)?;
        written.0.insert(path, offsets);
    }
    Ok(())
}
