//! `milena format`: gives the log directories of a configuration their identity before the first
//! start, as `kafka-storage format` does.

use anyhow::{Context as _, Result, bail, ensure};
use milena_broker::{Mode, Options, format_all, random_id};
use milena_log::directory;
use milena_log::storage::DiskStorage;
use milena_protocol::TopicId;

use crate::Failure;
use crate::command_line::Format;
use crate::configuration::{Origin, Settings};
use crate::process::{self, print_line};

/// Runs the command.
///
/// # Errors
/// A configuration that cannot be read or is wrong; a cluster id that is none; a directory that is
/// formatted already, for another cluster, in use, or cannot be written.
pub(crate) fn run(flags: &Format) -> Result<(), Failure> {
    let settings = settings(flags, process::variables()).map_err(Failure::Usage)?;
    let (options, _) = Options::from_values(settings.values(), Mode::Server)
        .map_err(|faults| Failure::Usage(settings.describe_faults(&faults)))?;
    if let Some(id) = &flags.cluster_id {
        check_cluster_id(id).map_err(Failure::Usage)?;
    }
    let cluster_id = cluster_id(flags, &options)?;
    let directories = format_all(&options, Some(&cluster_id), flags.ignore_formatted)
        .map_err(|error| Failure::Failed(error.into()))?;
    print_line(&format!("cluster id {cluster_id}"))?;
    for directory in directories {
        print_line(&format!("formatted {}", directory.display()))?;
    }
    Ok(())
}

/// Ids of clusters look like those of topics; other text breaks lines of `meta.properties` and is
/// refused by Kafka's tools.
fn check_cluster_id(id: &str) -> Result<()> {
    ensure!(
        TopicId::parse(id).is_some(),
        "'{id}' is no cluster id: expected 22 characters of URL-safe base64, such as {}, which \
         random-uuid prints",
        random_id()
    );
    Ok(())
}

/// The id of the cluster: what is asked for, else that of directories that are formatted already,
/// else a random one.
///
/// # Errors
/// Directories of another cluster than the others, or than asked for.
fn cluster_id(flags: &Format, options: &Options) -> Result<String> {
    let mut cluster_id = flags.cluster_id.clone();
    let storage = DiskStorage::new();
    let formatted = options.log_dirs().iter().filter(|_| flags.ignore_formatted);
    for path in formatted {
        let found = directory::load(&storage, path)
            .with_context(|| format!("read the identity of {}", path.display()))?;
        let Some(found) = found else { continue };
        match &cluster_id {
            Some(expected) if *expected != found.cluster_id => bail!(
                "{} is formatted for the cluster {}, not for {expected}",
                path.display(),
                found.cluster_id
            ),
            _ => cluster_id = Some(found.cluster_id),
        }
    }
    Ok(cluster_id.unwrap_or_else(random_id))
}

fn settings(
    flags: &Format,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings> {
    let mut settings = Settings::default();
    settings.add_file(&flags.config)?;
    settings.add_environment(variables);
    settings.add_command_line(&flags.settings);
    if let Some(id) = flags.node_id {
        settings.set("node.id", id.to_string(), Origin::Flag("--node-id"));
    }
    settings.take(crate::start::ADMIN_PORT_KEY);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn flags_count_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("server.properties");
        fs::write(&config, "node.id=1\nlog.dirs=/a\nadmin.port=1\n").unwrap();
        let flags = Format {
            config,
            cluster_id: None,
            node_id: Some(2),
            ignore_formatted: false,
            standalone: false,
            settings: vec![("log.dirs".to_owned(), "/b".to_owned())],
        };
        let found = settings(&flags, [("KAFKA_LOG_DIRS".to_owned(), "/c".to_owned())]).unwrap();
        let pairs: Vec<_> = found.values().into_iter().collect();
        let expected = [("log.dirs", "/b"), ("node.id", "2")];
        assert_eq!(
            pairs,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn ids_of_clusters_are_those_of_kafka() {
        for id in ["MkU3OEVBNTcwNTJENDM2Qg", &random_id()] {
            assert!(check_cluster_id(id).is_ok(), "{id}");
        }
        for id in ["a b", "", "abc", "MkU3OEVBNTcwNTJENDM2Q!"] {
            assert!(check_cluster_id(id).is_err(), "{id}");
        }
    }
}
