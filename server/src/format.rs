//! `milena format`: gives the log directories of a configuration their identity before the first
//! start, as `kafka-storage format` does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use milena_log::directory::{self, MetaProperties};
use milena_log::storage::{DiskStorage, Storage};
use milena_protocol::BrokerId;

use crate::command_line::Format;
use crate::configuration::Settings;
use crate::process::print_line;
use crate::{Failure, identity};

/// What `log.dirs` and `log.dir` are where neither stands.
const LOG_DIRECTORY_DEFAULT: &str = "/tmp/kafka-logs";

/// Runs the command.
///
/// # Errors
/// A configuration that cannot be read; a directory that is formatted already, in use, or cannot be
/// written.
pub(crate) fn run(flags: &Format) -> Result<(), Failure> {
    let mut settings = Settings::default();
    settings.add_file(&flags.config)?;
    settings.add_environment(std::env::vars());
    settings.add_command_line(&flags.settings);
    let plan = plan(&settings, flags).map_err(Failure::Usage)?;
    let storage = DiskStorage::new();
    let lines = apply(&storage, &plan, flags.ignore_formatted)?;
    for line in lines {
        print_line(&line)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Plan {
    directories: BTreeSet<PathBuf>,
    node_id: BrokerId,
    /// None: the id that some directory has already, else a random one.
    cluster_id: Option<String>,
}

fn plan(settings: &Settings, flags: &Format) -> Result<Plan> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, message: &str| faults.push(settings.describe_fault(key, message));
    let flag = flags.node_id.map(|id| id.to_string());
    let configured = settings
        .get("node.id")
        .or_else(|| settings.get("broker.id"));
    let node_id = match flag.as_deref().or(configured) {
        Some(text) => match text.parse::<i32>() {
            Ok(id) if id >= 0 => id,
            _ => {
                fault(
                    "node.id",
                    &format!("'{text}' is no id, expected 0 to {}", i32::MAX),
                );
                0
            }
        },
        None => {
            fault("node.id", "is missing; set it, or give --node-id");
            0
        }
    };
    if let Some(id) = &flags.cluster_id {
        let sound = !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || c.is_control());
        if !sound {
            fault(
                "",
                &format!("--cluster-id: '{id}' is no id; `milena random-uuid` prints one"),
            );
        }
    }
    let directories = directories(settings);
    if directories.is_empty() {
        fault("log.dirs", "names no directory");
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n  "));
    }
    Ok(Plan {
        directories,
        node_id: BrokerId(node_id),
        cluster_id: flags.cluster_id.clone(),
    })
}

/// The log directories and the one of the metadata log.
fn directories(settings: &Settings) -> BTreeSet<PathBuf> {
    let list = settings
        .get("log.dirs")
        .or_else(|| settings.get("log.dir"))
        .unwrap_or(LOG_DIRECTORY_DEFAULT);
    list.split(',')
        .chain(settings.get("metadata.log.dir"))
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect()
}

/// Formats the directories of `plan` and gives one line for each.
fn apply(storage: &dyn Storage, plan: &Plan, ignore_formatted: bool) -> Result<Vec<String>> {
    let mut known = plan.cluster_id.clone();
    let mut blank = Vec::new();
    let mut lines = Vec::new();
    for path in &plan.directories {
        let Some(found) = load(storage, path)? else {
            blank.push(path);
            continue;
        };
        let shown = path.display();
        let mismatches = found.mismatches(known.as_deref(), plan.node_id);
        if !mismatches.is_empty() {
            bail!("{shown} is formatted already: {}", mismatches.join("; "));
        }
        if !ignore_formatted {
            bail!(
                "{shown} is formatted already, for cluster {}; --ignore-formatted leaves it as it is",
                found.cluster_id
            );
        }
        lines.push(format!("{shown} is formatted already, left as it is"));
        known.get_or_insert(found.cluster_id);
    }
    let cluster_id = match known {
        Some(id) => id,
        None => identity::random()?.to_string(),
    };
    for path in blank {
        let properties = MetaProperties {
            cluster_id: cluster_id.clone(),
            node_id: plan.node_id,
            directory_id: Some(identity::random()?.0),
        };
        format_one(storage, path, &properties)?;
        lines.push(format!(
            "formatted {} for cluster {cluster_id}, node {}",
            path.display(),
            plan.node_id
        ));
    }
    Ok(lines)
}

fn load(storage: &dyn Storage, path: &Path) -> Result<Option<MetaProperties>> {
    if !path.exists() {
        return Ok(None);
    }
    directory::load(storage, path).with_context(|| format!("read {}", path.display()))
}

fn format_one(storage: &dyn Storage, path: &Path, properties: &MetaProperties) -> Result<()> {
    let shown = path.display();
    std::fs::create_dir_all(path).with_context(|| format!("make directory {shown}"))?;
    let _lock = directory::lock(path)?;
    directory::format(storage, path, properties).with_context(|| format!("format {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Format {
        Format {
            config: PathBuf::new(),
            cluster_id: None,
            node_id: None,
            ignore_formatted: false,
            standalone: false,
            settings: Vec::new(),
        }
    }

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        settings.add_command_line(&pairs);
        settings
    }

    #[test]
    fn a_plan_names_every_directory_once() {
        let settings = settings(&[
            ("node.id", "3"),
            ("log.dirs", "/b, /a,,/b"),
            ("log.dir", "/ignored"),
            ("metadata.log.dir", "/m"),
        ]);
        let plan = plan(&settings, &flags()).unwrap();
        let found: Vec<_> = plan
            .directories
            .iter()
            .map(|path| path.to_str().unwrap())
            .collect();
        assert_eq!(found, ["/a", "/b", "/m"]);
        assert_eq!(plan.node_id, BrokerId(3));
    }

    #[test]
    fn all_faults_are_said_at_once() {
        let mut flags = flags();
        flags.cluster_id = Some("a b".to_owned());
        let error = plan(&settings(&[("log.dirs", ",")]), &flags)
            .unwrap_err()
            .to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
        flags.cluster_id = None;
        flags.node_id = Some(4);
        let plan = plan(&settings(&[("node.id", "x"), ("log.dir", "/a")]), &flags).unwrap();
        assert_eq!(plan.node_id, BrokerId(4));
    }

    #[test]
    fn directories_are_formatted_once() {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::new();
        let mut plan = Plan {
            directories: [directory.path().join("a")].into(),
            node_id: BrokerId(1),
            cluster_id: None,
        };
        assert_eq!(apply(&storage, &plan, false).unwrap().len(), 1);
        let found = load(&storage, &directory.path().join("a"))
            .unwrap()
            .unwrap();
        assert_eq!((found.cluster_id.len(), found.node_id), (22, BrokerId(1)));
        assert!(
            apply(&storage, &plan, false)
                .unwrap_err()
                .to_string()
                .contains("--ignore-formatted")
        );
        plan.directories.insert(directory.path().join("b"));
        assert_eq!(apply(&storage, &plan, true).unwrap().len(), 2);
        let second = load(&storage, &directory.path().join("b"))
            .unwrap()
            .unwrap();
        assert_eq!(second.cluster_id, found.cluster_id);
        plan.cluster_id = Some("another".to_owned());
        assert!(apply(&storage, &plan, true).is_err());
    }
}
