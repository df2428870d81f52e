//! Why a directory could not be taken over.

use std::io;
use std::path::{Path, PathBuf};

use milena_protocol::{BrokerId, Offset, PartitionIndex};

/// Why a directory of Apache Kafka could not be taken over. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file system refused something.
    #[error("{operation} {}: {error}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A file is not what Kafka writes.
    #[error("{}: damaged at byte {position}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Records are missing between files.
    #[error("{}: records from offset {from} to {to} are missing", folder.display())]
    Gap {
        /// The folder.
        folder: PathBuf,
        /// First missing offset.
        from: Offset,
        /// First offset that is there again.
        to: Offset,
    },
    /// The node did not stop in order, so that what it confirmed last may not be in the files.
    #[error(
        "{}: Apache Kafka did not stop in order; start and stop it once more, or use --import",
        folder.display()
    )]
    Unclean {
        /// The folder.
        folder: PathBuf,
    },
    /// The metadata log is one copy of several, and others may have more.
    #[error(
        "{}: is one of {count} copies of the metadata log, and others may have more; --import takes it for complete",
        folder.display()
    )]
    SeveralVoters {
        /// The folder.
        folder: PathBuf,
        /// Number of voters.
        count: usize,
    },
    /// The only voter is another node: this copy only followed it.
    #[error("{}: the metadata log is that of node {voter}, not of node {node_id}", folder.display())]
    NotVoter {
        /// The folder.
        folder: PathBuf,
        /// The voter.
        voter: BrokerId,
        /// This node.
        node_id: BrokerId,
    },
    /// Kafka changed its log after it was imported.
    #[error(
        "{}: Apache Kafka ran on it after it was taken over; --import goes on without what it changed, and without {} it is taken over anew",
        folder.display(), ours.display()
    )]
    Moved {
        /// The folder.
        folder: PathBuf,
        /// The folder of our metadata log.
        ours: PathBuf,
    },
    /// The records are older or newer than what is known here.
    #[error("{}: metadata.version is {level}, this program takes over {min} to {max}", folder.display())]
    MetadataVersion {
        /// The folder.
        folder: PathBuf,
        /// Finalized level.
        level: i16,
        /// Lowest level that is known.
        min: i16,
        /// Highest level that is known.
        max: i16,
    },
    /// A partition is on other brokers too, or on them alone.
    #[error(
        "{}: partition {partition} of topic {topic} is on broker {broker} too, which may have more; --import lets this node go on alone",
        folder.display()
    )]
    OtherReplica {
        /// The folder.
        folder: PathBuf,
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionIndex,
        /// The other broker.
        broker: BrokerId,
    },
    /// A part of a topic is where it cannot be read from.
    #[error(
        "{}: topic {topic} has records in remote storage, which is not served; --import goes on without them",
        folder.display()
    )]
    RemoteStorage {
        /// The folder.
        folder: PathBuf,
        /// The topic.
        topic: String,
    },
}

impl Error {
    pub(super) fn io(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |error| Self::Io {
            operation,
            path,
            error,
        }
    }
}
