//! What `milena dev` and `milena server` are asked to start: the layers of settings put together.

use anyhow::{Context as _, Result, bail};

use crate::command_line::{ADMIN_PORT, Dev, Server};
use crate::configuration::{Origin, Settings};

/// Port for Kafka clients of `milena dev` unless told otherwise.
const DEV_PORT: u16 = 9092;

/// Directory of the data of `milena dev` unless told otherwise.
const DEV_DATA: &str = "./milena-data";

/// Key of the port of the admin listener, ours: 0 lets the system choose. Default 9644.
pub(crate) const ADMIN_PORT_KEY: &str = "admin.port";

/// Everything that a start needs.
#[derive(Debug)]
pub(crate) struct Start {
    /// Settings for the broker.
    pub(crate) settings: Settings,
    /// Port of the admin listener on 127.0.0.1.
    pub(crate) admin_port: u16,
    /// True for `milena dev`.
    pub(crate) is_dev: bool,
    /// True where a directory of Apache Kafka is taken over although it was not stopped cleanly.
    pub(crate) import: bool,
}

/// What `milena dev` starts. `variables` is the environment.
///
/// # Errors
/// A port of the admin listener in the settings that is none.
pub(crate) fn dev(
    flags: &Dev,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Start> {
    let mut settings = Settings::default();
    let listeners = |port: u16| format!("PLAINTEXT://localhost:{port}");
    settings.set("listeners", listeners(DEV_PORT), Origin::Default);
    settings.set("log.dirs", DEV_DATA, Origin::Default);
    settings.add_environment(variables);
    // A flag that was given counts over the environment, which may have been made for others.
    if let Some(port) = flags.port {
        settings.set("listeners", listeners(port), Origin::Flag("--port"));
        settings.drop_environment("advertised.listeners");
    }
    if let Some(data) = &flags.data {
        let data = data.display().to_string();
        settings.set("log.dirs", data, Origin::Flag("--data"));
    }
    settings.add_command_line(&flags.settings);
    let configured = take_admin_port(&mut settings)?;
    let admin_port = flags.admin_port.or(configured).unwrap_or(ADMIN_PORT);
    Ok(Start {
        settings,
        admin_port,
        is_dev: true,
        import: false,
    })
}

/// What `milena server` starts. `variables` is the environment.
///
/// # Errors
/// As [`Settings::add_file`]; a port of the admin listener that is none.
pub(crate) fn server(
    flags: &Server,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Start> {
    let mut settings = Settings::default();
    settings.add_file(&flags.config)?;
    settings.add_environment(variables);
    settings.add_command_line(&flags.settings);
    let configured = take_admin_port(&mut settings)?;
    let admin_port = flags.admin_port.or(configured).unwrap_or(ADMIN_PORT);
    Ok(Start {
        settings,
        admin_port,
        is_dev: false,
        import: flags.import,
    })
}

fn take_admin_port(settings: &mut Settings) -> Result<Option<u16>> {
    let Some(text) = settings.get(ADMIN_PORT_KEY) else {
        return Ok(None);
    };
    let Ok(port) = text.parse() else {
        let message = format!("'{text}' is no port, expected 0 to 65535");
        bail!(settings.describe_fault(ADMIN_PORT_KEY, &message));
    };
    settings.take(ADMIN_PORT_KEY).context("the key was there")?;
    Ok(Some(port))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;

    use super::*;
    use crate::command_line::{Command, CommandLine};

    fn dev_of(line: &str, variables: &[(&str, &str)]) -> Start {
        let variables = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        match CommandLine::parse_from(line.split_whitespace()).command {
            Command::Dev(flags) => dev(&flags, variables).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn check(start: &Start, expected: &[(&str, Option<&str>)]) {
        for &(key, value) in expected {
            assert_eq!(start.settings.get(key), value, "{key}");
        }
    }

    #[test]
    fn dev_listens_on_localhost() {
        let start = dev_of("milena dev --port 1234 --data /d", &[]);
        check(
            &start,
            &[
                ("listeners", Some("PLAINTEXT://localhost:1234")),
                ("log.dirs", Some("/d")),
            ],
        );
        assert_eq!(start.admin_port, 9644);
    }

    #[test]
    fn settings_count_over_the_defaults_of_dev() {
        let start = dev_of(
            "milena dev -X listeners=PLAINTEXT://:1 -X node.id=7 -X log.dirs=/e --data /d",
            &[("KAFKA_NODE_ID", "6"), ("KAFKA_BROKER_RACK", "r")],
        );
        check(
            &start,
            &[
                ("listeners", Some("PLAINTEXT://:1")),
                ("log.dirs", Some("/e")),
                ("node.id", Some("7")),
                ("broker.rack", Some("r")),
            ],
        );
    }

    #[test]
    fn the_admin_port_is_no_setting_of_the_broker() {
        let start = dev_of("milena dev", &[("MILENA_ADMIN_PORT", "2")]);
        assert_eq!(start.admin_port, 2);
        check(&start, &[(ADMIN_PORT_KEY, None)]);
    }

    #[test]
    fn flags_of_dev_count_over_the_environment() {
        let variables = [
            ("KAFKA_LISTENERS", "PLAINTEXT://:1"),
            ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://h:1"),
            ("KAFKA_LOG_DIRS", "/e"),
            ("MILENA_ADMIN_PORT", "2"),
        ];
        let start = dev_of("milena dev --port 3 --data /d --admin-port 4", &variables);
        check(
            &start,
            &[
                ("listeners", Some("PLAINTEXT://localhost:3")),
                ("advertised.listeners", None),
                ("log.dirs", Some("/d")),
            ],
        );
        assert_eq!(start.admin_port, 4);
        let start = dev_of("milena dev", &variables);
        check(
            &start,
            &[
                ("listeners", Some("PLAINTEXT://:1")),
                ("advertised.listeners", Some("PLAINTEXT://h:1")),
                ("log.dirs", Some("/e")),
            ],
        );
    }

    #[test]
    fn server_puts_flags_over_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("server.properties");
        fs::write(&config, "node.id=1\nadmin.port=5\nlog.dirs=/a\n").unwrap();
        let mut flags = Server {
            config,
            admin_port: None,
            import: true,
            settings: vec![("node.id".to_owned(), "2".to_owned())],
        };
        let start = server(&flags, []).unwrap();
        check(
            &start,
            &[
                ("node.id", Some("2")),
                ("log.dirs", Some("/a")),
                ("listeners", None),
            ],
        );
        assert!(start.import && !start.is_dev);
        assert_eq!(start.admin_port, 5);
        flags.admin_port = Some(6);
        assert_eq!(server(&flags, []).unwrap().admin_port, 6);
        let wrong = server(&flags, [("KAFKA_ADMIN_PORT".to_owned(), "x".to_owned())]);
        assert_eq!(
            wrong.unwrap_err().to_string(),
            "admin.port: 'x' is no port, expected 0 to 65535 (in the variable KAFKA_ADMIN_PORT)"
        );
    }
}
