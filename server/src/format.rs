//! `milena format`: gives the log directories of a configuration their identity before the first
//! start, as `kafka-storage format` does.

use anyhow::Result;
use milena_broker::{Mode, Options, format_all};

use crate::Failure;
use crate::command_line::Format;
use crate::configuration::{Origin, Settings};
use crate::process::{self, print_line};

/// Runs the command.
///
/// # Errors
/// A configuration that cannot be read or is wrong; a directory that is formatted already, in use,
/// or cannot be written.
pub(crate) fn run(flags: &Format) -> Result<(), Failure> {
    let settings = settings(flags, process::variables()).map_err(Failure::Usage)?;
    let (options, _) = Options::from_values(settings.values(), Mode::Server)
        .map_err(|faults| Failure::Usage(settings.describe_faults(&faults)))?;
    let directories = format_all(
        &options,
        flags.cluster_id.as_deref(),
        flags.ignore_formatted,
    )
    .map_err(|error| Failure::Failed(error.into()))?;
    for directory in directories {
        print_line(&format!("formatted {}", directory.display()))?;
    }
    Ok(())
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
        settings.set("node.id", id.to_string(), Origin::CommandLine);
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
}
