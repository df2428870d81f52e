//! The binary `milena`: roles, configuration, command line, health and metrics.
//!
//! | module | what it holds |
//! |---|---|
//! | `command_line` | commands and flags |
//! | `configuration` | layers of settings: defaults, file, environment, flags |
//! | `properties`, `environment` | two of the formats that settings come in |
//! | `start` | what `dev` and `server` are asked to start |
//! | `admin` | `/health` and `/metrics` |
//! | `run` | starts a broker, waits, stops it |
//! | `format` | prepares log directories |
//! | `log_command` | `milena log` |
//! | `process` | limits, logs, signals, threads |
//!
//! Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.

mod admin;
mod command_line;
mod configuration;
mod environment;
mod format;
mod log_command;
mod process;
mod properties;
mod run;
mod start;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::command_line::{Command, CommandLine};

/// The allocator of the whole process: request buffers come and go on different threads, which it
/// serves without returning memory to the system and faulting it in again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(anyhow::Error),
    /// The work failed: exit code 1.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

fn main() -> ExitCode {
    process::refuse_huge_pages();
    let (error, code) = match run(CommandLine::parse().command) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => (error, 1),
        Err(Failure::Usage(error)) => (error, 2),
    };
    eprintln!("milena: {error:#}");
    ExitCode::from(code)
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(flags) => {
            let start = start::dev(&flags, process::variables()).map_err(Failure::Usage)?;
            run::run(&start)
        }
        Command::Server(flags) => {
            let start = start::server(&flags, process::variables()).map_err(Failure::Usage)?;
            run::run(&start)
        }
        Command::Format(flags) => format::run(&flags),
        Command::Log(command) => Ok(log_command::run(&command)?),
        Command::RandomUuid => Ok(process::print_line(&milena_broker::random_id())?),
        Command::Version => Ok(process::print_line(concat!(
            "milena ",
            env!("CARGO_PKG_VERSION")
        ))?),
    }
}
