//! A log directory and what stands in it beside the logs.
//!
//! | name | what it is | module |
//! |---|---|---|
//! | `.lock` | held by the process that uses the directory | [`Lock`] |
//! | `meta.properties` | cluster, node and directory id | [`MetaProperties`] |
//! | `.kafka_cleanshutdown` | the last process closed all logs | [`CleanMarker`] |
//! | `<topic>-<partition>` | folder of a partition | [`Folder`] |
//! | `<topic>-<partition>.<id>-delete` (`-future`, `-stray`) | a folder that waits for its removal (is being moved here, belongs to no replica) | [`Folder`] |
//! | `partition.metadata` in a folder | topic id | [`read_topic_id`] |
//! | `*-checkpoint` | offsets of all partitions | [`crate::checkpoint`] |

mod clean;
mod folder;
mod lock;
mod meta;
mod topic_id;

pub use clean::{CLEAN_MARKER, CleanMarker, put_clean_marker, take_clean_marker};
pub use folder::{
    Folder, FolderKind, Folders, delete_name, folders, future_name, live_name, parse_folder,
    stray_name,
};
pub use lock::{LOCK, Lock, LockError, lock};
pub use meta::{META_PROPERTIES, MetaError, MetaProperties, Mismatch, format, load, mismatches};
pub use topic_id::{PARTITION_METADATA, read_topic_id, write_topic_id};

#[cfg(test)]
mod tests;
