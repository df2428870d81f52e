//! `meta.properties`: whose directory it is (KIP-631, KIP-858; Kafka class `MetaProperties`).
//!
//! | key | meaning |
//! |---|---|
//! | `version` | 1 |
//! | `cluster.id` | id of the cluster |
//! | `node.id` | id of the node |
//! | `directory.id` | id of this directory, as Kafka writes ids; missing before Kafka 3.7 |
//! | `milena.format.version` | number of changes of ours that older programs cannot read; missing is 0 |

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use milena_protocol::{BrokerId, TopicId};
use thiserror::Error;
use uuid::Uuid;

use crate::checkpoint::{read_whole, write_atomically};
use crate::storage::Storage;

/// Name of the file.
pub const META_PROPERTIES: &str = "meta.properties";
const VERSION: i64 = 1;
const FORMAT_VERSION: i64 = 0;
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Whose log directory it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// Id of the cluster.
    pub cluster_id: String,
    /// Id of the node.
    pub node_id: BrokerId,
    /// Id of the directory; none in directories that Kafka before 3.7 formatted.
    pub directory_id: Option<Uuid>,
}

/// Why a file that says what a directory is could not be used.
#[derive(Debug, Error)]
pub enum MetaError {
    /// The file could not be read.
    #[error("read {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// A newer program wrote the directory.
    #[error("{}: {key} is {version}, this program knows up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        version: i64,
        /// The largest value that is known.
        known: i64,
    },
    /// A Kafka with ZooKeeper wrote the directory.
    #[error("{}: version 0 is that of a Kafka with ZooKeeper, which must be migrated to KRaft first", path.display())]
    ZooKeeper {
        /// The file.
        path: PathBuf,
    },
    /// A key is missing.
    #[error("{}: {key} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// A value is not what the key takes.
    #[error("{}: {key} has the malformed value {value:?}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

/// Reads the file of a log directory; none where the directory is not formatted.
///
/// # Errors
/// Any variant of [`MetaError`].
pub fn load(storage: &dyn Storage, directory: &Path) -> Result<Option<MetaProperties>, MetaError> {
    let path = directory.join(META_PROPERTIES);
    let bytes = match read_whole(storage, &path, FILE_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) => return Err(MetaError::Io { path, error }),
    };
    let properties = Properties {
        values: parse(&String::from_utf8_lossy(&bytes)),
        path,
    };
    properties.version("milena.format.version", FORMAT_VERSION)?;
    if properties.version("version", VERSION)? == 0 {
        return Err(MetaError::ZooKeeper {
            path: properties.path,
        });
    }
    let directory_id = match properties.values.get("directory.id") {
        Some(text) => {
            let id = TopicId::parse(text);
            Some(
                id.ok_or_else(|| properties.malformed("directory.id", text))?
                    .0,
            )
        }
        None => None,
    };
    Ok(Some(MetaProperties {
        cluster_id: properties.required("cluster.id")?.to_owned(),
        node_id: BrokerId(properties.number("node.id")?),
        directory_id,
    }))
}

/// Writes the file of a log directory durably. The caller has made sure that none is there.
///
/// # Errors
/// What the file system says.
pub fn format(
    storage: &dyn Storage,
    directory: &Path,
    properties: &MetaProperties,
) -> io::Result<()> {
    let mut text = format!("#\ncluster.id={}\n", escape(&properties.cluster_id));
    if let Some(id) = properties.directory_id {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "directory.id={}", TopicId(id));
    }
    let _ = writeln!(text, "node.id={}\nversion={VERSION}", properties.node_id);
    write_atomically(storage, &directory.join(META_PROPERTIES), text.as_bytes())
}

/// One thing that is wrong with the directories of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// A directory of another cluster.
    #[error("log directory {} belongs to cluster {found}, not {expected}", path.display())]
    ClusterId {
        /// The log directory.
        path: PathBuf,
        /// Cluster in its file.
        found: String,
        /// Cluster of the node.
        expected: String,
    },
    /// A directory of another node.
    #[error("log directory {} belongs to node {found}, not {expected}", path.display())]
    NodeId {
        /// The log directory.
        path: PathBuf,
        /// Node in its file.
        found: BrokerId,
        /// This node.
        expected: BrokerId,
    },
    /// Two directories with one id: one is a copy of the other.
    #[error("log directories {} and {} have the same directory.id {id}", first.display(), second.display())]
    DirectoryId {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Their id.
        id: TopicId,
    },
}

/// Everything that is wrong with the formatted directories of one node. Without `cluster_id` the
/// first directory says it.
#[must_use]
pub fn mismatches(
    directories: &[(PathBuf, MetaProperties)],
    cluster_id: Option<&str>,
    node_id: BrokerId,
) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let first = directories
        .first()
        .map(|(_, properties)| properties.cluster_id.as_str());
    let expected = cluster_id.or(first).unwrap_or_default();
    let mut ids: BTreeMap<Uuid, &Path> = BTreeMap::new();
    for (path, properties) in directories {
        if properties.cluster_id != expected {
            found.push(Mismatch::ClusterId {
                path: path.clone(),
                found: properties.cluster_id.clone(),
                expected: expected.to_owned(),
            });
        }
        if properties.node_id != node_id {
            found.push(Mismatch::NodeId {
                path: path.clone(),
                found: properties.node_id,
                expected: node_id,
            });
        }
        if let Some(id) = properties.directory_id
            && let Some(first) = ids.insert(id, path)
        {
            found.push(Mismatch::DirectoryId {
                first: first.to_path_buf(),
                second: path.clone(),
                id: TopicId(id),
            });
        }
    }
    found
}

struct Properties {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl Properties {
    fn malformed(&self, key: &'static str, value: &str) -> MetaError {
        MetaError::Malformed {
            path: self.path.clone(),
            key,
            value: value.to_owned(),
        }
    }

    fn required(&self, key: &'static str) -> Result<&str, MetaError> {
        let missing = || MetaError::Missing {
            path: self.path.clone(),
            key,
        };
        self.values
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or_else(missing)
    }

    fn number(&self, key: &'static str) -> Result<i32, MetaError> {
        let text = self.required(key)?;
        text.parse()
            .ok()
            .filter(|number| *number >= 0)
            .ok_or_else(|| self.malformed(key, text))
    }

    /// The version under `key`, 0 where it is missing and at most `known`.
    fn version(&self, key: &'static str, known: i64) -> Result<i64, MetaError> {
        let Some(text) = self.values.get(key) else {
            return Ok(0);
        };
        let version: i64 = text.parse().map_err(|_| self.malformed(key, text))?;
        if version > known {
            return Err(MetaError::Newer {
                path: self.path.clone(),
                key,
                version,
                known,
            });
        }
        Ok(version)
    }
}

/// Reads what Java's `Properties.store` writes: comments, `key=value`, backslashes before special
/// characters. Long lines are not joined; it writes none.
fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim_end().to_owned(), unescape(value.trim())))
        })
        .collect()
}

fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            text.extend(characters.next());
        } else {
            text.push(character);
        }
    }
    text
}

fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '\\' | '=' | ':' | '#' | '!') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}
