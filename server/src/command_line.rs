//! The command line of `milena`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Port of `/health` and `/metrics` unless told otherwise.
pub(crate) const ADMIN_PORT: u16 = 9644;

/// Kafka, translated into Rust.
#[derive(Debug, Parser)]
#[command(
    name = "milena",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "MILENA_LOG in the environment says what is logged, such as info,openraft=error,milena_broker=debug"
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything in one process, for development: data in ./milena-data, Kafka on port 9092
    Dev(Dev),
    /// Runs a server from a configuration file: Kafka's server.properties, or TOML
    Server(Server),
    /// Prepares the log directories of a configuration for their first start
    Format(Format),
    /// Looks into log directories, and mends them
    #[command(subcommand)]
    Log(Log),
    /// Prints a new random id, as `format --cluster-id` takes it
    RandomUuid,
    /// Prints the version
    Version,
}

/// Flags of `milena dev`. A port of 0 is chosen by the system.
#[derive(Args, Clone, Debug)]
pub(crate) struct Dev {
    /// Directory of the data; it is made where it is missing [default: ./milena-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Port for Kafka clients; 0 lets the system choose [default: 9092]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Port of the Schema Registry (reserved)
    #[arg(long, value_name = "N", default_value_t = 8081)]
    pub(crate) registry_port: u16,
    /// Port of Connect (reserved)
    #[arg(long, value_name = "N", default_value_t = 8083)]
    pub(crate) connect_port: u16,
    /// Port of SQL (reserved)
    #[arg(long, value_name = "N", default_value_t = 8088)]
    pub(crate) sql_port: u16,
    /// Port of health and metrics; 0 lets the system choose [default: 9644]
    #[arg(long, value_name = "N")]
    pub(crate) admin_port: Option<u16>,
    /// Sets a configuration key of Kafka, such as log.retention.ms=60000; may be given several times
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Server {
    /// The configuration file; .toml is read as TOML, all else as Java properties
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Port of health and metrics, on 127.0.0.1; counts over `admin.port`
    #[arg(long, value_name = "N")]
    pub(crate) admin_port: Option<u16>,
    /// Takes over a data directory of Apache Kafka that was not stopped cleanly, or is one of a
    /// quorum of several
    #[arg(long)]
    pub(crate) import: bool,
    /// Sets a configuration key, counts over file and environment; may be given several times
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Format {
    /// The configuration file; .toml is read as TOML, all else as Java properties
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Id of the cluster; a random one where it is left out
    #[arg(short = 't', long, value_name = "ID")]
    pub(crate) cluster_id: Option<String>,
    /// Id of this node; counts over `node.id` of the file
    #[arg(long, value_name = "N")]
    pub(crate) node_id: Option<u32>,
    /// Leaves directories alone that are formatted already, instead of refusing
    #[arg(short = 'g', long)]
    pub(crate) ignore_formatted: bool,
    /// For Kafka's scripts: a single node is what is formatted anyway
    #[arg(short = 's', long, hide = true)]
    pub(crate) standalone: bool,
    /// Sets a configuration key, counts over file and environment; may be given several times
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Prints what is in segment, index, snapshot and checkpoint files
    Dump(Dump),
    /// Takes a damaged partition of a stopped server back into service, without what is damaged
    Repair(Repair),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Dump {
    /// The files: .log, .index, .timeindex, .txnindex, .snapshot, checkpoints, meta.properties,
    /// partition.metadata
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Prints the records with their keys and values
    #[arg(long)]
    pub(crate) print_data_log: bool,
    /// Prints the records within the batches
    #[arg(long)]
    pub(crate) deep_iteration: bool,
    /// Checks index files against their segment and prints only what is wrong
    #[arg(long)]
    pub(crate) verify_index_only: bool,
    /// Checks index files by themselves and prints only the outcome
    #[arg(long)]
    pub(crate) index_sanity_check: bool,
    /// With --print-data-log: prints keys and values without the rest of a record
    #[arg(long)]
    pub(crate) skip_record_metadata: bool,
    /// Stops after about this many bytes of a segment
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_bytes: Option<u64>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Repair {
    /// The log directory, an entry of `log.dirs`
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The partition, such as orders-0
    #[arg(value_name = "TOPIC-PARTITION")]
    pub(crate) partition: String,
    /// Says that the damaged records may be lost; without it nothing is changed
    #[arg(long)]
    pub(crate) accept_loss: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        CommandLine::try_parse_from(line.split_whitespace()).map(|parsed| parsed.command)
    }

    fn dev(line: &str) -> Dev {
        match parse(line).unwrap() {
            Command::Dev(dev) => dev,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn dev_has_the_published_defaults() {
        let found = dev("milena dev");
        let ports = [found.registry_port, found.connect_port, found.sql_port];
        assert_eq!(ports, [8081, 8083, 8088]);
        assert_eq!(
            (found.data, found.port, found.admin_port),
            (None, None, None)
        );
        assert_eq!(found.settings, []);
    }

    #[test]
    fn dev_takes_every_published_flag() {
        let found = dev(
            "milena dev --data /d --port 0 --registry-port 1 --connect-port 2 --sql-port 3 \
             --admin-port 0 -X a=b -X c=d=e -Xf=",
        );
        let ports = [found.registry_port, found.connect_port, found.sql_port];
        assert_eq!(ports, [1, 2, 3]);
        let expected = (Some(PathBuf::from("/d")), Some(0), Some(0));
        assert_eq!((found.data, found.port, found.admin_port), expected);
        let settings: Vec<_> = found
            .settings
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .collect();
        assert_eq!(settings, [("a", "b"), ("c", "d=e"), ("f", "")]);
    }

    #[test]
    fn other_commands_are_read() {
        for line in [
            "milena server -c server.properties",
            "milena server --config s.toml --import --admin-port 0 -X node.id=2",
            "milena format -c f -t id --ignore-formatted --standalone",
            "milena format --config f --cluster-id id --node-id 3 -g",
            "milena log dump a.log b.index --print-data-log --deep-iteration",
            "milena log dump a.index --verify-index-only",
            "milena log repair DIR topic-0 --accept-loss",
            "milena version",
            "milena random-uuid",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn wrong_lines_end_with_the_code_of_usage() {
        for line in [
            "milena",
            "milena what",
            "milena dev --port 65536",
            "milena dev --port -1",
            "milena dev -X a",
            "milena dev -X =a",
            "milena dev --import",
            "milena server",
            "milena format",
            "milena log dump",
            "milena log repair DIR",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
